"""The paired_folder builder."""

from fsketch.tfds_builders.paired_folder.paired_folder_dataset_builder import Builder as Builder
