"""What a folder of photo-sketch pairs must satisfy before it becomes a data set.

Every function adds what it finds to a `Report`, and `Report.close` raises one
`DataError` with all of it: a user repairs a folder in one go.  Nothing is
skipped and nothing is repaired.  Image sizes are written width x height, in
pixels; points are (x, y) from the upper left corner.
"""

import csv
import hashlib
import io
import itertools
import os
import struct
import sys
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from fsketch.data import sources

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
FORMATS = ("JPEG", "PNG", "BMP", "TIFF")
MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
# Files that operating systems leave in any folder one looks at.
DEBRIS = ("thumbs.db", "desktop.ini")
# Mean |R-G| + |G-B| of an image, 0..510.  CUHK student: photos 55 to 95, sketches up to 4.
GREY_BELOW, COLOUR_ABOVE = 1.0, 12.0
EYES = ((75, 125), (125, 125))  # the aligned CUFS geometry
EYE_WINDOW_PX, EYE_TOLERANCE_PX, EYE_BLUR_PX, EYE_PHOTOS = 12, 4, 5, 20
_EXIF_ORIENTATION, _TIFF_BITS = 0x0112, 258


class Row(NamedTuple):
    """One pair of a folder; a file that is missing is None."""

    id: str
    photo: Path | None
    sketch: Path | None
    split: str = ""
    identity: str = ""


class Look(NamedTuple):
    """What one decoded image says about itself."""

    size: tuple[int, int]  # width, height
    digest: str  # sha256 of the pixels and the size
    colour: float  # mean |R-G| + |G-B|, 0..510
    luma: np.ndarray  # uint8[H, W]


class Report:
    """Collects problems (which refuse the folder) and notes (which do not)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: dict[tuple[str, str], list[str]] = {}
        self.notes: list[str] = []

    def name(self, path: Path) -> str:
        """The path as messages write it: relative to the folder under test."""
        return path.relative_to(self.root).as_posix() if path != self.root else "."

    def problem(self, where: str, *, found: str, admitted: str) -> None:
        self.problems.setdefault((found, admitted), []).append(where)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None:
        """Prints the notes; raises `DataError` if there was a problem."""
        if self.problems:
            raise sources.DataError(str(self.root), problems=self.problems, notes=self.notes)
        for text in self.notes:
            print(f"note: {text}", file=sys.stderr, flush=True)


def files_by_stem(folder: Path, report: Report) -> dict[str, Path]:
    """The images of a folder by stem; two files of one stem, or other files, are problems."""
    stems: dict[str, Path] = {}
    if not folder.is_dir():
        report.problem(report.name(folder), found="no such folder", admitted="a folder of images")
        return stems
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.lower() in DEBRIS:
            report.note(f"{report.name(path)} is left behind by an operating system: not read")
        elif path.suffix.lower() not in EXTENSIONS or not path.is_file():
            report.problem(
                report.name(path),
                found="not an image file by its name",
                admitted=f"image files ({' '.join(EXTENSIONS)})",
            )
        # Mac archives store accents decomposed, lists usually composed.
        elif (stem := unicodedata.normalize("NFC", path.stem)) in stems:
            report.problem(
                report.name(path),
                found=f"a duplicate id: {report.name(stems[stem])} has the same stem",
                admitted="one file for each id",
            )
        else:
            stems[stem] = path
    return stems


def read_table(path: Path, report: Report, *, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a comma-separated table, UTF-8; missing columns and cells are problems."""
    name = report.name(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            header = [column.strip() for column in table.fieldnames or ()]
            table.fieldnames = header
            lines = [(table.line_num, line) for line in table]
    except (UnicodeDecodeError, csv.Error) as error:
        report.problem(name, found=f"unreadable: {error}", admitted="a UTF-8 comma-separated table")
        return []
    if missing := [column for column in columns if column not in header]:
        report.problem(
            name,
            found=f"columns {','.join(header) or 'none'}: {', '.join(missing)} missing",
            admitted=f"a first line {','.join(columns)}",
        )
        return []
    rows = []
    for number, line in lines:
        empty = [column for column in columns if not (line[column] or "").strip()]
        if empty or None in line:
            report.problem(
                f"{name} line {number}",
                found=f"no {', '.join(empty)}" if empty else "more cells than columns",
                admitted=f"one cell for each of {','.join(header)}",
            )
            continue
        rows.append({column: (line[column] or "").strip() for column in header})
    return rows


def rows_in(folder: Path, report: Report) -> list[Row]:
    """The pairs of one folder, by its pairs.csv, else by equal stems in photos/ and sketches/.

    With a table the order is the table's; without, it is that of the sorted ids.
    A row lacks a file (None) where the partner is missing, which is reported.
    """
    table = folder / "pairs.csv"
    if not table.is_file():
        photos = files_by_stem(folder / "photos", report)
        sketches = files_by_stem(folder / "sketches", report)
        rows = [Row(id, photos.get(id), sketches.get(id)) for id in sorted({*photos, *sketches})]
        for row in rows:
            if row.photo is None or row.sketch is None:
                report.problem(
                    report.name(row.photo or row.sketch),
                    found=f"no {'photo' if row.photo is None else 'sketch'} with the same stem",
                    admitted="a photo and a sketch for each id",
                )
        return rows

    rows, seen = [], {}
    for line in read_table(table, report, columns=("id", "photo", "sketch", "split")):
        files: dict[str, Path | None] = {}
        for role in ("photo", "sketch"):
            # normpath: a row must not lead out of the folder, whose content names the result.
            path = Path(os.path.normpath(folder / line[role]))
            if not path.is_relative_to(folder):
                found = "a path that leads out of the folder"
            elif path in seen:
                found = f"already the {seen[path][1]} of id {seen[path][0]}"
            elif not path.is_file():
                found = "no such file"
            else:
                seen[path] = (line["id"], role)
                files[role] = path
                continue
            report.problem(
                f"{report.name(table)} id {line['id']} {role} {line[role]}",
                found=found,
                admitted="one file of this folder for each photo and each sketch",
            )
        rows.append(
            Row(
                id=line["id"],
                photo=files.get("photo"),
                sketch=files.get("sketch"),
                split=line["split"],
                identity=line.get("identity", ""),
            )
        )
    for name in ("photos", "sketches"):
        if (folder / name).is_dir():
            for path in files_by_stem(folder / name, report).values():
                if path not in seen:
                    report.problem(
                        report.name(path),
                        found=f"in no row of {report.name(table)}",
                        admitted="files that the table names",
                    )
    return rows


def check_ids_unique(rows: Iterable[Row], report: Report) -> None:
    """An id may occur once, over all splits."""
    seen: dict[str, str] = {}
    for row in rows:
        if row.id in seen:
            report.problem(
                f"id {row.id}",
                found=f"a duplicate id: in {seen[row.id]} and in {row.split or 'train'}",
                admitted="an id once over all splits",
            )
        seen.setdefault(row.id, row.split or "train")


def check_images(
    rows: Iterable[Row], report: Report, *, size_px: tuple[int, int] | None = None
) -> np.ndarray | None:
    """Decodes every image of the rows and checks them one by one, in pairs and as a set.

    Args:
      rows: the pairs.
      report: takes the problems: unreadable, not 8 bit, transparent, turned or
        many-framed images; a size that is not `size_px`, or, if that is None,
        that differs within a pair; equal images; photos and sketches swapped.
      size_px: (width, height) that every image must have.

    Returns:
      float64[H, W], the mean luma 0..255 of the photos of `size_px`, or None
      where there are fewer than `EYE_PHOTOS` of them.
    """
    colours: dict[str, list[float]] = {"photo": [], "sketch": []}
    total, num_photos = 0.0, 0
    digests: dict[tuple[str, str], Path] = {}
    for row in rows:
        sizes: dict[str, tuple[int, int]] = {}
        for role, path in (("photo", row.photo), ("sketch", row.sketch)):
            if path is None or (look := inspect(path, report)) is None:
                continue
            sizes[role] = look.size
            colours[role].append(look.colour)
            if (twin := digests.setdefault((role, look.digest), path)) != path:
                report.problem(
                    report.name(path),
                    found=f"the same image as {report.name(twin)}",
                    admitted=f"each {role} once",
                )
            if size_px is not None and look.size != size_px:
                report.problem(
                    report.name(path),
                    found=f"{look.size[0]}x{look.size[1]} px",
                    admitted=f"{size_px[0]}x{size_px[1]} px (width x height)",
                )
            elif size_px is not None and role == "photo":
                total, num_photos = total + look.luma.astype(np.float64), num_photos + 1
        if size_px is None and len(sizes) == 2 and sizes["photo"] != sizes["sketch"]:
            (w, h), (u, v) = sizes["photo"], sizes["sketch"]
            report.problem(
                f"id {row.id}",
                found=f"photo {w}x{h} px, sketch {u}x{v} px",
                admitted="equal sizes within a pair",
            )
    _check_colours(colours, report)
    return total / num_photos if num_photos >= EYE_PHOTOS else None


def _check_colours(colours: dict[str, list[float]], report: Report) -> None:
    """Colourful sketches beside grey photos are taken for swapped folders."""
    num_photos, num_grey = len(colours["photo"]), sum(c < GREY_BELOW for c in colours["photo"])
    num_sketches, num_colour = (
        len(colours["sketch"]),
        sum(c > COLOUR_ABOVE for c in colours["sketch"]),
    )
    if num_photos and num_grey == num_photos and 2 * num_colour > num_sketches:
        report.problem(
            "photos and sketches",
            found=f"{num_grey} of {num_photos} photos grey, "
            f"{num_colour} of {num_sketches} sketches in colour: swapped?",
            admitted="photos in photos, sketches in sketches",
        )
    elif num_grey:
        report.note(f"{num_grey} of {num_photos} photos are grey; kept as three equal channels")
    if num_colour:
        report.note(f"{num_colour} of {num_sketches} sketches are in colour; kept as luma")


def check_eyes(mean_photo: np.ndarray, report: Report, *, where: str) -> None:
    """The eyes of the mean photo must lie where the aligned sets have them.

    The darkest point of the mean luma, smoothed by a 5x5 mean, is sought within
    12 px of each of `EYES` and must lie within 4 px of it.  The CUHK student
    set's lie at (74, 125) and (125, 125); 20 of its photos suffice for that.

    Args:
      mean_photo: float64[H, W].
      report: takes a problem for each eye that lies elsewhere.
      where: the folder, for the message.
    """
    half = EYE_BLUR_PX // 2
    padded = np.pad(mean_photo, half, mode="edge")
    smooth = np.lib.stride_tricks.sliding_window_view(padded, (EYE_BLUR_PX,) * 2).mean((2, 3))
    for x, y in EYES:
        left, top = x - EYE_WINDOW_PX, y - EYE_WINDOW_PX
        window = smooth[top : y + EYE_WINDOW_PX + 1, left : x + EYE_WINDOW_PX + 1]
        row, column = np.unravel_index(window.argmin(), window.shape)
        eye = (left + int(column), top + int(row))
        if np.hypot(eye[0] - x, eye[1] - y) > EYE_TOLERANCE_PX:
            at_rim = {0, 2 * EYE_WINDOW_PX} & {int(row), int(column)}
            report.problem(
                where,
                found=f"the mean photo's eye at {eye}" + (" or beyond" if at_rim else ""),
                admitted=f"within {EYE_TOLERANCE_PX} px of {(x, y)}: faces aligned by the eyes",
            )


def inspect(path: Path, report: Report) -> Look | None:
    """Decodes one image; None, with a problem reported, if it cannot be taken as it is."""

    def refuse(found: str, admitted: str) -> None:
        report.problem(report.name(path), found=found, admitted=admitted)

    try:
        with Image.open(path) as image:
            image.load()
            if image.format not in FORMATS:
                return refuse(f"a {image.format} file", f"{', '.join(FORMATS)}")
            if (bits := _bits(path, image)) > 8:
                return refuse(f"{bits} bits a channel", "8 bits a channel")
            if image.mode not in MODES:
                return refuse(f"colour mode {image.mode}", f"colour modes {', '.join(MODES)}")
            if getattr(image, "n_frames", 1) > 1:
                return refuse(f"{image.n_frames} images in one file", "one image a file")
            turn = image.getexif().get(_EXIF_ORIENTATION, 1)
            if turn not in (0, 1):
                return refuse(f"EXIF orientation {turn}", "upright pixels (orientation 1)")
            if image.has_transparency_data:
                alpha = np.asarray(image.convert("RGBA"))[..., 3]
                if alpha.min() < 255:
                    return refuse(
                        f"transparency (alpha down to {alpha.min()})",
                        "opaque images: lay it on the background you want",
                    )
            rgb = np.asarray(image.convert("RGB"))
            luma = np.asarray(image.convert("L"))
            size = image.size
    # What Pillow's plugins raise on damaged files (found by flipping bytes), and its size limit.
    except (
        Image.DecompressionBombError,
        ArithmeticError,
        EOFError,
        LookupError,
        OSError,
        SyntaxError,
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
    ) as error:
        text = str(error).replace(str(path), path.name)
        return refuse(f"unreadable ({text})", "a whole image file")
    red, green, blue = (rgb[..., i].astype(np.int16) for i in range(3))
    return Look(
        size=size,
        digest=hashlib.sha256(repr(size).encode() + rgb.tobytes()).hexdigest(),
        colour=float((np.abs(red - green) + np.abs(green - blue)).mean()),
        luma=luma,
    )


def _bits(path: Path, image: Image.Image) -> int:
    """Bits per channel in the file; Pillow hands 16-bit RGB out as 8 bit without a word."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24]  # IHDR's bit depth
    if image.format == "TIFF":
        bits = image.tag_v2.get(_TIFF_BITS, (1,))
        return max(bits) if isinstance(bits, tuple) else bits
    return 16 if image.mode.startswith("I") else 32 if image.mode == "F" else 8


def png(path: Path, *, mode: str) -> io.BytesIO:
    """The image as PNG in `mode` ("RGB" or "L"), palettes resolved, metadata dropped."""
    with Image.open(path) as image:
        return encode(np.asarray(image.convert(mode)))


def encode(pixels: np.ndarray) -> io.BytesIO:
    """uint8[H, W, 3] or uint8[H, W] as PNG, at half the time of the default and 3 % more bytes."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=4)
    file.seek(0)
    return file


def first_use(labels: Iterable[str]) -> dict[str, int]:
    """Numbers labels 0, 1, ... in the order in which they first occur."""
    number = itertools.count()
    return {label: next(number) for label in dict.fromkeys(labels)}
