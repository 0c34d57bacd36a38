"""The stylized_faces builder."""

from fsketch.tfds_builders.stylized_faces.stylized_faces_dataset_builder import Builder as Builder
