"""fsketch styles --teacher=PATH --data=NAME [--manual_dir=DIR] [STYLE ...]

Ranks style images by their distance from real faces (metrics/style_distance.py), most distinct
first; IFRP takes its three training styles from the top (--config.portraits.num_distinct=3).
STYLE: a painting of fsketch/data/synthetic/paintings.py, an image file, or a folder of artworks;
default: all paintings.

    fsketch styles --paint=DIR       writes the paintings as PNG files

Exit code 0: done; 1: an image or a data set is refused; 2: wrong arguments.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fsketch.core import arguments, errors, state, writers
from fsketch.data import sources
from fsketch.data.synthetic import paintings
from fsketch.frozen import registry
from fsketch.metrics import style_distance
from fsketch.stages import distinct_styles


def rank(
    teacher: state.Frozen, styles: Sequence[str], photos: Sequence[np.ndarray], *, size_px: int
) -> list[tuple[str, float]]:
    """(style, distance from the faces), most distinct first; as `distinct_styles.grams`."""
    return style_distance.ranked(*distinct_styles.grams(teacher, styles, photos, size_px=size_px))


def expand(given: Sequence[str]) -> list[str]:
    """The styles with each folder replaced by its images; all paintings if none is given."""
    found = []
    for style in given or paintings.NAMES:
        found += paintings.folder(style) if Path(style).is_dir() else [style]
    return found


def parser() -> arguments.Parser:
    """The command line."""
    result = arguments.Parser("styles", description="Rank style images, or paint our own.")
    add = result.add_argument
    result.path(
        "styles", nargs="*", metavar="STYLE", help="paintings, image files, folders of artworks"
    )
    result.path("--paint", metavar="DIR", help="write our paintings there and do not rank")
    result.path(
        "--teacher",
        default="",
        help="a run of configs/teacher.py, or converted weights (*.safetensors)",
    )
    result.several(
        "--taps", commas=True, help="maps to compare, e.g. relu1_2,relu2_2; default: the net's own"
    )
    add("--data", default="procedural_faces/small", help="data set with the photos of faces")
    add("--split", default="train[:64]")
    result.path("--manual_dir", default="", metavar="DIR", help="the data set's images")
    result.path("--data_dir", default="", metavar="DIR", help="prepared data sets")
    add("--size_px", type=int, default=128, help="side of faces and style images")
    return result


def main(words: Sequence[str]) -> int:
    """The exit code 0; raises FileNotFoundError and ValueError for unreadable files."""
    given = parser().parse_args(words)
    if given.paint:
        Path(given.paint).mkdir(parents=True, exist_ok=True)
        for name in paintings.NAMES:
            image = paintings.paint(name, size_px=given.size_px)
            writers.write_png(Path(given.paint) / f"{name}.png", image)
        print(f"{len(paintings.NAMES)} paintings in {given.paint}")
        return 0
    if not given.teacher:
        raise errors.UsageError("--teacher: expected a run or a *.safetensors file, got none")
    teacher = registry.load("maps", given.teacher, taps=tuple(given.taps))
    pairs = sources.load(
        given.data, given.split, data_dir=given.data_dir, manual_dir=given.manual_dir
    )
    ranking = rank(teacher, expand(given.styles), pairs.photo, size_px=given.size_px)
    print(f"distance from {len(pairs)} faces of {given.data} {given.split}")
    for name, distance in ranking:
        print(f"{distance:10.3f}  {name}")
    return 0
