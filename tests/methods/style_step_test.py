"""What is special about the method of style networks; the common contract is elsewhere."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch import methods
from fsketch.configs import style as experiment
from fsketch.core import images
from fsketch.data.synthetic import paintings
from fsketch.metrics import style_distance
from fsketch.nets import convolution


@pytest.fixture(scope="module")
def config():
    config = experiment.tiny()
    config.teacher.taps = ("conv1", "fire2")
    config.style.content_tap = "fire3"
    return config


@pytest.fixture(scope="module")
def frozen(config, tiny_teacher):
    config.teacher.path = tiny_teacher
    with convolution.plain():
        return methods.create(config).freeze([])


def shapes(config, frozen, channels=3):
    pair = {"photo": jnp.zeros((1, 16, 16, 3)), "sketch": jnp.zeros((1, 16, 16, channels))}
    return jax.eval_shape(methods.create(config).init, jax.random.key(0), frozen, pair)


def test_the_style_s_gram_matrices_are_kept_beside_the_weights(config, frozen):
    teacher = frozen["teacher"]
    grams = teacher.variables["style"]
    assert set(grams) == {"conv1", "fire2"}  # not the content's
    image = images.from_uint8(jnp.asarray(paintings.paint("mosaic", size_px=32)))[None]
    with convolution.plain():
        maps = jax.jit(lambda net, image: net(image))(teacher, image)
    assert set(maps) == {"conv1", "fire2", "fire3"}
    for tap, gram in grams.items():
        expected = style_distance.gram(maps[tap])
        np.testing.assert_allclose(gram, expected, rtol=1e-4, atol=1e-6 * expected.max())
    assert json.loads(teacher.spec)["style"]["image"] == "mosaic"


def test_a_workdir_keeps_its_style(config, frozen):
    assert set(shapes(config, frozen).players) == {"stylist"}
    other = config.copy_and_resolve_references()
    other.style.image = "waves"
    with pytest.raises(ValueError, match=r"'waves'.*another workdir for another style"):
        shapes(other, frozen)


def test_sketches_of_one_channel_are_refused(config, frozen):
    with pytest.raises(ValueError, match=r"data\.sketch_channels: expected 3, .*got 1"):
        shapes(config, frozen, channels=1)


def test_the_published_configuration():
    config = experiment.get_config("net=johnson")
    assert config.num_steps == 40000 and config.batch_size == 4
    assert len(config.teacher.taps) == 4 and config.style.content_tap in config.teacher.taps
