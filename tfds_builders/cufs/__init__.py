"""The cufs builder."""

from fsketch.tfds_builders.cufs.cufs_dataset_builder import Builder as Builder
