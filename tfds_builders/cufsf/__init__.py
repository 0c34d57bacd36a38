"""The cufsf builder."""

from fsketch.tfds_builders.cufsf.cufsf_dataset_builder import Builder as Builder
