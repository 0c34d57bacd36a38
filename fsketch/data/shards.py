"""The folder of stylised portraits, as stages/portraits.py writes it and the builder reads it.

    split           faces        styles          order
    train           train        seen            face by face
    validation      validation   seen            face by face
    test_seen       test         seen            style by style
    test_unseen     test         all others      style by style
    test_sketches   test         drawn sketches  by face

In test splits every style has all test faces, in one order: slices are styles.
"""

import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from fsketch.core import names
from fsketch.data import checks

VERSION = 1
MANIFEST, POSES = "manifest.json", "poses.json"
PHOTO = "photo"  # folder of the real faces in a shard
PLAIN = "plain"  # the style of portraits that are moved but not stylised
DRAWN = "drawn"  # that of hand-drawn sketches, which are also moved
SPLITS = ("train", "validation", "test_seen", "test_unseen", "test_sketches")
FACE_SPLITS = ("train", "validation", "test")  # of the faces that portraits are made of


class Shard(NamedTuple):
    """A file and the indices of its faces in the manifest."""

    name: str
    places: range


def shards(manifest: dict[str, Any]) -> list[Shard]:
    """All shards of a manifest, in order."""
    number, size = len(manifest["faces"]), manifest["faces_per_shard"]
    count = -(-number // size)
    return [
        Shard(f"shard-{i:05d}-of-{count:05d}.zip", range(i * size, min((i + 1) * size, number)))
        for i in range(count)
    ]


def styles(manifest: dict[str, Any]) -> list[str]:
    """Names of all styles; a style's number is its index here."""
    return manifest["styles"] + [DRAWN] * manifest["drawn"]


def styles_of(manifest: dict[str, Any], place: int) -> list[str]:
    """The styles that the portraits of a face are made in."""
    return styles(manifest) if manifest["faces"][place][2] == "test" else manifest["seen"]


def examples(manifest: dict[str, Any], split: str) -> list[tuple[int, str]]:
    """(place of the face, style) of each example of a split, in order."""
    part = split.partition("_")[0]
    places = [i for i, (_, _, own) in enumerate(manifest["faces"]) if own == part]
    seen = manifest["seen"]
    if part != "test":
        return [(place, style) for place in places for style in seen]
    wanted = {
        "test_seen": seen,
        "test_unseen": [style for style in manifest["styles"] if style not in seen],
        "test_sketches": [DRAWN] * manifest["drawn"],
    }[split]
    return [(place, style) for style in wanted for place in places]


def check_names(manifest: dict[str, Any], report: checks.Report) -> None:
    """Checks that styles, ids and ID@STYLE are plain file names."""
    every = dict.fromkeys((*styles(manifest), *manifest["seen"]))
    longest = max(every, key=lambda style: len(style.encode()), default="")
    for style in every:
        checks.check_name(style, f"{MANIFEST} style {names.quoted(style)}", report)
    for number, (id, _, _) in enumerate(manifest["faces"]):
        if checks.check_name(id, where := f"{MANIFEST} face {number} {names.quoted(id)}", report):
            checks.check_name(f"{id}@{longest}", where, report)


def members(manifest: dict[str, Any], shard: Shard) -> set[str]:
    """The names in the archive of a shard."""
    faces = [(place, manifest["faces"][place][0]) for place in shard.places]
    photos = {f"{PHOTO}/{id}.png" for _, id in faces}
    made = {f"{style}/{id}.png" for place, id in faces for style in styles_of(manifest, place)}
    return {POSES} | photos | made


def read(folder: Path, report: checks.Report) -> dict[str, Any] | None:
    """The manifest of a folder; None, with the problems reported, if it is incomplete."""
    path = folder / MANIFEST
    if not path.is_file():
        report.problem(MANIFEST, got="no such file", expected="a folder of `fsketch prepare`")
        return None
    try:
        manifest = json.loads(path.read_text())
        version = manifest["version"]
        if version == VERSION:
            check_names(manifest, report)
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        report.problem(MANIFEST, got=f"unreadable: {error!r}", expected="what was written")
        return None
    if version != VERSION:
        report.problem(MANIFEST, got=f"format {version}", expected=f"format {VERSION}")
    if report.problems:
        return None
    known = {MANIFEST}
    for shard in shards(manifest):
        known.add(shard.name)
        if not (folder / shard.name).is_file():
            report.problem(
                shard.name,
                got="no such file",
                expected="all shards (run `fsketch prepare` again, it goes on where it was)",
            )
            continue
        try:
            with zipfile.ZipFile(folder / shard.name) as archive:
                fits = set(archive.namelist()) == members(manifest, shard)
        except (OSError, ValueError, zipfile.BadZipFile):
            got = "a damaged file"
        else:
            got = "" if fits else f"other members than {MANIFEST} says"
        if got:
            report.problem(shard.name, got=got, expected="a whole shard (delete it, prepare again)")
    for path in sorted(folder.iterdir()):
        if path.name not in known and not path.name.startswith("."):
            report.problem(path.name, got="a stray file", expected="the manifest's shards")
    return manifest if not report.problems else None
