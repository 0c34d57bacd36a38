"""Conversions between images on disk and images at a seam.

Seams carry float32[..., H, W, C] in [-1, 1]; disks carry uint8 in [0, 255].
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

# direction -> kinds of images that it takes and makes.
DIRECTIONS = {"to_sketch": ("photo", "sketch"), "to_photo": ("sketch", "photo")}

# ITU-R BT.601 luma, the weights of MATLAB's rgb2gray and of PIL's mode "L".
LUMA = (0.299, 0.587, 0.114)

# Mean and standard deviation of RGB in [0, 1] over ImageNet, as torchvision's weights expect them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def from_uint8(image: Array) -> Array:
    """uint8 in [0, 255] -> float32 in [-1, 1], same shape."""
    return image.astype(jnp.float32) / 127.5 - 1.0


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Float in [-1, 1] -> uint8 in [0, 255], rounded to nearest, values outside clipped."""
    return np.clip(np.rint((np.asarray(image, np.float32) + 1.0) * 127.5), 0, 255).astype(np.uint8)


def grey_uint8(image: np.ndarray) -> np.ndarray:
    """uint8[H, W, 1 or 3] -> uint8[H, W, 1], rounded to nearest as MATLAB's rgb2gray does.

    Halves go up.  Computed in integers: 0.1 % of all colours have a luma of exactly one half,
    which a sum of floats rounds depending on its order and the processor.
    """
    if image.shape[-1] == 1:
        return image
    weights = np.rint(1000 * np.asarray(LUMA)).astype(np.int32)
    return ((image.astype(np.int32) @ weights + 500) // 1000).astype(np.uint8)[..., None]


def luma(image: Array) -> Array:
    """float[..., 1 or 3] -> float[..., 1]: the weighted sum of LUMA; a grey image is unchanged."""
    return image if image.shape[-1] == 1 else image @ jnp.asarray(LUMA, image.dtype)[:, None]


def to_rgb(image: Array) -> Array:
    """[..., H, W, 1 or 3] -> [..., H, W, 3]; a grey image is repeated."""
    return jnp.broadcast_to(image, (*image.shape[:-1], 3))


def imagenet_normalised(image: Array) -> Array:
    """RGB in [-1, 1] -> the input of torchvision's ImageNet weights."""
    mean, std = jnp.asarray(IMAGENET_MEAN), jnp.asarray(IMAGENET_STD)
    return ((image + 1.0) / 2.0 - mean) / std


def face_normalised(image: Array) -> Array:
    """[-1, 1] -> (v - 127.5) / 128 of v in 0..255, the input of many face recognisers."""
    return image * (127.5 / 128)


def centre(size: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """(top, left) of a size (H, W) in the middle of a canvas (H, W), rounded down.

    200 x 250 on 256 x 256 gives rows 3:253 and columns 28:228, the field's usual place.
    """
    if size[0] > canvas[0] or size[1] > canvas[1]:
        raise ValueError(
            f"expected an image that fits a canvas of {canvas[1]} x {canvas[0]} px, got "
            f"{size[1]} x {size[0]} px (width x height)"
        )
    return (canvas[0] - size[0]) // 2, (canvas[1] - size[1]) // 2


def laid(image: np.ndarray, canvas: tuple[int, int], *, fill: int | None) -> np.ndarray:
    """uint8[H, W, C] in the middle of a canvas (H, W), see `centre`.

    Its margin has the colour `fill` (0..255), or, for None, mirrors the image at its edges.
    """
    corner = centre(image.shape[:2], canvas)
    pads = [
        (start, px - side - start)
        for start, side, px in zip(corner, image.shape[:2], canvas, strict=True)
    ]
    if fill is None:
        return np.pad(image, [*pads, (0, 0)], mode="symmetric")
    return np.pad(image, [*pads, (0, 0)], constant_values=fill)
