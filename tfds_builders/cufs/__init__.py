"""The cufs builder."""

from tfds_builders.cufs.cufs_dataset_builder import Builder as Builder
