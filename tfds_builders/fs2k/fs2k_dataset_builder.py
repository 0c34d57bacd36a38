"""FS2K: 2104 photo-sketch pairs with attributes, in the official split of 1058 + 1046.

See README.md beside this file for the layout and the meaning of the annotation's numbers.
"""

import collections
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from fsketch.data import checks
from fsketch.data import fs2k as annotations
from fsketch.tfds_builders import base, listed
from fsketch.tfds_builders.fs2k import aligned

FOLDERS = ("1", "2", "3")  # photo1 and sketch1, ...: the source of the photos, not the style
# Of the training pairs of each style, in the order of the annotation, aligned configs put every
# tenth into the split held_out and every fortieth into validation.
HELD_OUT, VALIDATION = slice(5, None, 10), slice(1, None, 40)
WHITE = 255

_INSTRUCTIONS = """\
The official archive (github.com/DengPingFan/FS2K) as it unpacks:
  <manual_dir>/photo/photo1..photo3/imageNNNN.<ext>
  <manual_dir>/sketch/sketch1..sketch3/sketchNNNN.<ext>
  <manual_dir>/anno_train.json and <manual_dir>/anno_test.json
The ext is one of jpg, jpeg, png, bmp, tif in any case. Configs train_only... read the training half
alone."""


@dataclasses.dataclass
class Fs2kConfig(tfds.core.BuilderConfig):
    """The halves, the grey level behind transparent images (None: refused), whether to align."""

    splits: tuple[str, ...] = listed.SPLITS
    background: int | None = None
    aligned: bool = False


class Pair(NamedTuple):
    """An annotated pair and its files."""

    row: checks.Row
    record: annotations.Record
    number: int  # its place in both annotation files
    eyes: np.ndarray | None = None  # (x, y) of both, where a config aligns by them


def check(root: Path, config: Fs2kConfig, report: checks.Report) -> list[Pair]:
    """Checks a folder for `config`; its complete pairs, in the order of the annotation files."""
    files = {
        role: {f"photo{n}": _numbered(root / role / f"{role}{n}", role, report) for n in FOLDERS}
        for role in ("photo", "sketch")
    }
    for role in files:
        _check_strays(root / role, role, report)
    pairs, names, all_read = [], set(), True
    for split in config.splits:
        records, of_split = annotations.read(root / f"anno_{split}.json", split, report)
        pairs += _pairs(records, files, split, report)
        names |= of_split
        all_read = all_read and bool(of_split)
    seen = collections.Counter(pair.record.name for pair in pairs)
    for name in (name for name, count in seen.items() if count > 1):
        report.problem(name, got="annotated twice", expected="each image once over all splits")

    unread = _names_elsewhere(root, config)
    if unread:
        report.note(f"the {len(unread)} pairs of the other annotation file are left out")
    read = " and ".join(f"anno_{split}.json" for split in config.splits)
    known = names | unread
    for folders in files.values():
        for folder, numbered in folders.items():
            for number, path in numbered.items():
                if all_read and f"{folder}/image{number}" not in known:
                    report.problem(
                        report.name(path), got="in no annotation", expected=f"images of {read}"
                    )

    checks.check_images(
        [pair.row for pair in pairs],
        report,
        twins_allowed=True,
        background=config.background,
        transparency_hint=", or take a config ..._on_white",
    )
    _check_points(pairs, report)
    complete = [pair for pair in pairs if pair.row.photo and pair.row.sketch]
    if config.aligned and not report.problems:
        eyes = aligned.find([pair.row for pair in complete], report)
        complete = [p._replace(eyes=eyes.get(p.row.id)) for p in _held_out(complete)]
        complete = [pair for pair in complete if pair.eyes is not None]
    return complete


def config_for(root: Path) -> str:
    """`train_only` for a folder that has only the training annotation, else `all`."""
    half = (root / "anno_train.json").is_file() and not (root / "anno_test.json").is_file()
    return "train_only" if half else "all"


def _numbered(folder: Path, role: str, report: checks.Report) -> dict[str, Path]:
    """Files of a folder by the number in their names (image0110.jpg, sketch0110.png)."""
    prefix = "image" if role == "photo" else role
    numbered = {}
    for stem, path in checks.files_by_stem(folder, report).items():
        number = stem.removeprefix(prefix)
        if number != stem and number.isdecimal():
            numbered[number] = path
        else:
            report.problem(
                report.name(path), got="another name", expected=f"{prefix}NNNN in {folder.name}/"
            )
    return numbered


def _check_strays(folder: Path, role: str, report: checks.Report) -> None:
    if not folder.is_dir():
        return  # reported with its subfolders
    for path in sorted(folder.iterdir()):
        if path.name not in {f"{role}{n}" for n in FOLDERS} and not report.pass_over(path):
            report.problem(
                report.name(path), got="a stray file or folder", expected=f"{role}1 to {role}3"
            )


def _pairs(
    records: Sequence[annotations.Record],
    files: dict[str, dict[str, dict[str, Path]]],
    split: str,
    report: checks.Report,
) -> list[Pair]:
    """Joins records with files; reports what is missing."""
    first = annotations.SIZES["train"] if split == "test" else 0
    pairs = [
        Pair(
            checks.Row(
                id=f"{record.folder}_image{record.number}",
                photo=files["photo"][record.folder].get(record.number),
                sketch=files["sketch"][record.folder].get(record.number),
                split=split,
            ),
            record,
            first + number,
        )
        for number, record in enumerate(records)
    ]
    for role in ("photo", "sketch"):
        missing = [pair.record for pair in pairs if getattr(pair.row, role) is None]
        held = len(pairs) - len(missing)
        plural = "sketches" if role == "sketch" else "photos"
        report.fact("counts", f"{split}: {held} of {annotations.SIZES[split]} {plural}")
        hint = annotations.count_hint(split, held)
        for record in missing:
            folder = record.folder.replace("photo", role)
            name = ("image" if role == "photo" else role) + record.number
            report.problem(
                f"{role}/{folder}/{name}.*",
                got=f"no such file, named by anno_{split}.json",
                expected=f"a photo and a sketch for each entry{hint}",
            )
    return pairs


def _held_out(pairs: list[Pair]) -> list[Pair]:
    """The pairs with the training half in three splits."""
    splits = {}
    for style in range(len(annotations.ATTRIBUTES["style"])):
        places = [
            place
            for place, pair in enumerate(pairs)
            if pair.row.split == "train" and pair.record.codes["style"] == style
        ]
        splits |= dict.fromkeys(places[HELD_OUT], "held_out")
        splits |= dict.fromkeys(places[VALIDATION], "validation")
    return [
        pair._replace(row=pair.row._replace(split=splits.get(place, pair.row.split)))
        for place, pair in enumerate(pairs)
    ]


def _names_elsewhere(root: Path, config: Fs2kConfig) -> set[str]:
    """Image names of the annotation files that the config does not read."""
    names = set()
    for split in listed.SPLITS:
        path = root / f"anno_{split}.json"
        if split not in config.splits and path.is_file():
            names |= annotations.read(path, split, checks.Report(root))[1]
    return names


def _check_points(pairs: Sequence[Pair], report: checks.Report) -> None:
    outside = []
    for pair in pairs:
        look = report.looks["photo"].get(pair.row.photo)
        x, y = pair.record.skin_point
        if look is not None and (x >= look.size[0] or y >= look.size[1]):
            outside.append(f"{pair.record.name}: ({x}, {y}) in {look.size[0]}x{look.size[1]} px")
    if outside:
        report.note(f"points of skin outside their image, kept: {len(outside)}", places=outside)


class Builder(base.FacesBuilder):
    """Pairs in the order of the annotation files (not shuffled)."""

    pkg_dir_path = epath.Path(__file__).parent  # the folder of README.md and CITATIONS.bib
    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS
    BUILDER_CONFIGS = [  # noqa: RUF012, the form TFDS reads
        Fs2kConfig(name="all", description="Both halves, 1058 + 1046."),
        Fs2kConfig(name="train_only", description="Training half, 1058.", splits=("train",)),
        Fs2kConfig(
            name="all_on_white",
            description="Both halves, 1058 + 1046; transparent images laid on white.",
            background=WHITE,
        ),
        Fs2kConfig(
            name="train_only_on_white",
            description="Training half, 1058; transparent images laid on white.",
            splits=("train",),
            background=WHITE,
        ),
        Fs2kConfig(
            name="aligned",
            description="Both halves, 200 x 250 px, aligned by the eyes that the detector finds.",
            background=WHITE,
            aligned=True,
        ),
        Fs2kConfig(
            name="train_only_aligned",
            description="Training half, 200 x 250 px, aligned by the eyes that the detector finds.",
            splits=("train",),
            background=WHITE,
            aligned=True,
        ),
    ]
    HOMEPAGE = "https://github.com/DengPingFan/FS2K"
    check = staticmethod(check)
    config_for = staticmethod(config_for)
    drawn_by = ("style", "fs2k")

    def features(self) -> dict[str, Any]:
        """Those of a pair, and its annotation."""
        return {
            **super().features(),
            **{
                field: tfds.features.ClassLabel(names=names)
                for field, names in annotations.ATTRIBUTES.items()
            },
            "lip_color": tfds.features.Tensor(shape=(3,), dtype=np.float32),
            "eye_color": tfds.features.Tensor(shape=(3,), dtype=np.float32),
            "skin_point": tfds.features.Tensor(shape=(2,), dtype=np.int32),
        }

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        pairs = self.checked(dl_manager)
        splits = dict.fromkeys(pair.row.split for pair in pairs)
        return {split: self._generate_examples(pairs, split) for split in splits}

    def _generate_examples(
        self, pairs: list[Pair], split: str
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each pair has its own `identity`: FS2K does not name persons."""
        for key, pair in enumerate(pair for pair in pairs if pair.row.split == split):
            record, point = pair.record, pair.record.skin_point
            images = {}
            if pair.eyes is not None:
                images = aligned.images(pair.row, pair.eyes)
                point = aligned.point(point, pair.eyes)
            yield (
                key,
                base.pair(
                    pair.row,
                    identity=pair.number,
                    background=self.builder_config.background,
                    **record.codes,
                    lip_color=record.lip_color,
                    eye_color=record.eye_color,
                    skin_point=np.asarray(point, np.int32),
                    **images,
                ),
            )
