"""One translator for all programs that make images: a net of one direction, and images of any size.

An image is centred on a canvas of the net's fill, as in training and evaluation, and cut out again.
A side of the canvas is the run's crop_px or, for a longer side, that side rounded up to an eighth
of an octave (257 to 512 px: a multiple of 32) and to a multiple that the net can halve; one program
is compiled for each canvas size.  So test pairs of a run come out bit for bit as in
WORKDIR/outputs.  A first stage that draws a coarse sketch runs before this, on the photo without
canvas; then images must have the size of the run's own images.

Importing this module imports no part of the training: a model of the zoo starts quickly.
"""

import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.errors
import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from fsketch.core import drawing_styles, images, mapping, parallel, trees, types

PROGRAMS = 4  # compiled programs to keep, one for each canvas size

# Draws coarse sketches: photos uint8[B, H, W, 3] of one size, without canvas -> uint8[B, H, W, 1].
FirstStage = Callable[[np.ndarray], np.ndarray]


class Net(NamedTuple):
    """A net that translates in one direction.

    direction: a key of `images.DIRECTIONS`.
    predict: (weights, batch in [-1, 1]) -> {kind of image: images}; pure.
    weights: on the host.
    channels: of each kind of image.
    fills: the margins of each kind that the net takes, for `images.laid`.
    crop_px: the side of the canvas that it learnt on.
    image_px: (height, width) that images must have; () = any.
    origin: what makes the images; files of results keep it.
    """

    direction: str
    predict: mapping.Function
    weights: types.PyTree
    channels: Mapping[str, int]
    fills: Mapping[str, int | None]
    crop_px: int
    image_px: tuple[int, ...]
    origin: str


def load_translator(
    workdir: str | os.PathLike, direction: str, *, checkpoint: str = "best", style: str = ""
) -> "Translator":
    """A run's translator: uint8[H, W, 1 or 3] -> uint8[H, W, C], C as in the run's images.

    Args:
      workdir: the run; its data are not needed.
      direction: "to_sketch" or "to_photo".
      checkpoint: "best" or "latest".
      style: one of the run's, where it has several; "": the first.

    Raises:
      FileNotFoundError: no checkpoint in the workdir.
      ValueError: the run does not translate in this direction, or not in this style.
    """
    from fsketch import prediction, restore  # take a second, with Orbax and the data sets
    from fsketch.stages import coarse_images

    restored = restore.run(workdir, kind=checkpoint)
    offered = directions(restored)
    if direction not in offered:
        raise ValueError(
            f"direction: expected {' or '.join(offered) or 'none'} for {workdir}, a run of method "
            f"{restored.config.method!r}, got {direction!r}"
        )
    styles = prediction.styles(restored.config, direction=direction)
    style = drawing_styles.chosen(style, styles, of=f"{workdir}, {direction}")
    first_stage = None
    if "patches" in restored.config:
        first_stage = coarse_images.first_stage(workdir, restored.config)
    depths = prediction.channels(restored.config)
    net = _of_run(restored, direction, depths, drawing_styles.shares(style, styles))
    origin = net.origin + f", style {style}" * bool(style)
    return Translator(net._replace(origin=origin), first_stage=first_stage)


def directions(restored: Any) -> list[str]:
    """The directions in which a restored run (`restore.Restored`) translates."""
    from fsketch import prediction  # see `load_translator`

    blank = prediction.blank(restored.config)
    made = jax.eval_shape(restored.method.predict, restored.state, restored.frozen, blank)
    return [name for name, (_, target) in images.DIRECTIONS.items() if target in made]


def _of_run(restored: Any, direction: str, channels: Mapping[str, int], shares: types.Batch) -> Net:
    """The net of a run in one direction; the compiler drops the other; shares: of the style."""
    from fsketch.data import pipeline  # see `load_translator`

    source, target = images.DIRECTIONS[direction]
    train_state = _parameters_only(restored.state)

    def predict(weights: types.PyTree, batch: types.Batch) -> types.Predictions:
        shape = (*batch[source].shape[:-1], channels[target])
        pair = {**batch, target: jnp.zeros(shape), **shares}
        return {target: restored.method.predict(*weights, pair)[target]}

    fills = pipeline.fills(restored.config.data)
    taken = {source: fills[f"fill_{source}"]}
    if "coarse" in channels:
        taken["coarse"] = fills["fill_sketch"]
    digest = trees.digest(train_state.players)
    return Net(
        direction=direction,
        predict=predict,
        weights=(train_state, restored.frozen),
        channels=channels,
        fills=taken,
        crop_px=restored.config.data.crop_px,
        image_px=tuple(restored.config.data.image_px),
        origin=f"fsketch {direction} by step {restored.step}, weights {digest}",
    )


def _parameters_only(train_state: Any) -> Any:
    """A `state.TrainState` without what only training needs: optimizers and image pools."""
    players = {
        role: player.averaged().replace(opt_state=(), ema={}, ema_rate=0.0)
        for role, player in train_state.players.items()
    }
    return train_state.replace(players=players, memory={})


class Translator:
    """Translates images of any size from one domain to the other; see the module's docstring.

    A call takes one image, `batch` takes several.  On CPU a result depends on its image alone.
    `origin` says what makes them; files of results keep it.
    """

    def __init__(self, net: Net, *, first_stage: FirstStage | None = None) -> None:
        self.origin = net.origin
        self._net, self._first_stage = net, first_stage
        self._source, self._target = images.DIRECTIONS[net.direction]
        self._weights = parallel.replicate(net.weights)
        self._takes = functools.cache(self._traced)
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
        size = mapping.local_batch(batch_size)
        if len(batch) > size:
            raise ValueError(f"batch: expected up to {size} images, got {len(batch)}")
        converted = [self._convert(image) for image in batch]
        boxes = [_box(image.shape[:2], canvas) for image in batch]

        def place(kind: str, parts: Iterable[np.ndarray]) -> np.ndarray:
            placed = np.zeros((size, *canvas, self._net.channels[kind]), np.uint8)
            for i, part in enumerate(parts):
                placed[i] = images.laid(part, canvas, fill=self._net.fills[kind])
            return placed

        inputs = {self._source: place(self._source, converted)}
        if self._first_stage:
            shape = (*batch[0].shape[:2], self._net.channels[self._source])
            coarse = self._first_stage(np.stack([np.broadcast_to(x, shape) for x in converted]))
            inputs["coarse"] = place("coarse", coarse)
        outputs = self._program(canvas, size)(inputs)[self._target]
        cuts = [output[box] for output, box in zip(outputs, boxes, strict=False)]
        return [images.to_uint8(cut) if np.isfinite(cut).all() else None for cut in cuts]

    def problem(self, size: tuple[int, int]) -> str:
        """Why an image of this (height, width) is refused; "" if it is accepted."""
        own, got = self._net.image_px, f"got {size[1]}x{size[0]} px"
        if own and size != own:
            expected = f"{own[1]}x{own[0]} px, the size of the run's own images (data.image_px)"
            return f"expected {expected}, {got}"
        if not self._takes(self.canvas(size)):
            return f"expected up to {self._net.crop_px} px a side for this net, {got}"
        return ""

    def canvas(self, size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the canvas for an image of this (height, width)."""
        return self._side(size[0]), self._side(size[1])

    def _side(self, px: int) -> int:
        if px <= self._net.crop_px:
            return self._net.crop_px
        step = max(self._multiple, 1 << ((px - 1).bit_length() - 4))
        return -(-px // step) * step

    @functools.cached_property
    def _multiple(self) -> int:
        """The power of two of which sides must be a multiple, found by tracing the net.

        1 if it takes no larger sides; `problem` then refuses all of them.
        """
        sides = {self._net.crop_px + 2**i: 2**i for i in range(12)}
        return next((step for side, step in sides.items() if self._takes((side, side))), 1)

    def _traced(self, canvas: tuple[int, int]) -> bool:
        """Whether the net can be applied to a canvas; that on which it learnt is taken as read."""
        net = self._net
        if canvas == (net.crop_px, net.crop_px):
            return True
        blank = {kind: jnp.zeros((1, *canvas, net.channels[kind])) for kind in net.fills}
        try:
            jax.eval_shape(net.predict, net.weights, blank)
        except (ValueError, flax.errors.ScopeParamShapeError):
            return False
        return True

    def _bind(self, canvas: tuple[int, int], size: int) -> mapping.Predict:
        """A new predictor for each shape, so that dropping it frees its program."""
        del canvas, size
        return mapping.predictor(self._net.predict)(self._weights)

    def _convert(self, image: np.ndarray) -> np.ndarray:
        """uint8[H, W, C] of the source domain: grey is repeated; colour becomes luma by PIL, as
        in the data sets.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3):
            raise ValueError(f"image: expected uint8[H, W, 1 or 3], got {image.dtype}{image.shape}")
        if self._net.channels[self._source] == 3 or image.shape[-1] == 1:
            return image  # one channel is broadcast to three
        return np.asarray(Image.fromarray(image).convert("L"))[..., None]


def _box(size: tuple[int, int], canvas: tuple[int, int]) -> tuple[slice, slice]:
    """The place of an image on its canvas."""
    corner = images.centre(size, canvas)
    return tuple(slice(start, start + px) for start, px in zip(corner, size, strict=True))
