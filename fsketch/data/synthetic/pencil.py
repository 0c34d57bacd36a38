"""The same face drawn with a pencil: contours, hatching, strands and grain on paper.

Nothing here looks at the photo. The artist sees the traits, exaggerates the
geometry, draws each outline as a stroke of uneven pressure along a wobbling
hand's path, hatches the form, lays hair down strand by strand and leaves the
paper bare around the head. Ink lies in [0, 1]; layers multiply the paper.
"""

import jax
import jax.numpy as jnp

from fsketch.data.synthetic import drawing, face_shape, face_traits

Array = jax.Array
Traits, Fields = face_traits.Traits, face_shape.Fields

EXAGGERATION = 1.12  # distances from the mean face, as caricature has it


def draw(identity: Array, view: Array, *, height_px: int, width_px: int) -> Array:
    """A pencil sketch of one face, float32[H, W, 1] in [-1, 1]."""
    t = face_traits.traits(identity, view, exaggeration=EXAGGERATION)
    u, v, px = face_shape.frame(height_px, width_px)
    page_u, page_v = _page(identity, view, u, v)
    hand_u, hand_v = _wobble(u, v, page_u, page_v)
    f = face_shape.fields(t, hand_u, hand_v)
    pressure = 0.55 + 0.9 * drawing.noise(page_u / 17.0, page_v / 17.0, 51)

    hair_front = (
        drawing.cover(f.hair, px, soft=2.0) * drawing.cover(-f.opening, px, soft=1.0)
    ) * t.hair.density
    hair_back = drawing.cover(f.hair, px, soft=2.0) * t.hair.density
    in_face, in_neck = drawing.cover(f.face, px), drawing.cover(f.neck, px)
    in_ear, in_cloth = drawing.cover(f.ear, px), drawing.cover(f.clothes, px)
    skin = jnp.maximum(in_face, jnp.maximum(in_neck, in_ear))

    hair = _hair(t, f, px)
    bare = 1.0 - hair * hair_back * (1.0 - jnp.maximum(skin, in_cloth))
    bare = bare * (1.0 - _clothes(t, f, pressure, px) * (1.0 - in_face) * (1.0 - in_ear))
    neck = _neck(f, u, v, pressure, px) * (1.0 - in_cloth)
    bare = bare * (1.0 - neck * (1.0 - in_face) * (1.0 - in_ear))
    bare = bare * (1.0 - _ears(f, pressure, px) * (1.0 - in_face))
    bare = bare * (1.0 - _outline(f, pressure, px))
    tone = _tone(t, f, hand_u, hand_v)
    bare = bare * (1.0 - _hatch(tone, u, page_u, page_v, px) * in_face)
    bare = bare * (1.0 - _face_lines(t, f, hand_u, hand_v, pressure=pressure, px=px) * in_face)
    rim = drawing.stroke(f.rim, t.glasses.rim + 0.3, px) * drawing.step(t.glasses.worn, 0.3, 0.9)
    bare = bare * (1.0 - 0.85 * t.glasses.darkness * rim)
    bare = drawing.mix(bare, 1.0 - hair, hair_front)
    return _paper(1.0 - bare, page_u, page_v, px)[..., None]


def _page(identity: Array, view: Array, u: Array, v: Array) -> tuple[Array, Array]:
    """Face coordinates on one endless sheet of paper, each drawing at a place of its own.

    Grain, pressure and hatching are looked up there, so no two sketches share them.
    """
    return u + 211.0 * identity.sum(), v + 173.0 * view.sum()


def _wobble(u: Array, v: Array, page_u: Array, page_v: Array) -> tuple[Array, Array]:
    """Where the hand thinks it is: the face coordinates, about 0.7 units off."""
    du = drawing.noise(page_u / 16.0, page_v / 13.0, 61)
    du = du + 0.4 * drawing.noise(page_u / 6.0, page_v / 6.0, 63)
    dv = drawing.noise(page_u / 15.0, page_v / 16.0, 62)
    # The eyes are drawn with care.
    care = 1.0 - 0.85 * drawing.blob(jnp.abs(u) - face_shape.EYE_U, v, 9.0, 7.0)
    return u + 2.2 * care * (du - 0.7), v + 2.2 * care * (dv - 0.5)


def _strokes(tone: Array, across: Array, along: Array, px: float, seed: int) -> Array:
    """Straight pencil strokes whose number and weight grow with `tone`, float32[H, W]."""
    thin = max(1.25, 1.15 * px)
    grain = drawing.noise(across / thin, along / (9.0 + 5.0 * px), seed)
    return drawing.step(grain, 0.98 - tone, 1.35 - tone) * drawing.step(tone, 0.0, 0.12)


def _hatch(tone: Array, u: Array, page_u: Array, page_v: Array, px: float) -> Array:
    """Shading of a tone: smudged graphite, strokes, and crossed strokes in the dark."""
    bent = 0.002 * u * jnp.abs(u)  # strokes turn with the cheeks
    x, y = page_u, page_v
    first = _strokes(tone, 0.74 * x + 0.67 * y - bent, 0.67 * x - 0.74 * y, px, 71)
    second = _strokes(1.1 * (tone - 0.35), 0.94 * x - 0.34 * y, 0.34 * x + 0.94 * y, px, 72)
    return 0.45 * tone + 0.4 * first * (0.35 + 0.65 * tone) + 0.25 * second


def _tone(t: Traits, f: Fields, u: Array, v: Array) -> Array:
    """How dark the artist means the face to be, float32[H, W] in [0, 1]."""
    slope = face_shape.relief(t, f, u, v)
    inverse = jax.lax.rsqrt(1.0 + slope[0] ** 2 + slope[1] ** 2)
    # Mostly the studio's light from above, a little of the photo's.
    toward_u, toward_v = -0.25 + 0.5 * t.view.light_u, -0.35
    facing = (1.0 - slope[0] * toward_u - slope[1] * toward_v) * inverse / 1.08
    shade = jnp.clip((0.99 - facing) / 0.95, 0.0, 1.0)
    under_hair = 0.25 * drawing.step(f.opening, -9.0, 0.0) * t.hair.density
    stubble = 0.3 * t.beard.stubble * drawing.step(f.beard, 3.0, -9.0)
    local = 0.22 * t.looks.melanin**1.5
    return jnp.clip(0.66 * shade + local + under_hair + stubble, 0.0, 0.95)


def _outline(f: Fields, pressure: Array, px: float) -> Array:
    """The contour of cheek, jaw and chin."""
    heavy = 0.36 + 0.28 * drawing.step(f.head_v, 20.0, 90.0)
    return heavy * pressure * drawing.stroke(f.face, 1.4, px) * drawing.step(f.head_v, -95.0, -60.0)


def _ears(f: Fields, pressure: Array, px: float) -> Array:
    """Contour, fold and shade of the ears."""
    line = 0.75 * pressure * drawing.stroke(f.ear, 1.3, px)
    fold = 0.5 * drawing.stroke(f.ear_inner, 1.0, px) * drawing.step(f.head_v, 22.0, 8.0)
    shade = 0.28 * drawing.cover(f.ear_inner, px, soft=4.0)
    return jnp.minimum(line + fold + shade, 0.95)


def _neck(f: Fields, u: Array, v: Array, pressure: Array, px: float) -> Array:
    """Sides of the neck and the hatched shadow under the jaw."""
    sides = 0.5 * pressure * drawing.stroke(f.neck, 1.4, px)
    tone = 0.6 * drawing.step(f.face, 24.0, 0.0) + 0.15 * drawing.step(f.neck, -10.0, 0.0)
    inside = drawing.cover(f.neck, px)
    return jnp.minimum(sides + inside * _hatch(tone, u, u, v, px), 0.95)


def _clothes(t: Traits, f: Fields, pressure: Array, px: float) -> Array:
    """A few lines: shoulders, neckline and seam, with a hint of the cloth's tone."""
    edge = 0.7 * pressure * drawing.stroke(f.clothes, 1.6, px)
    inside = drawing.cover(f.clothes, px)
    seam = 0.5 * pressure * drawing.stroke(f.collar + 6.0, 1.0, px) * inside
    view = t.view
    luma = view.cloth + 0.3 * view.cloth_red + 0.1 * view.cloth_blue
    tone = 0.75 * jnp.clip(0.75 - luma, 0.0, 0.7) * drawing.step(f.collar, 6.0, -30.0)
    rough = _strokes(tone, 0.8 * f.head_u + 0.6 * f.head_v, 0.6 * f.head_u - 0.8 * f.head_v, px, 73)
    return jnp.minimum(edge + seam + inside * (0.35 * tone + 0.4 * rough), 0.95)


def _layers(*inks: Array) -> Array:
    """Ink of several layers drawn over one another, float32[H, W] in [0, 1]."""
    bare = jnp.ones(())
    for ink in inks:
        bare = bare * (1.0 - jnp.clip(ink, 0.0, 0.97))
    return 1.0 - bare


def _face_lines(t: Traits, f: Fields, u: Array, v: Array, *, pressure: Array, px: float) -> Array:
    """Brows, eyes, nose, mouth, beard and marks, as one layer of ink."""
    growth = drawing.noise(f.head_u / max(1.4, 1.1 * px), f.head_v / 7.0, 83)
    whiskers = face_shape.whiskers(t, f, growth) * (0.35 + 0.6 * growth)
    freckles, mole = face_shape.spots(t, u, v)
    return _layers(
        _brows(t, f, v, px),
        _eyes(t, f, u, v, pressure=pressure, px=px),
        _nose(t, f, pressure, px),
        _mouth(t, f, pressure, px),
        whiskers * (0.5 + 0.5 * t.looks.hair_dark),
        0.5 * face_shape.wrinkles(t, u, v),
        0.35 * freckles + mole,
    )


def _brows(t: Traits, f: Fields, v: Array, px: float) -> Array:
    """Short strokes that lean outwards."""
    hairs = drawing.noise((f.brow_u + 0.8 * v) / max(1.3, 1.1 * px), v / 9.0, 81)
    brow = drawing.step(f.brow + 1.6 * hairs, 1.6, -1.0)
    return brow * (0.45 + 0.5 * hairs) * (0.45 + 0.5 * t.looks.brow_dark * t.looks.hair_dark)


def _eyes(t: Traits, f: Fields, u: Array, v: Array, *, pressure: Array, px: float) -> Array:
    """Lids as lines, the upper one heavy; iris, pupil and a highlight left white."""
    s = t.shape
    near = drawing.step(jnp.abs(f.eye_u), s.eye_width + 2.5, s.eye_width - 3.0)
    iris = drawing.cover(f.iris, px, soft=0.5) * (0.4 + 0.35 * t.looks.iris_dark)
    pupil = drawing.cover(f.iris + s.iris_radius - 2.4, px)
    iris = iris + 0.35 * drawing.stroke(f.iris, 0.8, px) + pupil
    spark_size = 0.7 + 0.2 * px
    spark_u = u - jnp.sign(u) * face_shape.EYE_U + 1.8
    spark = drawing.blob(spark_u, v + 1.8, spark_size, spark_size)
    ball = 0.5 * drawing.step(f.lid, 3.0, 0.0) + iris * (1.0 - spark)
    return _layers(
        drawing.cover(f.eye, px, soft=0.4) * ball,
        0.95 * near * drawing.stroke(f.lid + 0.2, 1.7, px),
        0.5 * near * drawing.stroke(f.lower_lid - 0.4, 0.8, px),
        0.5 * near * pressure * drawing.stroke(f.lid + s.lid_fold, 0.9, px),
    )


def _nose(t: Traits, f: Fields, pressure: Array, px: float) -> Array:
    """Nostrils, wings, the tip's underside and one side of the bridge."""
    s, fold = t.shape, jnp.abs(f.nose_u)
    outside = drawing.step(fold, 0.6 * s.nose_width, 0.95 * s.nose_width)
    middle = drawing.step(fold, 0.55 * s.nose_width, 0.2 * s.nose_width)
    tip = f.nose_v - 1.5 - s.nose_tip + 0.035 * f.nose_u**2
    bridge = f.nose_u - s.nose_bridge - 1.5 - 3.0 * drawing.step(f.nose_v, -22.0, -40.0)
    run = drawing.step(f.nose_v, -8.0, -16.0) * drawing.step(f.nose_v, -44.0, -34.0)
    return _layers(
        0.85 * drawing.cover(f.nostril, px, soft=1.0),
        0.75 * outside * pressure * drawing.stroke(f.wing, 1.3, px),
        0.55 * middle * pressure * drawing.stroke(tip, 1.1, px),
        0.35 * run * pressure * drawing.stroke(bridge, 1.1, px),
    )


def _mouth(t: Traits, f: Fields, pressure: Array, px: float) -> Array:
    """The lip line or the open mouth, two tones of lips and the shade below."""
    fold, red = jnp.abs(f.mouth_u), t.looks.lip_red
    along, opened, teeth = face_shape.mouth_parts(t, f)
    grooves = drawing.noise(f.mouth_u / max(1.6, 1.2 * px), f.mouth_v / 12.0, 82)
    line = drawing.stroke(f.mouth_v, 1.2 + 0.5 * drawing.bell(f.mouth_u, 9.0), px)
    below = drawing.stroke(f.lower_lip, 1.2, px) * drawing.step(fold, 15.0, 6.0)
    return _layers(
        drawing.cover(f.upper_lip, px) * (0.25 + 0.25 * grooves + 0.2 * red),
        drawing.cover(f.lower_lip, px) * (0.08 + 0.18 * grooves + 0.15 * red),
        0.9 * along * (1.0 - opened) * line,
        along * opened * drawing.cover(f.gap, px) * (0.85 - 0.75 * teeth),
        0.8 * along * opened * drawing.stroke(f.gap, 1.0, px),
        0.35 * along * pressure * drawing.stroke(f.upper_lip, 0.8, px),
        0.45 * below * pressure * drawing.step(f.mouth_v, 1.0, 3.0),
    )


def _hair(t: Traits, f: Fields, px: float) -> Array:
    """Hair as drawn strands over a soft mass, lighter where it shines, float32[H, W]."""
    thin = jnp.maximum(1.25 * t.looks.hair_strand, 1.05 * px)
    fine = drawing.noise(f.strand / thin, f.along / 30.0, 91)
    locks = drawing.noise(f.strand / 3.6, f.along / 36.0, 92)
    grey = drawing.step(t.looks.age, 0.55, 1.0)
    dark = (0.26 + 0.66 * t.looks.hair_dark) * (1.0 - 0.5 * grey)
    shine = drawing.bell(f.hair + 17.0 + 7.0 * locks, 8.0) * drawing.step(f.head_v, 10.0, -50.0)
    edge = drawing.step(f.hair, 1.0, -6.0)
    depth = 0.2 * drawing.step(f.opening, 14.0, 0.0)
    mass = dark * (0.74 + 0.24 * locks + depth) * (0.72 + 0.28 * edge) * (1.0 - 0.42 * shine)
    lines = drawing.step(fine, 0.25, 0.8) - 0.5
    return jnp.clip(mass + 0.42 * lines * (0.5 + 0.5 * edge) * (1.0 - 0.4 * mass), 0.0, 0.96)


def _paper(ink: Array, u: Array, v: Array, px: float) -> Array:
    """Ink on toothed paper, in [-1, 1]: the tooth breaks light strokes, dark ones fill it."""
    grain = drawing.noise(u / max(1.1, 0.9 * px), v / max(1.1, 0.9 * px), 101) - 0.5
    tooth = 1.0 + 1.1 * grain * (1.0 - ink)
    cloud = drawing.noise(u / 60.0, v / 60.0, 102)
    white = 0.975 - 0.025 * cloud + 0.018 * grain
    graphite = 0.10
    level = drawing.mix(white, graphite, jnp.clip(ink * tooth, 0.0, 1.0))
    return 2.0 * jnp.clip(level, 0.0, 1.0) - 1.0
