"""Sets of face pairs for the verification of recognisers: the five published ones, and folders.

`load` reads LFW (Huang et al., TR 07-49, 2007), CALFW (arXiv 1708.08197), CPLFW (Zheng and Deng,
2018), CFP-FP (Sengupta et al., WACV 2016) and AgeDB-30 (Moschoglou et al., CVPRW 2017).  In one
folder, for each set NAME one of

    NAME.bin                        InsightFace's pack, see `packed`
    NAME.csv                        our own list, see `lists`; files relative to the folder
    lfw/pairs.txt                   the official list; images PERSON/PERSON_0001.jpg in lfw/ or in
                                    one folder below
    calfw/pairs_CALFW.txt, cplfw/pairs_CPLFW.txt    the official lists; images in "aligned images/"
    cfp_fp/Protocol/                the official lists; images where Pair_list_F, _P say
    agedb_30/04_FINAL_protocol_30_years.mat    the official list; images in 03_Protocol_Images/

Pairs come fold by fold.  A pack keeps its own order, which InsightFace cuts into ten [code];
official lists without folds are put in order so that each fold has as many pairs of one person as
of two, the first of each kind first.

Faces are 112 x 112 px and already aligned, except LFW's official images of 250 x 250 px: of them
the central `LFW_CROP_PX` are used, without alignment.  LFW's images are boxes of a
face detector enlarged 2.2 times [paper], so the box itself is the central 114 px; 128 show about
what the aligned crop of 112 shows [inferred].  Numbers on such faces are below those on aligned
ones, and a note says so.

There is no TFDS builder: a set is read once, whole, in its own order, and has pairs instead of
examples; a builder would write half a gigabyte again in another format.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from fsketch.core import names as file_names
from fsketch.data import checks
from fsketch.data.verification import lists, packed

Align = Callable[[np.ndarray], np.ndarray | None]  # uint8[H, W, 3] -> uint8[112, 112, 3]

SIDE_PX, LFW_CROP_PX = 112, 128
# Pairs, half of them of one person [secondary, for all; counted for LFW].
SETS = {"lfw": 6000, "calfw": 6000, "cplfw": 6000, "cfp_fp": 7000, "agedb_30": 6000}
# SHA-256 over the official list of LFW's View 2, "FILE FILE 1" or "... 0" a line.
LFW_DIGEST = "7e0d88e3a231932162ba1f422aa50f96b0e0e7d43cb1d9d0e9b36333a82c0bb8"


class PairSet(NamedTuple):
    """N pairs of M faces, fold by fold; the folds are those of `numpy.array_split`."""

    name: str
    faces: np.ndarray  # uint8[M, 112, 112, 3]
    first: np.ndarray  # int32[N], indices of faces
    second: np.ndarray  # int32[N]
    is_same: np.ndarray  # bool[N]
    person: np.ndarray | None  # int32[M]; None if the set does not say
    num_folds: int
    source: str  # the file that gave the pairs
    notes: tuple[str, ...]

    def digest(self) -> str:
        """12 hex digits of the SHA-256 over pixels, pairs and flags."""
        digest = hashlib.sha256()
        for array in (self.faces, self.first, self.second, self.is_same):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:12]


class Official(NamedTuple):
    """A published list: its path below the folder, its reader, and the folder of its images."""

    path: str
    read: Callable[[Path, checks.Report], list[lists.Pair]]
    images: str


OFFICIAL = {
    "lfw": Official("lfw/pairs.txt", lists.lfw, "lfw"),
    "calfw": Official("calfw/pairs_CALFW.txt", lists.two_lines, "calfw/aligned images"),
    "cplfw": Official("cplfw/pairs_CPLFW.txt", lists.two_lines, "cplfw/aligned images"),
    "cfp_fp": Official("cfp_fp/Protocol", lists.cfp_fp, "cfp_fp"),
    "agedb_30": Official(
        "agedb_30/04_FINAL_protocol_30_years.mat",
        lists.agedb_30,
        "agedb_30/03_Protocol_Images",
    ),
}


def load(name: str, root: str | Path) -> PairSet:
    """One of `SETS` from the folder `root`, checked against its published numbers.

    DataError: none or several of its layouts exist; a list does not fit or has other numbers of
    pairs; a file is missing, damaged or of another size.  The error names all such files.
    """
    if name not in SETS:
        raise ValueError(f"set: expected {', '.join(SETS)}, got {name!r}")
    root = Path(root)
    report = checks.Report(root)
    there = [path for path in _layouts(name, root) if path.exists()]
    if len(there) != 1:
        report.problem(
            name,
            got=", ".join(report.name(path) for path in there) or "none of them",
            expected="one of " + ", ".join(report.name(path) for path in _layouts(name, root)),
            section="counts",
        )
        report.close()
    (path,) = there
    if path.suffix == ".bin":
        return _pack(name, path, report)
    official = OFFICIAL[name] if path.suffix != ".csv" else Official("", lists.table, ".")
    pairs = official.read(path, report)
    _check_counts(name, [pair.is_same for pair in pairs], report, where=report.name(path))
    notes = []
    folder = root / official.images
    if path.name == "pairs.txt":
        folder = _folder_of(pairs[0].file_a, folder, report)
        notes += ["lfw: not the official list of View 2"] * (pairs_digest(pairs) != LFW_DIGEST)
    return from_pairs(
        pairs,
        folder,
        report,
        name=name,
        source=report.name(path),
        sizes=_SIZES_OF_LFW if path.name == "pairs.txt" else _SIZES,
        notes=notes,
        persons_known=path.name in ("pairs.txt", "Protocol"),
    )


def present(root: str | Path) -> list[str]:
    """The names of `SETS` with a layout in the folder."""
    return [name for name in SETS if any(path.exists() for path in _layouts(name, Path(root)))]


def load_all(root: str | Path, *, names: Sequence[str] = ()) -> Iterator[PairSet]:
    """The sets one after the other (half a gigabyte each): `names`, or all that are present."""
    for name in names or present(root):
        yield load(name, root)


def _layouts(name: str, root: Path) -> list[Path]:
    """The file or folder that identifies each layout."""
    return [root / f"{name}.bin", root / f"{name}.csv", root / OFFICIAL[name].path]


def _folder_of(file: str, folder: Path, report: checks.Report) -> Path:
    """`folder` or the one folder below it that holds this file."""
    places = [folder, *sorted(place for place in folder.iterdir() if place.is_dir())]
    there = [place for place in places if os.path.isfile(place / file)]
    if len(there) != 1:
        report.problem(
            report.name(folder),
            got=f"{file_names.quoted(file)} in {len(there)} places",
            expected="the images beside the list or in one folder below",
        )
        report.close()
    return there[0]


def _pack(name: str, path: Path, report: checks.Report) -> PairSet:
    try:
        pack = packed.read(path)
    except ValueError as error:
        text = str(error).removeprefix(f"{path}: ")
        report.problem(report.name(path), got=text, expected="a pickle of images and flags")
        report.close()
    is_same = np.asarray(pack.is_same, bool)
    _check_counts(name, pack.is_same, report, where=report.name(path))
    first: dict[bytes, int] = {}  # most images occur in several pairs
    for number, content in enumerate(pack.images):
        first.setdefault(content, number)
    contents = {f"{path.name} image {number}": content for content, number in first.items()}
    faces, notes = _decoded(contents, report, _SIZES)
    folds = [int(fold.sum()) for fold in np.array_split(is_same, lists.NUM_FOLDS)]
    if {2 * fold for fold in folds} != {SETS[name] // lists.NUM_FOLDS}:
        notes.append(
            f"{name}: the folds of the pack hold {min(folds)} to {max(folds)} pairs of one person"
        )
    row = {content: i for i, content in enumerate(first)}
    rows = np.asarray([row[content] for content in pack.images], np.int32)
    return PairSet(
        name, faces, rows[::2], rows[1::2], is_same, None, lists.NUM_FOLDS, path.name, tuple(notes)
    )


def _check_counts(name: str, is_same: Sequence[bool], report: checks.Report, *, where: str) -> None:
    """Also raises for what the report already holds."""
    num_same, half = sum(is_same), SETS[name] // 2
    if (num_same, len(is_same)) != (half, 2 * half) and not report.problems:
        report.problem(
            where,
            got=f"{num_same} pairs of one person and {len(is_same) - num_same} of two",
            expected=f"{half} of each, as published",
            section="counts",
        )
    report.close()


def pairs_digest(pairs: Sequence[lists.Pair]) -> str:
    """SHA-256 over the lines "FILE FILE 1" (one person) or "FILE FILE 0" of a list."""
    lines = "".join(f"{pair.file_a} {pair.file_b} {pair.is_same:d}\n" for pair in pairs)
    return hashlib.sha256(lines.encode()).hexdigest()


def person_of(file: str) -> str:
    """The folder of a person: "s1" of "s1/3.pgm", "007" of "Data/Images/007/profile/01.jpg"."""
    parts = Path(file).parts[:-1]
    return "/".join(parts[:-1] if parts[-1:] in (("frontal",), ("profile",)) else parts)


# Sizes (width, height) of images -> side of the central square that is the face.
_SIZES = {(SIDE_PX, SIDE_PX): SIDE_PX}
_SIZES_OF_LFW = {**_SIZES, (250, 250): LFW_CROP_PX}


def from_pairs(
    pairs: Sequence[lists.Pair],
    folder: Path,
    report: checks.Report,
    *,
    name: str,
    source: str,
    sizes: dict[tuple[int, int], int] | None = None,
    notes: Sequence[str] = (),
    persons_known: bool = True,
    align: Align | None = None,
) -> PairSet:
    """Decodes the images of pairs in the order of folds.

    Args:
      pairs: files relative to `folder`.
      folder: of the images.
      report: takes problems of the images; closed here.
      name: of the set.
      source: of the pairs.
      sizes: (width, height) of images -> side of the central square that is the face; None: the
        largest square of images of any size.
      notes: earlier ones.
      persons_known: the folder of a file is its person, see `person_of`.
      align: brings the face of an image to uint8[112, 112, 3]; where it gives None, or is None
        itself, the central square is taken.
    """
    files = list(dict.fromkeys(file for pair in pairs for file in pair[:2]))
    contents: dict[str, Path] = {}
    for file in files:
        path = folder / file
        if got := file_names.inside(file):
            report.problem(file_names.quoted(file), got=got, expected=file_names.INSIDE)
        elif not os.path.isfile(path):
            where = os.path.relpath(path, report.root)
            report.problem(where, got="no such file", expected="the files of the list")
        else:
            contents[file] = path
    faces, cuts = _decoded(contents, report, sizes, align)
    number = {file: i for i, file in enumerate(files)}
    people = checks.first_use(person_of(file) for file in files)
    person = np.asarray([people[person_of(file)] for file in files], np.int32)
    return PairSet(
        name=name,
        faces=faces,
        first=np.asarray([number[pair.file_a] for pair in pairs], np.int32),
        second=np.asarray([number[pair.file_b] for pair in pairs], np.int32),
        is_same=np.asarray([pair.is_same for pair in pairs], bool),
        person=person if persons_known else None,
        num_folds=max(pair.fold for pair in pairs),
        source=source,
        notes=(*notes, *cuts),
    )


def _decoded(
    sources: dict[str, Path] | dict[str, bytes],
    report: checks.Report,
    sizes: dict[tuple[int, int], int] | None,
    align: Align | None = None,
) -> tuple[np.ndarray, list[str]]:
    """uint8[M, 112, 112, 3] of images by name, and how many were cut or aligned.

    Closes the report: every image is decoded first.
    """
    faces = np.zeros((len(sources), SIDE_PX, SIDE_PX, 3), np.uint8)
    cut: dict[tuple[int, int], int] = {}
    num_aligned = 0
    for i, (where, source) in enumerate(sources.items()):
        decoded = checks.decode(source, report, where=where)
        if decoded is None:
            continue
        size = decoded.image.size
        side_px = min(size) if sizes is None else sizes.get(size)
        if side_px is None:
            report.problem(
                where,
                got=f"{size[0]}x{size[1]} px",
                expected=" or ".join(f"{width}x{height} px" for width, height in sizes),
                section="geometry",
            )
            continue
        face = align(np.asarray(decoded.image.convert("RGB"))) if align else None
        if face is not None:
            faces[i] = face
            num_aligned += 1
            continue
        if size != (SIDE_PX, SIDE_PX):
            cut[size] = cut.get(size, 0) + 1
        faces[i] = central(decoded.image, side_px)
    report.close()
    sides = {size: min(size) if sizes is None else sizes[size] for size in cut}
    notes = [
        f"{count} images of {size[0]}x{size[1]} px: the central {sides[size]} px, not aligned"
        for size, count in cut.items()
    ]
    return faces, [f"{num_aligned} faces found and aligned"] * bool(align) + notes


def central(image: Image.Image, side_px: int) -> np.ndarray:
    """uint8[112, 112, 3]: the central square of an image, resized with antialiasing."""
    left, top = ((size - side_px) // 2 for size in image.size)
    square = image.crop((left, top, left + side_px, top + side_px)).convert("RGB")
    if side_px != SIDE_PX:
        square = square.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
    return np.asarray(square)
