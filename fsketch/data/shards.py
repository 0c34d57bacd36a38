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

from fsketch.data import checks

VERSION = 1
MANIFEST, POSES = "manifest.json", "poses.json"
PHOTO = "photo"  # folder of the real faces in a shard
PLAIN = "plain"  # the style of portraits that are moved and not stylised
DRAWN = "drawn"  # that of hand-drawn sketches, which are moved, too
SPLITS = ("train", "validation", "test_seen", "test_unseen", "test_sketches")
FACE_SPLITS = ("train", "validation", "test")  # of the faces that portraits are made of


class Shard(NamedTuple):
    """A file and the places of its faces in the manifest."""

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
    """Names of all styles; a style's number is its place here."""
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


def read(folder: Path, report: checks.Report) -> dict[str, Any] | None:
    """The manifest of a folder; None, with the problems reported, if it is not complete."""
    path = folder / MANIFEST
    if not path.is_file():
        report.problem(MANIFEST, found="no such file", admitted="a folder of `fsketch prepare`")
        return None
    try:
        manifest = json.loads(path.read_text())
        version = manifest["version"]
    except (ValueError, KeyError, TypeError) as error:
        report.problem(MANIFEST, found=f"unreadable: {error!r}", admitted="what was written")
        return None
    if version != VERSION:
        report.problem(MANIFEST, found=f"format {version}", admitted=f"format {VERSION}")
        return None
    known = {MANIFEST}
    for shard in shards(manifest):
        known.add(shard.name)
        if not (folder / shard.name).is_file():
            report.problem(
                shard.name,
                found="no such file",
                admitted="all shards: run `fsketch prepare` again, it goes on where it was",
            )
        elif not zipfile.is_zipfile(folder / shard.name):
            report.problem(
                shard.name, found="a damaged file", admitted="whole ones: delete it, prepare again"
            )
    for path in sorted(folder.iterdir()):
        if path.name not in known and not path.name.startswith("."):
            report.problem(path.name, found="a stray file", admitted="the manifest's shards")
    return manifest if not report.problems else None
