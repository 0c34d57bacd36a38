"""python -m fsketch.verify_faces --sets=DIR --embedder NAME [NAME ...]

Verification of persons: LFW, CALFW, CPLFW, CFP-FP and AgeDB-30, as far as DIR holds them (the
layouts: `fsketch/data/verification/face_sets.py`), or a pair list of one's own:

    --folder=DIR --draw=FILE.csv      draws a list once from a folder with a folder for each person
    --folder=DIR --pairs=FILE.csv     takes a list that was drawn

An embedder is a floor (pixels, pca, pca_whitened, hog) or a run's workdir.  Without one the data
are read and checked only.  Exit code 1, with every bad file named, if something does not fit; 2 if
the arguments do not.
"""

from fsketch.core import startup

startup.prepare()  # before jax is imported

import argparse  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402

from etils import epath  # noqa: E402

from fsketch.core import writers  # noqa: E402
from fsketch.data.verification import face_pairs, face_sets  # noqa: E402
from fsketch.scoring import face_verification  # noqa: E402


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m fsketch.verify_faces", description="Verification of persons by embeddings."
    )
    add = result.add_argument
    add("--sets", metavar="DIR", help="the folder of the published sets")
    add("--only", nargs="+", default=(), choices=face_sets.SETS, help="of these, and all of them")
    add("--folder", metavar="DIR", help="a folder with a folder of images for each person")
    add("--draw", metavar="FILE", help="with --folder: draw a pair list, write it and use it")
    add("--pairs", metavar="FILE", help="with --folder: a pair list that was written")
    add("--seed", type=int, default=0, help="of --draw")
    add("--embedder", nargs="+", default=(), metavar="NAME", help="floors, or workdirs of runs")
    add("--no_flip", action="store_true", help="leave out the mirror images")
    add("--far", type=float, default=face_verification.FAR, help="of TAR@FAR")
    add("--json", metavar="FILE", help="write everything, each choice recorded")
    return result


def chosen_sets(given: argparse.Namespace) -> Iterator[face_sets.PairSet]:
    """The sets that the command line names, one after the other."""
    if given.folder:
        yield face_pairs.load(given.pairs or given.draw, given.folder)
        return
    if not (names := given.only or face_sets.present(given.sets)):
        raise ValueError(
            f"{given.sets}: expected one of the sets {', '.join(face_sets.SETS)} in a layout of "
            "fsketch/data/verification/face_sets.py, got none"
        )
    if absent := [name for name in face_sets.SETS if name not in names and not given.only]:
        print(f"{given.sets}: not there: {', '.join(absent)}", file=sys.stderr)
    yield from face_sets.load_all(given.sets, names=names)


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 refused; argparse exits with 2."""
    command = parser()
    given = command.parse_args(arguments)
    if bool(given.sets) == bool(given.folder):
        command.error("one of --sets and --folder is needed")
    if bool(given.draw) + bool(given.pairs) != bool(given.folder):
        command.error("--folder needs one of --draw and --pairs, which need --folder")
    tables: dict[str, list[face_verification.Row]] = {name: [] for name in given.embedder}
    flip = not given.no_flip
    try:
        writers.check_file("--json", given.json)
        embedders = {name: face_verification.embedder(name) for name in given.embedder}
        if given.draw:
            face_pairs.write(given.draw, face_pairs.draw(given.folder, seed=given.seed))
        for pairs in chosen_sets(given):
            print(
                f"{pairs.name}: {len(pairs.is_same)} pairs in {pairs.num_folds} folds, "
                f"{len(pairs.faces)} faces, from {pairs.source}",
                file=sys.stderr,
            )
            for name, embed in embedders.items():
                tables[name] += face_verification.verification_table(
                    embed, [pairs], flip=flip, far=given.far
                )
            if not embedders:
                print("\n".join(f"note: {note}" for note in pairs.notes), file=sys.stderr)
    except (ValueError, OSError) as error:  # DataError and WeightsError are ValueErrors
        print(error, file=sys.stderr)
        return 1
    if tables:
        print(face_verification.text(tables, flip=flip, far=given.far))
    if given.json:
        content = face_verification.as_dict(tables, flip=flip, far=given.far)
        content = json.dumps(content, indent=1, allow_nan=False) + "\n"
        writers.write_whole(epath.Path(given.json), content.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
