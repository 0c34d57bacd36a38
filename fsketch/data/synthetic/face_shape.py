"""The parts of a procedural face: traits -> distance fields.

Frame: 200 wide x 250 high with the eyes at (75, 125) and (125, 125), pixel
edges on integers. Fields use face coordinates: u = x - 100 to the right,
v = y - 125 downwards, so the eyes sit at (-25, 0) and (25, 0) whatever the
identity and the view. Paired features are described once, on the folded
coordinate |u|; yaw, pitch and roll move everything but the eyes.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fsketch.data.synthetic import drawing, face_traits

Array = jax.Array

EYE_U = 25.0  # eyes at (-25, 0) and (25, 0)
FRAME_WIDTH, FRAME_HEIGHT = 200.0, 250.0


class Window(NamedTuple):
    """A part of the frame, in its units; by default the whole."""

    left: float = 0.0
    top: float = 0.0
    width: float = FRAME_WIDTH
    height: float = FRAME_HEIGHT


WHOLE = Window()


def frame(height_px: int, width_px: int, *, window: Window = WHOLE) -> tuple[Array, Array, float]:
    """Face coordinates u, v of the pixel centres, float32[H, W] each, and the pixel size."""
    size = max(window.height / height_px, window.width / width_px)
    # Iotas, not constants: XLA would spend its compile time folding the noise.
    row = jax.lax.broadcasted_iota(jnp.float32, (height_px, width_px), 0)
    column = jax.lax.broadcasted_iota(jnp.float32, (height_px, width_px), 1)
    u = (column + 0.5) * (window.width / width_px) + (window.left - 0.5 * FRAME_WIDTH)
    v = (row + 0.5) * (window.height / height_px) + (window.top - 0.5 * FRAME_HEIGHT)
    return u, v, size


class Fields(NamedTuple):
    """Distances to the parts of a face, float32[H, W] in frame units, negative inside."""

    head_u: Array  # u, v as seen by the head, turned with the pose
    head_v: Array
    face: Array
    ear: Array
    ear_inner: Array
    neck: Array
    clothes: Array
    collar: Array  # seam next to the neck
    hair: Array  # outer silhouette
    opening: Array  # part of it that leaves the face free
    strand: Array  # coordinate across the strands
    along: Array  # coordinate along them
    eye_u: Array  # from the centre of the nearer eye, outwards
    eye: Array  # opening between the lids
    lid: Array  # height below the upper lid's edge
    lower_lid: Array
    iris: Array
    brow: Array
    brow_u: Array
    nose_u: Array
    nose_v: Array  # from the base of the nose
    nostril: Array
    wing: Array
    mouth_u: Array
    mouth_v: Array  # from the lip line
    upper_lip: Array
    lower_lip: Array
    gap: Array  # between open lips
    beard: Array
    moustache: Array
    goatee: Array
    rim: Array  # of the glasses


def fields(t: face_traits.Traits, u: Array, v: Array) -> Fields:
    """Distances to every part at face coordinates u, v, each float32[H, W]."""
    s, view, hair = t.shape, t.view, t.hair
    side, fold = jnp.where(u < 0, -1.0, 1.0), jnp.abs(u)

    # The near cheek widens as the nose turns away; the eyes stay.
    head_u = u + view.yaw * (2.5 - 5.0 * v / 90.0) + view.roll * (v / 30.0)
    head_v = v - 1.2 * view.pitch * drawing.step(v, 10.0, 60.0)
    head_fold = jnp.abs(head_u)
    skull_v = 0.5 * (60.0 - s.crown)
    skull_height = 0.5 * (60.0 + s.crown)
    skull = drawing.ellipse(head_u, head_v - skull_v, s.skull_width, skull_height)
    cheek = drawing.ellipse(head_u, head_v - 16.0, s.cheek_width, 54.0)
    jaw_v = s.jaw_drop + view.mouth_open
    jaw = drawing.ellipse(head_u, head_v - jaw_v + 8.0, s.jaw_width, 40.0)
    chin_v = s.chin_drop + 2.0 * view.mouth_open
    chin = drawing.ellipse(head_u, head_v - chin_v + 17.0, s.chin_width + 6.0, 17.0)
    face = drawing.join(drawing.join(skull, cheek, 10.0), drawing.join(jaw, chin, 26.0), 10.0)

    ear_u, ear_v = head_fold - s.skull_width - 0.25 * s.ear_width, head_v - 8.0
    ear_u = ear_u + 0.22 * ear_v
    ear = drawing.ellipse(ear_u, ear_v, s.ear_width, s.ear_size + 2.0)
    ear_inner = drawing.ellipse(ear_u - 0.6, ear_v + 2.0, 0.55 * s.ear_width, 0.62 * s.ear_size)

    body_u = u + view.roll * 2.0
    body_fold = jnp.abs(body_u)
    flare = 14.0 * drawing.step(v, 78.0, 130.0)
    neck = jnp.maximum(body_fold - s.neck_width - flare, 40.0 - v)
    shoulder = v - s.shoulder_drop - 0.0035 * jnp.maximum(body_fold - 30.0, 0.0) ** 2
    neckline = (
        t.collar.round * (0.012 * body_fold**2)
        + t.collar.vee * (0.62 * body_fold - 8.0)
        + t.collar.shirt * (0.45 * body_fold + 2.0)
    )
    collar = (s.shoulder_drop + 17.0 - neckline - v) * 0.75
    clothes = drawing.meet(-shoulder, collar, 4.0)

    hair_side = s.skull_width + hair.side
    cap_height = 0.5 * (s.crown + hair.top + 36.0)
    cap = drawing.ellipse(head_u, head_v + s.crown + hair.top - cap_height, hair_side, cap_height)
    curtain = drawing.meet(
        head_fold - hair_side - hair.flare * head_v,
        drawing.meet(head_v - hair.reach, -28.0 - head_v, 4.0),
        20.0,
    )
    bun = drawing.ellipse(head_u, head_v + s.crown + 10.0, hair.bun + 1.0, 0.8 * hair.bun + 1.0)
    bun = bun + 60.0 * (1.0 - drawing.step(hair.bun, 0.0, 15.0))
    curls = 3.0 * hair.curl * (jnp.sin(head_u / 3.4) * jnp.sin(head_v / 3.1 + 1.0))
    silhouette = drawing.join(drawing.join(cap, curtain, 12.0), bun, 2.0) + curls
    # Strands leave the scalp at the parting: by angle (outwards) and by depth (along the outline).
    part_u = head_u - 0.6 * hair.part
    angle = jnp.arctan2(part_u, 12.0 - jnp.minimum(head_v, 0.0)) * 62.0
    hanging = drawing.step(head_v, -35.0, 10.0) * drawing.step(hair.reach, 20.0, 60.0)
    across = drawing.mix(angle, head_u, hanging)
    depth = jnp.tanh(part_u / 2.0) * silhouette * (1.0 - hanging)
    curl_u = 7.0 * hair.curl * jnp.sin(head_v / 5.2 + 0.1 * head_u)
    strand = across + hair.sweep * (1.4 * depth + 0.12 * head_v) + curl_u
    along = drawing.mix(silhouette, head_v, hanging) + 0.4 * hair.sweep * across
    along = along + 5.0 * hair.curl * jnp.sin(head_u / 4.6)
    tips = hair.ragged * (
        1.2 * drawing.noise(strand / 1.7, along / 60.0, 3) + 0.45 * jnp.sin(strand / 3.3) - 0.6
    )
    fall = jnp.abs(head_u - hair.part)
    hairline = (
        hair.drop
        - s.forehead
        + hair.slope * fall
        + 24.0 * (head_u / 56.0) ** 4
        - hair.recede * drawing.bell(head_fold - 30.0, 13.0)
    )
    free_below = (hairline - head_v) / (1.0 + 0.5 * jnp.abs(hair.slope))
    opening = drawing.meet(free_below, head_fold - hair.opening, 16.0) + 0.8 * tips
    silhouette = silhouette + 0.55 * tips * drawing.step(head_v, -60.0, 40.0) + 0.2 * tips

    eye_u, eye_v = fold - EYE_U, v
    lifted = eye_v + s.eye_slant * eye_u
    bend = 1.0 - (eye_u / s.eye_width) ** 2
    open_up = s.eye_height * (0.88 + 0.16 * view.eye_open) + 0.5
    upper = -open_up * (bend + 0.12 * bend * eye_u / s.eye_width)
    lower = (0.62 * s.eye_height - 0.5 * view.smile) * bend
    lid, lower_lid = lifted - upper, lifted - lower
    eye = jnp.maximum(-lid, lower_lid) * 0.8
    iris = drawing.length(u - side * EYE_U - view.gaze, eye_v) - s.iris_radius

    brow_u = eye_u + 1.0
    ridge = 1.0 - ((brow_u - 3.0) / s.brow_length) ** 2
    brow_mid = (
        -s.brow_height - 1.3 * view.brow_raise - s.brow_arch * ridge + 1.5 + 0.7 * s.skew * side
    )
    brow_v = v + s.brow_slant * brow_u - brow_mid
    reach = brow_u / s.brow_length
    taper = s.brow_thickness * (1.05 - 0.45 * drawing.step(reach, -0.3, 1.1))
    brow = jnp.maximum(jnp.abs(brow_v) - taper, 1.5 * (jnp.abs(brow_u) - s.brow_length))

    nose_base = s.nose_length + 1.6 * view.pitch
    nose_u = u - (view.yaw * 4.0 + s.skew) * drawing.step(v, 0.0, nose_base)
    nose_v = v - nose_base
    nose_fold = jnp.abs(nose_u)
    nostril_u = nose_fold - 0.48 * s.nose_width
    nostril = drawing.ellipse(
        nostril_u, nose_v + 0.25 * nostril_u - 0.5, s.nostril, 0.5 * s.nostril + 0.2
    )
    wing = drawing.ellipse(nose_fold - 0.7 * s.nose_width, nose_v + 3.0, 0.38 * s.nose_width, 5.0)

    mouth_u = u - view.yaw * 3.0 - 0.6 * s.skew
    mouth_width = s.mouth_width + 2.2 * view.smile
    across_mouth = mouth_u / mouth_width
    curve = s.mouth_curve + 2.6 * view.smile
    bow = s.lip_bow * drawing.bell(mouth_u, 3.5)
    line = nose_base + s.philtrum - 0.5 * view.pitch + curve * (0.5 - across_mouth**2)
    mouth_v = v - line - 0.8 * bow
    mouth_bend = jnp.maximum(1.0 - across_mouth**2, -0.5)
    half_gap = 2.4 * view.mouth_open * mouth_bend
    outer = 1.0 - 0.15 * view.smile
    top = -half_gap - s.upper_lip * outer * mouth_bend * (1.0 + 0.35 * (1 - mouth_bend))
    upper_lip = jnp.maximum(top + 1.3 * bow - mouth_v, mouth_v + half_gap)
    lower_lip = jnp.maximum(
        -mouth_v + half_gap, mouth_v - 1.6 * half_gap - s.lower_lip * outer * mouth_bend
    )
    gap = jnp.abs(mouth_v - 0.3 * half_gap) - 1.2 * half_gap

    cheek_line = (nose_base + 4.0) + 14.0 * drawing.bell(head_fold - 26.0, 13.0)
    lips = drawing.ellipse(mouth_u, mouth_v, mouth_width + 2.0, 9.0 + 4.0 * view.mouth_open)
    beard = drawing.meet(cheek_line - v - 0.9 * jnp.maximum(head_fold - 48.0, 0.0), -lips, 4.0)
    moustache = drawing.ellipse(
        mouth_u, mouth_v + s.upper_lip + 3.5 - 0.012 * mouth_u**2, mouth_width + 2.0, 5.0
    )
    goatee = drawing.meet(
        drawing.ellipse(mouth_u, mouth_v - 13.0, 0.95 * mouth_width, 24.0), -lips, 3.0
    )

    lens = drawing.box(
        fold - EYE_U - 0.6, v - 1.5, t.glasses.width, t.glasses.height, t.glasses.corner
    )
    bridge = drawing.meet(jnp.abs(v + 3.0 - 0.02 * u * u), fold - 10.0, 0.5)
    arm = jnp.maximum(jnp.abs(v + 4.0), 42.0 - fold)
    rim = jnp.minimum(jnp.abs(lens), jnp.minimum(bridge, jnp.maximum(arm, fold - 64.0)))
    return Fields(
        head_u=head_u,
        head_v=head_v,
        face=face,
        ear=ear,
        ear_inner=ear_inner,
        neck=neck,
        clothes=clothes,
        collar=collar,
        hair=silhouette,
        opening=opening,
        strand=strand,
        along=along,
        eye_u=eye_u,
        eye=eye,
        lid=lid,
        lower_lid=lower_lid,
        iris=iris,
        brow=brow,
        brow_u=brow_u,
        nose_u=nose_u,
        nose_v=nose_v,
        nostril=nostril,
        wing=wing,
        mouth_u=mouth_u,
        mouth_v=mouth_v,
        upper_lip=upper_lip,
        lower_lip=lower_lip,
        gap=gap,
        beard=beard,
        moustache=moustache,
        goatee=goatee,
        rim=rim,
    )


def relief(t: face_traits.Traits, f: Fields, u: Array, v: Array) -> tuple[Array, Array]:
    """Slopes dz/du, dz/dv of the face's surface towards the viewer, float32[H, W] each."""
    s, view = t.shape, t.view
    fold, side = jnp.abs(u), jnp.where(u < 0, -1.0, 1.0)

    def bump(x: Array, y: Array, width: Any, tall: Any, height: Any) -> tuple[Array, Array]:
        """Slopes of height * drawing.blob."""
        rx, ry = 1.0 / (2.2 * width) ** 2, 1.0 / (2.2 * tall) ** 2
        k = jnp.maximum(1.0 - rx * x * x - ry * y * y, 0.0)
        k = -6.0 * height * k * k
        return k * x * rx, k * y * ry

    ball_u, ball_v = f.head_u / s.cheek_width, (v - 8.0) / 105.0
    steep = -jax.lax.rsqrt(jnp.maximum(1.3 - ball_u**2 - ball_v**2, 0.12))
    nose = s.nose_relief
    bridge = 1.3 * s.nose_bridge + 3.5 * drawing.step(f.nose_v, -28.0, 0.0)
    central = [
        bump(f.nose_u, f.nose_v + 17.0, bridge, 17.0, 5.5 * nose),
        bump(f.nose_u, f.nose_v + 4.5 - s.nose_tip, 0.6 * s.nose_width, 5.5, 4.5 * nose),
        bump(f.mouth_u, f.mouth_v + 0.6 * s.upper_lip, 11.0, 0.55 * s.upper_lip, 0.9),
        bump(f.mouth_u, f.mouth_v - 0.55 * s.lower_lip, 10.0, 0.5 * s.lower_lip, 1.7),
        bump(f.mouth_u, f.mouth_v - s.lower_lip - 5.0, 13.0, 4.0, -1.9),
        bump(f.head_u, f.head_v - s.chin_drop + 13.0, s.chin_width * 0.7, 8.0, 4.5),
        bump(f.mouth_u, f.nose_v - 8.0, 2.4, 6.0, -1.2),
    ]
    paired = [
        bump(fold - EYE_U, v + 1.0, 11.0, 8.0, -4.5),
        bump(fold - EYE_U, v + 0.5, 8.5, 5.5, 4.2),
        bump(fold - 20.0, v + s.brow_height - 1.0, 9.0, 5.0, 2.4),
        bump(fold - 36.0, v - 28.0 + 2.0 * view.smile, 13.0, 13.0, 4.5 + 1.5 * view.smile),
        bump(fold - 26.0 + 0.25 * (v - 40.0), v - 42.0, 5.0, 13.0, -0.6 - 1.2 * t.looks.age),
        bump(jnp.abs(f.nose_u) - 0.72 * s.nose_width, f.nose_v + 3.0, 3.6, 4.0, 3.0),
    ]
    slope_u = sum(b[0] for b in central) + side * sum(b[0] for b in paired)
    return steep * ball_u + slope_u, steep * ball_v + sum(b[1] for b in central + paired)


def wrinkles(t: face_traits.Traits, u: Array, v: Array) -> Array:
    """Soft lines that age draws on brow, eyes and cheeks, float32[H, W] in [0, 1]."""
    fold = jnp.abs(u)
    brow_v = v + 0.68 * t.shape.forehead
    rows = drawing.bell(jnp.sin(brow_v / 2.2 + 0.004 * u * u), 0.25)
    rows = rows * drawing.blob(u, brow_v, 16.0, 5.0)
    folds = drawing.bell(fold - 18.0 - 0.36 * (v - 34.0), 1.3) * drawing.bell(v - 45.0, 9.0)
    feet = drawing.bell(jnp.sin((v - 1.0 + 0.2 * (fold - 40)) / 1.6), 0.3)
    feet = feet * drawing.blob(fold - 43.0, v - 1.0, 3.0, 4.0)
    bags = drawing.bell(v - 11.0 + 0.02 * (fold - 24.0) ** 2, 1.0) * drawing.bell(fold - 24.0, 6.0)
    return t.looks.age**1.5 * jnp.minimum(0.7 * rows + folds + 0.6 * feet + 0.8 * bags, 1.0)


def spots(t: face_traits.Traits, u: Array, v: Array) -> tuple[Array, Array]:
    """Freckles and the mole, float32[H, W] in [0, 1] each."""
    looks = t.looks
    freckles = drawing.step(drawing.noise(u / 1.9, v / 1.9, 12), 0.72, 0.9)
    freckles = freckles * looks.freckles * drawing.blob(jnp.abs(u) - 20.0, v - 24.0, 20.0, 13.0)
    return freckles, looks.mole * drawing.blob(u - looks.mole_u, v - looks.mole_v, 1.5, 1.5)


def whiskers(t: face_traits.Traits, f: Fields, fuzz: Array) -> Array:
    """Where the beard is long, float32[H, W] in [0, 1]; `fuzz` in [0, 1] frays its edge."""
    full = t.beard.full * drawing.step(f.beard + 5.0 * fuzz, 5.0, -2.0)
    moustache = t.beard.moustache * drawing.step(f.moustache + 3.0 * fuzz, 2.5, -1.0)
    goatee = t.beard.goatee * drawing.step(f.goatee + 3.0 * fuzz, 3.0, -1.5)
    return jnp.maximum(full, jnp.maximum(moustache, goatee))


def mouth_parts(t: face_traits.Traits, f: Fields) -> tuple[Array, Array, Array]:
    """Between the corners, float32[H, W]; how open, float32[]; teeth, float32[H, W]: in [0, 1]."""
    width = t.shape.mouth_width + 2.0 + t.view.smile
    along = drawing.step(jnp.abs(f.mouth_u), width, width - 5.0)
    opened = drawing.step(t.view.mouth_open, 0.0, 0.25)
    teeth = drawing.step(f.mouth_v, 1.6, 0.2) * drawing.step(t.view.mouth_open, 0.4, 1.0)
    return along, opened, teeth
