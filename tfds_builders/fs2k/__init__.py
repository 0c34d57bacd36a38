"""The fs2k builder."""

from fsketch.tfds_builders.fs2k.fs2k_dataset_builder import Builder as Builder
