"""Changes to a batch on the device: scaling, random moves of pairs, random light on photos.

Photo, sketch and coarse image, as far as a batch has them, are joined on channels, moved once and
split again, so all get the same crop, size and flip.  Light falls on photos that are inputs of
nets, not on their targets.  All randomness comes from one key per example.
"""

from collections.abc import Mapping

import dm_pix as pix
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from fsketch.core import images, types
from fsketch.data import conditions

PAIR = ("photo", "sketch")
IMAGES = (*PAIR, "coarse", "person")  # scaled, and moved as one; as far as a batch has them
LIGHT = 1  # stream of an example's key that `random_light` draws from
CONDITIONS = 2  # stream of an example's key for `conditions`
LIMITS = ("brightness", "contrast", "saturation")  # fields of `config.data` for `random_light`


def scale(batch: Mapping[str, jax.Array]) -> types.Batch:
    """uint8 images -> float32 in [-1, 1]; other entries are unchanged."""
    return {name: images.from_uint8(x) if name in IMAGES else x for name, x in batch.items()}


def apply(
    batch: Mapping[str, jax.Array], keys: jax.Array, config: ConfigDict
) -> tuple[types.Batch, jax.Array]:
    """(scaled and randomly changed batch, keys left for the method); keys: Key[B]."""
    keys = jax.vmap(jax.random.split)(keys)  # B x 2
    return training(scale(batch), keys[:, 0], config), keys[:, 1]


def check(config: ConfigDict) -> None:
    """Raises ValueError naming a field of `config.data` whose number cannot work."""
    if config.crop_px > config.canvas_px:
        raise ValueError(
            f"data.crop_px: expected at most data.canvas_px: {config.canvas_px}, "
            f"got {config.crop_px}"
        )
    if not 0 <= config.part_px <= config.crop_px:
        raise ValueError(
            f"data.part_px: expected 0 up to data.crop_px: {config.crop_px}, got {config.part_px}"
        )
    for name in ("zoom", *LIMITS):
        if not 0 <= config[name] < 1:
            raise ValueError(f"data.{name}: expected a number in [0, 1), got {config[name]}")
    if not 0 <= config.roll_degrees <= 45:
        raise ValueError(f"data.roll_degrees: expected 0 to 45, got {config.roll_degrees}")
    conditions.check(config)
    colour = config.even_background
    if colour and not (len(colour) == 3 and all(0 <= value <= 255 for value in colour)):
        raise ValueError(
            f"data.even_background: expected 3 values from 0 to 255, or (), got {tuple(colour)}"
        )
    if side_px(config) > config.canvas_px * (1 - config.zoom):
        field = "part_px" if config.part_px else "crop_px"
        raise ValueError(
            f"data.zoom: expected to keep data.canvas_px: {config.canvas_px} at least at "
            f"data.{field}: {side_px(config)}, got {config.zoom}"
        )


def check_unlit(config: ConfigDict) -> None:
    """Raises ValueError for random light; for methods whose nets take no photos of the data."""
    for name in (*LIMITS, *conditions.FIELDS):
        if config[name]:
            raise ValueError(
                f"data.{name}: expected 0 (no net takes photos of the data), got {config[name]}"
            )


def needs_person(config: ConfigDict) -> bool:
    """Whether `training` needs to know where in a photo the person is."""
    return config.backgrounds > 0 or bool(config.even_background)


def shown(batch: types.Batch, kind: str) -> jax.Array:
    """The images of a kind as inputs of a net: photos under random conditions, if there are any."""
    return batch["lit"] if kind == "photo" and "lit" in batch else batch[kind]


def inputs(batch: types.Batch, kind: str) -> tuple[jax.Array, ...]:
    """What a net takes that translates images of a kind: `shown`, and for photos the style."""
    style = (batch["style"],) if kind == "photo" and "style" in batch else ()
    return shown(batch, kind), *style


def side_px(config: ConfigDict) -> int:
    """Side of the images that training sees."""
    return config.part_px or config.crop_px


def training(batch: types.Batch, keys: jax.Array, config: ConfigDict) -> types.Batch:
    """All random changes that `config.data` requests; keys: Key[B], one per example.

    With random light or conditions the batch also holds "lit", the photos under them, which
    are inputs (see `shown`); with data.even_background it is "photo", the target, that changes.
    """
    if not any(kind in batch for kind in PAIR):
        return batch
    batch = random_crop_and_flip(
        batch,
        keys,
        crop_px=side_px(config),
        flip=config.flip,
        zoom=config.zoom,
        roll_degrees=config.roll_degrees,
    )
    if "photo" not in batch:
        return batch
    stream = jax.vmap(jax.random.fold_in, (0, None))
    limits, person = {name: config[name] for name in LIMITS}, batch.pop("person", None)
    if conditions.any_of(config):
        photo = conditions.apply(batch["photo"], person, stream(keys, CONDITIONS), config)
        batch = {**batch, "lit": photo}
    if any(limits.values()):
        lit = random_light(shown(batch, "photo"), stream(keys, LIGHT), **limits)
        batch = {**batch, "lit": lit}
    if config.even_background:
        photo = batch["photo"]
        even = images.from_uint8(jnp.asarray(config.even_background))
        on_even = even + (person + 1) / 2 * (photo - even)
        batch = {"lit": photo, **batch, "photo": on_even}
    return batch


def random_crop_and_flip(
    batch: types.Batch,
    keys: jax.Array,
    *,
    crop_px: int,
    flip: bool,
    zoom: float = 0.0,
    roll_degrees: float = 0.0,
) -> types.Batch:
    """A crop_px x crop_px window and, if `flip`, a mirror image with probability 1/2.

    batch: photo, sketch and coarse, as far as present, float32[B, S, S, C] with
    S >= crop_px / (1 - zoom).  With `zoom` the images are first resized by a factor uniform in
    1 -+ zoom (linearly), and the window, which never leaves the canvas, may begin between pixels.
    With `roll_degrees` it is also turned, by up to -+ roll_degrees, and all is resampled by cubics,
    which keep strokes sharper; its corners may then see the edge of the canvas repeated.
    """
    names = [name for name in IMAGES if name in batch]
    joined = jnp.concatenate([batch[name] for name in names], axis=-1)  # B x S x S x channels
    channels = joined.shape[-1]

    def one(key: jax.Array, image: jax.Array) -> jax.Array:
        crop_key, flip_key = jax.random.split(key)
        if roll_degrees:
            image = _turned_crop(crop_key, image, crop_px, zoom, roll_degrees)
        elif zoom:
            image = _zoomed_crop(crop_key, image, crop_px=crop_px, zoom=zoom)
        elif image.shape[:2] != (crop_px, crop_px):
            image = pix.random_crop(
                key=crop_key, image=image, crop_sizes=(crop_px, crop_px, channels)
            )
        return pix.random_flip_left_right(key=flip_key, image=image) if flip else image

    moved = jax.vmap(one)(keys, joined)  # B x crop x crop x channels
    ends = np.cumsum([batch[name].shape[-1] for name in names])
    return {**batch, **dict(zip(names, jnp.split(moved, ends[:-1], axis=-1), strict=True))}


def _zoomed_crop(key: jax.Array, image: jax.Array, *, crop_px: int, zoom: float) -> jax.Array:
    """S x S x C -> crop_px x crop_px x C: a window of side crop_px / factor, resized."""
    factor_key, place_key = jax.random.split(key)
    factor = jax.random.uniform(factor_key, minval=1 - zoom, maxval=1 + zoom)
    room = image.shape[0] - crop_px / factor  # pixels of the canvas that the window can move
    corner = jax.random.uniform(place_key, (2,)) * room
    return jax.image.scale_and_translate(
        image,
        (crop_px, crop_px, image.shape[-1]),
        (0, 1),
        jnp.stack([factor, factor]),
        -corner * factor,
        "linear",
        antialias=False,  # mild factors need none, and its sampling bends straight lines
    )


def _turned_crop(
    key: jax.Array, image: jax.Array, crop_px: int, zoom: float, roll_degrees: float
) -> jax.Array:
    """S x S x C -> crop_px x crop_px x C: as `_zoomed_crop`, turned about the window's middle."""
    factor, angle, *place = jax.random.uniform(key, (4,), minval=-1.0)
    factor, angle = 1 + zoom * factor, jnp.deg2rad(roll_degrees * angle)
    room = image.shape[0] - crop_px / factor
    middle = [(image.shape[0] - 1 + share * room) / 2 for share in place]
    right = (jnp.arange(crop_px) - (crop_px - 1) / 2) / factor
    down = right[:, None]
    rows = _taps(middle[0] + jnp.cos(angle) * down - jnp.sin(angle) * right, image.shape[0])
    columns = _taps(middle[1] + jnp.sin(angle) * down + jnp.cos(angle) * right, image.shape[0])
    turned = sum((v * w)[..., None] * image[i, j] for i, v in rows for j, w in columns)
    return jnp.clip(turned, -1, 1)


def _taps(at: jax.Array, side: int) -> list[tuple[jax.Array, jax.Array]]:
    """The four (places, weights) of Keys' cubic at these coordinates.

    With his parameter at -0.75 an artist's sketches lose 6 % of their mean gradient, at -0.5 10 %.
    """
    first, a = jnp.floor(at), -0.75
    t = at - first

    def near(d: jax.Array) -> jax.Array:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: jax.Array) -> jax.Array:
        return a * (((d - 5) * d + 8) * d - 4)

    places = (jnp.clip(first + n, 0, side - 1).astype(int) for n in (-1, 0, 1, 2))
    return list(zip(places, (far(1 + t), near(t), near(1 - t), far(2 - t)), strict=True))


def random_light(
    photo: jax.Array, keys: jax.Array, *, brightness: float, contrast: float, saturation: float
) -> jax.Array:
    """Photos float32[B, H, W, 3] in [-1, 1] under random light, clipped to [-1, 1].

    With b, c, s uniform in -+ brightness, contrast, saturation, g the grey (BT.601) of a pixel
    and m its mean over the photo: x -> g + (1 + s)(x - g), then m + (1 + c)(x - m), then x + 2b.
    The canvas around a photo is lit, too.
    """

    def one(key: jax.Array, x: jax.Array) -> jax.Array:
        limits = jnp.asarray([brightness, contrast, saturation])
        b, c, s = jax.random.uniform(key, (3,), minval=-1.0) * limits
        grey = images.luma(x)  # H x W x 1
        mean = grey.mean()
        x = grey + (1 + s) * (x - grey)
        return jnp.clip(mean + (1 + c) * (x - mean) + 2 * b, -1, 1)

    return jax.vmap(one)(keys, photo)
