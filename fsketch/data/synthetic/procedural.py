"""Procedural faces: a photo and a pencil drawing of anybody, from two latent vectors.

`render(identity, view)` paints a portrait and *draws* the same person: the
sketch shares the traits, never the pixels, of the photo (pencil.py), so that a
translator has something to learn. Pure, deterministic, without data or
licence, at any size; images are in [-1, 1], channels last, aligned so that the
eyes fall at (75, 125) and (125, 125) of a 200 x 250 frame. Faces vary
continuously with the latents, hence `render_photo` is also a face generator.
See face_shape.py for the meaning of the latents.

Jit a gradient on CPU with compiler_options={"xla_disable_hlo_passes": "fusion"}:
fusion recomputes shared fields for each latent, which takes minutes to compile.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fsketch.core.types import Key
from fsketch.data.synthetic import drawing, face_shape, face_traits, pencil

Array = jax.Array
Traits, Fields = face_traits.Traits, face_shape.Fields

IDENTITY_DIM: int = face_traits.IDENTITY_DIM
VIEW_DIM: int = face_traits.VIEW_DIM


def _rgb(red: Array | float, green: Array | float, blue: Array | float) -> Array:
    """A colour, float32[3, 1, 1]; channels lead until the photo is done."""
    number = jnp if isinstance(red, jax.Array) else np
    return number.stack([number.float32(c) for c in (red, green, blue)])[:, None, None]


_SKIN_PALE, _SKIN_DARK = _rgb(0.97, 0.80, 0.71), _rgb(0.30, 0.175, 0.115)
_HAIR_FAIR, _HAIR_BLACK = _rgb(0.80, 0.62, 0.40), _rgb(0.07, 0.058, 0.058)
_HAIR_RED, _HAIR_GREY = _rgb(0.62, 0.26, 0.10), _rgb(0.66, 0.66, 0.67)
_IRIS_BLUE, _IRIS_GREEN = _rgb(0.35, 0.52, 0.68), _rgb(0.40, 0.50, 0.32)
_IRIS_BROWN, _EYE_WHITE = _rgb(0.20, 0.11, 0.06), _rgb(0.80, 0.78, 0.77)
_GUMS, _TEETH = _rgb(0.20, 0.07, 0.07), _rgb(0.86, 0.83, 0.78)


class Face(NamedTuple):
    """A face in two media, both in [-1, 1]."""

    photo: Array  # float32[..., H, W, 3]
    sketch: Array  # float32[..., H, W, 1]


def sample_identity(key: Key) -> Array:
    """A random person, float32[IDENTITY_DIM], standard normal."""
    return jax.random.normal(key, (IDENTITY_DIM,))


def sample_view(key: Key) -> Array:
    """A random pose, expression, light, backdrop and clothing, float32[VIEW_DIM], normal."""
    return jax.random.normal(key, (VIEW_DIM,))


def render(identity: Array, view: Array, *, height_px: int = 250, width_px: int = 200) -> Face:
    """One person in one view, in both media."""
    photo = render_photo(identity, view, height_px=height_px, width_px=width_px)
    sketch = pencil.draw(identity, view, height_px=height_px, width_px=width_px)
    return Face(photo, sketch)


@functools.partial(jax.jit, static_argnames=("height_px", "width_px"))
def render_batch(identities: Array, views: Array, *, height_px: int, width_px: int) -> Face:
    """`render` of float32[B, IDENTITY_DIM] and float32[B, VIEW_DIM]."""
    one = functools.partial(render, height_px=height_px, width_px=width_px)
    return jax.vmap(one)(identities, views)


def render_photo(
    identity: Array,
    view: Array,
    *,
    height_px: int,
    width_px: int,
    window: face_shape.Window = face_shape.WHOLE,
) -> Array:
    """The photo alone, float32[H, W, 3] in [-1, 1], of the part `window` of the frame."""
    t = face_traits.traits(identity, view)
    u, v, px = face_shape.frame(height_px, width_px, window=window)
    f = face_shape.fields(t, u, v)
    light, shine = _light(t, face_shape.relief(t, f, u, v))
    hair_color, hair_ink = _hair_color(t), _hair_light(t, f, px)
    face, hair = drawing.cover(f.face, px), drawing.cover(f.hair, px, soft=2.0) * t.hair.density

    image = _paint(_backdrop(t, u, v), hair_color * (0.6 * hair_ink), hair)
    skin = _skin_color(t, f, u, v)
    image = _paint(image, skin * _neck_light(t, f), drawing.cover(f.neck, px))
    image = _paint(image, _cloth(t, f, u, v), drawing.cover(f.clothes, px))
    image = _paint(image, skin * _ear_light(t, f, px), drawing.cover(f.ear, px))
    image = _paint(image, _features(t, f, skin, hair_color, px=px) * light + shine, face)
    image = _paint(image, *_eyes(t, f, skin, light, u=u, px=px))
    image = _paint(image, *_glasses(t, f, px))
    shadow = hair * drawing.cover(-f.opening - 4.0, px, soft=9.0)
    image = image * (1.0 - 0.35 * face * shadow)
    front = hair * drawing.cover(-f.opening, px, soft=2.5)
    image = _paint(image, hair_color * hair_ink, front)
    return jnp.moveaxis(2.0 * jnp.clip(image, 0.0, 1.0) - 1.0, 0, -1)


def _paint(image: Array, color: Array, alpha: Array) -> Array:
    """`color`, float32[3, H, W], over the image where alpha, float32[H, W], is 1."""
    return drawing.mix(image, color, alpha)


def _backdrop(t: Traits, u: Array, v: Array) -> Array:
    """A plain wall with a gradient, float32[3, H, W]."""
    view = t.view
    color = view.backdrop + _rgb(view.backdrop_red, 0.0, view.backdrop_blue)
    slope = view.backdrop_slope_u * u / 100.0 + view.backdrop_slope_v * v / 125.0
    return jnp.clip(color, 0.06, 0.94) * (1.0 + slope)


def _light(t: Traits, slope: tuple[Array, Array]) -> tuple[Array, Array]:
    """Diffuse light and gloss on the face, float32[3, H, W] and float32[H, W]."""
    view = t.view
    toward = jnp.stack([view.light_u, view.light_v, jnp.ones_like(view.light_u)])
    toward = toward / jnp.linalg.norm(toward)
    inverse = jax.lax.rsqrt(1.0 + slope[0] ** 2 + slope[1] ** 2)
    facing = (toward[2] - slope[0] * toward[0] - slope[1] * toward[1]) * inverse
    # Wrapped diffuse: skin scatters light past the terminator, red the furthest.
    wrap = _rgb(0.32, 0.22, 0.18)
    diffuse = jnp.clip((facing + wrap) / (1.0 + wrap), 0.0, 1.0)
    tint = 1.0 + view.light_warmth * _rgb(1.0, 0.1, -1.0)
    light = view.ambient + (1.06 - view.ambient) * view.light_power * diffuse**2 * tint
    gloss = drawing.step(facing, 0.93, 1.02)
    return light, 0.07 * gloss * view.light_power


def _skin_color(t: Traits, f: Fields, u: Array, v: Array) -> Array:
    """Unlit skin with its blush, freckles, mole and lines, float32[3, H, W]."""
    looks, s = t.looks, t.shape
    fold = jnp.abs(u)
    tone = jnp.exp(drawing.mix(np.log(_SKIN_PALE), np.log(_SKIN_DARK), looks.melanin))
    tone = tone * (1.0 + 0.035 * looks.skin_warmth * _rgb(0.4, 0.2, -1.0))
    blush = drawing.blob(fold - 34.0, v - 30.0, 15.0, 12.0)
    blush = blush + 0.8 * drawing.blob(f.nose_u, f.nose_v + 3.0, 8.0, 8.0)
    red = (looks.redness * 0.55 * blush) * _rgb(0.02, 0.20, 0.18)
    color = tone * (1.0 - red)
    mottled = drawing.noise(u / 9.0, v / 9.0, 11) + drawing.noise(u / 2.3, v / 2.3, 13) - 1.0
    freckles, mole = face_shape.spots(t, u, v)
    lines = face_shape.wrinkles(t, u, v)
    socket = drawing.blob(fold - 24.0, v - 10.0, 10.0, 4.0) * (0.06 + 0.16 * looks.age)
    lid_shade = 0.2 * drawing.blob(fold - 20.0, v + 0.52 * s.brow_height, 13.0, 5.5)
    dark = 0.45 * freckles + 0.75 * mole + 0.3 * lines + socket + lid_shade - 0.05 * mottled
    return color * (1.0 - dark * _rgb(0.75, 1.0, 1.05))


def _features(t: Traits, f: Fields, skin: Array, hair: Array, *, px: float) -> Array:
    """Unlit skin with beard, brows, nose and mouth, float32[3, H, W]."""
    looks, s = t.looks, t.shape
    fuzz = drawing.noise(f.head_u / 1.5, f.head_v / 2.6, 21)
    stubble = 0.42 * t.beard.stubble * drawing.step(f.beard, 3.0, -9.0) * (0.75 + 0.5 * fuzz)
    color = _paint(skin, hair * 0.6 + 0.12, stubble)
    color = _paint(color, hair * (0.55 + 0.9 * fuzz), 0.92 * face_shape.whiskers(t, f, fuzz))
    brow = drawing.step(f.brow + 1.8 - 1.8 * fuzz, 1.6, -1.6) * looks.brow_dark
    color = _paint(color, hair * 0.75, brow)
    outside = drawing.step(jnp.abs(f.nose_u), 0.5 * s.nose_width, s.nose_width)
    nose = (
        0.22 * drawing.blob(f.nose_u, f.nose_v - 2.0, 0.6 * s.nose_width, 2.4)
        + 0.2 * outside * drawing.stroke(f.wing, 1.2, px, soft=2.5)
        + 0.6 * drawing.cover(f.nostril, px, soft=1.2)
    )
    return _mouth(t, f, color * (1.0 - nose), skin, px=px)


def _mouth(t: Traits, f: Fields, color: Array, skin: Array, *, px: float) -> Array:
    """Lips in two tones over `color`, and what shows between them, float32[3, H, W]."""
    s = t.shape
    along, opened, teeth = face_shape.mouth_parts(t, f)
    lip = skin * (1.0 - t.looks.lip_red * _rgb(0.18, 0.52, 0.42))
    upper = drawing.cover(f.upper_lip, px, soft=1.5)
    lower = drawing.cover(f.lower_lip, px, soft=2.0)
    color = _paint(color, 0.80 * lip, 0.9 * upper)
    color = _paint(color, 0.98 * lip, 0.85 * lower)
    sheen = drawing.blob(f.mouth_u + 2.0, f.mouth_v - 0.5 * s.lower_lip, 6.0, 1.4)
    inside = along * opened * drawing.cover(f.gap, px, soft=0.6)
    color = _paint(color + 0.12 * sheen * lower, drawing.mix(_GUMS, _TEETH, teeth), inside)
    line = along * drawing.stroke(f.mouth_v, 1.1, px, soft=1.0) * (1.0 - inside)
    corner = drawing.blob(jnp.abs(f.mouth_u) - s.mouth_width + 0.5, f.mouth_v, 2.0, 1.6)
    return color * (1.0 - 0.62 * line - 0.22 * corner)


def _eyes(
    t: Traits, f: Fields, skin: Array, light: Array, *, u: Array, px: float
) -> tuple[Array, Array]:
    """Colour, float32[3, H, W], and coverage of eyes, lashes and lid folds."""
    s, looks = t.shape, t.looks
    lid_shadow = drawing.step(f.lid, 4.0, 0.0)
    round_off = 1.0 - 0.35 * drawing.step(jnp.abs(f.eye_u), 4.0, s.eye_width)
    white = _EYE_WHITE * round_off * (1.0 - 0.55 * lid_shadow) * (0.3 + 0.7 * light)
    fair = drawing.mix(_IRIS_BLUE, _IRIS_GREEN, looks.iris_hue)
    radius = f.iris + s.iris_radius
    shade = (0.75 + 0.5 * drawing.step(radius, 1.5, 4.0)) * (1.0 - 0.5 * lid_shadow)
    shade = shade * (1.0 - 0.55 * drawing.step(f.iris, -1.6, 0.0))
    shade = shade * (1.0 - 0.95 * drawing.cover(radius - 2.2, px))
    iris = drawing.mix(fair, _IRIS_BROWN, looks.iris_dark) * shade
    ball = _paint(white, iris, drawing.cover(f.iris, px, soft=0.6))
    spark_u = u - jnp.sign(u) * face_shape.EYE_U - 2.2 * jnp.tanh(5.0 * t.view.light_u)
    spark = drawing.blob(spark_u, f.lower_lid + 0.62 * s.eye_height + 2.0, 1.0, 1.0)
    ball = ball + 0.85 * spark * drawing.cover(f.iris, px)
    inside = drawing.cover(f.eye, px, soft=0.5)
    near = drawing.step(jnp.abs(f.eye_u), s.eye_width + 2.5, s.eye_width - 3.0)
    lash_width = 1.3 - 0.3 * jnp.tanh(looks.masculinity)
    lash = near * drawing.stroke(f.lid + 0.3, lash_width, px, soft=0.6)
    rim = 0.4 * near * drawing.stroke(f.lower_lid - 0.3, 0.7, px, soft=0.8)
    fold = 0.45 * near * drawing.stroke(f.lid + s.lid_fold, 0.8, px, soft=1.2)
    color = _paint(skin * light * (1.0 - 0.5 * fold - rim), ball, inside)
    color = _paint(color, 0.12 * skin, 0.9 * lash)
    return color, jnp.maximum(jnp.maximum(inside, lash), jnp.maximum(fold, rim))


def _hair_color(t: Traits) -> Array:
    """Base colour of the hair, float32[3, 1, 1]."""
    looks = t.looks
    fair = drawing.mix(_HAIR_FAIR, _HAIR_RED, looks.hair_red)
    base = jnp.exp(drawing.mix(jnp.log(fair), np.log(_HAIR_BLACK), looks.hair_dark))
    return drawing.mix(base, _HAIR_GREY, drawing.step(looks.age, 0.55, 1.0))


def _hair_light(t: Traits, f: Fields, px: float) -> Array:
    """Light on the hair, with strands and a sheen, float32[H, W], about 0.3..2."""
    thin = jnp.maximum(1.3 * t.looks.hair_strand, 1.2 * px)
    strands = drawing.noise(f.strand / thin, f.along / 26.0, 31)
    locks = drawing.noise(f.strand / 6.0, f.along / 40.0, 32)
    texture = 0.55 * strands + 0.45 * locks
    crown_u, crown_v = f.head_u / 68.0, (f.head_v + 30.0) / 75.0
    facing = 1.0 - 0.5 * (crown_u**2 + jnp.minimum(crown_v, 0.0) ** 2)
    lit = facing + 0.3 * (crown_u * t.view.light_u + crown_v * t.view.light_v)
    depth = drawing.step(f.hair, 2.0, -10.0)
    sheen = drawing.bell(f.hair + 17.0 + 5.0 * locks, 8.0) * drawing.step(f.head_v, 10.0, -50.0)
    glow = 0.5 + 1.6 * t.looks.hair_dark
    matt = (0.45 + 0.75 * texture) * (0.35 + 0.75 * lit) * (0.75 + 0.25 * depth)
    return matt + glow * sheen * texture * strands


def _neck_light(t: Traits, f: Fields) -> Array:
    """Light on the neck, dark below the jaw, float32[H, W]."""
    shadow = drawing.step(f.face, 26.0, 2.0)
    turn = drawing.step(f.neck, 0.0, -16.0)
    side = 1.0 + 0.2 * t.view.light_u * f.head_u / 40.0
    return (0.86 - 0.42 * shadow) * (0.68 + 0.32 * turn) * side * t.view.light_power


def _ear_light(t: Traits, f: Fields, px: float) -> Array:
    """Light on the ears, darker inside and along the edge, float32[H, W]."""
    hollow = 0.8 - 0.22 * drawing.cover(f.ear_inner, px, soft=4.0)
    edge = 0.82 + 0.18 * drawing.step(f.ear, 0.0, -5.0)
    return hollow * edge * (0.3 + 0.6 * t.view.light_power)


def _cloth(t: Traits, f: Fields, u: Array, v: Array) -> Array:
    """Lit clothes, float32[3, H, W]."""
    view = t.view
    color = view.cloth + _rgb(view.cloth_red, 0.0, view.cloth_blue)
    color = jnp.clip(color, 0.05, 0.93)
    weave = 0.85 + 0.25 * drawing.noise(u / 14.0 + v / 30.0, v / 40.0, 41)
    seam = drawing.step(jnp.abs(f.collar + 6.0), 0.2, 1.6)
    edge = drawing.step(f.collar, 0.5, -4.0)
    light = weave * (0.8 + 0.2 * seam) * (0.75 + 0.25 * edge) * (1.0 + 0.2 * view.light_u * u / 100)
    return color * light


def _glasses(t: Traits, f: Fields, px: float) -> tuple[Array, Array]:
    """Colour and coverage of the glasses' rims."""
    glasses = t.glasses
    rim = drawing.stroke(f.rim, glasses.rim, px) * drawing.step(glasses.worn, 0.3, 0.9)
    color = 0.45 * (1.0 - glasses.darkness) * jnp.ones((3, 1, 1)) + 0.03
    return color, rim * 0.95
