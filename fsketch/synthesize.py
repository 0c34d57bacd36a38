"""fsketch synthesize --workdir=RUN --direction=to_sketch IN [IN ...] OUT

Makes sketches of photos, or photos of sketches, with a run's checkpoint.  IN: images of any size,
and folders of images; OUT: a folder, which gets an image of the same name and size for each input.
Only the workdir is needed.  Run the same command again to continue after an interruption.

Images are translated whole, as they are; see fsketch/translator.py.  For photos of faces at any
place and size there is `fsketch sketch`.  Two limits of larger images: nets learn faces at one
scale, so a face twice as large is another task; shrink the photo first.  And instance normalisation
sees the whole canvas, so contrast depends a little on the share of fill; most for the U-Net of
pix2pix, which needs multiples of 2^depth px.

Exit code 0: all done; 1: some failed, listed at the end with their reasons; 2: wrong arguments,
nothing was written.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from fsketch import image_jobs, translator
from fsketch.core import arguments, errors, image_files, images, names, progress, threads
from fsketch.data import checks

LEVELS = {"BLACK": 0, "WHITE": 255}
MAX_PX = 1024  # default of --max_px

_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
_EXIF_ORIENTATION = 0x0112


class Reading(NamedTuple):
    """How to decode files; see the flags."""

    background: int | None
    apply_exif: bool
    max_px: int


def size_of(path: Path, reading: Reading) -> tuple[int, int] | None:
    """(height, width) by the header; None if it is unreadable, which `read` reports."""
    try:
        with image_files.open_image(path) as image:
            turned = reading.apply_exif and image.getexif().get(_EXIF_ORIENTATION) in _SIDEWAYS
            return image.size if turned else image.size[::-1]
    except image_files.ImageFileError:
        return None


def read(path: Path, reading: Reading) -> np.ndarray | image_jobs.Failure:
    """The image uint8[H, W, 1 or 3], or why it cannot be used."""
    size = size_of(path, reading)
    if size and max(size) > reading.max_px:
        return image_jobs.Failure(
            path,
            f"expected up to {reading.max_px} px a side, got {size[1]}x{size[0]} px: shrink it, "
            "or raise --max_px as far as memory allows",
        )
    report = checks.Report(path.parent)
    decoded = checks.decode(
        path,
        report,
        background=reading.background,
        transparency_hint=", or give --background",
        apply_exif=reading.apply_exif,
    )
    for got, expected in report.problems:
        hint = " (or give --apply_exif)" if "orientation" in expected else ""
        return image_jobs.Failure(path, f"expected {expected}{hint}, got {got}")
    return checks.pixels(decoded)


def run(
    translate: translator.Translator,
    jobs: Sequence[image_jobs.Job],
    reading: Reading,
    *,
    batch_size: int,
    extension: str,
) -> list[image_jobs.Failure]:
    """Makes all images; returns the failures in the order of `jobs`.

    Threads decode and encode files, at most two batches ahead of the device and behind it.
    """

    def canvas_of(size: tuple[int, int] | None) -> tuple[int, int]:
        return translate.canvas(size) if size and max(size) <= reading.max_px else (0, 0)

    with (
        futures.ThreadPoolExecutor(image_jobs.THREADS) as pool,
        progress.Bar("images", len(jobs)) as bar,
    ):
        outcomes = image_jobs.Outcomes(pool, bar, extension=extension)
        # Sorted by canvas, since each has its own program; unusable images come first.
        sizes = pool.map(lambda job: size_of(job.given, reading), jobs)
        canvases = dict(zip(jobs, map(canvas_of, sizes), strict=True))
        decoded = threads.ahead(
            pool,
            sorted(jobs, key=canvases.get),
            lambda job: read(job.given, reading),
            2 * batch_size,
        )

        def images_of() -> Iterator[tuple[image_jobs.Job, np.ndarray]]:
            for job, result in decoded:
                if isinstance(result, image_jobs.Failure):
                    outcomes.fail(job, result.reason)
                elif problem := translate.problem(result.shape[:2]):
                    outcomes.fail(job, problem)
                else:
                    yield job, result

        for _, group in itertools.groupby(
            images_of(), key=lambda pair: translate.canvas(pair[1].shape[:2])
        ):
            while chunk := list(itertools.islice(group, batch_size)):
                try:
                    made = translate.batch([image for _, image in chunk], batch_size=batch_size)
                except (jax.errors.JaxRuntimeError, MemoryError) as error:
                    why = str(error).strip().partition("\n")[0] or "out of memory"
                    for job, image in chunk:
                        px = f"{image.shape[1]}x{image.shape[0]} px"
                        outcomes.fail(job, f"failed at {px} in a batch of {batch_size}: {why}")
                    continue
                for (job, _), image in zip(chunk, made, strict=True):
                    result = image_jobs.Result(job.made, image, translate.origin)
                    outcomes.write(job, [result])
                outcomes.finish(2 * batch_size)
        return outcomes.failures(jobs)


def level(text: str) -> int:
    """Parses a grey level: 0..255, WHITE or BLACK."""
    if text in LEVELS:
        return LEVELS[text]
    if not text.isdecimal() or int(text) > 255:
        raise argparse.ArgumentTypeError(f"expected WHITE, BLACK or 0 to 255, got {text!r}")
    return int(text)


def parser() -> arguments.Parser:
    """The command line."""
    result = arguments.Parser(
        "synthesize",
        description="Make sketches of photos, or photos of sketches, with a run's checkpoint.",
    )
    add = result.add_argument
    result.path("--workdir", required=True, help="the run")
    add("--direction", required=True, choices=images.DIRECTIONS)
    image_jobs.add_flags(result, "IN")
    add("--style", default="", help="of a run that has several; default: its first")
    add("--checkpoint", default="best", choices=("best", "latest"))
    add(
        "--batch_size", type=image_jobs.positive, default=8,
        help="images a batch; does not change results",
    )  # fmt: skip
    add(
        "--max_px", type=image_jobs.positive, default=MAX_PX,
        help=f"refuse images with a longer side than this; default {MAX_PX}.  Memory grows with "
        "the area: about 1 GB a megapixel at width 24",
    )  # fmt: skip
    add("--apply_exif", action="store_true", help="turn photos upright by their EXIF data")
    add(
        "--background", type=level, metavar="LEVEL",
        help="lay transparent images on WHITE, BLACK or a grey level, 0 to 255",
    )  # fmt: skip
    return result


def main(words: Sequence[str]) -> int:
    """The exit code: 0 all done, 1 some failed; raises UsageError for wrong arguments."""
    flags = parser().parse_args(words)
    reading = Reading(flags.background, flags.apply_exif, flags.max_px)
    try:
        jobs, num_unread, notes = image_jobs.plan(flags, formats=checks.FORMATS)
        todo = [job for job in jobs if flags.overwrite or not job.made.exists()]
        translate = translator.load_translator(
            flags.workdir, flags.direction, checkpoint=flags.checkpoint, style=flags.style
        )
        done = set(jobs).difference(todo)
        image_jobs.check_origins({job.made: translate.origin for job in done})
    except (FileNotFoundError, ValueError) as error:  # DataError is one
        raise errors.UsageError(str(error)) from error
    for note in notes:
        progress.say(names.shown(f"note: {note}"))
    failures = run(translate, todo, reading, batch_size=flags.batch_size, extension=flags.format)
    counts = [
        f"{len(todo) - len(failures)} written",
        f"{len(done)} already there",
        f"{len(failures)} failed",
    ]
    return image_jobs.close(counts, flags.out, failures, num_unread=num_unread)
