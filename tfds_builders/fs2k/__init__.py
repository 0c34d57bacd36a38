"""The fs2k builder."""

from tfds_builders.fs2k.fs2k_dataset_builder import Builder as Builder
