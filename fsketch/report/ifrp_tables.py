"""fsketch report ifrp TABLE --parent=DIR [--data=fs2k] [-- --config.FIELD=VALUE]

Reproduces a table of IFRP's paper (arXiv 1904.04241): trains the missing rows, each in its own
workdir in DIR, evaluates them on the three test sets and prints them in the paper's order, with the
paper's numbers in brackets.  The same command continues after an interruption; --dry_run only
prints the commands.  Flags after -- go to every training, e.g. --config.portraits.manual_dir=FACES;
use another DIR for other flags.  They must not set loss weights nor what else makes the rows.

The paper's numbers are for its 128 px CelebA faces and artworks [paper]; which rows its tables of
losses and rotations name is [inferred].  FRR and FCR, in percent, follow metrics/retrieval.py with
--embedder.
"""

import json
import shlex
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fsketch.configs import data as data_sets
from fsketch.configs import ifrp
from fsketch.core import arguments, errors, writers
from fsketch.data import shards
from fsketch.metrics import retrieval
from fsketch.scoring import features, matching, measures, text

SETS = tuple(split for split in shards.SPLITS if split.startswith("test"))
SKETCHES = SETS[-1]
DRAWN = ("fs2k",)  # sources with drawn sketches; others have no SKETCHES
METRICS = {"psnr": "to_photo/psnr_rgb", "ssim": "to_photo/ssim", "fsim": "to_photo/fsim"}
_PORTRAITS = ifrp.get_config("portraits=fs2k").portraits
# Paintings in the order in which the table of styles trains on them; the rest is unseen.
STYLES = (*_PORTRAITS.train_styles, *_PORTRAITS.test_styles)


class Row(NamedTuple):
    """config: file and argument with {data} as a placeholder; "" = we do not train this row.

    paper: numbers by column, "test_seen/ssim", "fcr", ...  name: names the change by `flags`.
    num_styles: training styles; an epoch sees each face in each of them; rows share num_epochs.
    """

    label: str
    config: str
    paper: dict[str, float]
    name: str = ""
    flags: tuple[str, ...] = ()
    num_styles: int = len(_PORTRAITS.train_styles)

    @property
    def workdir(self) -> str:
        """The name of its folder; equal experiments in several tables share it."""
        words = self.config.replace(".py:portraits={data}", "").replace("=", "-").split(",")
        return "-".join((*words, self.name) if self.name else words)


class Table(NamedTuple):
    """The columns and the rows of a table of the paper."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def _quality(seen: str, unseen: str, sketches: str = "") -> dict[str, float]:
    """ "20.82 0.59 0.80" of each set, or "0.59 0.80" without PSNR, by column."""
    result = {}
    for name, numbers in zip(SETS, (seen, unseen, sketches), strict=True):
        values = numbers.split()
        metrics = list(METRICS)[len(METRICS) - len(values) :]
        for metric, value in zip(metrics, values, strict=True):
            result[f"{name}/{metric}"] = float(value)
    return result


def _identity(numbers: str) -> dict[str, float]:
    names = (*(f"{name}/frr" for name in SETS), "fcr")
    return dict(zip(names, map(float, numbers.split()), strict=True))


def _trained_on(count: int) -> tuple[str, tuple[str, ...], int]:
    """(name, flags, count) for `count` training styles; the other styles are for testing."""
    seen, unseen = STYLES[:count], STYLES[count:]
    section = "--config.portraits"
    flags = (f"{section}.train_styles={_tuple(seen)}", f"{section}.test_styles={_tuple(unseen)}")
    return f"{count}_styles", flags, count


def _schedule(row: Row, data: str) -> tuple[str, ...]:
    """Flags that keep the configuration's number of epochs with the row's number of styles."""
    own = len(_PORTRAITS.train_styles)
    if row.num_styles == own:
        return ()
    faces = data_sets.PORTRAITS[data]
    steps = faces.num_portraits * row.num_styles // own // faces.batch_size
    return (
        f"--config.num_steps={faces.num_epochs * steps}",
        f"--config.optim.steps_per_epoch={steps}",
    )


def _tuple(names: Sequence[str]) -> str:
    return f"({', '.join(repr(name) for name in names)},)"


_OURS = "ifrp.py:portraits={data}"
_PAIR = ("ssim", "fsim")
_SEEN_UNSEEN = tuple(f"{name}/{metric}" for name in SETS[:2] for metric in _PAIR)
_FULL = _quality("0.72 0.88", "0.68 0.84")
TABLES = {
    "comparison": Table(
        (*(f"{name}/{metric}" for name in SETS for metric in (*METRICS, "frr")), "fcr"),
        (
            Row("Gatys", "", _quality("20.18 0.57 0.73", "20.25 0.57 0.66", "19.93 0.55 0.67")
                | _identity("64.67 62.28 68.36 72.89")),
            Row("Johnson", "", _quality("15.65 0.34 0.68", "15.81 0.33 0.70", "16.27 0.35 0.68")
                | _identity("50.54 38.87 40.27 44.99")),
            Row("MGAN", "", _quality("16.22 0.44 0.64", "16.17 0.47 0.60", "16.01 0.46 0.61")
                | _identity("26.97 22.52 24.99 38.24")),
            Row("pix2pix", "pix2pix.py:portraits={data}",
                _quality("20.82 0.59 0.80", "18.90 0.54 0.67", "19.01 0.55 0.66")
                | _identity("75.13 59.98 66.63 87.73")),
            Row("CycleGAN", "cyclegan.py:portraits={data}",
                _quality("18.58 0.32 0.69", "15.89 0.27 0.64", "15.65 0.31 0.65")
                | _identity("25.07 25.68 26.70 24.97")),
            Row("Shiri", "", _quality("21.57 0.58 0.79", "20.21 0.56 0.70", "21.35 0.57 0.71")
                | _identity("84.51 75.32 76.44 89.09")),
            Row("IFRP", _OURS, _quality("26.08 0.72 0.88", "24.83 0.68 0.84", "24.89 0.68 0.83")
                | _identity("90.93 84.92 89.05 92.06")),
        ),
    ),
    "losses": Table(
        _SEEN_UNSEEN,
        (
            Row("pixel", f"{_OURS},ablation=pixel_only", _quality("0.60 0.72", "0.54 0.65")),
            Row("pixel, critic", f"{_OURS},ablation=no_identity",
                _quality("0.62 0.75", "0.58 0.72")),
            Row("all", _OURS, _FULL),
        ),
    ),
    "architecture": Table(
        _SEEN_UNSEEN,
        (
            Row("no skips", f"{_OURS},net=plain", _quality("0.65 0.84", "0.62 0.80")),
            Row("U-Net", f"{_OURS},net=unet", _quality("0.65 0.87", "0.61 0.78")),
            Row("two skips", f"{_OURS},net=skips", _quality("0.66 0.86", "0.63 0.82")),
            Row("two skips, blocks", _OURS, _FULL),
        ),
    ),
    "styles": Table(
        _SEEN_UNSEEN,
        (
            Row("1", _OURS, _quality("0.69 0.72", "0.54 0.66"), *_trained_on(1)),
            Row("2", _OURS, _quality("0.70 0.77", "0.60 0.78"), *_trained_on(2)),
            Row("3", _OURS, _FULL),
            Row("4", _OURS, _quality("0.72 0.88", "0.68 0.85"), *_trained_on(4)),
            Row("5", _OURS, _quality("0.73 0.88", "0.69 0.85"), *_trained_on(5)),
        ),
    ),
    "rotations": Table(
        ("test_seen/ssim",),
        tuple(
            Row(f"{angles} angles, {label}", f"{_OURS}{word}", {"test_seen/ssim": ssim},
                f"{angles}_angles", (f"--config.portraits.num_angles={angles}",))
            for angles, numbers in ((11, (0.64, 0.66)), (5, (0.64, 0.65)))
            for label, word, ssim in zip(
                ("no transformers", "transformers"), (",transformers=no", ""), numbers, strict=True
            )
        ),
    ),
}  # fmt: skip


def sets_of(data: str) -> tuple[str, ...]:
    """The test sets that these faces have."""
    return SETS if data in DRAWN else SETS[:-1]


def commands(row: Row, *, data: str, parent: Path, flags: Sequence[str]) -> list[list[str]]:
    """The commands that a row still needs: training, then evaluation on the other sets."""
    workdir = parent / row.workdir
    main = [sys.executable, "-m", "fsketch.main"]
    result = []
    if not (workdir / "evaluation.json").is_file():
        config = f"--config={Path(ifrp.__file__).with_name(row.config.format(data=data))}"
        result.append(
            [*main, config, f"--workdir={workdir}", *row.flags, *_schedule(row, data), *flags]
        )
    for name in sets_of(data)[1:]:
        if not (Path(matching.split_of(workdir, name)) / "evaluation.json").is_file():
            result.append([*main, "--mode=evaluate", f"--workdir={workdir}", f"--split={name}"])
    return result


def scores(workdir: Path, *, data: str, embedder: str) -> dict[str, float]:
    """Scores of an evaluated run by column; with an embedder also FRR and FCR, in percent."""
    folders = {name: Path(matching.split_of(workdir, name)) for name in sets_of(data)[1:]}
    folders = {SETS[0]: workdir, **folders}
    result = {}
    for name, folder in folders.items():
        metrics = json.loads((folder / "evaluation.json").read_text())["metrics"]
        result |= {f"{name}/{short}": metrics.get(full) for short, full in METRICS.items()}
    if embedder:
        extract = features.embedding(measures.Options(embedder=embedder)).extract
        result |= identity_rates(folders, extract)
    return {name: value for name, value in result.items() if value is not None}


def identity_rates(
    folders: Mapping[str, Path], extract: Callable[[list[np.ndarray]], np.ndarray]
) -> dict[str, float]:
    """FRR of each set, and FCR over all styles except drawn sketches, in percent.

    folders: by test set, with outputs named ID@STYLE; every style of a set must show the same
    faces.  Raises ValueError or DataError for unreadable or missing images.
    """
    painted: list[np.ndarray] = []
    result = {}
    problems = matching.Problems()

    def embedded(paths: Iterable[Path]) -> np.ndarray:
        decoded = [matching.decode(path, problems) for path in paths]
        problems.close()
        return extract(decoded)

    for name, folder in folders.items():
        of_style: dict[str, dict[str, Path]] = defaultdict(dict)
        for path in sorted(Path(matching.outputs_of(folder, "to_photo")).iterdir()):
            id, _, style = path.stem.partition("@")
            of_style[style][id] = path
        first, ids = next((style, list(paths)) for style, paths in of_style.items())
        for style, paths in of_style.items():
            if list(paths) != ids:
                raise ValueError(
                    f"{folder}: style {style!r}: expected the faces of {first!r}, got other faces"
                )
        truth = Path(matching.outputs_of(folder, "photo"))
        faces = embedded(truth / f"{id}@{first}.png" for id in ids)
        recovered = [embedded(paths.values()) for paths in of_style.values()]
        rate = retrieval.frr(np.stack(recovered), faces, np.arange(len(ids)))
        result[f"{name}/frr"] = 100 * float(rate)
        if name != SKETCHES:
            painted += recovered
    result["fcr"] = 100 * float(retrieval.fcr(np.stack(painted), np.arange(len(painted[0]))))
    return result


def terminal(table: Table, found: Mapping[str, Mapping[str, float]]) -> str:
    """The table as text: our numbers, the paper's in brackets; - for rows we do not train."""
    rows = []
    for row in table.rows:
        cells = []
        for column in table.columns:
            digits = 2 if column.endswith(("psnr", "frr", "fcr")) else 3
            ours = found.get(row.label, {}).get(column)
            cell = "-" if ours is None else f"{ours:.{digits}f}"
            cells.append(cell + (f" ({row.paper[column]:.2f})" if column in row.paper else ""))
        rows.append([row.label, *cells])
    return text.table(["", *table.columns], rows)


def main(words: Sequence[str]) -> int:
    """The exit code: 0, or that of the run that failed."""
    end = words.index("--") if "--" in words else len(words)
    flags = words[end + 1 :]
    parser = arguments.Parser("report ifrp", description="Reproduce a table of IFRP's paper.")
    parser.add_argument("table", choices=TABLES)
    parser.path("--parent", required=True, help="folder of the workdirs")
    parser.add_argument("--data", default="fs2k", choices=list(data_sets.PORTRAITS)[1:])
    parser.path("--embedder", default="", help="for FRR and FCR; as in fsketch score")
    parser.add_argument("--dry_run", action="store_true", help="only print the commands")
    parser.path("--json", metavar="FILE", help="write all numbers as JSON")
    given = parser.parse_args(words[:end])
    parent = Path(given.parent)
    table = TABLES[given.table]
    fixed = {
        "--config.loss_weights",
        *(flag.split("=")[0] for row in table.rows for flag in row.flags),
    }
    if "--config.portraits.train_styles" in fixed:
        fixed.add("--config.portraits.num_distinct")
    for name in sorted(fixed):
        if any(flag.startswith(name) for flag in flags):
            raise errors.UsageError(
                f"flags after --: expected no {name}, which distinguishes the rows"
            )
    found: dict[str, Any] = {}
    for row in table.rows:
        if not row.config:
            continue
        for command in commands(row, data=given.data, parent=parent, flags=flags):
            print(shlex.join(command), file=sys.stderr, flush=True)
            if given.dry_run:
                continue
            # The output of a run is not part of the table.
            if code := subprocess.run(command, check=False, stdout=sys.stderr).returncode:
                print(f"{row.label}: expected exit code 0, got {code}", file=sys.stderr)
                return code
        if not given.dry_run:
            found[row.label] = scores(
                parent / row.workdir, data=given.data, embedder=given.embedder
            )
    if given.dry_run:
        return 0
    print(terminal(table, found))
    if given.json:
        content = {row.label: {"ours": found.get(row.label), "paper": row.paper}
                   for row in table.rows}  # fmt: skip
        writers.write_json(given.json, content)
    return 0
