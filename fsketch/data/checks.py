"""What a folder of photo-sketch pairs must satisfy before it becomes a data set.

Every function adds what it finds to a `Report`, and `Report.close` raises one
`DataError` with all of it: a user repairs a folder in one go.  Nothing is
skipped and nothing is repaired.  Image sizes are written width x height, in
pixels; points are (x, y) from the upper left corner.
"""

import collections
import csv
import hashlib
import io
import itertools
import os
import struct
import sys
import unicodedata
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from fsketch.core import errors, progress

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".pgm")
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "PPM", "MPO")  # PPM: of *.pgm, too
# Of a phone's JPEG with more behind it, a depth map or a brighter copy, the first is the photo.
SEVERAL = ("MPO",)
MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
# Files that operating systems leave in any folder one looks at.
DEBRIS = ("thumbs.db", "desktop.ini")
# Mean |R-G| + |G-B| of an image, 0..510.  CUHK student: photos 55 to 95, sketches up to 4.
GREY_BELOW, COLOUR_ABOVE = 1.0, 12.0
EYES = ((75, 125), (125, 125))  # the aligned CUFS geometry
EYE_WINDOW_PX, EYE_TOLERANCE_PX, EYE_BLUR_PX, EYE_PHOTOS = 12, 4, 5, 20
# Photos whose hashes differ in so few of 256 bits are taken for one scene.  FS2K training half: 22
# to 35 for two recoloured copies and three pairs of one sitting, 41 for two persons; CUHK
# student: from 39.  Sketches are not compared: those of two persons differ in 29.
HASH_SIDE, NEAR_BITS = 16, 35
# A border left by rotation: this share of the frame's upper half is black.
BLACK_AT_MOST, BORDER_SHARE = 4, 0.01
SECTIONS = ("counts", "geometry", "images", "pairs")
_EXIF_ORIENTATION, _TIFF_BITS = 0x0112, 258
# What Pillow's plugins raise on damaged files (found by flipping bytes), and its size limit.
DAMAGED = (
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
)


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
    luma: np.ndarray | None  # uint8[H, W]
    kind: str  # file format and colour mode, "JPEG L"
    has_exif: bool
    has_alpha: bool
    border: float  # share of black pixels in the upper half of the frame, 0..1
    hash: np.ndarray  # uint8[32], 256 bits: is a cell of 16 x 16 brighter than its left neighbour


class Report:
    """Collects problems (which refuse the folder), notes (which do not) and facts.

    Attributes:
      problems: {(found, admitted): [file or field, ...]}
      sections: {(found, admitted): one of `SECTIONS`}
      notes: remarks, in order.
      places: {note: the files it speaks of}, for notes that have any.
      facts: [(one of `SECTIONS`, what was counted or measured), ...]
      looks: {"photo" or "sketch": {file: `Look` without luma}}, of all images that could be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: dict[tuple[str, str], list[str]] = {}
        self.sections: dict[tuple[str, str], str] = {}
        self.notes: list[str] = []
        self.places: dict[str, list[str]] = {}
        self.facts: list[tuple[str, str]] = []
        self.looks: dict[str, dict[Path, Look]] = {"photo": {}, "sketch": {}}

    def name(self, path: Path) -> str:
        """The path as messages write it: relative to the folder under test."""
        return path.relative_to(self.root).as_posix() if path != self.root else "."

    def problem(self, where: str, *, found: str, admitted: str, section: str = "pairs") -> None:
        self.problems.setdefault((found, admitted), []).append(where)
        self.sections.setdefault((found, admitted), section)

    def note(self, text: str, *, places: Sequence[str] = ()) -> None:
        self.notes.append(text)
        if places:
            self.places[text] = list(places)

    def fact(self, section: str, text: str) -> None:
        self.facts.append((section, text))

    def close(self) -> None:
        """Prints the notes; raises `DataError` if there was a problem."""
        if self.problems:
            raise errors.DataError(str(self.root), problems=self.problems, notes=self.notes)
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
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        report.problem(name, found=f"unreadable: {why}", admitted="a UTF-8 comma-separated table")
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
    rows: Iterable[Row],
    report: Report,
    *,
    size_px: tuple[int, int] | None = None,
    twins_admitted: bool = False,
    background: int | None = None,
    transparency_hint: str = "",
) -> np.ndarray | None:
    """Decodes every image of the rows and checks them one by one, in pairs and as a set.

    Args:
      rows: the pairs.
      report: takes the problems: unreadable, not 8 bit, transparent, turned or
        many-framed images; a size that is not `size_px`, or, if that is None,
        that differs within a pair; equal images; photos and sketches swapped.
        Takes all `looks`, and the formats and sizes as facts.
      size_px: (width, height) that every image must have.
      twins_admitted: equal images are a note only: the published set may have them.
      background: see `inspect`.
      transparency_hint: see `inspect`.

    Returns:
      float64[H, W], the mean luma 0..255 of the photos of `size_px`, or None
      where there are fewer than `EYE_PHOTOS` of them.
    """
    total, num_photos = 0.0, 0
    digests: dict[tuple[str, str], Path] = {}
    twins = []
    rows = list(rows)
    for row in progress.track(rows, "checking images", len(rows)):
        sizes: dict[str, tuple[int, int]] = {}
        for role, path in (("photo", row.photo), ("sketch", row.sketch)):
            if path is None:
                continue
            look = inspect(path, report, background=background, transparency_hint=transparency_hint)
            if look is None:
                continue
            report.looks[role][path] = look._replace(luma=None)
            sizes[role] = look.size
            if (twin := digests.setdefault((role, look.digest), path)) != path:
                if twins_admitted:
                    twins.append(f"{report.name(path)} = {report.name(twin)}")
                else:
                    report.problem(
                        report.name(path),
                        found=f"the same image as {report.name(twin)}",
                        admitted=f"each {role} once",
                        section="images",
                    )
            if size_px is not None and look.size != size_px:
                report.problem(
                    report.name(path),
                    found=f"{look.size[0]}x{look.size[1]} px",
                    admitted=f"{size_px[0]}x{size_px[1]} px (width x height)",
                    section="geometry",
                )
            elif size_px is not None and role == "photo":
                total, num_photos = total + look.luma.astype(np.float64), num_photos + 1
        if size_px is None and len(sizes) == 2 and sizes["photo"] != sizes["sketch"]:
            (w, h), (u, v) = sizes["photo"], sizes["sketch"]
            report.problem(
                f"id {row.id}",
                found=f"photo {w}x{h} px, sketch {u}x{v} px",
                admitted="equal sizes within a pair",
                section="geometry",
            )
    if twins:
        report.note("the same image twice, kept", places=twins)
    for role, looks in report.looks.items():
        plural = "sketches" if role == "sketch" else "photos"
        sizes_of = (f"of {look.size[0]}x{look.size[1]} px" for look in looks.values())
        report.fact("geometry", f"{plural}: {_counted(sizes_of)}")
        report.fact("images", f"{plural}: {_counted(look.kind for look in looks.values())}")
        if alpha := [report.name(path) for path, look in looks.items() if look.has_alpha]:
            laid = "is opaque: dropped" if background is None else f"is laid on grey {background}"
            report.note(
                f"{len(alpha)} of {len(looks)} {plural} with an alpha channel, which {laid}",
                places=alpha,
            )
    _check_colours(
        {role: [look.colour for look in looks.values()] for role, looks in report.looks.items()},
        report,
    )
    return total / num_photos if num_photos >= EYE_PHOTOS else None


def _counted(labels: Iterable[str]) -> str:
    """ "3 PNG RGB, 1 JPEG L", the most frequent first; "none"."""
    counts = collections.Counter(labels).most_common()
    rest = f", {len(counts) - 8} more" if len(counts) > 8 else ""
    return ", ".join(f"{count} {label}" for label, count in counts[:8]) + rest or "none"


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
            section="images",
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
        report.fact("geometry", f"{where}: the mean photo's eye at {eye}, expected at {(x, y)}")
        if np.hypot(eye[0] - x, eye[1] - y) > EYE_TOLERANCE_PX:
            at_rim = {0, 2 * EYE_WINDOW_PX} & {int(row), int(column)}
            report.problem(
                where,
                found=f"the mean photo's eye at {eye}" + (" or beyond" if at_rim else ""),
                admitted=f"within {EYE_TOLERANCE_PX} px of {(x, y)}: faces aligned by the eyes",
                section="geometry",
            )


def remark(report: Report, *, aligned: bool) -> None:
    """Notes what a set may have and one wants to know: EXIF data, black borders, like photos.

    Args:
      report: with its `looks`; takes the notes.
      aligned: photos were turned to level eyes, so black at the frame is a border of rotation
        (and not the background).
    """
    for role, looks in report.looks.items():
        if exif := [report.name(path) for path, look in looks.items() if look.has_exif]:
            report.note(
                f"{len(exif)} of {len(looks)} {role} files carry EXIF data; dropped", places=exif
            )
    photos = report.looks["photo"]
    black = [report.name(p) for p, look in photos.items() if look.border >= BORDER_SHARE]
    if aligned and black:
        report.note(
            f"{len(black)} of {len(photos)} photos have black borders of rotation; kept",
            places=black,
        )
    like = [
        f"{report.name(one)} ~ {report.name(other)} ({bits} of 256 bits differ)"
        for one, other, bits in near_duplicates(photos)
    ]
    if like:
        report.note(f"photos that are nearly the same: {len(like)} pairs", places=like)


def near_duplicates(looks: Mapping[Path, Look]) -> list[tuple[Path, Path, int]]:
    """(file, file, differing bits) of unequal images up to `NEAR_BITS` apart, closest first."""
    if not looks:
        return []
    paths = list(looks)
    hashes = np.stack([looks[path].hash for path in paths])
    found = []
    for i in range(len(paths) - 1):
        bits = np.bitwise_count(hashes[i] ^ hashes[i + 1 :]).sum(1)
        for j in np.flatnonzero(bits <= NEAR_BITS):
            other = paths[i + 1 + int(j)]
            if looks[paths[i]].digest != looks[other].digest:
                found.append((paths[i], other, int(bits[j])))
    return sorted(found, key=lambda pair: pair[2])


class Decoded(NamedTuple):
    """An image of one frame, upright, 8 bit and without transparency."""

    image: Image.Image
    kind: str  # file format and colour mode, "JPEG L"
    has_exif: bool
    has_alpha: bool


def decode(
    path: Path,
    report: Report,
    *,
    background: int | None = None,
    transparency_hint: str = "",
    apply_exif: bool = False,
) -> Decoded | None:
    """Decodes one image; None, with a problem reported, if it cannot be taken as it is.

    Args:
      path: the file.
      report: takes the problem.
      background: grey level 0..255 that transparent images are laid on; None refuses them.
      transparency_hint: follows what is admitted in place of a transparent image.
      apply_exif: turn or mirror the pixels as the EXIF orientation says, in place of refusing it.
    """

    def refuse(found: str, admitted: str) -> None:
        report.problem(report.name(path), found=found, admitted=admitted, section="images")

    try:
        with Image.open(path) as image:
            image.load()
            if image.format not in FORMATS:
                return refuse(f"a {image.format} file", f"{', '.join(FORMATS)}")
            if (bits := _bits(path, image)) > 8:
                return refuse(f"{bits} bits a channel", "8 bits a channel")
            if image.mode not in MODES:
                return refuse(f"colour mode {image.mode}", f"colour modes {', '.join(MODES)}")
            if image.format not in SEVERAL and getattr(image, "n_frames", 1) > 1:
                return refuse(f"{image.n_frames} images in one file", "one image a file")
            turn = image.getexif().get(_EXIF_ORIENTATION, 1)
            if turn not in (0, 1) and not apply_exif:
                return refuse(f"EXIF orientation {turn}", "upright pixels (orientation 1)")
            kind, has_exif = f"{image.format} {image.mode}", bool(image.getexif())
            image = ImageOps.exif_transpose(image) if apply_exif else image
            if image.has_transparency_data and background is None:
                alpha = np.asarray(image.convert("RGBA"))[..., 3]
                if alpha.min() < 255:
                    return refuse(
                        f"transparency (alpha down to {alpha.min()})",
                        f"opaque images: lay it on the background you want{transparency_hint}",
                    )
            return Decoded(
                image=_flat(image, background),
                kind=kind,
                has_exif=has_exif,
                has_alpha=image.has_transparency_data,
            )
    except DAMAGED as error:
        text = str(error).replace(str(path), path.name)
        return refuse(f"unreadable ({text})", "a whole image file")


def inspect(
    path: Path, report: Report, *, background: int | None = None, transparency_hint: str = ""
) -> Look | None:
    """What one image says about itself; None, with a problem reported, as `decode`."""
    decoded = decode(path, report, background=background, transparency_hint=transparency_hint)
    if decoded is None:
        return None
    rgb = np.asarray(decoded.image.convert("RGB"))
    luma = np.asarray(decoded.image.convert("L"))
    red, green, blue = (rgb[..., i].astype(np.int16) for i in range(3))
    return Look(
        size=decoded.image.size,
        digest=hashlib.sha256(repr(decoded.image.size).encode() + rgb.tobytes()).hexdigest(),
        colour=float((np.abs(red - green) + np.abs(green - blue)).mean()),
        luma=luma,
        kind=decoded.kind,
        has_exif=decoded.has_exif,
        has_alpha=decoded.has_alpha,
        border=_border(luma),
        hash=_hash(luma),
    )


def pixels(decoded: Decoded) -> np.ndarray:
    """uint8[H, W, 1] of an image stored as grey, uint8[H, W, 3] of any other."""
    is_grey = decoded.image.mode in ("1", "L", "LA")
    array = np.asarray(decoded.image.convert("L" if is_grey else "RGB"))
    return array[..., None] if is_grey else array


def _border(luma: np.ndarray) -> float:
    """Share of black in the upper half of the frame; the lower half may show dark clothes."""
    half = max(1, luma.shape[0] // 2)
    frame = np.concatenate([luma[0], luma[1:half, 0], luma[1:half, -1]])
    return float((frame <= BLACK_AT_MOST).mean())


def _hash(luma: np.ndarray) -> np.ndarray:
    """The difference hash: 16 x 17 cell means, each compared with its left neighbour."""
    cells = Image.fromarray(luma).resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX)
    cells = np.asarray(cells)
    return np.packbits((cells[:, 1:] > cells[:, :-1]).ravel())


def _flat(image: Image.Image, background: int | None) -> Image.Image:
    """The image without alpha: laid on a grey level, or, if that is None, as it is."""
    if background is None or not image.has_transparency_data:
        return image
    below = Image.new("RGBA", image.size, (background, background, background, 255))
    return Image.alpha_composite(below, image.convert("RGBA"))


def _bits(path: Path, image: Image.Image) -> int:
    """Bits per channel in the file; Pillow hands 16-bit RGB out as 8 bit without a word."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24]  # IHDR's bit depth
    if image.format == "TIFF":
        bits = image.tag_v2.get(_TIFF_BITS, (1,))
        return max(bits) if isinstance(bits, tuple) else bits
    return 16 if image.mode.startswith("I") else 32 if image.mode == "F" else 8


def png(path: Path, *, mode: str, background: int | None = None) -> io.BytesIO:
    """The image as PNG in `mode` ("RGB" or "L"), palettes resolved, metadata dropped.

    `background` is the grey level 0..255 that transparent pixels are laid on.
    """
    with Image.open(path) as image:
        return encode(np.asarray(_flat(image, background).convert(mode)))


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
