"""Nets of published weights: parameter counts and maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.convert import published
from fsketch.nets import alexnet, squeezenet


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("alexnet", 2_469_696),
        ("squeezenet_v1.0", 1_248_424),
        ("squeezenet_v1.1", 1_235_496),
        ("vgg16", 14_714_688),
        ("vgg19", 20_024_384),
    ],
)
def test_nets_have_their_published_sizes(name, count):
    assert sum(np.prod(shape) for shape in published.WEIGHTS[name].shapes().values()) == count


@pytest.mark.parametrize(
    ("net", "shapes"),
    [
        (
            alexnet.AlexNet(),
            {"relu1": (55, 55, 64), "relu2": (27, 27, 192), "relu5": (13, 13, 256)},
        ),
        (
            squeezenet.SqueezeNet("1.1"),
            {"conv1": (111, 111, 64), "fire3": (55, 55, 128), "fire9": (13, 13, 512)},
        ),
    ],
)
def test_maps_have_their_published_shapes(net, shapes):
    image = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    maps, _ = jax.eval_shape(net.init_with_output, jax.random.key(0), image)
    assert {tap: maps[tap].shape[1:] for tap in shapes} == shapes
