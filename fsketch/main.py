"""python -m fsketch.main --config=... --workdir=... [--mode=train|evaluate|prepare].

The same as `fsketch MODE` with the other flags.
"""

import sys
from collections.abc import Sequence

from fsketch import __main__ as front_door

MODES = ("train", "evaluate", "prepare")


def main(words: Sequence[str]) -> int:
    """The exit code of `fsketch MODE`."""
    modes = [word.removeprefix("--mode=") for word in words if word.startswith("--mode=")]
    mode = modes[-1] if modes else "train"
    if mode not in MODES:
        print(f"--mode: expected one of {', '.join(MODES)}, got {mode!r}", file=sys.stderr)
        return 2
    return front_door.main([mode, *(word for word in words if not word.startswith("--mode="))])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
