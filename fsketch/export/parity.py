"""Whether an exported file makes the run's images, on images of four kinds.

Each group is translated by the run in JAX and by the file, in floats and in 8 bits:

    images     faces drawn by the procedural generator, or the pictures of a folder
    constant   even ones: white, black, greys, colours; nothing but the borders tells a net anything
    extreme    checkerboards of 1 and 8 px, stripes, noise, halves of black and white
    larger     some of all of them on a canvas that is larger by two steps in height, one in width

Rounding to 8 bits may differ by one level where the run's value lies between two.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image

from fsketch.core import errors, image_files, images
from fsketch.data.synthetic import pencil, procedural
from fsketch.export import sources

FLOAT_BOUND = 1 / 255  # of values in [-1, 1]: half a grey level
LEVEL_BOUND = 1  # of 255

Function = Callable[[np.ndarray], np.ndarray]


class Files(NamedTuple):
    """An exported program: with floats in [-1, 1], and with uint8, in and out."""

    floats: Function
    levels: Function


class Row(NamedTuple):
    """A group's largest differences; share: of numbers whose 8 bits differ."""

    group: str
    shape: tuple[int, ...]
    floats: float
    levels: int
    share: float


def compare(run: Function, files: Files, groups: Mapping[str, np.ndarray]) -> list[Row]:
    """The differences on each group, uint8[n, h, w, C]; run and files.floats take floats."""
    rows = []
    for group, batch in groups.items():
        scaled = np.asarray(images.from_uint8(batch))
        wanted, made = run(scaled), files.floats(scaled)
        apart = np.abs(images.to_uint8(wanted).astype(int) - files.levels(batch).astype(int))
        difference = float(np.abs(wanted - made).max())
        rows.append(
            Row(group, batch.shape, difference, int(apart.max()), float((apart > 0).mean()))
        )
    return rows


def table(rows: list[Row]) -> str:
    """The rows as text, with their bounds."""
    lines = [f"{'':10}  images of       float    8 bits"]
    for row in rows:
        n, height, width, _ = row.shape
        size = f"{n} x {width}x{height}"
        lines.append(
            f"{row.group:10}  {size:14}  {row.floats:.1e}  {row.levels} (of {row.share:.3%})"
        )
    bounds = f"at most {FLOAT_BOUND:.1e} of [-1, 1] and {LEVEL_BOUND} of 255"
    return "\n".join([*lines, f"{'bound':10}  {bounds}"])


def check(rows: list[Row]) -> None:
    """Raises ValueError that names the group farthest above a bound."""
    worst = max(rows, key=lambda row: (row.levels, row.floats))
    # A NaN is above every bound.
    if not all(row.floats <= FLOAT_BOUND and row.levels <= LEVEL_BOUND for row in rows):
        raise ValueError(
            f"parity: expected differences of at most {FLOAT_BOUND:.1e} and {LEVEL_BOUND} grey "
            f"level, got {worst.floats:.1e} and {worst.levels} on {worst.group}; nothing written"
        )


def report(
    source: sources.Source,
    files: Files,
    flags: argparse.Namespace,
    *,
    step: int,
    exact: sources.Source,
) -> None:
    """Prints the differences between a source and its files, and checks them.

    step: what sides must be a multiple of; 0 where only the canvas will do.  exact: the source
    before its kernels were rounded.
    """
    shown = groups(
        flags.size or source.canvas, channels=source.channels[0], fill=source.fill, step=step,
        count=flags.count, folder=flags.images,
    )  # fmt: skip
    run = _jitted(source)
    rows = compare(run, files, shown)
    print(table(rows), flush=True)
    if exact is not source:
        inexact = Files(run, lambda batch: images.to_uint8(run(images.from_uint8(batch))))
        (row,) = compare(_jitted(exact), inexact, {"images": shown["images"]})
        print(f"Rounded kernels change the run's images by up to {row.levels} grey levels.")
    check(rows)


def _jitted(source: sources.Source) -> Function:
    translate = jax.jit(source.translate)
    return lambda image: np.asarray(translate(source.variables, image))


def groups(
    canvas: tuple[int, int],
    *,
    channels: int,
    fill: int | None,
    step: int,
    count: int,
    folder: str = "",
) -> dict[str, np.ndarray]:
    """uint8[n, h, w, channels] by group, see the module's docstring.

    count: of `images`.  folder: of pictures to take in place of drawn faces, which are shrunk to
    fit the canvas and laid in its middle with this fill.  step: what sides must be a multiple of,
    or 0 where only the canvas itself will do.
    """
    if folder:
        pictures = _pictures(folder, canvas, channels=channels, fill=fill, count=count)
    else:
        pictures = _faces(canvas, channels=channels, count=count)
    found = {
        "images": pictures,
        "constant": _constant(canvas, channels),
        "extreme": _extreme(canvas, channels),
    }
    if step:
        size = canvas[0] + 2 * step, canvas[1] + step
        some = [pictures[0], found["constant"][2], found["extreme"][-1]]
        found["larger"] = np.stack([images.laid(image, size, fill=None) for image in some])
    return found


def _faces(canvas: tuple[int, int], *, channels: int, count: int) -> np.ndarray:
    draw = procedural.render_photo if channels == 3 else pencil.draw
    identity_key, view_key = jax.random.split(jax.random.key(0))
    identities = jax.random.normal(identity_key, (count, procedural.IDENTITY_DIM))
    views = jax.random.normal(view_key, (count, procedural.VIEW_DIM))

    def one(latents: tuple[jax.Array, jax.Array]) -> jax.Array:
        return draw(*latents, height_px=canvas[0], width_px=canvas[1])

    return images.to_uint8(jax.jit(lambda *both: jax.lax.map(one, both))(identities, views))


def _pictures(
    folder: str, canvas: tuple[int, int], *, channels: int, fill: int | None, count: int
) -> np.ndarray:
    paths = [path for path in sorted(Path(folder).iterdir()) if image_files.is_image(path)]
    if not paths:
        raise errors.UsageError(f"--images: expected a folder of images, got none in {folder}")
    laid = []
    for path in paths[:count]:
        with image_files.open_image(path) as opened:
            picture = opened.convert("RGB" if channels == 3 else "L")
        picture.thumbnail(canvas[::-1], Image.Resampling.LANCZOS)
        array = np.asarray(picture).reshape(*picture.size[::-1], channels)
        laid.append(images.laid(array, canvas, fill=fill))
    return np.stack(laid)


def _constant(canvas: tuple[int, int], channels: int) -> np.ndarray:
    colours = [(0,) * 3, (255,) * 3, (128,) * 3, (37,) * 3, (200,) * 3, (255, 0, 0), (3, 97, 180)]
    return np.stack([np.full((*canvas, channels), c[:channels], np.uint8) for c in colours])


def _extreme(canvas: tuple[int, int], channels: int) -> np.ndarray:
    y, x = np.indices(canvas)
    on_off = [(y + x) % 2, (y // 8 + x // 8) % 2, x % 2, y % 2, x < canvas[1] // 2]
    noise = np.random.default_rng(0).integers(0, 256, (*canvas, channels)).astype(np.uint8)
    shown = [np.repeat(255 * part.astype(np.uint8)[..., None], channels, -1) for part in on_off]
    return np.stack([*shown, noise])
