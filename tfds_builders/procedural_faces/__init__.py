"""The procedural_faces builder."""

from fsketch.tfds_builders.procedural_faces.procedural_faces_dataset_builder import (
    Builder as Builder,
)
