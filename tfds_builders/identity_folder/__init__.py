"""The identity_folder builder."""

from fsketch.tfds_builders.identity_folder.identity_folder_dataset_builder import Builder as Builder
