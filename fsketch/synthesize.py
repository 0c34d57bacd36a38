"""fsketch synthesize --workdir=RUN --direction=to_sketch IN [IN ...] OUT

Makes sketches of photos, or photos of sketches, with a run's checkpoint.  IN: images of any size,
and folders of images; OUT: a folder, which gets an image of the same name and size for each input.
Only the workdir is needed.  Run the same command again to continue after an interruption.

An image is centred on a canvas of the run's fill, as in training and evaluation, and cut out again.
A side of the canvas is the run's crop_px or, for a longer side, that side rounded up to an eighth
of an octave (257 to 512 px: a multiple of 32) and to a multiple that the net can halve; one program
is compiled for each canvas size.  So test pairs of the run come out bit for bit as in
WORKDIR/outputs.  A first stage that draws a coarse sketch runs before this, on the photo without
canvas; then images must have the size of the run's own images.

Two limits of larger images: nets learn faces at one scale, so a face twice as large is another
task; shrink the photo first.  And instance normalisation sees the whole canvas, so contrast depends
a little on the share of fill; most for the U-Net of pix2pix, which needs multiples of 2^depth px.

Exit code 0: all done; 1: some failed, listed at the end with their reasons; 2: wrong arguments,
nothing was written.
"""

import argparse
import collections
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from fsketch import prediction, restore
from fsketch.core import (
    arguments,
    errors,
    image_files,
    images,
    names,
    parallel,
    progress,
    state,
    trees,
    types,
    writers,
)
from fsketch.data import checks, pipeline
from fsketch.methods import interface
from fsketch.scoring import matching
from fsketch.stages import coarse_images

DIRECTIONS = matching.DIRECTIONS
FORMATS = {"png": writers.write_png, "jpg": writers.write_jpeg}
LEVELS = {"BLACK": 0, "WHITE": 255}
MAX_PX = 1024  # default of --max_px
PROGRAMS = 4  # compiled programs to keep, one for each canvas size
THREADS = 4  # threads that decode and encode beside the device

# Draws coarse sketches: photos uint8[B, H, W, 3] of one size, without canvas -> uint8[B, H, W, 1].
FirstStage = Callable[[np.ndarray], np.ndarray]

_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
_EXIF_ORIENTATION = 0x0112


def load_translator(
    workdir: str | os.PathLike, direction: str, *, checkpoint: str = "best"
) -> "Translator":
    """A run's translator: uint8[H, W, 1 or 3] -> uint8[H, W, C], C as in the run's images.

    Args:
      workdir: the run; its data are not needed.
      direction: "to_sketch" or "to_photo".
      checkpoint: "best" or "latest".

    Raises:
      FileNotFoundError: no checkpoint in the workdir.
      ValueError: the run does not translate in this direction.
    """
    restored = restore.run(workdir, kind=checkpoint)
    crop = restored.config.data.crop_px
    blank = prediction.blank(crop, crop, prediction.channels(restored.config))
    made = jax.eval_shape(restored.method.predict, restored.state, restored.frozen, blank)
    offered = [name for name, (_, target) in DIRECTIONS.items() if target in made]
    if direction not in offered:
        raise ValueError(
            f"direction: expected {' or '.join(offered) or 'none'} for {workdir}, a run of method "
            f"{restored.config.method!r}, got {direction!r}"
        )
    first_stage = None
    if "patches" in restored.config:
        first_stage = coarse_images.first_stage(workdir, restored.config)
    return Translator(restored, direction, first_stage=first_stage)


class Translator:
    """Translates images of any size from one domain to the other; see the module's docstring.

    A call takes one image, `batch` takes several.  On CPU a result depends on its image alone.
    `origin` says what makes them; files of results keep it.
    """

    def __init__(
        self,
        restored: restore.Restored,
        direction: str,
        *,
        first_stage: FirstStage | None = None,
    ) -> None:
        self._source, target = DIRECTIONS[direction]
        self._target = target
        self._first_stage = first_stage
        self._size = tuple(restored.config.data.image_px)
        fills = pipeline.fills(restored.config.data)
        self._fill, self._fill_coarse = fills[f"fill_{self._source}"], fills["fill_sketch"]
        self._crop = restored.config.data.crop_px
        self._channels = prediction.channels(restored.config)
        weights = trees.digest(_parameters_only(restored.state).players)
        self.origin = f"fsketch {direction} by step {restored.step}, weights {weights}"
        self._method = _one_way(restored.method, self._source, target, depth=self._channels[target])
        self._host = _parameters_only(restored.state), restored.frozen
        self._devices = [parallel.replicate(part) for part in self._host]
        self._program = functools.lru_cache(PROGRAMS)(self._bind)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """uint8[H, W, 1 or 3] -> uint8[H, W, C]; FloatingPointError if it is not finite."""
        (made,) = self.batch([image], batch_size=1)
        if made is None:
            raise FloatingPointError(f"{self._target}: expected finite values, got NaN or infinity")
        return made

    def batch(self, batch: Sequence[np.ndarray], *, batch_size: int) -> list[np.ndarray | None]:
        """Translates up to `batch_size` images of equal `canvas`; None for a result not finite.

        A smaller batch is filled up, so that one program serves all batches of a canvas.
        """
        for image in batch:
            if problem := self.problem(image.shape[:2]):
                raise ValueError(problem)
        (canvas,) = {self.canvas(image.shape[:2]) for image in batch}
        size = prediction.local_batch(batch_size)
        if len(batch) > size:
            raise ValueError(f"batch: expected up to {size} images, got {len(batch)}")
        converted = [self._convert(image) for image in batch]
        boxes = [_box(image.shape[:2], canvas) for image in batch]

        def place(domain: str, parts: Iterable[np.ndarray], fill: int | None) -> np.ndarray:
            placed = np.zeros((size, *canvas, self._channels[domain]), np.uint8)
            for i, part in enumerate(parts):
                placed[i] = images.laid(part, canvas, fill=fill)
            return placed

        inputs = {self._source: place(self._source, converted, self._fill)}
        if self._first_stage:
            shape = (*batch[0].shape[:2], self._channels[self._source])
            coarse = self._first_stage(np.stack([np.broadcast_to(x, shape) for x in converted]))
            inputs["coarse"] = place("coarse", coarse, self._fill_coarse)
        outputs = self._program(canvas, size)(inputs)[self._target]
        cuts = [output[box] for output, box in zip(outputs, boxes, strict=False)]
        return [images.to_uint8(cut) if np.isfinite(cut).all() else None for cut in cuts]

    def problem(self, size: tuple[int, int]) -> str:
        """Why an image of this (height, width) is refused; "" if it is accepted."""
        if not self._size or size == self._size:
            return ""
        return (
            f"expected {self._size[1]}x{self._size[0]} px, the size of the run's own images "
            f"(data.image_px), got {size[1]}x{size[0]} px"
        )

    def canvas(self, size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the canvas for an image of this (height, width)."""
        return self._side(size[0]), self._side(size[1])

    def _side(self, px: int) -> int:
        if px <= self._crop:
            return self._crop
        step = max(self._multiple, 1 << ((px - 1).bit_length() - 4))
        return -(-px // step) * step

    @functools.cached_property
    def _multiple(self) -> int:
        """The power of two of which sides must be a multiple, found by tracing the net."""
        for step in (2**i for i in range(12)):
            side = self._crop + step
            try:
                blank = prediction.blank(side, side, self._channels)
                jax.eval_shape(self._method.predict, *self._host, blank)
            except ValueError:
                continue
            return step
        raise ValueError(f"image: expected up to {self._crop} px a side for this net, got more")

    def _bind(self, canvas: tuple[int, int], size: int) -> prediction.Predict:
        """A new predictor for each shape, so that dropping it frees its program."""
        del canvas, size
        return prediction.predictor(self._method)(*self._devices)

    def _convert(self, image: np.ndarray) -> np.ndarray:
        """uint8[H, W, C] of the source domain: grey is repeated; colour becomes luma by PIL, as
        in the data sets.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3):
            raise ValueError(f"image: expected uint8[H, W, 1 or 3], got {image.dtype}{image.shape}")
        if self._channels[self._source] == 3 or image.shape[-1] == 1:
            return image  # one channel is broadcast to three
        return np.asarray(Image.fromarray(image).convert("L"))[..., None]


def _one_way(method: interface.Method, source: str, target: str, *, depth: int) -> interface.Method:
    """The method with a `predict` of one direction; the compiler drops the other.

    depth: channels of the target.
    """

    def predict(
        train_state: state.TrainState, frozen: interface.Frozens, batch: types.Batch
    ) -> types.Predictions:
        shape = (*batch[source].shape[:-1], depth)
        pair = {**batch, target: jnp.zeros(shape)}
        return {target: method.predict(train_state, frozen, pair)[target]}

    return method._replace(predict=predict)


def _parameters_only(train_state: state.TrainState) -> state.TrainState:
    """The state without the parts that only training needs: optimizers and image pools."""
    players = {
        role: player.averaged().replace(opt_state=(), ema={}, ema_rate=0.0)
        for role, player in train_state.players.items()
    }
    return train_state.replace(players=players, memory={})


def _box(size: tuple[int, int], canvas: tuple[int, int]) -> tuple[slice, slice]:
    """The place of an image on its canvas."""
    corner = images.centre(size, canvas)
    return tuple(slice(start, start + px) for start, px in zip(corner, size, strict=True))


class Job(NamedTuple):
    """One image to make: input and output file."""

    given: Path
    made: Path


class Failure(NamedTuple):
    """A file without a result."""

    path: Path
    reason: str


class Plan(NamedTuple):
    """Images to make, sorted by path; the number of files that are no images; notes."""

    jobs: list[Job]
    num_unread: int
    notes: list[str]


def plan(inputs: Sequence[str], out: str, *, extension: str, recursive: bool) -> Plan:
    """The images to make.

    Raises `DataError` with every input that does not exist or contains no image, and every input
    whose output would overwrite another output or an input.
    """
    problems: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    roles = (*(("IN", given) for given in inputs), ("OUT", out))
    empty = [role for role, path in roles if not path]
    if empty:
        raise errors.DataError("the arguments", problems={("''", "a path"): empty})
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        problems["a file", "OUT: a folder"].append(out)
    jobs, num_unread, notes = [], 0, []
    for given in inputs:
        root = Path(given)
        files = [root]
        if root.is_dir():
            files, unread, remarks = _below(root, recursive)
            num_unread += unread
            notes += remarks
            if not files:
                problems["no image in it", f"images ({', '.join(checks.FORMATS)})"].append(given)
            is_below = folder.resolve().is_relative_to(root.resolve())
            if is_below if recursive else folder.resolve() == root.resolve():
                problems[f"OUT in {given}", "a folder elsewhere"].append(out)
        elif not root.is_file():
            problems["no such file or folder", "images and folders of images"].append(given)
        base = root if root.is_dir() else root.parent
        jobs += [
            Job(file, folder / file.relative_to(base).with_suffix(f".{extension}"))
            for file in files
        ]
    writers_of: dict[Path, list[str]] = collections.defaultdict(list)
    for job in jobs:
        writers_of[job.made].append(str(job.given))
    for made, given in writers_of.items():
        if len(given) > 1:
            problems[f"inputs that all write {made}", "one input for each output"] += given
    read = {job.given.resolve() for job in jobs}
    for job in jobs:
        if job.made.resolve() in read:
            problems["an output that is an input", "a folder elsewhere"].append(str(job.made))
    if problems:
        raise errors.DataError("the arguments", problems=problems)
    return Plan(jobs, num_unread, notes)


def _below(root: Path, recursive: bool) -> tuple[list[Path], int, list[str]]:
    """Images of a folder, sorted, the number of other files, and notes on files not read."""
    files, unread, subfolders, visited = [], [], [], set()
    for place, folders, leaves in os.walk(root, followlinks=True):
        if not recursive:
            subfolders += [name for name in folders if not names.is_debris(name)]
            folders.clear()
        elif (real := os.path.realpath(place)) in visited:  # a circular link
            folders.clear()
            continue
        else:
            visited.add(real)
            folders[:] = sorted(name for name in folders if not names.is_debris(name))
        for leaf in sorted(leaves):
            path = Path(place, leaf)
            if not names.is_debris(leaf) and image_files.is_image(path):
                files.append(path)
            else:
                unread.append(str(path.relative_to(root)))
    notes = []
    if unread:
        notes.append(f"{root}: not read, since their first bytes are no image: {_some(unread)}")
    if subfolders:
        notes.append(f"{root}: folders not entered without --recursive: {_some(subfolders)}")
    return files, len(unread), notes


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(sorted(names)[:5]) + rest


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


def read(path: Path, reading: Reading) -> np.ndarray | Failure:
    """The image uint8[H, W, 1 or 3], or why it cannot be used."""
    size = size_of(path, reading)
    if size and max(size) > reading.max_px:
        return Failure(
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
        return Failure(path, f"expected {expected}{hint}, got {got}")
    return checks.pixels(decoded)


def run(
    translator: Translator,
    jobs: Sequence[Job],
    reading: Reading,
    *,
    batch_size: int,
    extension: str,
) -> list[Failure]:
    """Makes all images; returns the failures in the order of `jobs`.

    Threads decode and encode files, at most two batches ahead of the device and behind it.
    """
    failures: list[Failure] = []
    written: collections.deque[tuple[Job, futures.Future]] = collections.deque()

    def finish(most: int) -> None:
        while len(written) > most:
            job, future = written.popleft()
            if error := future.exception():
                failures.append(Failure(job.given, f"cannot write {job.made}: {error}"))
            bar.step()

    def canvas_of(size: tuple[int, int] | None) -> tuple[int, int]:
        return translator.canvas(size) if size and max(size) <= reading.max_px else (0, 0)

    with futures.ThreadPoolExecutor(THREADS) as pool, progress.Bar("images", len(jobs)) as bar:
        # Sorted by canvas, since each has its own program; unusable images come first.
        sizes = pool.map(lambda job: size_of(job.given, reading), jobs)
        canvases = dict(zip(jobs, map(canvas_of, sizes), strict=True))
        decoded = _ahead(pool, sorted(jobs, key=canvases.get), reading, 2 * batch_size)

        def images_of() -> Iterator[tuple[Job, np.ndarray]]:
            for job, result in decoded:
                if not isinstance(result, Failure) and (
                    problem := translator.problem(result.shape[:2])
                ):
                    result = Failure(job.given, problem)
                if isinstance(result, Failure):
                    failures.append(result)
                    bar.step()
                else:
                    yield job, result

        for _, group in itertools.groupby(
            images_of(), key=lambda pair: translator.canvas(pair[1].shape[:2])
        ):
            while chunk := list(itertools.islice(group, batch_size)):
                try:
                    made = translator.batch([image for _, image in chunk], batch_size=batch_size)
                except (jax.errors.JaxRuntimeError, MemoryError) as error:
                    why = str(error).strip().partition("\n")[0] or "out of memory"
                    for job, image in chunk:
                        px = f"{image.shape[1]}x{image.shape[0]} px"
                        reason = f"failed at {px} in a batch of {batch_size}: {why}"
                        failures.append(Failure(job.given, reason))
                        bar.step()
                    continue
                for (job, _), image in zip(chunk, made, strict=True):
                    about = translator.origin
                    written.append((job, pool.submit(_write, job.made, image, extension, about)))
                finish(2 * batch_size)
        finish(0)
    places = {job.given: i for i, job in enumerate(jobs)}
    return sorted(failures, key=lambda failure: places[failure.path])


def _ahead(
    pool: futures.Executor, jobs: Iterable[Job], reading: Reading, most: int
) -> Iterator[tuple[Job, np.ndarray | Failure]]:
    """Each job with what `read` makes of it, in order; `most` are read ahead."""
    queue: collections.deque[tuple[Job, futures.Future]] = collections.deque()
    for job in jobs:
        queue.append((job, pool.submit(read, job.given, reading)))
        if len(queue) > most:
            first, future = queue.popleft()
            yield first, future.result()
    for job, future in queue:
        yield job, future.result()


def _write(path: Path, image: np.ndarray | None, extension: str, about: str) -> None:
    if image is None:
        raise FloatingPointError("expected a finite output of the net, got NaN or infinity")
    path.parent.mkdir(parents=True, exist_ok=True)
    FORMATS[extension](path, image, about=about)


def _check_origin(done: Sequence[Path], origin: str) -> None:
    """Raises ValueError where results that are there say that something else made them."""
    told = {path: writers.about(path) for path in done}
    others = {
        path: found
        for path, found in told.items()
        if found.startswith("fsketch ") and found != origin
    }
    if others:
        path, found = next(iter(others.items()))
        raise ValueError(
            f"OUT: expected results of {origin}, got {len(others)} of others, the first {path} of "
            f"{found}; name another folder, or make them again by --overwrite"
        )


def level(text: str) -> int:
    """Parses a grey level: 0..255, WHITE or BLACK."""
    if text in LEVELS:
        return LEVELS[text]
    if not text.isdecimal() or int(text) > 255:
        raise argparse.ArgumentTypeError(f"expected WHITE, BLACK or 0 to 255, got {text!r}")
    return int(text)


def positive(text: str) -> int:
    """Parses a whole number from 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def parser() -> arguments.Parser:
    """The command line."""
    result = arguments.Parser(
        "synthesize",
        description="Make sketches of photos, or photos of sketches, with a run's checkpoint.",
    )
    add = result.add_argument
    result.path("--workdir", required=True, help="the run")
    add("--direction", required=True, choices=DIRECTIONS)
    result.path("inputs", nargs="+", metavar="IN", help="images and folders of images")
    result.path("out", metavar="OUT", help="folder for the results, which keep name and size")
    add("--checkpoint", default="best", choices=("best", "latest"))
    add("--recursive", action="store_true", help="also read subfolders, and keep their tree")
    add("--format", default="png", choices=FORMATS, help="of the results; jpg has quality 95")
    add("--overwrite", action="store_true", help="replace existing results")
    add("--batch_size", type=positive, default=8, help="images a batch; does not change results")
    add(
        "--max_px", type=positive, default=MAX_PX,
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
    given = parser().parse_args(words)
    reading = Reading(given.background, given.apply_exif, given.max_px)
    try:
        jobs, num_unread, notes = plan(
            given.inputs, given.out, extension=given.format, recursive=given.recursive
        )
        todo = [job for job in jobs if given.overwrite or not job.made.exists()]
        translator = load_translator(given.workdir, given.direction, checkpoint=given.checkpoint)
        if done := [job.made for job in jobs if job not in set(todo)]:
            _check_origin(done, translator.origin)
    except (FileNotFoundError, ValueError) as error:  # DataError is one
        raise errors.UsageError(str(error)) from error
    for note in notes:
        progress.say(names.shown(f"note: {note}"))
    failures = run(translator, todo, reading, batch_size=given.batch_size, extension=given.format)
    made, there = len(todo) - len(failures), len(jobs) - len(todo)
    unread = f", {num_unread} not read" if num_unread else ""
    print(f"{made} written, {there} already there, {len(failures)} failed{unread}: {given.out}")
    for failure in failures:
        progress.say(names.shown(f"{failure.path}: {failure.reason}"))
    return 1 if failures else 0
