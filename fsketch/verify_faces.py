"""fsketch verify --sets=DIR --embedder NAME [NAME ...]

Verifies persons on those of LFW, CALFW, CPLFW, CFP-FP and AgeDB-30 that DIR contains (layouts:
`fsketch/data/verification/face_sets.py`), or on your own pair list:

    --folder=DIR --draw=FILE.csv      draws a list once from a folder with a folder for each person
    --folder=DIR --pairs=FILE.csv     uses a drawn list

With --align, the face is found in each image of the folder and aligned by five points, as published
embedders were trained; without it, faces are the images' largest central squares.

An embedder is a baseline (pixels, pca, pca_whitened, hog), a run's workdir, or converted weights.
Without one, the data are only read and checked.  Exit code 1, with every bad file listed, if data
do not fit; 2 for wrong arguments.
"""

import argparse
from collections.abc import Iterator, Sequence

from fsketch.core import arguments, errors, paths, progress, writers
from fsketch.data.verification import face_pairs, face_sets
from fsketch.faces import template
from fsketch.scoring import face_verification


def parser() -> arguments.Parser:
    """The command line."""
    result = arguments.Parser("verify", description="Verify persons by embeddings.")
    add = result.add_argument
    result.path("--sets", metavar="DIR", help="the folder of the published sets")
    result.several(
        "--only", commas=True, known=face_sets.SETS, help="use these sets; all must be there"
    )
    result.path("--folder", metavar="DIR", help="a folder with a folder of images for each person")
    result.path(
        "--draw", metavar="FILE", help="with --folder: draw a pair list, write it and use it"
    )
    result.path("--pairs", metavar="FILE", help="with --folder: use this pair list")
    add("--align", action="store_true", help="with --folder: find and align the faces")
    add("--seed", type=int, default=0, help="for --draw")
    result.several(
        "--embedder", type=paths.expanded, metavar="NAME", help="baselines, or workdirs of runs"
    )
    add("--no_flip", action="store_true", help="do not add mirror images")
    add("--far", type=float, default=face_verification.FAR, help="false accept rate of TAR@FAR")
    result.path("--json", metavar="FILE", help="write everything, with every choice recorded")
    return result


def chosen_sets(given: argparse.Namespace) -> Iterator[face_sets.PairSet]:
    """The sets that the command line names, one after the other."""
    if given.folder:
        align = template.found if given.align else None
        yield face_pairs.load(given.pairs or given.draw, given.folder, align=align)
        return
    if not (names := given.only or face_sets.present(given.sets)):
        raise ValueError(
            f"{given.sets}: expected one of the sets {', '.join(face_sets.SETS)} in a layout of "
            "fsketch/data/verification/face_sets.py, got none"
        )
    if absent := [name for name in face_sets.SETS if name not in names and not given.only]:
        progress.say(f"{given.sets}: missing sets: {', '.join(absent)}")
    yield from face_sets.load_all(given.sets, names=names)


def main(words: Sequence[str]) -> int:
    """The exit code 0; raises UsageError for wrong flags, ValueError for wrong data."""
    given = parser().parse_args(words)
    if bool(given.sets) == bool(given.folder):
        raise errors.UsageError("--sets, --folder: expected exactly one of them")
    if bool(given.draw) + bool(given.pairs) != bool(given.folder):
        raise errors.UsageError("--folder: expected exactly one of --draw and --pairs with it")
    if given.align and not given.folder:
        raise errors.UsageError("--align: expected --folder beside it")
    tables: dict[str, list[face_verification.Row]] = {name: [] for name in given.embedder}
    flip = not given.no_flip
    writers.check_file("--json", given.json)
    embedders = {name: face_verification.embedder(name) for name in given.embedder}
    if given.draw:
        face_pairs.write(given.draw, face_pairs.draw(given.folder, seed=given.seed))
    for pairs in chosen_sets(given):
        progress.say(
            f"{pairs.name}: {len(pairs.is_same)} pairs in {pairs.num_folds} folds, "
            f"{len(pairs.faces)} faces, from {pairs.source}"
        )
        for name, embed in embedders.items():
            tables[name] += face_verification.verification_table(
                embed, [pairs], flip=flip, far=given.far
            )
        if not embedders:
            for note in pairs.notes:
                progress.say(f"note: {note}")
    if tables:
        print(face_verification.text(tables, flip=flip, far=given.far))
    if given.json:
        content = face_verification.as_dict(tables, flip=flip, far=given.far)
        writers.write_json(given.json, content)
    return 0
