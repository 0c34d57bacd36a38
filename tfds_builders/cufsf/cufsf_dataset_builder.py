"""CUFSF: 1194 photo-sketch pairs of FERET faces, 200 x 250 px, in two public splits of 250 + 944.

    config    train  test   lists
    sc_lmser    250   944   github.com/CMACH508/SC_Lmser, data/CUFSF_*_paths.txt, commit 63b2269
    ca_gan      250   944   github.com/fei-aiart/ca-gan, data/list_*_F.txt, commit d9fc7d0

The two have the same 1194 ids and share only 52 training ids: scores of one are not
comparable with those of the other.  See README.md beside this file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from fsketch.data import checks
from fsketch.tfds_builders import base, listed

CONFIGS = ("sc_lmser", "ca_gan")
_LISTS = Path(__file__).parent / "splits"

_INSTRUCTIONS = """\
The photos are FERET's, under terms that forbid passing them on; the sketches are given by CUHK.
Get both from their owners, aligned to 200x250 px (eyes at (75,125) and (125,125)), and lay them
out as
  <manual_dir>/photos/<id>.<ext>  and  <manual_dir>/sketches/<id>.<ext>
or both in <manual_dir>/cufsf/, with ids 00001 to 01209 as in splits/*.txt beside the builder, and
ext one of jpg, jpeg, png, bmp, tif. A pairs.csv (id,photo,sketch,split) beside them may name
the files."""


def split_ids(config: str, split: str) -> list[str]:
    """The ids of a shipped list, in its order."""
    return listed.read_ids(_LISTS / f"{config}_{split}.txt")


def check(
    root: Path, config: tfds.core.BuilderConfig, report: checks.Report
) -> dict[str, checks.Row]:
    """Checks a folder for `config`; {id: row}."""
    return listed.check(
        root,
        "cufsf",
        {split: split_ids(config.name, split) for split in listed.SPLITS},
        report,
        lists=f"the ids of splits/{config.name}_train.txt and splits/{config.name}_test.txt",
        alone=True,
    )


class Builder(base.FacesBuilder):
    """Pairs in list order (not shuffled)."""

    pkg_dir_path = epath.Path(__file__).parent  # the folder of README.md and CITATIONS.bib
    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS
    BUILDER_CONFIGS = [  # noqa: RUF012, the form TFDS reads
        tfds.core.BuilderConfig(name="sc_lmser", description="250 + 944, split of SC_Lmser."),
        tfds.core.BuilderConfig(name="ca_gan", description="250 + 944, split of CA-GAN."),
    ]
    HOMEPAGE = "http://mmlab.ie.cuhk.edu.hk/archive/cufsf/"
    check = staticmethod(check)
    aligned = True

    @staticmethod
    def config_for(root: Path) -> str:
        """The first config, since both take the same images."""
        return CONFIGS[0]

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        rows = self.checked(dl_manager)
        return {split: self._generate_examples(rows, split) for split in listed.SPLITS}

    def _generate_examples(
        self, rows: dict[str, checks.Row], split: str
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """`identity` counts over the ids in ascending order: equal in both configs."""
        name = self.builder_config.name
        persons = sorted(id for each in listed.SPLITS for id in split_ids(name, each))
        number = {id: i for i, id in enumerate(persons)}
        for key, id in enumerate(split_ids(name, split)):
            yield key, base.pair(rows[id], identity=number[id])
