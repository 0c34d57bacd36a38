"""The cufsf builder."""

from tfds_builders.cufsf.cufsf_dataset_builder import Builder as Builder
