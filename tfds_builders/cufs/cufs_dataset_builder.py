"""CUFS: 606 photo-sketch pairs of 200 x 250 px, in the split of the literature.

    subset   train  test   ids
    cuhk        88   100   f-005-01, m1-041-01, ...
    ar          80    43   1 .. 123
    xm2vts     100   195   1 .. 295
    all        268   338

Sources of the id lists in splits/.  AR and XM2VTS: the public list files of the
SC_Lmser repository (github.com/CMACH508/SC_Lmser, data/CUFS_*_paths.txt, commit
63b2269).  CUHK: the training and testing folders of the official student set.
Other common lists lack XM2VTS id 266 in training (267 pairs over all); the
configs `xm2vts_267` and `all_267` follow these.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from fsketch.data import checks
from fsketch.tfds_builders import base, listed

SUBSETS = ("cuhk", "ar", "xm2vts")
_ABSENT_IN_267 = "266"
_GAP_HINT = (
    " (only this id is missing: a known public variant of the lists with 267 training pairs,"
    " which the configs xm2vts_267 and all_267 take)"
)
_LISTS = Path(__file__).parent / "splits"

_INSTRUCTIONS = """\
The images are under terms that forbid passing them on: get them from their owners, aligned
to 200x250 px (eyes at (75,125) and (125,125)), and lay them out as
  <manual_dir>/<subset>/photos/<id>.<ext>  and  <manual_dir>/<subset>/sketches/<id>.<ext>
with subset cuhk, ar or xm2vts, ids as in splits/*.txt beside the builder, and ext one of
jpg, jpeg, png, bmp, tif. A config of one subset also takes photos/ and sketches/ directly in
manual_dir. A pairs.csv (id,photo,sketch,split) beside them may name the files."""


@dataclasses.dataclass
class CufsConfig(tfds.core.BuilderConfig):
    """The subsets in their order, and the training ids of XM2VTS to leave out."""

    subsets: tuple[str, ...] = SUBSETS
    absent: tuple[str, ...] = ()


def split_ids(subset: str, split: str) -> list[str]:
    """The ids of a shipped list, in its order."""
    return listed.read_ids(_LISTS / f"{subset}_{split}.txt")


def check(
    root: Path, config: CufsConfig, report: checks.Report
) -> dict[str, dict[str, checks.Row]]:
    """Checks a folder for `config`; {subset: {id: row}}."""
    return {
        subset: listed.check(
            root,
            subset,
            {split: split_ids(subset, split) for split in listed.SPLITS},
            report,
            lists=f"the ids of splits/{subset}_train.txt and splits/{subset}_test.txt",
            alone=len(config.subsets) == 1,
            left_out={id: config.name for id in _absent(subset, config)},
            known_gap=(_ABSENT_IN_267, _GAP_HINT) if subset == "xm2vts" else None,
        )
        for subset in config.subsets
    }


def _absent(subset: str, config: CufsConfig) -> tuple[str, ...]:
    return config.absent if subset == "xm2vts" else ()


def config_for(root: Path) -> str:
    """The config that fits a folder best, judged by the subsets' folders and their ids."""
    present = [name for name in SUBSETS if (root / name).is_dir()]
    name = present[0] if len(present) == 1 else "all"
    if not present and (ids := _ids_in(root)):
        listed_ids = {n: {i for s in listed.SPLITS for i in split_ids(n, s)} for n in SUBSETS}
        name = min(SUBSETS, key=lambda n: len(ids ^ listed_ids[n]))
    if name not in ("all", "xm2vts"):
        return name
    ids = _ids_in(root / "xm2vts" if "xm2vts" in present else root)
    return f"{name}_267" if ids and _ABSENT_IN_267 not in ids else name


def _ids_in(folder: Path) -> set[str]:
    """The ids that a folder claims to have; does not report faults."""
    table = folder / "pairs.csv"
    if table.is_file():
        rows = checks.read_table(table, checks.Report(folder), columns=("id",))
        return {row["id"] for row in rows}
    return {path.stem for path in (folder / "photos").glob("*")}


class Builder(base.FacesBuilder):
    """Pairs in list order: by subset, then by the split's list (not shuffled)."""

    pkg_dir_path = epath.Path(__file__).parent  # the folder of README.md and CITATIONS.bib
    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS
    BUILDER_CONFIGS = [  # noqa: RUF012, the form TFDS reads
        CufsConfig(name="cuhk", description="CUHK student, 88 + 100.", subsets=("cuhk",)),
        CufsConfig(name="ar", description="AR, 80 + 43.", subsets=("ar",)),
        CufsConfig(name="xm2vts", description="XM2VTS, 100 + 195.", subsets=("xm2vts",)),
        CufsConfig(name="all", description="The three subsets, 268 + 338."),
        CufsConfig(
            name="xm2vts_267",
            description="XM2VTS without training id 266, 99 + 195.",
            subsets=("xm2vts",),
            absent=(_ABSENT_IN_267,),
        ),
        CufsConfig(
            name="all_267",
            description="The three subsets without XM2VTS training id 266, 267 + 338.",
            absent=(_ABSENT_IN_267,),
        ),
    ]
    HOMEPAGE = "http://mmlab.ie.cuhk.edu.hk/archive/facesketch.html"
    check = staticmethod(check)
    config_for = staticmethod(config_for)
    aligned = True
    drawn_by = ("source", "")

    def features(self) -> dict[str, Any]:
        """Those of a pair, and the subset."""
        return super().features() | {"source": tfds.features.ClassLabel(names=SUBSETS)}

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        rows = self.checked(dl_manager)
        return {split: self._generate_examples(rows, split) for split in listed.SPLITS}

    def _generate_examples(
        self, rows: dict[str, dict[str, checks.Row]], split: str
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """`identity` counts over all subsets' train and test lists: equal in every config."""
        persons = [(s, id) for s in SUBSETS for name in listed.SPLITS for id in split_ids(s, name)]
        wanted = [
            (subset, id)
            for subset in self.builder_config.subsets
            for id in split_ids(subset, split)
            if id not in _absent(subset, self.builder_config)
        ]
        for key, (subset, id) in enumerate(wanted):
            # AR and XM2VTS number their persons alike.
            row = rows[subset][id]._replace(id=id if subset == "cuhk" else f"{subset}-{id}")
            yield key, base.pair(row, identity=persons.index((subset, id)), source=subset)
