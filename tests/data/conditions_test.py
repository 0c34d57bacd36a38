"""Conditions of own photos: the person is found, the background changes, targets stay."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from fsketch.configs import kd, students
from fsketch.data import augment, backdrop, conditions, pipeline, records

BLUE, SKIN = np.array([90, 160, 210], np.uint8), (200, 160, 140)


def studio():
    """(photo uint8[60, 48, 3], bool[60, 48] the person): on blue with grain, a black wedge left."""
    y, x = np.mgrid[:60, :48]
    person = ((x - 24) / 13) ** 2 + ((y - 32) / 20) ** 2 < 1
    person |= (y > 45) & (abs(x - 24) < 18)
    grain = np.random.default_rng(0).integers(-6, 7, (60, 48, 3))
    photo = np.where(person[..., None], SKIN, BLUE) + grain
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


def test_wedges_of_sketches_become_paper_and_hair_at_the_border_stays():
    y, x = np.mgrid[:60, :48]
    sketch = np.full((60, 48, 1), 230, np.uint8)
    wedge = y > 55 + x / 12
    sketch[wedge | (y < 2)], sketch[20:25, 10:15] = 4, 0
    hair = (x > 40 + 3 * np.sin(y)) & (y > 10) & (y < 54)
    sketch[hair] = 20
    paper = backdrop.on_paper(sketch)[..., 0]
    assert (paper[wedge | (y < 2)] == 255).all()
    assert (paper[20:25, 10:15] == 0).all() and (paper[hair & (y < 52)] == 20).mean() > 0.97


def config(**fields):
    data = kd.get_config("conditions=anywhere").data.copy_and_resolve_references()
    data.unlock()
    data.update({"canvas_px": 64, "crop_px": 56, "part_px": 0, "flip": True})
    data.update({"zoom": 0.0, "roll_degrees": 0.0, **fields})
    return data


def batch(data):
    photo, _ = studio()
    sketch = np.maximum(photo[..., :1], 60)
    pairs = records.Pairs(
        [{"photo": photo, "sketch": sketch}] * 4, augment.PAIR, list("abcd"), np.zeros(4, int)
    )
    canvases = pipeline.place(
        pairs, canvas_px=64, fill_photo=None, fill_sketch=None, keyed=augment.needs_person(data)
    )
    return {k: jnp.asarray(v) for k, v in pipeline.for_method(canvases.batch(np.arange(4))).items()}


def shown(data, seed=0):
    keys = jax.random.split(jax.random.key(seed), 4)
    return jax.device_get(augment.apply(batch(data), keys, data)[0])


def near(photos, colour):
    return np.linalg.norm((photos + 1) * 127.5 - colour, axis=-1) < 15


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
    blue, skin = (near(out["photo"], c) for c in (BLUE, SKIN))
    same = np.abs(out["lit"] - out["photo"]).max(-1) < 1e-5
    inner = ndimage.binary_erosion(skin, np.ones((1, 7, 7)))  # without the soft outline
    assert same[inner].mean() > 0.99 and inner.sum() > 1000
    assert same[blue].mean() < 0.1  # all but the eyes
    assert np.std([image[b].mean() for image, b in zip(out["lit"], blue, strict=True)]) > 0.05


def test_target_photos_get_an_even_background_and_inputs_keep_theirs():
    colour = (100, 150, 200)
    plain, out = shown(config(**OFF)), shown(config(**OFF, even_background=colour))
    np.testing.assert_array_equal(out["lit"], plain["photo"])
    np.testing.assert_array_equal(out["sketch"], shown(config())["sketch"])
    blue, skin = (near(plain["photo"], c) for c in (BLUE, SKIN))
    even = np.linalg.norm((out["photo"] + 1) * 127.5 - colour, axis=-1) < 1e-3
    same = np.abs(out["photo"] - plain["photo"]).max(-1) < 1e-5
    assert even[blue].mean() > 0.9  # all but the eyes
    inner = ndimage.binary_erosion(skin, np.ones((1, 7, 7)))  # without the soft outline
    assert same[inner].mean() > 0.99 and inner.sum() > 1000


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
        "noise": 1 + 6 * limit / 0.2, "blur_px": 1 + 0.8 / 0.2, "resolution": 1 + 0.8 / 0.2,
        "jpeg": 1 + 0.8 / 0.2,
    }  # fmt: skip
    assert ratio.max() <= most[name] + 1e-4
    if name == "exposure":
        assert ratio.min() >= 2**-limit - 1e-4


def taken(image, name, limit, times=50):
    """An image float[H, W, 3] in [0, 1] under one effect, several times: float[N, H, W, 3]."""
    data = config(**{**OFF, name: limit})
    images = 2 * jnp.broadcast_to(jnp.asarray(image, jnp.float32), (times, *image.shape)) - 1
    keys = jax.random.split(jax.random.key(0), times)
    return np.asarray(conditions.apply(images, None, keys, data) + 1) / 2


def test_a_smaller_file_is_as_coarse_as_pillow_makes_it_and_its_edges_stay():
    fine = np.random.default_rng(0).uniform(size=(40, 40, 3))
    np.testing.assert_allclose(taken(np.full((20, 16, 3), 0.3), "resolution", 0.9), 0.3, atol=1e-5)
    small = Image.fromarray((fine * 255).astype(np.uint8)).resize((10, 10), 2)  # 2: bilinear
    expected = np.asarray(small.resize((40, 40), 2)).std() / 255
    assert abs(taken(fine, "resolution", 0.75).std((1, 2, 3)).min() - expected) < 0.03


def test_jpeg_is_as_coarse_as_a_file():
    grey = ndimage.gaussian_filter(np.random.default_rng(0).uniform(size=(60, 44)), 1.5)
    grey = ((grey - grey.min()) / np.ptp(grey) * 255).astype(np.uint8)
    photo = np.repeat(grey[..., None], 3, axis=-1) / 255
    errors = np.sort(np.abs(taken(photo, "jpeg", 0.88) - photo).mean((1, 2, 3)))
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "jpeg", quality=12)
    with Image.open(stream) as file:
        expected = np.abs(np.asarray(file) / 255.0 - grey / 255).mean()
    assert errors[0] < 0.004 and 0.6 * expected < errors[-1] < 1.6 * expected


def test_a_turn_moves_photo_and_sketch_alike_by_its_angle():
    y, x = np.mgrid[0:21, 0:21]
    ramp = jnp.asarray(np.stack([y, x], -1) / 20 - 0.5, jnp.float32)[None].repeat(32, 0)
    out = augment.random_crop_and_flip(
        {"photo": ramp, "sketch": ramp[..., :1]},
        jax.random.split(jax.random.key(0), 32),
        crop_px=9,
        flip=False,
        roll_degrees=30.0,
    )
    np.testing.assert_array_equal(out["photo"][..., :1], out["sketch"])
    inner = 20 * np.asarray(out["photo"])[:, 3:6, 3:6]  # its surroundings are on the canvas
    down, across = np.diff(inner, axis=1), np.diff(inner, axis=2)
    # The cubic bends a ramp by up to 0.05 px.
    np.testing.assert_allclose(np.hypot(down[..., 0], down[..., 1]), 1, atol=0.1)
    angles = np.rad2deg(np.arctan2(across[..., 0], across[..., 1])).mean((1, 2))
    assert -30.5 < angles.min() < -20 and 20 < angles.max() < 30.5
    np.testing.assert_allclose(down[:, 0, 0, 0], across[:, 0, 0, 1], atol=0.1)
    assert 12 > np.ptp(inner[:, 1, 1, 0]) > 8  # anywhere on the canvas


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"backgrounds": 1.5}, r"data.backgrounds: expected a number in \[0, 1\], got 1.5"),
        ({"even_background": (1, 2)}, r"data.even_background: expected 3 values .*got \(1, 2\)"),
        ({"jpeg": 1.0}, r"data.jpeg: expected a number in \[0, 1\), got 1.0"),
        ({"roll_degrees": 50.0}, r"data.roll_degrees: expected 0 to 45, got 50.0"),
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
