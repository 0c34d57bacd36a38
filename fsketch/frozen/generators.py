"""Face generators: latent -> photo, with weights or without.

Three kinds with one form, a PyTree whose weights are arguments of a step:

    latents(keys)       Key[B] -> float32[B, D], one draw for each key
    image(latents, keys)-> float32[B, S, S, 3] in [-1, 1], eyes where FFHQ has them
    face(latents, keys) -> float32[B, size_px, size_px, 3], the input of a recogniser

`Procedural` draws the faces of data/synthetic/procedural.py; `StyleGAN2` and `DCGAN` generate them.
Latents are w for StyleGAN2 and standard normal for the others: what dynamic sampling perturbs.

Geometry, SynthDistill's [code: github.com/otroshi/synthdistill, src/Crop.py]: the eyes of an image
of S px are taken to be at row int(480/1024 S), columns int(380/1024 S) and int(650/1024 S); the
crop that brings them to row 51.6, columns 38.2946 and 73.5318 of 112 is cut at whole pixels, rows
21:234 and columns 22:235 of 256, and made 112 x 112 bilinearly, without antialiasing.
"""

import functools
import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from fsketch.core import types
from fsketch.data.synthetic import face_shape, procedural
from fsketch.frozen import architectures, sources
from fsketch.nets import dcgan, stylegan2

EYE_ROW, LEFT_EYE_COLUMN, RIGHT_EYE_COLUMN = 480 / 1024, 380 / 1024, 650 / 1024  # of an image
FACE_PX = 112
FACE_EYE_ROW, FACE_LEFT_EYE_COLUMN, FACE_RIGHT_EYE_COLUMN = 51.6, 38.2946, 73.5318  # of FACE_PX


class Box(NamedTuple):
    """Whole pixels [top, bottom) x [left, right)."""

    top: int
    bottom: int
    left: int
    right: int


def face_box(size_px: int) -> Box:
    """The face in an image of that height and width: (21, 234, 22, 235) at 256."""
    row, left, right = (
        int(share * size_px) for share in (EYE_ROW, LEFT_EYE_COLUMN, RIGHT_EYE_COLUMN)
    )
    scale = (right - left) / (FACE_RIGHT_EYE_COLUMN - FACE_LEFT_EYE_COLUMN)
    top, side = row - FACE_EYE_ROW * scale, left - FACE_LEFT_EYE_COLUMN * scale
    ends = int(top + FACE_PX * scale), int(side + FACE_PX * scale)
    box = Box(int(top), ends[0], int(side), ends[1])
    if min(top, side) < 0 or max(ends) > size_px:
        raise ValueError(f"size_px: expected to hold the face's crop {tuple(box)}, got {size_px}")
    return box


def crop(image: jax.Array, *, size_px: int = FACE_PX) -> jax.Array:
    """float32[B, S, S, C] -> the face in it, float32[B, size_px, size_px, C]."""
    box = face_box(image.shape[1])
    part = image[:, box.top : box.bottom, box.left : box.right]
    shape = (image.shape[0], size_px, size_px, image.shape[-1])
    return jax.image.resize(part, shape, "bilinear", antialias=False)


class Procedural(struct.PyTreeNode):
    """The faces of data/synthetic/procedural.py; a latent is an identity and a view."""

    variables: types.PyTree
    size_px: int = struct.field(pytree_node=False)
    spec: str = struct.field(pytree_node=False)

    def latents(self, keys: types.Key) -> jax.Array:
        """Identities and views, standard normal."""
        width = procedural.IDENTITY_DIM + procedural.VIEW_DIM
        return jax.vmap(lambda key: jax.random.normal(key, (width,)))(keys)

    def image(self, latents: jax.Array, keys: types.Key | None = None) -> jax.Array:
        """`keys` are not used."""
        del keys
        return self._render(latents, self.size_px, Box(0, self.size_px, 0, self.size_px))

    def face(
        self, latents: jax.Array, keys: types.Key | None = None, *, size_px: int = FACE_PX
    ) -> jax.Array:
        """Drawn at that size, not resized."""
        del keys
        return self._render(latents, size_px, face_box(self.size_px))

    def _render(self, latents: jax.Array, side_px: int, box: Box) -> jax.Array:
        """The part `box` of an image, in side_px x side_px pixels."""
        row, left, right = (
            int(share * self.size_px) for share in (EYE_ROW, LEFT_EYE_COLUMN, RIGHT_EYE_COLUMN)
        )
        scale = 2 * face_shape.EYE_U / (right - left)  # frame units a pixel
        window = face_shape.Window(
            left=0.5 * face_shape.FRAME_WIDTH - face_shape.EYE_U + (box.left - left) * scale,
            top=0.5 * face_shape.FRAME_HEIGHT + (box.top - row) * scale,
            width=(box.right - box.left) * scale,
            height=(box.bottom - box.top) * scale,
        )
        one = functools.partial(
            procedural.render_photo, height_px=side_px, width_px=side_px, window=window
        )
        identities, views = jnp.split(latents, [procedural.IDENTITY_DIM], axis=-1)
        return jax.vmap(one)(identities, views)


class StyleGAN2(struct.PyTreeNode):
    """A StyleGAN2 with its weights; a latent is w, the same for all layers."""

    variables: types.PyTree
    net: stylegan2.Generator = struct.field(pytree_node=False)
    spec: str = struct.field(pytree_node=False)
    truncation: float = struct.field(pytree_node=False, default=1.0)

    def latents(self, keys: types.Key) -> jax.Array:
        """w of standard normal z."""
        z = jax.vmap(lambda key: jax.random.normal(key, (self.net.width,)))(keys)
        return self.net.apply(self.variables, z, truncation=self.truncation, method="latents")

    def image(self, latents: jax.Array, keys: types.Key | None = None) -> jax.Array:
        """With fresh noise for each key; without keys, with the weights' own."""
        noise = "const" if keys is None else "random"
        image = self.net.apply(self.variables, latents, noise=noise, keys=keys, method="image")
        return jnp.clip(image, -1.0, 1.0)

    def face(
        self, latents: jax.Array, keys: types.Key | None = None, *, size_px: int = FACE_PX
    ) -> jax.Array:
        """`crop` of the image."""
        return crop(self.image(latents, keys), size_px=size_px)


class DCGAN(struct.PyTreeNode):
    """A DCGAN with its weights; its images are recognition crops of 64 px."""

    variables: types.PyTree
    net: dcgan.Generator = struct.field(pytree_node=False)
    spec: str = struct.field(pytree_node=False)

    def latents(self, keys: types.Key) -> jax.Array:
        """Standard normal."""
        return jax.vmap(lambda key: jax.random.normal(key, (self.net.latent_size,)))(keys)

    def image(self, latents: jax.Array, keys: types.Key | None = None) -> jax.Array:
        """`keys` are not used."""
        del keys
        return self.net.apply(self.variables, latents)

    def face(
        self, latents: jax.Array, keys: types.Key | None = None, *, size_px: int = FACE_PX
    ) -> jax.Array:
        """The whole image, resized: its eyes are where the crop has them.

        Means of the published weights' eyes, of 64 px: (23.0, 29.5) and (42.3, 29.3), as the
        detector sees them; those of the crop are (21.9, 29.5) and (42.0, 29.5).
        """
        image = self.image(latents, keys)
        return jax.image.resize(image, (len(image), size_px, size_px, 3), "bilinear")


Generator = Procedural | StyleGAN2 | DCGAN


def build(spec: str, variables: types.PyTree) -> Generator:
    """The generator of a specification with these variables."""
    fields = json.loads(spec)
    if fields["net"] == "procedural":
        return Procedural({}, fields["size_px"], spec)
    net = architectures.ARCHITECTURES[fields["net"]].generator()
    if isinstance(net, dcgan.Generator):
        return DCGAN(variables, net, spec)
    return StyleGAN2(variables, net, spec, fields["truncation"])


def load(path: str, *, size_px: int = 256, truncation: float = 1.0) -> Generator:
    """The generator at `path`, converted weights *.safetensors; "" for the procedural one.

    size_px: of the procedural one's images.  truncation: of StyleGAN2's w.
    """
    if path:
        source = sources.read(path, "generator")
        spec = {"kind": "generator", "truncation": truncation, **source.fields}
        return build(json.dumps(spec), source.variables)
    face_box(size_px)  # raises if no face fits
    spec = {"kind": "generator", "net": "procedural", "size_px": size_px, "path": ""}
    return build(json.dumps(spec), {})
