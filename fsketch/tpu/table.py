"""A table of all methods on several chips, whose rows are kept in a file to go on from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tabulate
from etils import epath

from fsketch.core import config_files, progress, writers
from fsketch.tpu import chips, compiled

# (configuration, examples a chip): each method in the size that its paper has.
RUNS = (
    ("configs/kt.py:data=cuhk", 16),
    ("configs/kd.py:data=cuhk", 16),
    ("configs/kd.py:data=cuhk,student=mini", 16),
    ("configs/kd_plus.py:data=cuhk", 16),
    ("configs/pix2pix.py:data=cuhk", 16),
    ("configs/cyclegan.py:data=cuhk", 16),
    ("configs/style.py:data=cuhk", 16),
    ("configs/ifrp.py", 32),
    ("configs/ide.py:data=cuhk", 16),
    ("configs/teacher.py:net=full", 128),
    ("configs/embedder.py:net=iresnet50", 128),
    ("configs/synthdistill.py", 128),
)


def make(file: str, slices: Sequence[chips.Slice], programs: Sequence[str], *, full: bool) -> str:
    """Compiles the rows that `file` lacks, and returns the table of all that it then holds.

    In bfloat16 where the configuration has a type to compute in.
    """
    path = epath.Path(file)
    rows = json.loads(path.read_text()) if path.exists() else {}
    for wanted in slices:
        for program in programs:
            for config, pairs in RUNS:
                key = f"{wanted.name} {program} {config}"
                if key in rows:
                    continue
                progress.say(f"compiling {key}")
                rows[key] = row(config, pairs, wanted, program, full=full)
                writers.write_whole(path, json.dumps(rows, indent=1).encode())
    return text(rows)


def row(
    config: str, pairs: int, wanted: chips.Slice, program: str, *, full: bool
) -> dict[str, Any]:
    """One program's numbers, as plain data."""
    loaded = config_files.load(config, {})
    if "dtype" in loaded.get("model", {}):
        loaded.model.dtype = "bfloat16"
    devices = chips.devices(wanted)
    lowered = compiled.Run(loaded).lowered(program, pairs, devices)
    found = compiled.count(lowered, pairs, full=full)
    numbers = {name: x for name, x in found._asdict().items() if name != "consumers"}
    return {"config": config, "slice": wanted.name, "program": program, **numbers}


def text(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The rows as a table in Markdown, by slice, program and configuration."""
    headers = (
        "chip", "program", "configuration", "batch", "TFLOP", "ms", "GB", "ms", "bound", "GiB",
        "largest batch",
    )  # fmt: skip
    return tabulate.tabulate(list(_lines(rows)), headers, "github", disable_numparse=True)


def _lines(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for one in rows.values():
        wanted = chips.parse(one["slice"])
        chip = chips.CHIPS[wanted.chip]
        roof = chips.roofline(one["flop"], one["moved"], chip)
        head = (wanted.chip, one["program"], f"`{one['config'].removeprefix('configs/')}`")
        held = f"{one['held'] / compiled.GIB:.1f}"
        if not one["fits"]:
            yield (*head, f"{one['pairs']}", *"-----", f"{held}: does not fit", "-")
            continue
        yield (
            *head,
            f"{one['pairs']}",
            f"{one['flop'] / 1e12:.2f}",
            f"{1e3 * roof.arithmetic_sec:.1f}",
            f"{one['moved'] / 1e9:.1f}",
            f"{1e3 * roof.memory_sec:.1f}",
            roof.bound,
            held,
            f"{_largest(one, chip)}",
        )


def _largest(one: Mapping[str, Any], chip: chips.Chip) -> int:
    numbers = {name: x for name, x in one.items() if name in compiled.Counted._fields}
    counted = compiled.Counted(**numbers, consumers=())
    return compiled.largest([counted], chip.hbm_gib * compiled.GIB)
