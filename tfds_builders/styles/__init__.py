"""The styles builder."""

from fsketch.tfds_builders.styles.styles_dataset_builder import Builder as Builder
