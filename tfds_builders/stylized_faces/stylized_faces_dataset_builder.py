"""Unaligned stylised portraits (sketch, in colour) and the aligned real faces of them (photo).

    config       side   made of
    prepared     any    the folder that `fsketch prepare` made (fsketch/stages/portraits.py)
    procedural   64     drawn faces, in three seen and seven unseen styles, and pencil sketches
    tiny         32     the same with fewer faces and styles, for tests

`procedural` and `tiny` need no file: faces of procedural_faces are moved at random and painted over
by a plain image filter (data/synthetic/imitation.py) in the colours and grain of a painting.  No
network stylises them, and no real person is shown: numbers measured on them say nothing about
real faces or about style transfer.

Splits: train and validation (seen styles), test_seen, test_unseen, test_sketches (drawn, moved);
orders are those of fsketch/data/shards.py.  Persons of two splits are never the same.
"""

import dataclasses
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from fsketch import data
from fsketch.core import image_files
from fsketch.data import checks, shards, warp
from fsketch.data.synthetic import imitation, paintings
from fsketch.tfds_builders import base
from fsketch.tfds_builders.procedural_faces import procedural_faces_dataset_builder as drawn_faces

SEED = 2026
# All that decides on the images of `procedural`: modules of fsketch.data, the faces' builder, this.
SOURCES = (
    *drawn_faces.SOURCES,
    *(f"synthetic/{name}" for name in ("imitation", "paintings", "textures")),
    "shards",
    "warp",
)
MOVES = {"rotation_deg": 30.0, "shift": 0.1, "scale": (0.9, 1.1)}  # configs/data.py

_INSTRUCTIONS = """\
The folder of portraits that an experiment's `fsketch prepare` made beside its workdir:
  <manual_dir>/manifest.json and <manual_dir>/shard-NNNNN-of-NNNNN.zip, all of them."""


@dataclasses.dataclass
class PortraitsConfig(tfds.core.BuilderConfig):
    """Side, styles and numbers of faces; `prepared` takes all of them from the folder."""

    size_px: int = 64
    seen: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    train: int = 0
    validation: int = 0
    test: int = 0


def check(root: Path, config: PortraitsConfig, report: checks.Report) -> dict[str, Any] | None:
    """Checks a folder; its manifest, or None where there are problems."""
    manifest = shards.read(root, report)
    if manifest is not None:
        for split in shards.SPLITS:
            if count := len(shards.examples(manifest, split)):
                report.fact("counts", f"{split} {count} portraits")
        side = manifest["settings"]["size_px"]
        report.fact("geometry", f"faces and portraits of {side}x{side} px")
    return manifest


def config_for(root: Path) -> str:
    """The only config that reads a folder."""
    return "prepared"


class Builder(base.FacesBuilder):
    """Examples in the order of the manifest (not shuffled)."""

    pkg_dir_path = epath.Path(__file__).parent  # where README.md and CITATIONS.bib lie
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012, the form TFDS reads
        PortraitsConfig(name="prepared", description="Portraits made by `fsketch prepare`."),
        PortraitsConfig(
            name="procedural",
            description="64 px, drawn faces behind image filters; 3 seen, 7 unseen styles.",
            seen=("scream", "candy", "mosaic"),
            unseen=("waves", "feathers", "pencil", "shapes", "swirls", "facets", "glass"),
            train=240,
            validation=16,
            test=32,
        ),
        PortraitsConfig(
            name="tiny",
            description="32 px, drawn faces behind image filters; for tests.",
            size_px=32,
            seen=("scream", "mosaic"),
            unseen=("swirls",),
            train=4,
            validation=2,
            test=2,
        ),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS
    DRAWN_CONFIGS = ("procedural", "tiny")  # these read no folder
    check = staticmethod(check)
    config_for = staticmethod(config_for)

    @classmethod
    def source_files(cls) -> list[Path]:
        """The files whose content decides on the images of `procedural` and `tiny`."""
        folder = Path(data.__path__[0])
        modules = [folder / f"{name}.py" for name in SOURCES]
        return [*modules, Path(drawn_faces.__file__), Path(__file__)]

    def features(self) -> dict[str, Any]:
        """Those of a pair in colour, id FACE@STYLE, and what was done to the face."""
        return {
            **super().features(),
            "sketch": base.image(3),
            "style": tfds.features.ClassLabel(num_classes=None),
            # How the portrait was moved: degrees, factor, shares of the side.
            "pose": tfds.features.Tensor(shape=(4,), dtype=np.float32),
        }

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        if self.builder_config.name not in self.DRAWN_CONFIGS:
            manifest = self.checked(dl_manager)
            made = _Folder(Path(dl_manager.manual_dir).resolve(), manifest)
        else:
            manifest = _drawn_manifest(self.builder_config)
            made = _Drawn(self.builder_config)
        self.info.features["style"].names = shards.styles(manifest)
        return {
            split: self._generate_examples(manifest, made, split)
            for split in shards.SPLITS
            if shards.examples(manifest, split)
        }

    def _generate_examples(
        self, manifest: dict[str, Any], made: "_Folder | _Drawn", split: str
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for key, (place, style) in enumerate(shards.examples(manifest, split)):
            id, identity, _ = manifest["faces"][place]
            photo, portrait, pose = made(manifest, place, style)
            yield (
                key,
                {
                    "photo": photo,
                    "sketch": portrait,
                    "id": f"{id}@{style}",
                    "identity": identity,
                    "style": style,
                    "pose": np.asarray(pose, np.float32),
                },
            )


class _Folder:
    """(photo, portrait, pose) of a face and a style, from the shards of a folder."""

    def __init__(self, root: Path, manifest: dict[str, Any]) -> None:
        self._root = root
        self._shard_of = {i: s.name for s in shards.shards(manifest) for i in s.places}
        self._name = ""

    def __call__(
        self, manifest: dict[str, Any], place: int, style: str
    ) -> tuple[io.BytesIO, io.BytesIO, list[float]]:
        if self._name != self._shard_of[place]:  # one file is open at a time
            self._name = self._shard_of[place]
            self._file = zipfile.ZipFile(self._root / self._name)
            self._poses = json.loads(self._file.read(shards.POSES))
        id = manifest["faces"][place][0]
        photo, portrait = (self._read(f"{kind}/{id}") for kind in (shards.PHOTO, style))
        return photo, portrait, self._poses[f"{style}/{id}"]

    def _read(self, name: str) -> io.BytesIO:
        """A PNG in colour; drawn sketches are stored grey."""
        content = self._file.read(f"{name}.png")
        with image_files.open_image(content, formats=("PNG",)) as image:
            if image.mode != "RGB":
                return checks.encode(np.asarray(image.convert("RGB")))
        return io.BytesIO(content)


def _drawn_manifest(config: PortraitsConfig) -> dict[str, Any]:
    """A manifest of drawn faces; identities count over the splits."""
    names = [(split, i) for split in shards.FACE_SPLITS for i in range(getattr(config, split))]
    return {
        "styles": [*config.seen, *config.unseen],
        "seen": list(config.seen),
        "drawn": True,
        "faces": [[f"{split}-{i:04d}", n, split] for n, (split, i) in enumerate(names)],
    }


class _Drawn:
    """As `_Folder`, drawn on the spot."""

    def __init__(self, config: PortraitsConfig) -> None:
        self._size = config.size_px
        self._paintings = {
            style: paintings.paint(style, size_px=2 * config.size_px)
            for style in (*config.seen, *config.unseen)
        }
        self._faces: list[tuple[np.ndarray, np.ndarray]] = []
        for split in shards.FACE_SPLITS:
            wanted = [(index, 0) for index in range(getattr(config, split))]
            drawn = drawn_faces.draw(
                wanted, split, height_px=config.size_px * 5 // 4, width_px=config.size_px
            )
            self._faces += [
                tuple(warp.square(x, share=1.0, size_px=config.size_px) for x in pair)
                for pair in drawn
            ]

    def __call__(
        self, manifest: dict[str, Any], place: int, style: str
    ) -> tuple[io.BytesIO, io.BytesIO, warp.Pose]:
        id = manifest["faces"][place][0]
        photo, sketch = self._faces[place]
        pose = warp.draw(SEED, f"{id}@{style}", **MOVES)
        if style == shards.DRAWN:
            portrait = np.repeat(warp.apply(sketch, pose), 3, -1)
        else:
            corner = tuple(int(c) % self._size for c in (37 * place, 23 * place))
            moved = warp.apply(photo, pose)
            portrait = imitation.imitate(moved, self._paintings[style], corner=corner)
        return checks.encode(photo), checks.encode(portrait), pose
