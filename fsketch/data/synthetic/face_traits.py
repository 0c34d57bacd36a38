"""What a procedural face is made of: the latents of an identity and a view -> its traits.

An identity is a vector of standard normals: the fields of `Shape`, those of
`Looks`, then one logit per hair style, beard and pair of glasses. A view holds
the fields of `View`, then one logit per collar. Styles are rows of numbers
mixed by a sharp softmax, so that a face changes smoothly between them.
Coordinates are those of `face_shape`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array


def _varies(mean: float, spread: float) -> Any:
    """A trait equal to mean + spread * latent, the latent softly limited to +-2.6."""
    return mean, spread


class Shape(NamedTuple):
    """Geometry that an artist exaggerates; each float32[], in frame units unless said."""

    skull_width: Array = _varies(62.0, 2.2)  # half widths
    cheek_width: Array = _varies(58.5, 3.0)
    jaw_width: Array = _varies(46.0, 4.5)
    jaw_drop: Array = _varies(46.0, 4.5)  # drops and heights are measured from the eye line
    chin_width: Array = _varies(18.0, 4.5)
    chin_drop: Array = _varies(92.0, 4.5)
    forehead: Array = _varies(56.0, 5.5)
    crown: Array = _varies(88.0, 2.5)
    eye_width: Array = _varies(12.2, 1.1)
    eye_height: Array = _varies(4.6, 0.9)
    eye_slant: Array = _varies(0.05, 0.08)  # rise per unit outwards
    iris_radius: Array = _varies(5.2, 0.25)
    lid_fold: Array = _varies(4.0, 1.2)  # crease above the upper lid
    brow_height: Array = _varies(17.0, 2.0)
    brow_thickness: Array = _varies(2.5, 0.8)
    brow_slant: Array = _varies(-0.01, 0.08)
    brow_arch: Array = _varies(2.8, 1.6)
    brow_length: Array = _varies(15.5, 1.5)
    nose_length: Array = _varies(35.0, 3.3)
    nose_width: Array = _varies(12.0, 1.9)
    nose_bridge: Array = _varies(5.0, 0.9)
    nose_relief: Array = _varies(1.0, 0.22)  # share
    nose_tip: Array = _varies(0.0, 1.8)  # below the nostrils
    nostril: Array = _varies(2.6, 0.5)
    philtrum: Array = _varies(20.0, 2.2)  # nose to lip line
    mouth_width: Array = _varies(21.5, 2.8)
    upper_lip: Array = _varies(4.4, 1.4)
    lower_lip: Array = _varies(6.0, 1.7)
    lip_bow: Array = _varies(1.2, 0.6)
    mouth_curve: Array = _varies(1.5, 1.1)
    ear_size: Array = _varies(16.0, 2.4)
    ear_width: Array = _varies(7.0, 1.8)
    skew: Array = _varies(0.0, 1.1)  # of nose, mouth and brows
    neck_width: Array = _varies(37.0, 4.5)
    shoulder_drop: Array = _varies(106.0, 4.0)


class Looks(NamedTuple):
    """Colour, age and small marks; each float32[], shares of 1 unless said."""

    melanin: Array = _varies(0.3, 0.27)  # 0 palest, 1 darkest skin
    skin_warmth: Array = _varies(0.0, 1.0)
    redness: Array = _varies(0.5, 0.3)
    hair_dark: Array = _varies(0.68, 0.3)  # 0 blond, 1 black
    hair_red: Array = _varies(0.25, 0.35)
    iris_dark: Array = _varies(0.62, 0.33)
    iris_hue: Array = _varies(0.45, 0.4)  # 0 blue, 1 green
    brow_dark: Array = _varies(0.72, 0.15)
    age: Array = _varies(0.25, 0.3)
    masculinity: Array = _varies(0.0, 1.0)  # signed
    lip_red: Array = _varies(0.45, 0.25)
    freckles: Array = _varies(-0.9, 0.9)
    mole_u: Array = _varies(0.0, 26.0)  # frame units
    mole_v: Array = _varies(48.0, 14.0)
    mole: Array = _varies(-0.6, 1.0)
    hair_volume: Array = _varies(0.0, 3.0)  # frame units
    hair_part: Array = _varies(0.0, 9.0)
    hair_drop: Array = _varies(0.0, 3.0)
    hair_strand: Array = _varies(1.0, 0.2)


class View(NamedTuple):
    """One photograph of a face; each float32[], signed and about -2..2 unless said."""

    yaw: Array = _varies(0.0, 0.8)
    pitch: Array = _varies(0.0, 0.8)
    roll: Array = _varies(0.0, 0.6)
    smile: Array = _varies(0.15, 0.6)
    mouth_open: Array = _varies(-0.7, 0.8)
    brow_raise: Array = _varies(0.0, 0.8)
    eye_open: Array = _varies(0.0, 0.6)
    gaze: Array = _varies(0.0, 0.4)  # frame units
    light_u: Array = _varies(-0.15, 0.4)
    light_v: Array = _varies(-0.35, 0.2)
    light_power: Array = _varies(1.0, 0.1)
    light_warmth: Array = _varies(0.0, 0.05)
    ambient: Array = _varies(0.4, 0.07)
    backdrop: Array = _varies(0.55, 0.26)
    backdrop_red: Array = _varies(-0.04, 0.1)
    backdrop_blue: Array = _varies(0.06, 0.12)
    backdrop_slope_u: Array = _varies(0.0, 0.12)
    backdrop_slope_v: Array = _varies(0.0, 0.12)
    cloth: Array = _varies(0.42, 0.27)
    cloth_red: Array = _varies(0.0, 0.13)
    cloth_blue: Array = _varies(0.03, 0.13)


class Hair(NamedTuple):
    """A hair style; each float32[], in frame units unless said."""

    top: Array  # volume above the skull
    side: Array  # volume beside it
    reach: Array  # lowest point, from the eye line
    flare: Array  # widening per unit downwards
    opening: Array  # half width of the face it leaves free
    drop: Array  # hairline below the natural one
    slope: Array  # fall of the hairline per unit from the parting
    part: Array  # parting, u
    recede: Array  # bare temples
    ragged: Array  # length of loose tips
    sweep: Array  # strand direction: 0 from the scalp outwards, 1 along the outline
    curl: Array  # share
    bun: Array  # radius
    density: Array  # share


HAIR_STYLES = {
    #        top side reach flare open drop slope part recede ragged sweep curl bun density
    "crop": (5, 2, 6, 0, 55, 1, 0.05, 0, 6, 3.5, 0.0, 0, 0, 1),
    "side_part": (12, 6, 12, 0, 53, -3, 0.42, -22, 0, 2, 0.75, 0, 0, 1),
    "fringe": (12, 7, 18, 0, 52, 20, 0.12, 8, 0, 8, 0.06, 0, 0, 1),
    "quiff": (20, 3, 6, 0, 55, -4, 0.1, 0, 4, 6, 0.15, 0, 0, 1),
    "long_straight": (8, 6, 140, 0.06, 46, -6, 0.8, 0, 0, 1.5, 1.0, 0, 0, 1),
    "long_bangs": (10, 9, 120, 0.05, 47, 27, 0.02, 0, 0, 4, 0.06, 0, 0, 1),
    "long_wavy": (13, 16, 112, 0.14, 49, -6, 0.5, -16, 0, 4, 0.8, 0.35, 0, 1),
    "bob": (10, 12, 62, 0.12, 47, 4, 0.55, 18, 0, 3, 0.85, 0, 0, 1),
    "bun": (5, 2, 4, 0, 55, -4, 0.15, 0, 0, 1, 0.15, 0, 17, 1),
    "curly": (21, 16, 36, 0.05, 52, 2, 0.1, 0, 0, 6, 0.2, 1, 0, 1),
    "curly_crop": (10, 4, 8, 0, 55, 2, 0.05, 0, 3, 3, 0.1, 1, 0, 1),
    "balding": (1, 4, 14, 0, 53, -42, -0.3, 0, 16, 3, 0.3, 0, 0, 0.85),
    "bald": (-2, -2, -10, 0, 60, -30, 0, 0, 10, 1, 0.2, 0, 0, 0.0),
}
# How much each style is favoured by masculinity (signed), and by age.
_HAIR_LEAN = np.array([1.3, 0.9, 0.5, 1.0, -1.3, -1.3, -1.3, -1.2, -1.1, -0.4, 0.8, 0.7, 0.6])
_HAIR_AGE = np.array([0, 0.1, -0.4, -0.4, 0, -0.3, 0, 0.3, 0.2, 0, 0, 0.9, 0.4])


class Beard(NamedTuple):
    """A beard; each float32[], shares of 1 (stubble: beard shadow without length)."""

    stubble: Array
    moustache: Array
    goatee: Array
    full: Array


_BEARDS = ((0, 0, 0, 0), (0.55, 0, 0, 0), (0.2, 1, 0, 0), (0.2, 1, 1, 0), (0, 1, 1, 1))
_BEARD_LEAN = np.array([-1.2, 0.4, 0.4, 0.4, 0.4])
_BEARD_BIAS = np.array([1.0, 0.1, -0.3, -0.3, -0.3])


class Glasses(NamedTuple):
    """A pair of glasses; each float32[], in frame units unless said."""

    worn: Array  # share
    width: Array  # half sides of a lens
    height: Array
    corner: Array
    rim: Array
    darkness: Array  # share


_GLASSES = (
    (0, 17, 13, 9, 1.0, 0.8),
    (1, 15.5, 14.5, 14, 1.3, 0.75),
    (1, 18, 12, 5, 3.0, 0.95),
    (1, 18, 10.5, 6, 1.2, 0.8),
)
_GLASSES_BIAS = np.array([1.5, 0.0, 0.0, 0.0])


class Collar(NamedTuple):
    """Clothes; each float32[], shares of 1."""

    round: Array
    vee: Array
    shirt: Array


_NUM_TRAITS = len(Shape._fields) + len(Looks._fields)
IDENTITY_DIM = _NUM_TRAITS + len(HAIR_STYLES) + len(_BEARDS) + len(_GLASSES)
VIEW_DIM = len(View._fields) + len(Collar._fields)


class Traits(NamedTuple):
    """Everything that `fields` and the two media need to know."""

    shape: Shape
    looks: Looks
    hair: Hair
    beard: Beard
    glasses: Glasses
    view: View
    collar: Collar


def _limit(latent: Array) -> Array:
    """About the identity up to 1.5, never beyond +-2.6."""
    return 2.6 * jnp.tanh(latent / 2.6)


def _spread(kind: type, latent: Array) -> Any:
    """Fill a NamedTuple of `_varies` entries from a slice of latents."""
    mean, spread = np.array(list(kind._field_defaults.values()), np.float32).T
    return kind(*(mean + spread * latent))


def _choose(kind: type, rows: Any, logits: Array) -> Any:
    """Mix the rows of a style table by a softmax sharp enough to look like a choice."""
    weights = jax.nn.softmax(10.0 * logits)
    return kind(*(weights @ np.array(list(rows), np.float32)))


def traits(identity: Array, view: Array, *, exaggeration: float = 1.0) -> Traits:
    """Traits of float32[IDENTITY_DIM] and float32[VIEW_DIM]; `exaggeration` scales Shape."""
    shape_latent, looks_latent, hair_logits, beard_logits, glasses_logits = jnp.split(
        identity,
        np.cumsum([len(Shape._fields), len(Looks._fields), len(HAIR_STYLES), len(_BEARDS)]),
    )
    looks = _spread(Looks, _limit(looks_latent))
    man, age = looks.masculinity, jnp.clip(looks.age, 0.0, 1.0)
    shape = _spread(Shape, exaggeration * _limit(shape_latent))
    shape = shape._replace(
        jaw_width=shape.jaw_width + 1.8 * man,
        chin_width=shape.chin_width + 1.5 * man,
        chin_drop=shape.chin_drop + 1.5 * man,
        brow_thickness=jnp.maximum(shape.brow_thickness + 0.45 * man, 0.7),
        brow_height=shape.brow_height - 0.9 * man,
        neck_width=shape.neck_width + 3.0 * man,
        eye_height=jnp.maximum(shape.eye_height - 0.35 * man, 2.6),
        upper_lip=jnp.maximum(shape.upper_lip - 0.4 * man, 1.6),
        lower_lip=jnp.maximum(shape.lower_lip - 0.3 * man, 3.0),
        lid_fold=jnp.maximum(shape.lid_fold, 1.0),
        nose_width=shape.nose_width + 0.6 * man,
    )
    looks = looks._replace(
        age=age,
        melanin=jnp.clip(looks.melanin, 0.0, 1.0),
        # Dark skin with fair hair is rare.
        hair_dark=jnp.clip(looks.hair_dark + 0.7 * jnp.maximum(looks.melanin - 0.3, 0), 0.0, 1.0),
        iris_dark=jnp.clip(looks.iris_dark + 0.9 * jnp.maximum(looks.melanin - 0.3, 0), 0.0, 1.0),
        hair_red=jnp.clip(looks.hair_red, 0.0, 1.0),
        iris_hue=jnp.clip(looks.iris_hue, 0.0, 1.0),
        redness=jnp.clip(looks.redness, 0.0, 1.0),
        lip_red=jnp.clip(looks.lip_red - 0.12 * man, 0.05, 1.0),
        freckles=jnp.clip(looks.freckles, 0.0, 1.0),
        mole=jnp.clip(looks.mole, 0.0, 1.0),
    )
    hair = _choose(
        Hair, HAIR_STYLES.values(), hair_logits + _HAIR_LEAN * man + _HAIR_AGE * (4.0 * age - 1.4)
    )
    hair = hair._replace(
        top=hair.top + hair.density * looks.hair_volume,
        side=hair.side + 0.5 * hair.density * looks.hair_volume,
        part=hair.part + looks.hair_part,
        drop=hair.drop + looks.hair_drop,
    )
    beard = _choose(Beard, _BEARDS, beard_logits + _BEARD_LEAN * (man - 1.0) + _BEARD_BIAS)
    glasses = _choose(Glasses, _GLASSES, glasses_logits + _GLASSES_BIAS)
    view_latent, collar_logits = jnp.split(view, [len(View._fields)])
    pose = _spread(View, _limit(view_latent))
    pose = pose._replace(mouth_open=jnp.maximum(pose.mouth_open, 0.0))
    return Traits(
        shape, looks, hair, beard, glasses, pose, _choose(Collar, np.eye(3), collar_logits)
    )
