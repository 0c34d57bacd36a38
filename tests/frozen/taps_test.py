"""Teachers: parameter counts, taps, normalisation."""

import jax
import jax.numpy as jnp
import pytest

from fsketch.core import trees
from fsketch.frozen import teachers
from fsketch.nets import squeezenet, vgg


def shapes(net, size=256):
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    variables = jax.eval_shape(net.init, jax.random.key(0), image)
    return variables, jax.eval_shape(net.apply, variables, image)


def test_vgg19_has_its_published_size_and_taps():
    variables, maps = shapes(vgg.VGG())
    assert round(trees.count(variables) / 1e6, 2) == 20.02
    assert maps["relu1_2"].shape == (1, 256, 256, 64)
    assert maps["relu2_2"].shape == (1, 128, 128, 128)
    assert maps["relu3_4"].shape == (1, 64, 64, 256)
    assert maps["relu5_4"].shape == (1, 16, 16, 512)


def test_squeezenet_has_its_published_size_and_taps():
    variables, maps = shapes(squeezenet.SqueezeNet(), 227)
    assert trees.count(variables) == 1_248_424
    assert maps["conv1"].shape == (1, 111, 111, 96)
    assert maps["fire4"].shape == (1, 55, 55, 256)  # pooling rounds up, as in Caffe
    assert maps["fire9"].shape == (1, 13, 13, 512)
    assert maps["logits"].shape == (1, 1000)


def test_squeezenet_input_is_caffe_s():
    red = jnp.array([[[[1.0, -1.0, -1.0]]]])
    assert squeezenet.adapt(red)[0, 0, 0].tolist() == [-104.0, -117.0, 255.0 - 123.0]


def test_teacher_divides_by_its_constants():
    net = vgg.VGG(widths=(2, 2, 2), depths=(1, 1, 1))
    taught = teachers.Teacher(net, ("relu1_1", "relu2_1", "relu3_1"))
    image = jax.random.normal(jax.random.key(0), (1, 8, 8, 3))
    variables = taught.init(jax.random.key(1), image)
    once = taught.apply(variables, image)
    halved = taught.apply({**variables, "constants": {"rms": jnp.array([2.0, 4.0, 8.0])}}, image)
    for name, factor in zip(teachers.NAMES, (2, 4, 8), strict=True):
        assert jnp.allclose(halved[name] * factor, once[name])


def test_unknown_taps_are_refused_by_name():
    net = teachers.Teacher(vgg.VGG(widths=(2,), depths=(1,)), ("relu1_1", "relu9_9", "relu1_1"))
    with pytest.raises(ValueError, match=r"relu9_9.*relu1_1"):
        net.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
