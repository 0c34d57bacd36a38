"""Sketches in four hands on faces aligned alike: CUHK's artist and FS2K's three styles.

    split        cuhk   fs2k, its training half
    train          80   about nine tenths
    validation      8   every fortieth of a style
    held_out            every tenth of a style
    test          100

CUHK is that of `cufs/cuhk`, FS2K that of `fs2k/train_only_aligned`, whose READMEs say more.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow_datasets as tfds
from etils import epath

from fsketch.data import checks
from fsketch.tfds_builders import base
from fsketch.tfds_builders.cufs import cufs_dataset_builder as cufs
from fsketch.tfds_builders.fs2k import aligned
from fsketch.tfds_builders.fs2k import fs2k_dataset_builder as fs2k

CUHK = "cuhk"
STYLES = (CUHK, "fs2k1", "fs2k2", "fs2k3")
VALIDATION = slice(5, None, 11)  # of CUHK's training list: the pairs that data=cuhk holds out

_INSTRUCTIONS = """\
Two folders, or links to them:
  <manual_dir>/cuhk   as the data set cufs/cuhk reads it (photos/, sketches/)
  <manual_dir>/fs2k   as the data set fs2k/train_only reads it (photo/, sketch/, anno_train.json)"""


class Example(NamedTuple):
    """A pair with its style; pair: with its eyes if it is of FS2K."""

    row: checks.Row
    style: str
    pair: fs2k.Pair | None = None


def check(root: Path, config: None, report: checks.Report) -> list[Example]:
    """Checks both folders; all pairs, those of CUHK first."""
    del config
    for name in (CUHK, "fs2k"):
        if not (root / name).is_dir():
            report.problem(name, got="no such folder", expected=_INSTRUCTIONS, section="counts")
    if report.problems:
        return []
    rows = cufs.check(root, _config(cufs.Builder, CUHK), report)[CUHK]
    pairs = fs2k.check(root / "fs2k", _config(fs2k.Builder, "train_only_aligned"), report)
    if report.problems:
        return []
    kept = set(cufs.split_ids(CUHK, "train")[VALIDATION])
    splits = {id: "validation" for id in kept}
    drawn = [
        Example(rows[id]._replace(split=splits.get(id, split)), CUHK)
        for split in ("train", "test")
        for id in cufs.split_ids(CUHK, split)
    ]
    styles = [STYLES[1 + pair.record.codes["style"]] for pair in pairs]
    return drawn + [Example(p.row, style, p) for p, style in zip(pairs, styles, strict=True)]


def _config(builder: Any, name: str) -> Any:
    return next(config for config in builder.BUILDER_CONFIGS if config.name == name)


class Builder(base.FacesBuilder):
    """Pairs of CUHK in list order, then those of FS2K in annotation order (not shuffled)."""

    pkg_dir_path = epath.Path(__file__).parent  # the folder of README.md and CITATIONS.bib
    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS
    check = staticmethod(check)
    aligned = True
    drawn_by = ("style", "")

    def features(self) -> dict[str, Any]:
        """Those of a pair, and the style of its sketch."""
        return super().features() | {"style": tfds.features.ClassLabel(names=STYLES)}

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        examples = self.checked(dl_manager)
        splits = dict.fromkeys(example.row.split for example in examples)
        return {split: self._generate_examples(examples, split) for split in splits}

    def _generate_examples(
        self, examples: list[Example], split: str
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """`identity` is the place among all examples."""
        for key, example in enumerate(examples):
            if example.row.split == split:
                pair = example.pair
                images = aligned.images(pair.row, pair.eyes) if pair else {}
                yield key, base.pair(example.row, identity=key, style=example.style, **images)
