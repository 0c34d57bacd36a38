"""TFDS builders of the data sets, stored as array_record; TensorFlow is never imported.

Importing the package registers them, so that `tfds.builder("cufs/cuhk")` finds
them.  `fsketch.data.sources` is the usual way in.
"""

from fsketch.tfds_builders.cufs.cufs_dataset_builder import Builder as Cufs
from fsketch.tfds_builders.cufsf.cufsf_dataset_builder import Builder as Cufsf
from fsketch.tfds_builders.fs2k.fs2k_dataset_builder import Builder as Fs2k
from fsketch.tfds_builders.identity_folder.identity_folder_dataset_builder import (
    Builder as IdentityFolder,
)
from fsketch.tfds_builders.paired_folder.paired_folder_dataset_builder import (
    Builder as PairedFolder,
)
from fsketch.tfds_builders.procedural_faces.procedural_faces_dataset_builder import (
    Builder as ProceduralFaces,
)
from fsketch.tfds_builders.styles.styles_dataset_builder import Builder as Styles
from fsketch.tfds_builders.stylized_faces.stylized_faces_dataset_builder import (
    Builder as StylizedFaces,
)

BUILDERS = (
    Cufs,
    Cufsf,
    Fs2k,
    IdentityFolder,
    PairedFolder,
    ProceduralFaces,
    Styles,
    StylizedFaces,
)
