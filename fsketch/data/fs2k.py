"""FS2K's anno_train.json and anno_test.json: the meaning of their numbers, and checks.

The coding is that of the authors' README (github.com/DengPingFan/FS2K, commit 07e9bd2), which
the training half confirms: 0 is WITH hair, earring, smile and 0 is male; hair colour 3 is none
and 4 golden.  Two of their scripts say otherwise, see README.md beside this file.
"""

import collections
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fsketch.data import checks

SIZES = {"train": 1058, "test": 1046}
# Field of the annotation -> meaning of 0, 1, ...; the order is that of the codes.
ATTRIBUTES = {
    "hair": ("with", "without"),
    "hair_color": ("brown", "black", "red", "none", "golden"),
    "gender": ("male", "female"),
    "earring": ("with", "without"),
    "smile": ("with", "without"),
    "frontal_face": ("within_30_degrees", "beyond_30_degrees"),
    "style": ("1", "2", "3"),
}
# Pairs by code.  Train: counted in the annotation.  Test: the README's table, where the order of
# the styles is unknown (it lists those of train by frequency), so they are compared sorted.
COUNTS = {
    "train": {
        "hair": (1010, 48),
        "hair_color": (288, 423, 60, 48, 239),
        "gender": (574, 484),
        "earring": (209, 849),
        "smile": (645, 413),
        "frontal_face": (917, 141),
        "style": (357, 350, 351),
    },
    "test": {
        "hair": (994, 52),
        "hair_color": (291, 417, 44, 52, 242),
        "gender": (632, 414),
        "earring": (187, 859),
        "smile": (670, 376),
        "frontal_face": (872, 174),
        "style": (619, 381, 46),
    },
}
# Source folder -> style codes of its training pairs, counted.
TRAIN_STYLES = {"photo1": (0, 1), "photo2": (2,), "photo3": (2,)}
_NONE, _GOLDEN = ATTRIBUTES["hair_color"].index("none"), ATTRIBUTES["hair_color"].index("golden")
_WITHOUT = ATTRIBUTES["hair"].index("without")
_IMAGE_NAME = re.compile(r"(photo[123])/image([0-9]{1,9})")
_POINTS = ("skin_color", "skin_patch")  # as in the file; as in the README


def count_hint(split: str, count: int) -> str:
    """The hint for a count that is known from elsewhere."""
    if (split, count) != ("test", 1037):
        return ""
    return " (1037 test pairs are what one re-distribution has: take the official archive)"


class Record(NamedTuple):
    """One annotated pair."""

    name: str  # "photo1/image0110"
    folder: str  # "photo1"
    number: str  # "0110"
    codes: dict[str, int]
    lip_color: np.ndarray  # float32[3], mean RGB 0..255, or NaN
    eye_color: np.ndarray
    skin_point: tuple[int, int]  # (x, y) in pixels, or (-1, -1)


def read(path: Path, split: str, report: checks.Report) -> tuple[list[Record], set[str]]:
    """The records of a file in its order, and all names in it; reports every fault."""
    where = report.name(path)
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        entries = None
        report.problem(
            where, got="no such file", expected="the official annotation file", section="counts"
        )
    except (OSError, ValueError) as error:
        entries = None
        report.problem(where, got=f"unreadable: {error}", expected="a JSON file")
    if entries is None:
        return [], set()
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        report.problem(where, got="no list of objects", expected="a list of objects")
        return [], set()
    if len(entries) != SIZES[split]:
        report.problem(
            where,
            got=f"{len(entries)} entries",
            expected=f"{SIZES[split]}, the published count{count_hint(split, len(entries))}",
            section="counts",
        )
    remarks: dict[str, list[str]] = collections.defaultdict(list)
    records, names = [], set()
    for position, entry in enumerate(entries):
        name = _name(entry, f"{where} entry {position}", report, remarks)
        if name is not None:
            names.add(name)
            records += _record(entry, name, report, remarks, where)
    for text, places in remarks.items():
        report.note(f"{where}: {len(places)} {text}", places=places)
    _check_distribution(records, split, where, report)
    return records, names


def _name(
    entry: dict[str, Any], position: str, report: checks.Report, remarks: dict[str, list[str]]
) -> str | None:
    """The image's name; None, with a problem reported, if it has another form."""
    name = entry.get("image_name")
    if isinstance(name, str) and "\\" in name:
        remarks["image names have backslashes, read as slashes"].append(name)
        name = name.replace("\\", "/")
    if isinstance(name, str) and _IMAGE_NAME.fullmatch(name):
        return name
    report.problem(
        position, got=f"image_name {name!r:.80}", expected="image_name photo1..photo3/imageNNNN"
    )
    return None


def _record(
    entry: dict[str, Any],
    name: str,
    report: checks.Report,
    remarks: dict[str, list[str]],
    where: str,
) -> list[Record]:
    """The record; None, with its problems reported, if it is wrong."""
    codes = {field: _code(entry, field, f"{where} {name}", report, remarks) for field in ATTRIBUTES}
    colors = {
        field: _color(entry.get(field), f"{where} {name} {field}", report, remarks)
        for field in ("lip_color", "eye_color")
    }
    point = _point(entry, f"{where} {name}", report, remarks)
    if None in codes.values() or point is None or any(c is None for c in colors.values()):
        return []
    folder, number = _IMAGE_NAME.fullmatch(name).groups()
    return [Record(name, folder, number, codes, **colors, skin_point=point)]


def _code(
    entry: dict[str, Any],
    field: str,
    place: str,
    report: checks.Report,
    remarks: dict[str, list[str]],
) -> int | None:
    """The code of an attribute; None, with a problem reported, if it has no meaning."""
    value = entry.get(field)
    if isinstance(value, str) and value.isdecimal():
        remarks[f"codes of {field} are written as text"].append(place)
        value = int(value)
    if type(value) is int and 0 <= value < len(ATTRIBUTES[field]):
        return value
    meanings = ", ".join(f"{code} {name}" for code, name in enumerate(ATTRIBUTES[field]))
    report.problem(place, got=f"{field} {value!r}", expected=f"{field} {meanings}")
    return None


def _is_absent(value: Any) -> bool:
    """The authors' scripts expect 'nan' and empty lists for unmeasured values."""
    numbers = value if isinstance(value, list) else [value]
    return all(v in ("nan", None) or (type(v) is float and math.isnan(v)) for v in numbers)


def _color(
    value: Any, place: str, report: checks.Report, remarks: dict[str, list[str]]
) -> np.ndarray | None:
    if _is_absent(value):
        remarks["colours are absent, stored as NaN"].append(place)
        return np.full(3, np.nan, np.float32)
    if (
        isinstance(value, list)
        and len(value) == 3
        and all(type(v) in (int, float) and 0 <= v <= 255 for v in value)
    ):
        return np.asarray(value, np.float32)
    report.problem(place, got=repr(value), expected="three numbers of 0..255, mean RGB")
    return None


def _point(
    entry: dict[str, Any], place: str, report: checks.Report, remarks: dict[str, list[str]]
) -> tuple[int, int] | None:
    """(x, y) of a point of skin; despite its name in the file it is not a colour."""
    value = next((entry[field] for field in _POINTS if field in entry), None)
    if _is_absent(value):
        remarks["points of skin are absent, stored as (-1, -1)"].append(place)
        return -1, -1
    if (
        isinstance(value, list)
        and len(value) == 2
        and all(type(v) is int and v >= 0 for v in value)
    ):
        return value[0], value[1]
    report.problem(
        f"{place} {_POINTS[0]}", got=repr(value), expected="two whole numbers, x and y in pixels"
    )
    return None


def _check_distribution(
    records: Sequence[Record], split: str, where: str, report: checks.Report
) -> None:
    """Counts by meaning; codings that look swapped are problems, other differences notes."""
    if not records:
        return
    for field, names in ATTRIBUTES.items():
        counts = tuple(sum(r.codes[field] == code for r in records) for code in range(len(names)))
        told = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
        report.fact("counts", f"{split}, {field}: {told}")
        published = COUNTS[split][field]
        if field == "style" and split == "test":
            counts, published = tuple(sorted(counts)), tuple(sorted(published))
        if counts == published:
            continue
        if counts == published[::-1] and len(names) == 2:
            report.problem(
                f"{where} {field}",
                got=f"{told}: coded the other way round?",
                expected=", ".join(f"{n} {c}" for n, c in zip(names, published, strict=True)),
                section="counts",
            )
        elif len(records) == SIZES[split]:
            report.note(f"{where}: {field} differs from the published counts {published}")
    _check_hair(records, where, report)
    if split == "train":
        for r in records:
            if r.codes["style"] not in TRAIN_STYLES[r.folder]:
                styles = " or ".join(ATTRIBUTES["style"][code] for code in TRAIN_STYLES[r.folder])
                report.problem(
                    f"{where} {r.name}",
                    got=f"style {ATTRIBUTES['style'][r.codes['style']]} in {r.folder}",
                    expected=f"style {styles} in {r.folder}, as in the published training half",
                )


def _check_hair(records: Sequence[Record], where: str, report: checks.Report) -> None:
    """No hair must go with hair colour none; if it goes with golden, 3 and 4 are swapped."""
    bald = [r for r in records if r.codes["hair"] == _WITHOUT]
    golden = sum(r.codes["hair_color"] == _GOLDEN for r in bald)
    if bald and 2 * golden > len(bald):
        report.problem(
            f"{where} hair_color",
            got=f"{golden} of {len(bald)} faces without hair coded {_GOLDEN} (golden): "
            "codes 3 and 4 swapped?",
            expected=f"hair colour {_NONE} (none) without hair, {_GOLDEN} for golden",
            section="counts",
        )
        return
    odd = [
        r.name for r in records if (r.codes["hair"] == _WITHOUT) != (r.codes["hair_color"] == _NONE)
    ]
    if odd:
        report.note(
            f"{where}: {len(odd)} faces have no hair but a hair colour, or the reverse", places=odd
        )
