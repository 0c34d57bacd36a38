"""Sets of faces in pairs, on which recognisers are verified: the five published ones, and folders.

`load` reads LFW (Huang et al., TR 07-49, 2007), CALFW (arXiv 1708.08197), CPLFW (Zheng and Deng,
2018), CFP-FP (Sengupta et al., WACV 2016) and AgeDB-30 (Moschoglou et al., CVPRW 2017) in the
layouts in which they go round.  In one folder, for each set NAME one of

    NAME.bin                        InsightFace's pack, see `packed`
    NAME_ann.txt                    lines "LABEL FILE FILE", files relative to the folder
    NAME/NAME_pair.txt              lines "FILE FILE LABEL", files in NAME/ or one folder below
    lfw/pairs.txt                   the official list, see `lfw`; images PERSON/PERSON_0001.jpg
    calfw/pairs_CALFW.txt, cplfw/pairs_CPLFW.txt    the official lists; images in "aligned images/"
    cfp_fp/Protocol/                the official lists; images where Pair_list_F, _P say
    agedb_30/04_FINAL_protocol_30_years.mat    the official list; images in 03_Protocol_Images/

Pairs come fold by fold.  A pack keeps its own order, which InsightFace cuts into ten [code]; lists
are put in order so that each fold has as many pairs of one person as of two, the first of each
kind first, which changes nothing where the list itself is in such folds.

Faces are 112 x 112 px and aligned already, except that LFW's official images, of 250 x 250 px, are
taken too: of them the central `LFW_CROP_PX` are taken, without any alignment.  LFW's images are
boxes of a face detector enlarged 2.2 times [paper], so the box itself is the central 114 px; 128
show about what the aligned crop of 112 shows [inferred].  Numbers on such faces are below those
on aligned ones, and a note says so.

Why there is no TFDS builder: a set is read once, whole, in its own order, and has pairs in place
of examples; a builder would write half a gigabyte again in another packing.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from fsketch.core import image_files, names
from fsketch.data import checks
from fsketch.data.verification import lfw, matlab, packed

SIDE_PX, LFW_CROP_PX = 112, 128
NUM_FOLDS = 10
# Pairs, half of them of one person [secondary, for all; counted for LFW].
SETS = {"lfw": 6000, "calfw": 6000, "cplfw": 6000, "cfp_fp": 7000, "agedb_30": 6000}
FORMATS, MODES = ("JPEG", "PNG", "BMP", "PPM"), ("L", "RGB")
# SHA-256 over the official list of LFW's View 2, "FILE FILE 1" or "... 0" a line.
LFW_DIGEST = "7e0d88e3a231932162ba1f422aa50f96b0e0e7d43cb1d9d0e9b36333a82c0bb8"


class PairSet(NamedTuple):
    """N pairs of M faces, fold by fold; the folds are those of `numpy.array_split`."""

    name: str
    faces: np.ndarray  # uint8[M, 112, 112, 3]
    first: np.ndarray  # int32[N], indices of faces
    second: np.ndarray  # int32[N]
    is_same: np.ndarray  # bool[N]
    person: np.ndarray | None  # int32[M]; None where the set does not tell
    num_folds: int
    source: str  # the file that gave the pairs
    notes: tuple[str, ...]

    def digest(self) -> str:
        """12 hex digits of the SHA-256 over pixels, pairs and flags."""
        digest = hashlib.sha256()
        for array in (self.faces, self.first, self.second, self.is_same):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:12]


class Crop(NamedTuple):
    """Which central square of an image of (width, height) is a face; None: another size."""

    side_px: Callable[[tuple[int, int]], int | None]
    expected: str


ALIGNED = Crop({(SIDE_PX,) * 2: SIDE_PX}.get, f"{SIDE_PX}x{SIDE_PX} px, aligned")
OFFICIAL_LFW = Crop(
    {(SIDE_PX,) * 2: SIDE_PX, (250, 250): LFW_CROP_PX}.get,
    f"{SIDE_PX}x{SIDE_PX} px, aligned, or 250x250 px",
)
LARGEST = Crop(min, "any size")


def load(name: str, root: str | Path) -> PairSet:
    """One of `SETS` from the folder `root`, checked against what is published of it.

    DataError: none or several of its layouts are there; a list does not fit or has other numbers
    of pairs; a file is missing, damaged or of another size.  All such files are named at once.
    """
    if name not in SETS:
        raise ValueError(f"set: expected {', '.join(SETS)}, got {name!r}")
    root = Path(root)
    report = checks.Report(root)
    found = {path: read for path, read in _layouts(name, root).items() if path.exists()}
    if len(found) != 1:
        report.problem(
            name,
            got=", ".join(report.name(path) for path in found) or "none of its layouts",
            expected="one of " + ", ".join(report.name(path) for path in _layouts(name, root)),
            section="counts",
        )
        report.close()
    ((path, read),) = found.items()
    return read(name, path, report)


def present(root: str | Path) -> list[str]:
    """The names of `SETS` of which a layout lies in the folder."""
    return [name for name in SETS if any(path.exists() for path in _layouts(name, Path(root)))]


def load_all(root: str | Path, *, names: Sequence[str] = ()) -> Iterator[PairSet]:
    """The sets one after the other (half a gigabyte each): `names`, or all that are present."""
    for name in names or present(root):
        yield load(name, root)


def _layouts(name: str, root: Path) -> dict[Path, Callable[[str, Path, checks.Report], PairSet]]:
    """The file or folder by which each layout is known, and its reader."""
    special = {
        "lfw": {root / "lfw" / "pairs.txt": _official_lfw},
        "calfw": {root / "calfw" / "pairs_CALFW.txt": _two_lines_a_pair},
        "cplfw": {root / "cplfw" / "pairs_CPLFW.txt": _two_lines_a_pair},
        "cfp_fp": {root / "cfp_fp" / "Protocol": _official_cfp},
        "agedb_30": {root / "agedb_30" / "04_FINAL_protocol_30_years.mat": _official_agedb},
    }
    return {
        root / f"{name}.bin": _pack,
        root / f"{name}_ann.txt": _label_first,
        root / name / f"{name}_pair.txt": _label_last,
        **special.get(name, {}),
    }


def _pack(name: str, path: Path, report: checks.Report) -> PairSet:
    try:
        pack = packed.read(path)
    except ValueError as error:
        text = str(error).removeprefix(f"{path}: ")
        report.problem(report.name(path), got=text, expected="a pickle of images and flags")
        report.close()
    is_same = np.asarray(pack.is_same, bool)
    _check_counts(name, is_same, report, where=report.name(path))
    first: dict[bytes, int] = {}  # most images occur in several pairs
    for number, content in enumerate(pack.images):
        first.setdefault(content, number)
    contents = ((f"{path.name} image {number}", content) for content, number in first.items())
    faces, notes = _decoded(contents, len(first), report, ALIGNED)
    report.close()
    folds = [int(fold.sum()) for fold in np.array_split(is_same, NUM_FOLDS)]
    if {2 * fold for fold in folds} != {SETS[name] // NUM_FOLDS}:
        notes.append(
            f"{name}: the folds of the pack hold {min(folds)} to {max(folds)} pairs of one person"
        )
    row = {content: i for i, content in enumerate(first)}
    rows = np.asarray([row[content] for content in pack.images], np.int32)
    return PairSet(
        name, faces, rows[::2], rows[1::2], is_same, None, NUM_FOLDS, path.name, tuple(notes)
    )


def _official_lfw(name: str, path: Path, report: checks.Report) -> PairSet:
    try:
        pairs = lfw.read_pairs(path)
    except ValueError as error:  # UnicodeDecodeError is one
        text = str(error).removeprefix(f"{path}").removeprefix(", ")
        report.problem(report.name(path), got=text, expected="the list of View 2")
        report.close()
    notes = [] if pairs_digest(pairs) == LFW_DIGEST else ["lfw: not the official list of View 2"]
    return _from_list(name, path, pairs, report, crop=OFFICIAL_LFW, notes=notes)


def pairs_digest(pairs: Sequence[lfw.Pair]) -> str:
    """SHA-256 over the lines "FILE FILE 1" (one person) or "FILE FILE 0" of a list."""
    lines = "".join(f"{pair.file_a} {pair.file_b} {pair.is_same:d}\n" for pair in pairs)
    return hashlib.sha256(lines.encode()).hexdigest()


def _two_lines_a_pair(name: str, path: Path, report: checks.Report) -> PairSet:
    """ "FILE K" twice a pair: K = 0 for two persons, else one, K being 1 or the fold [code]."""
    lines = _lines(path, report, num_words=2)
    pairs, folds = [], []
    for (number, one), (_, other) in zip(lines[::2], lines[1::2], strict=False):
        if one[1] != other[1] or one[1] not in [str(k) for k in range(NUM_FOLDS + 1)]:
            report.problem(
                f"{report.name(path)} line {number}",
                got=f"{one[1]!r}, then {other[1]!r}",
                expected="the same number of 0 to 10 in both lines of a pair",
            )
            continue
        pairs.append(lfw.Pair(one[0], other[0], one[1] != "0"))
        folds += [int(one[1])] if one[1] != "0" else []
    in_folds = sorted(list(range(1, NUM_FOLDS + 1)) * (SETS[name] // 2 // NUM_FOLDS))
    if len(folds) == len(in_folds) and folds != in_folds and set(folds) != {1}:
        report.problem(
            report.name(path),
            got="pairs of one person numbered otherwise",
            expected=f"all numbered 1, or the folds 1 to 10 in order, {len(folds) // 10} each",
        )
    return _from_list(name, path, pairs, report, folder=path.parent / "aligned images")


def _label_first(name: str, path: Path, report: checks.Report) -> PairSet:
    rows = [(line, words[1:], words[0]) for line, words in _lines(path, report, num_words=3)]
    return _from_list(name, path, _labelled(rows, path, report), report, folder=path.parent)


def _label_last(name: str, path: Path, report: checks.Report) -> PairSet:
    rows = [(line, words[:2], words[2]) for line, words in _lines(path, report, num_words=3)]
    return _from_list(name, path, _labelled(rows, path, report), report)


def _labelled(
    rows: Sequence[tuple[int, list[str], str]], path: Path, report: checks.Report
) -> list[lfw.Pair]:
    pairs = []
    for line, files, label in rows:
        if label not in ("1", "0", "-1"):
            report.problem(
                f"{report.name(path)} line {line}",
                got=f"label {label!r}",
                expected="1 for one person, 0 or -1 for two",
            )
        pairs.append(lfw.Pair(*files, label == "1"))
    return pairs


def _official_cfp(name: str, path: Path, report: checks.Report) -> PairSet:
    """Split/FP/01 ... 10/{same,diff}.txt, "I,J": the I-th frontal and the J-th profile image."""
    images = {}
    for letter in "FP":
        table = path / f"Pair_list_{letter}.txt"
        for line, (index, file) in _lines(table, report, num_words=2):
            if index != str(len([key for key in images if key[0] == letter]) + 1):
                report.problem(
                    f"{report.name(table)} line {line}",
                    got=f"number {index}",
                    expected="numbers from 1, in order",
                )
            images[letter, index] = os.path.normpath(os.path.join(path.name, file))
    pairs = []
    for fold in range(1, NUM_FOLDS + 1):
        for kind in ("same", "diff"):
            table = path / "Split" / "FP" / f"{fold:02d}" / f"{kind}.txt"
            for line, (cell,) in _lines(table, report, num_words=1):
                frontal, _, profile = cell.partition(",")
                if ("F", frontal) not in images or ("P", profile) not in images:
                    report.problem(
                        f"{report.name(table)} line {line}",
                        got=repr(cell),
                        expected="numbers of Pair_list_F.txt and Pair_list_P.txt, 'I,J'",
                    )
                    continue
                files = images["F", frontal], images["P", profile]
                pairs.append(lfw.Pair(*files, kind == "same"))
    return _from_list(name, path, pairs, report, folder=path.parent)


def _official_agedb(name: str, path: Path, report: checks.Report) -> PairSet:
    """`splits`: a cell of 10 structs, whose field is a cell [2, 600] of structs (file, age) [code].

    A file is "PERSON_..." without its suffix, .jpg.
    """
    try:
        cells = [_first_field(split) for split in matlab.read(path)["splits"].ravel()]
        columns = [[_first_field(item) for item in column] for cell in cells for column in cell.T]
        if not all(len(column) == 2 and {*map(type, column)} == {str} for column in columns):
            raise ValueError("pairs that are not of two names")
    except (AttributeError, IndexError, KeyError, OSError, StopIteration, ValueError) as error:
        text = str(error).removeprefix(f"{path}: ")
        report.problem(
            report.name(path),
            got=text if isinstance(error, ValueError) else f"another structure ({text})",
            expected="the published list of AgeDB-30",
        )
        report.close()
    pairs = [
        lfw.Pair(f"{a}.jpg", f"{b}.jpg", a.split("_")[0] == b.split("_")[0]) for a, b in columns
    ]
    return _from_list(name, path, pairs, report, folder=path.parent / "03_Protocol_Images")


def _first_field(struct: dict[str, np.ndarray]) -> Any:
    return next(iter(struct.values())).ravel()[0]


def _lines(path: Path, report: checks.Report, *, num_words: int) -> list[tuple[int, list[str]]]:
    """(number, words) of each line that is not empty."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        text = error.strerror if isinstance(error, OSError) else error
        report.problem(report.name(path), got=f"unreadable: {text}", expected="a UTF-8 list")
        return []
    rows = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    for number, words in rows:
        if len(words) != num_words:
            report.problem(
                f"{report.name(path)} line {number}",
                got=f"{len(words)} words",
                expected=f"{num_words} words a line",
            )
    return [row for row in rows if len(row[1]) == num_words]


def _from_list(
    name: str,
    path: Path,
    pairs: Sequence[lfw.Pair],
    report: checks.Report,
    *,
    folder: Path | None = None,
    crop: Crop = ALIGNED,
    notes: Sequence[str] = (),
) -> PairSet:
    """The set of a list; without `folder` the images lie beside the list or one folder below."""
    is_same = np.asarray([pair.is_same for pair in pairs], bool)
    _check_counts(name, is_same, report, where=report.name(path))
    if folder is None:
        below = sorted(place for place in path.parent.iterdir() if place.is_dir())
        places = [path.parent, *below]
        first = pairs[0].file_a
        found = [p for p in places if not names.inside(first) and os.path.isfile(p / first)]
        if len(found) != 1:
            report.problem(
                report.name(path.parent),
                got=f"{names.quoted(first)} in {len(found)} places",
                expected="the images beside the list or in one folder below",
            )
            report.close()
        folder = found[0]
    kinds = ([p for p in pairs if p.is_same], [p for p in pairs if not p.is_same])
    half = SETS[name] // 2 // NUM_FOLDS
    folds = [kind[i : i + half] for i in range(0, SETS[name] // 2, half) for kind in kinds]
    ordered = [pair for fold in folds for pair in fold]
    return from_pairs(
        ordered,
        folder,
        report,
        name=name,
        source=report.name(path),
        crop=crop,
        notes=notes,
        persons_known=name in ("lfw", "cfp_fp") and path.name in ("pairs.txt", "Protocol"),
    )


def _check_counts(name: str, is_same: np.ndarray, report: checks.Report, *, where: str) -> None:
    num_same, num_pairs = int(is_same.sum()), SETS[name]
    if (len(is_same), 2 * num_same) != (num_pairs, num_pairs):
        report.problem(
            where,
            got=f"{num_same} pairs of one person and {len(is_same) - num_same} of two",
            expected=f"{num_pairs // 2} of each, as published",
            section="counts",
        )
    report.close()


def from_pairs(
    pairs: Sequence[lfw.Pair],
    folder: Path,
    report: checks.Report,
    *,
    name: str,
    source: str,
    crop: Crop,
    num_folds: int = NUM_FOLDS,
    notes: Sequence[str] = (),
    persons_known: bool = True,
) -> PairSet:
    """Decodes the images of pairs that come fold by fold.

    Args:
      pairs: files relative to `folder`.
      folder: where the images lie.
      report: takes what is wrong with the images; closed here.
      name: of the set.
      source: of the pairs.
      crop: which square of an image is the face.
      num_folds: into which the pairs are cut.
      notes: what is known already.
      persons_known: the folder of a file is its person, see `person_of`.
    """
    files = list(dict.fromkeys(file for pair in pairs for file in pair[:2]))
    inside = []
    for file in files:
        if got := names.inside(file):
            report.problem(names.quoted(file), got=got, expected=names.INSIDE)
        elif os.path.isfile(folder / file):
            inside.append(file)
        else:
            where = os.path.relpath(folder / file, report.root)
            report.problem(where, got="no such file", expected="the files of the list")
    contents = ((file, (folder / file).read_bytes()) for file in inside)
    faces, found = _decoded(contents, len(inside), report, crop)
    report.close()
    number = {file: i for i, file in enumerate(files)}
    people = checks.first_use(person_of(file) for file in files)
    return PairSet(
        name=name,
        faces=faces,
        first=np.asarray([number[pair.file_a] for pair in pairs], np.int32),
        second=np.asarray([number[pair.file_b] for pair in pairs], np.int32),
        is_same=np.asarray([pair.is_same for pair in pairs], bool),
        person=np.asarray([people[person_of(file)] for file in files], np.int32)
        if persons_known
        else None,
        num_folds=num_folds,
        source=source,
        notes=(*notes, *found),
    )


def person_of(file: str) -> str:
    """The folder of a person: "s1" of "s1/3.pgm", "007" of "Data/Images/007/profile/01.jpg"."""
    parts = Path(file).parts[:-1]
    return "/".join(parts[:-1] if parts[-1:] in (("frontal",), ("profile",)) else parts)


def _decoded(
    contents: Iterator[tuple[str, bytes]], number: int, report: checks.Report, crop: Crop
) -> tuple[np.ndarray, list[str]]:
    """uint8[number, 112, 112, 3], and how many faces were cut out of which size."""
    faces = np.zeros((number, SIDE_PX, SIDE_PX, 3), np.uint8)
    cut: dict[tuple[int, int], int] = {}
    for i, (where, content) in enumerate(contents):
        image = decode(content, where, report)
        if image is None:
            continue
        side_px = crop.side_px(image.size)
        if side_px is None:
            report.problem(
                where,
                got=f"{image.size[0]}x{image.size[1]} px",
                expected=crop.expected,
                section="geometry",
            )
            continue
        if image.size != (SIDE_PX, SIDE_PX):
            cut[image.size] = cut.get(image.size, 0) + 1
        faces[i] = central(image, side_px)
    return faces, [
        f"{count} images of {width}x{height} px: the central "
        f"{crop.side_px((width, height))} px, not aligned"
        for (width, height), count in cut.items()
    ]


def central(image: Image.Image, side_px: int) -> np.ndarray:
    """uint8[112, 112, 3]: the central square of an image, resized with antialiasing."""
    left, top = ((size - side_px) // 2 for size in image.size)
    square = image.crop((left, top, left + side_px, top + side_px)).convert("RGB")
    if side_px != SIDE_PX:
        square = square.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
    return np.asarray(square)


def decode(content: bytes, where: str, report: checks.Report) -> Image.Image | None:
    """An encoded image, 8 bits, grey or RGB; None, with a problem at `where`, for any other."""
    expected = f"{', '.join(FORMATS)} of 8 bits a channel, grey or RGB"
    try:
        with image_files.open_image(content, formats=FORMATS) as image:
            # Pillow hands out some images of 16 bits as if they had 8.
            deep = content[24] > 8 if image.format == "PNG" else image.tile[0][0] != "raw"
            if image.mode not in MODES or (image.format in ("PNG", "PPM") and deep):
                got = f"{image.format}, colour mode {image.mode}, or more than 8 bits"
                report.problem(where, got=got, expected=expected, section="images")
                return None
            image.load()
            return image
    except image_files.ImageFileError as error:
        got = f"unreadable ({error.got})"
        report.problem(where, got=got, expected=expected, section="images")
        return None
