"""Conditions of own photos: the person is found, the background changes, targets stay."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from fsketch.configs import kd, students
from fsketch.data import augment, backdrop, conditions, pipeline, records

BLUE = np.array([90, 160, 210], np.uint8)


def studio():
    """(photo uint8[60, 48, 3], bool[60, 48] the person): on blue with grain, a black wedge left."""
    y, x = np.mgrid[:60, :48]
    person = ((x - 24) / 13) ** 2 + ((y - 32) / 20) ** 2 < 1
    person |= (y > 45) & (abs(x - 24) < 18)
    grain = np.random.default_rng(0).integers(-6, 7, (60, 48, 3))
    photo = np.where(person[..., None], [200, 160, 140], BLUE) + grain
    photo[30:34, 22:26] = BLUE  # eyes of that colour belong to the person
    photo[x < 3 - y / 6] = 0
    return photo.astype(np.uint8), person


def test_the_person_is_keyed_out_of_an_even_background():
    photo, person = studio()
    found = backdrop.person(photo)
    assert found.shape == (60, 48, 1) and found.dtype == np.uint8
    wrong = (found[..., 0] > 127) != person
    assert wrong.mean() < 0.04  # the outline, one pixel inside
    assert not (wrong & ~np.pad(person, 2, mode="edge")[4:, 2:-2] & ~person).any()
    assert (found[30:34, 22:26] == 255).all()


def test_busy_backgrounds_and_black_photos_count_as_the_person():
    busy = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    assert (backdrop.person(busy) > 127).mean() > 0.9
    assert (backdrop.person(np.zeros((40, 40, 3), np.uint8)) == 255).all()


def test_wedges_of_sketches_become_paper():
    sketch = np.full((40, 30, 1), 230, np.uint8)
    sketch[:2], sketch[20:25, 10:15] = 4, 0
    paper = backdrop.on_paper(sketch)
    assert (paper[:2] == 255).all() and (paper[20:25, 10:15] == 0).all()


def config(**fields):
    data = kd.get_config("conditions=anywhere").data.copy_and_resolve_references()
    data.unlock()
    data.update({"canvas_px": 64, "crop_px": 56, "flip": True, "zoom": 0.0})
    data.update(fields)
    return data


def batch(data):
    photo, _ = studio()
    sketch = np.maximum(photo[..., :1], 60)
    pairs = records.Pairs(
        [{"photo": photo, "sketch": sketch}] * 4, augment.PAIR, list("abcd"), np.zeros(4, int)
    )
    canvases = pipeline.place(
        pairs, canvas_px=64, fill_photo=None, fill_sketch=None, keyed=data.backgrounds > 0
    )
    return {k: jnp.asarray(v) for k, v in pipeline.for_method(canvases.batch(np.arange(4))).items()}


def shown(data, seed=0):
    keys = jax.random.split(jax.random.key(seed), 4)
    return jax.device_get(augment.apply(batch(data), keys, data)[0])


OFF = dict.fromkeys((*conditions.FIELDS, *augment.LIMITS), 0.0)


def test_without_conditions_a_batch_is_as_before():
    plain = shown(config(**OFF))
    assert plain.keys() == {"photo", "sketch", "identity"}
    changed = shown(config())
    assert changed.keys() == {"photo", "sketch", "identity", "lit"}
    for kind in augment.PAIR:  # targets keep background and light, and move alike
        np.testing.assert_array_equal(changed[kind], plain[kind])
    np.testing.assert_array_equal(changed["lit"], shown(config())["lit"])
    assert (changed["lit"] != shown(config(), seed=1)["lit"]).any()


def test_only_the_background_is_replaced_and_it_moves_with_the_photo():
    out = shown(config(**{**OFF, "backgrounds": 1.0}))
    blue = np.linalg.norm((out["photo"] + 1) * 127.5 - BLUE, axis=-1) < 15
    same = np.abs(out["lit"] - out["photo"]).max(-1) < 1e-5
    skin = np.linalg.norm((out["photo"] + 1) * 127.5 - [200, 160, 140], axis=-1) < 15
    inner = ndimage.binary_erosion(skin, np.ones((1, 7, 7)))  # without the soft outline
    assert same[inner].mean() > 0.99 and inner.sum() > 1000
    assert same[blue].mean() < 0.1  # all but the eyes
    assert np.std([image[b].mean() for image, b in zip(out["lit"], blue, strict=True)]) > 0.05


@pytest.mark.parametrize("name", conditions.FIELDS[1:])
def test_each_effect_acts_alone_within_its_limit(name):
    limit = students.ANYWHERE[name]
    out = shown(config(**{**OFF, name: limit}))
    photo, lit = (out["photo"] + 1) / 2, (out["lit"] + 1) / 2
    assert np.abs(lit - photo).max() > 0.004
    middle = (photo > 0.2) & (lit < 0.99)
    ratio = lit[middle] / photo[middle]
    most = {
        "shade": 1 + 2**0.5 * limit, "tint": 1 + limit, "exposure": 2 ** (limit / 4),
        "noise": 1 + 6 * limit / 0.2, "blur_px": 1 + 0.8 / 0.2,
    }  # fmt: skip
    assert ratio.max() <= most[name] + 1e-4
    if name == "exposure":
        assert ratio.min() >= 2**-limit - 1e-4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"backgrounds": 1.5}, r"data.backgrounds: expected a number in \[0, 1\], got 1.5"),
        ({"exposure": -1.0}, r"data.exposure: expected 0 to 4 stops, got -1.0"),
        ({"blur_px": 3.0}, r"data.blur_px: expected 0 to 2 px, got 3.0"),
    ],
)
def test_wrong_numbers_name_their_field(fields, message):
    with pytest.raises(ValueError, match=message):
        augment.check(config(**fields))


def test_methods_that_show_no_photos_refuse_conditions():
    with pytest.raises(ValueError, match=r"data.backgrounds: expected 0 .*got 0.75"):
        augment.check_unlit(config(**{**OFF, "backgrounds": 0.75}))
