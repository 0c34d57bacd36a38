"""fsketch convert NAME FILE... OUT: published weights -> our *.safetensors.

Checks that every key is used once or declared unused, every parameter filled, every shape right
and every number finite; the files' SHA-256 are kept in the result.
"""

import argparse
import hashlib
import pathlib
from collections.abc import Sequence

import safetensors
from flax import traverse_util

from fsketch.convert import files, published
from fsketch.core import arguments


def convert(name: str, paths: Sequence[str], out: str) -> str:
    """Converts the published files at `paths`, a key of `published.WEIGHTS`; returns their SHA-256.

    The arrays of several files are named FILE/ARRAY, FILE without its suffix.

    Raises ValueError for files that do not fit, and for an `out` that is not a *.safetensors
    file or is a published one.
    """
    digests, arrays = [], {}
    for path in paths:
        with open(path, "rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        prefix = f"{pathlib.Path(path).stem}/" if len(paths) > 1 else ""
        arrays |= {prefix + key: array for key, array in files.read_arrays(path).items()}
    target = pathlib.Path(out)
    if target.suffix != ".safetensors" or target.is_dir():
        raise ValueError(f"OUT: expected a file *.safetensors, got {out}")
    if target.exists() and any(target.samefile(path) for path in paths):
        raise ValueError(f"OUT: expected another file than the published one, got {out}")
    try:
        params = published.convert(name, arrays)
    except ValueError as error:
        raise ValueError(f"{' '.join(paths)} as {name}:\n{error}") from None
    names = " ".join(pathlib.Path(path).name for path in paths)
    target.parent.mkdir(parents=True, exist_ok=True)
    files.write(
        out,
        traverse_util.unflatten_dict(params, sep="/"),
        net=name,
        source=f"{names} of {published.form(name, arrays).project}",
        sha256=" ".join(digests),
        licence=published.WEIGHTS[name].licence,
    )
    return " ".join(digests)


def main(words: Sequence[str]) -> int:
    """The exit code 0; raises OSError and ValueError for files that do not fit."""
    known = "\n".join(
        f"  {name:16} {form.file} of {form.project}"
        for name, weights in published.WEIGHTS.items()
        for form in (weights, *weights.others)
    )
    parser = arguments.Parser(
        "convert",
        description=__doc__,
        epilog=f"published files by name:\n{known}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=published.WEIGHTS, metavar="NAME", help="see below")
    parser.path(
        "files",
        metavar="FILE",
        nargs="+",
        help="the published weights: pth, pt, tar, npz, safetensors, caffemodel, onnx, pkl or h5",
    )
    parser.path("out", metavar="OUT", help="where to write (*.safetensors)")
    given = parser.parse_args(words)
    try:
        digest = convert(given.name, given.files, given.out)
    except FileNotFoundError as error:
        error.add_note(published.advice(given.name, given.out))
        raise
    except safetensors.SafetensorError as error:
        raise ValueError(f"{' '.join(given.files)}: {error}") from error
    print(f"{given.out}: {given.name} from {' '.join(given.files)} (SHA-256 {digest})")
    if licence := published.WEIGHTS[given.name].licence:
        print(f"licence: {licence}")
    return 0
