"""fsketch sketch PHOTO [PHOTO ...] OUT, fsketch photo SKETCH [SKETCH ...] OUT

Finds the faces of photos and draws them, or makes photos of sketches of faces.  Inputs are files,
folders and patterns, of any size and of most formats; OUT is a folder.

    OUT/NAME.png          the largest face, 200 x 250 px, the eyes at (75, 125) and (125, 125)
    OUT/NAME-face2.png    the next one, and so on: --output=aligned, the default
    OUT/NAME-scene.png    the photo with all faces in their places: --output=scene

Run the same command again to continue after an interruption.  Each file says what made it; results
of another model or of other options are refused, not taken for done.

Exit code 0: all done; 1: some photos failed or have no face, listed at the end; 2: wrong
arguments, nothing was written.
"""

import argparse
import collections
import re
from collections.abc import Mapping, Sequence
from concurrent import futures
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from fsketch import image_jobs, studio
from fsketch.core import (
    arguments,
    errors,
    image_files,
    names,
    paths,
    pictures,
    progress,
    threads,
    writers,
)
from fsketch.faces import align

COMMANDS = {"to_sketch": "sketch", "to_photo": "photo"}  # each is the other's input
OUTPUTS = {"aligned": ("aligned",), "scene": ("scene",), "both": ("scene", "aligned")}
READ_AHEAD = 3  # pictures that are decoded, and written, beside the one in work
_DERIVED = re.compile(r"(.+)-(?:face\d+|scene)")


def sketch(words: Sequence[str]) -> int:
    """The exit code of `fsketch sketch`."""
    return _main("to_sketch", words)


def photo(words: Sequence[str]) -> int:
    """The exit code of `fsketch photo`."""
    return _main("to_photo", words)


def parser(direction: str) -> arguments.Parser:
    """The command line."""
    made = COMMANDS[direction]
    (given,) = set(COMMANDS.values()) - {made}
    result = arguments.Parser(
        made, description=f"Find the faces of each {given} and make a {made} of each."
    )
    add = result.add_argument
    image_jobs.add_flags(result, given.upper())
    which = result.add_mutually_exclusive_group()
    which.add_argument("--model", default="", metavar="NAME", help="see `fsketch models`")
    which.add_argument(
        "--workdir", type=paths.expanded, metavar="RUN", help="a run, in place of a model"
    )
    result.path("--zoo", default="", metavar="DIR", help="a folder of more models")
    add("--style", default="", help="of a model that has several; default: its first")
    add(
        "--output", default="aligned", choices=OUTPUTS,
        help="each face, 200x250 px (default); the whole picture with its faces replaced; or both",
    )  # fmt: skip
    add(
        "--background", default="photo", choices=align.BACKGROUNDS,
        help="what a scene shows around the faces: the picture (default), or white paper",
    )  # fmt: skip
    add("--faces", default="all", choices=("all", "largest"), help="to take; default all")
    add(
        "--strict", action="store_true",
        help="skip faces that are turned aside, tiny or cut by the frame",
    )  # fmt: skip
    add(
        "--aligned", action="store_true",
        help="the pictures are faces of 200x250 px in the frame already: look for none",
    )  # fmt: skip
    return result


class Done(NamedTuple):
    """What became of the pictures: failures, notes by file, counts."""

    failures: list[image_jobs.Failure]
    notes: list[str]
    num_faces: int
    num_faceless: int


def run(
    model: studio.Studio,
    direction: str,
    jobs: Sequence[image_jobs.Job],
    flags: argparse.Namespace,
    about: Mapping[str, str],
) -> Done:
    """Translates the faces of all pictures; threads decode and encode files.

    about: what a result of each kind ("aligned", "scene") says of itself.
    """
    counts, notes = collections.Counter(), []
    with (
        futures.ThreadPoolExecutor(image_jobs.THREADS) as pool,
        progress.Bar("pictures", len(jobs)) as bar,
    ):
        outcomes = image_jobs.Outcomes(pool, bar, extension=flags.format)
        for job, read in threads.ahead(pool, jobs, _read, READ_AHEAD):
            if isinstance(read, pictures.PictureError):
                outcomes.fail(job, str(read))
                continue
            try:
                portraits = _portraits(model, direction, read.pixels, flags)
                results = _results(job, read.pixels, portraits, flags, about)
            except studio.NoFaceError as error:
                counts["faceless"] += 1
                is_frame = read.pixels.shape[:2] == align.FRAME
                outcomes.fail(job, f"{error}{'; --aligned looks for none' * is_frame}")
                continue
            except (jax.errors.JaxRuntimeError, ArithmeticError, MemoryError, ValueError) as error:
                outcomes.fail(job, str(error).partition("\n")[0] or "out of memory")
                continue
            counts["faces"] += len(portraits)
            notes += [f"{job.given}: {note}" for note in read.notes]
            for i, portrait in enumerate(portraits, start=1):
                which = f"face {i} " if len(portraits) > 1 else "the face "
                notes += [f"{job.given}: {which}is {note}" for note in portrait.notes]
            outcomes.write(job, results)
            outcomes.finish(READ_AHEAD)
        failures = outcomes.failures(jobs)
    return Done(failures, notes, counts["faces"], counts["faceless"])


def _read(job: image_jobs.Job) -> pictures.Picture | pictures.PictureError:
    try:
        return pictures.read(job.given)
    except pictures.PictureError as error:
        return error


def _portraits(
    model: studio.Studio, direction: str, image: np.ndarray, flags: argparse.Namespace
) -> list[studio.Portrait]:
    if not flags.aligned:
        most = 1 if flags.faces == "largest" else None
        return model.portraits(image, direction, most=most, strict=flags.strict)
    if image.shape[:2] != align.FRAME:
        size = f"{image.shape[1]}x{image.shape[0]} px"
        raise ValueError(f"expected a face of 200x250 px (--aligned), got {size}")
    return [model.aligned(image, direction)]


def _results(
    job: image_jobs.Job,
    image: np.ndarray,
    portraits: Sequence[studio.Portrait],
    flags: argparse.Namespace,
    about: Mapping[str, str],
) -> list[image_jobs.Result]:
    """The files of a job; those of `_marks` come after others.

    ValueError if one would take the place of a file that something else made.
    """
    results = []
    for kind in OUTPUTS[flags.output]:
        if kind == "scene":
            drawn = [(portrait.made, portrait.eyes) for portrait in portraits]
            made = align.scene(image, drawn, background=flags.background)
            results.append(image_jobs.Result(_named(job, "scene"), made, about[kind]))
        else:
            pages = [
                image_jobs.Result(_named(job, f"face{i}"), portrait.made, about[kind])
                for i, portrait in enumerate(portraits, start=1)
            ]
            results += reversed(pages)
    if not flags.overwrite:
        for path, _, own in results:
            if path.exists() and writers.about(path) != own:
                raise ValueError(f"cannot write {path}: another file is there")
    return results


def _named(job: image_jobs.Job, what: str) -> Path:
    """The file of a job: "face1", "face2", ... or "scene"."""
    return job.made if what == "face1" else job.made.with_stem(f"{job.made.stem}-{what}")


def _marks(job: image_jobs.Job, flags: argparse.Namespace) -> dict[str, Path]:
    """The files, by kind, without which a job is not done."""
    what = {"aligned": "face1", "scene": "scene"}
    return {kind: _named(job, what[kind]) for kind in OUTPUTS[flags.output]}


def _check_names(jobs: Sequence[image_jobs.Job]) -> None:
    """DataError for pictures named like a further result of another one, or lying in its place."""
    places = {job.made.resolve(): job.given for job in jobs}
    problems = collections.defaultdict(list)
    for job in jobs:
        for path in {job.made.resolve(), job.given.resolve()}:
            found = _DERIVED.fullmatch(path.stem)
            other = places.get(path.with_stem(found[1])) if found else None
            if other:
                what = f"the name of a further result of {other}"
                problems[what, "another name"].append(str(job.given))
    if problems:
        raise errors.DataError("the arguments", problems=problems)


def _studio(flags: argparse.Namespace) -> studio.Studio:
    if flags.workdir is None:
        return studio.load(flags.model, zoo=flags.zoo, style=flags.style)
    return studio.of_run(flags.workdir, style=flags.style)


def _about(origin: str, flags: argparse.Namespace) -> dict[str, str]:
    """What results say of themselves: all that decides what they are, but the picture."""
    chosen = [name for name in ("strict", "aligned") if getattr(flags, name)]
    about = ", ".join([origin, f"faces {flags.faces}", *chosen])
    return {"aligned": about, "scene": f"{about}, background {flags.background}"}


def _main(direction: str, words: Sequence[str]) -> int:
    flags = parser(direction).parse_args(words)
    try:
        jobs, num_unread, notes = image_jobs.plan(flags, formats=image_files.formats_here())
        _check_names(jobs)
        model = _studio(flags)
        translate = model.translator(direction)
        if problem := translate.problem(align.FRAME):
            raise ValueError(f"--workdir: {problem}")
        about = _about(translate.origin, flags)
        marks = {job: _marks(job, flags) for job in jobs}
        todo = [
            job
            for job in jobs
            if flags.overwrite or not all(p.exists() for p in marks[job].values())
        ]
        done = set(jobs).difference(todo)
        image_jobs.check_origins(
            {path: about[kind] for job in done for kind, path in marks[job].items()}
        )
    except (FileNotFoundError, ValueError) as error:  # DataError is one
        raise errors.UsageError(str(error)) from error
    result = run(model, direction, todo, flags, about)
    for note in [*notes, *result.notes]:
        progress.say(names.shown(f"note: {note}"))
    written = len(todo) - len(result.failures)
    faceless = f", {result.num_faceless} of them without a face" if result.num_faceless else ""
    counts = [
        f"{written} written with {result.num_faces} face{'s' * (result.num_faces != 1)}",
        f"{len(done)} already there",
        f"{len(result.failures)} failed{faceless}",
    ]
    return image_jobs.close(counts, flags.out, result.failures, num_unread=num_unread)
