"""python -m fsketch.data.prepare NAME --manual_dir=DIR [--data_dir=DIR]

Builds a data set (once) and prints how many pairs each split has.  Exit code 1,
with every problem listed, if the folder's content or the arguments do not fit.
"""

from fsketch.core import startup

startup.prepare()  # before jax is imported

import argparse  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402

from fsketch.core import errors  # noqa: E402
from fsketch.data import sources  # noqa: E402


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 prepared, 1 refused."""
    parser = argparse.ArgumentParser(
        prog="python -m fsketch.data.prepare",
        description="Build a data set once.",
        epilog=f"names: {', '.join(sources.names())}",
    )
    parser.add_argument("name", help="cufs/cuhk, paired_folder, ...")
    parser.add_argument("--manual_dir", default="", help="the folder with your images")
    parser.add_argument("--data_dir", default="", help="where prepared data lies (TFDS' default)")
    given = parser.parse_args(arguments)
    try:
        builder = sources.prepare(given.name, data_dir=given.data_dir, manual_dir=given.manual_dir)
    except errors.DataError as error:
        print(error, file=sys.stderr)
        return 1
    for split, info in builder.info.splits.items():
        print(f"{split:>12} {info.num_examples:6d} pairs")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
