"""A set of pairs as a whole: sizes, equal images, colours, positions of the eyes, near copies."""

import collections
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from fsketch.data.checks import decoding, folders
from fsketch.data.checks import report as _report

# Mean |R-G| + |G-B| of an image, 0..510.  CUHK student: photos 55 to 95, sketches up to 4.
GREY_BELOW, COLOUR_ABOVE = 1.0, 12.0
EYES = ((75, 125), (125, 125))  # the aligned CUFS geometry
EYE_WINDOW_PX, EYE_TOLERANCE_PX, EYE_BLUR_PX, EYE_PHOTOS = 12, 4, 5, 20
# Photos whose hashes differ in so few of 256 bits count as one scene.  FS2K training half: 22
# to 35 for two recoloured copies and three pairs of one sitting, 41 for two persons; CUHK
# student: from 39.  Sketches are not compared: those of two persons differ in 29.
NEAR_BITS = 35
# A border left by rotation: this share of the frame's upper half is black.
BORDER_SHARE = 0.01
TWINS = "the same image twice, kept"
LEAKS = "the same image in two splits, kept: scores on the one tell less of other faces"


def check_images(
    rows: Iterable[folders.Row],
    report: _report.Report,
    *,
    size_px: tuple[int, int] | None = None,
    twins_allowed: bool = False,
    background: int | None = None,
    transparency_hint: str = "",
) -> np.ndarray | None:
    """Decodes every image of the rows and checks them singly, in pairs and as a set.

    Args:
      rows: the pairs.
      report: takes the problems: unreadable, not 8 bit, transparent, turned or
        many-framed images; a size that is not `size_px`, or, if None, one
        that differs within a pair; equal images; photos and sketches swapped.
        Takes all `looks`, and the formats and sizes as facts.
      size_px: (width, height) that every image must have.
      twins_allowed: equal images are only a note: a published set may have them, and in a user's
        set a photo may have several sketches, a sketch several photos.
      background: see `inspect`.
      transparency_hint: see `inspect`.

    Returns:
      float64[H, W], the mean luma 0..255 of the photos of `size_px`, or None
      where there are fewer than `EYE_PHOTOS` of them.
    """
    total, num_photos = 0.0, 0
    first: dict[tuple[str, str], folders.Row] = {}
    twins: dict[str, list[str]] = collections.defaultdict(list)
    for row in rows:
        sizes: dict[str, tuple[int, int]] = {}
        for role, path in (("photo", row.photo), ("sketch", row.sketch)):
            if path is None:
                continue
            look = decoding.inspect(
                path, report, background=background, transparency_hint=transparency_hint
            )
            if look is None:
                continue
            report.looks[role][path] = look._replace(luma=None)
            sizes[role] = look.size
            if (other := first.setdefault((role, look.digest), row)) is not row:
                twin = report.name(getattr(other, role))
                if twins_allowed:
                    kind = TWINS if row.split == other.split else LEAKS
                    twins[kind].append(f"{report.name(path)} = {twin}")
                elif twin != report.name(path):  # a file given twice is reported where it is read
                    report.problem(
                        report.name(path),
                        got=f"the same image as {twin}",
                        expected=f"each {role} once",
                        section="images",
                    )
            if size_px is not None and look.size != size_px:
                report.problem(
                    report.name(path),
                    got=f"{look.size[0]}x{look.size[1]} px",
                    expected=f"{size_px[0]}x{size_px[1]} px (width x height)",
                    section="geometry",
                )
            elif size_px is not None and role == "photo":
                total, num_photos = total + look.luma.astype(np.float64), num_photos + 1
        if size_px is None and len(sizes) == 2 and sizes["photo"] != sizes["sketch"]:
            (w, h), (u, v) = sizes["photo"], sizes["sketch"]
            report.problem(
                f"id {row.id}",
                got=f"photo {w}x{h} px, sketch {u}x{v} px",
                expected="equal sizes within a pair",
                section="geometry",
            )
    for text, places in twins.items():
        report.note(text, places=places)
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


def _check_colours(colours: dict[str, list[float]], report: _report.Report) -> None:
    """Reports colourful sketches beside grey photos as swapped folders."""
    num_photos, num_grey = len(colours["photo"]), sum(c < GREY_BELOW for c in colours["photo"])
    num_sketches, num_colour = (
        len(colours["sketch"]),
        sum(c > COLOUR_ABOVE for c in colours["sketch"]),
    )
    if num_photos and num_grey == num_photos and 2 * num_colour > num_sketches:
        report.problem(
            "photos and sketches",
            got=f"{num_grey} of {num_photos} photos grey, "
            f"{num_colour} of {num_sketches} sketches in colour: swapped?",
            expected="photos in photos, sketches in sketches",
            section="images",
        )
    elif num_grey:
        report.note(f"{num_grey} of {num_photos} photos are grey; kept as three equal channels")
    if num_colour:
        report.note(f"{num_colour} of {num_sketches} sketches are in colour; kept as luma")


def check_eyes(mean_photo: np.ndarray, report: _report.Report, *, where: str) -> None:
    """Checks that the eyes of the mean photo lie where the aligned sets have them.

    The darkest point of the mean luma, smoothed by a 5x5 mean, is sought within
    12 px of each of `EYES` and must lie within 4 px of it.  The CUHK student
    set's lie at (74, 125) and (125, 125); 20 of its photos suffice for that.

    Args:
      mean_photo: float64[H, W].
      report: takes a problem for each misplaced eye.
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
                got=f"the mean photo's eye at {eye}" + (" or beyond" if at_rim else ""),
                expected=f"within {EYE_TOLERANCE_PX} px of {(x, y)}: faces aligned by the eyes",
                section="geometry",
            )


def remark(report: _report.Report, *, aligned: bool) -> None:
    """Adds notes that do not block the set: EXIF data, black borders, similar photos.

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


def near_duplicates(looks: Mapping[Path, decoding.Look]) -> list[tuple[Path, Path, int]]:
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
