"""The translator: taps, the ways up, skips, noise and detail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.core import images
from fsketch.nets import resnet, students


def shapes(net, channels, size=(256, 256)):
    image = jax.ShapeDtypeStruct((1, *size, channels), jnp.float32)
    variables = jax.eval_shape(net.init, jax.random.key(0), image)
    return variables, jax.eval_shape(net.apply, variables, image)


def test_without_the_unusual_relu_it_is_cyclegan_s_generator():
    """The same layers, hence parameters; the trunk's maps may be negative."""
    options = {"features": 3, "width": 4, "num_blocks": 2}
    image = jax.random.normal(jax.random.key(0), (1, 16, 16, 3))
    nets = [resnet.Translator(**options, relu_after_add=flag) for flag in (True, False)]
    variables = jax.jit(nets[0].init)(jax.random.key(1), image)
    with_relu, without = (jax.jit(net.apply)(variables, image)[1]["bottle"] for net in nets)
    assert float(with_relu.min()) >= 0
    assert float(without.min()) < 0


def test_taps_have_the_shapes_of_vgg_s_first_stages():
    _, (image, taps) = shapes(resnet.Translator(features=1), 3)
    assert image.shape == (1, 256, 256, 1)
    assert {name: tap.shape[1:] for name, tap in taps.items()} == {
        "in": (256, 256, 64),
        "d1": (128, 128, 128),
        "d2": (64, 64, 256),
        "bottle": (64, 64, 256),
        "u1": (128, 128, 128),
        "u2": (256, 256, 64),
    }
    assert set(taps) == set(resnet.TAPS)


def test_maps_are_brought_to_the_teacher_s_shape_and_the_image_is_left_alone():
    translator = resnet.Translator(features=1, width=4, num_blocks=1)
    student = students.Student(translator, students.SAME, {"d1": (7, 9, 96), "in": (32, 40, 4)})
    variables, (image, taps, matched) = shapes(student, 3, (32, 40))
    assert image.shape == (1, 32, 40, 1)
    assert taps["d1"].shape == (1, 16, 20, 8)
    assert matched["d1"].shape == (1, 7, 9, 96)
    assert matched["in"].shape == taps["in"].shape
    assert {n for n in variables["params"] if n.startswith("adapt")} == {"adapt_d1"}


def test_up_by_nearest_neighbours_leaves_no_lattice():
    """Of an even image the inner pixels of its maps are alike, which transposed ones are not."""
    image = jnp.full((1, 64, 64, 3), 0.3)
    spreads, counts = {}, {}
    for up in ("transposed", "nearest"):
        net = resnet.Translator(features=1, width=4, num_blocks=1, norm="none", up=up)
        variables = jax.tree.map(lambda x: 10 * x, jax.jit(net.init)(jax.random.key(0), image))
        made, taps = jax.jit(net.apply)(variables, image)
        assert float(jnp.abs(made).max()) <= 1  # whatever the parameters
        inner = taps["u2"][:, 28:36, 28:36]
        assert float(inner.max()) > 0.01
        spreads[up] = float(inner.std((1, 2)).max() / inner.max())
        counts[up] = sum(leaf.size for leaf in jax.tree.leaves(variables))
    assert counts["nearest"] == counts["transposed"]
    assert spreads["nearest"] < 1e-5 < 1e-2 < spreads["transposed"]


def test_skips_hand_the_encoder_s_maps_to_the_decoder():
    net = resnet.Translator(features=1, width=4, num_blocks=1, up="nearest", skips=True)
    variables, _ = shapes(net, 3, (16, 16))
    kernels = {
        name: leaves["kernel"].shape
        for name, leaves in variables["params"].items()
        if "kernel" in leaves
    }
    assert kernels["Conv_3"] == (3, 3, 16 + 8, 8)  # bottle and d1 -> u1
    assert kernels["Conv_4"] == (3, 3, 8 + 4, 4)  # u1 and in -> u2


def test_noise_is_drawn_from_keys():
    noisy = resnet.Translator(features=1, width=4, num_blocks=1, noise=True)
    image = jnp.broadcast_to(jax.random.uniform(jax.random.key(0), (1, 16, 16, 3)), (3, 16, 16, 3))
    variables = jax.jit(noisy.init)(jax.random.key(1), image)
    kernel = variables["params"].pop("noise")["kernel"]
    assert kernel.shape == (7, 7, 1, 4)
    keys = jax.random.split(jax.random.key(2))[jnp.asarray([0, 1, 0])]
    draw = jax.jit(lambda kernel, keys: noisy.apply(with_noise(kernel), image, keys=keys)[0])

    def with_noise(kernel):
        return {"params": {**variables["params"], "noise": {"kernel": kernel}}}

    one, other, again = draw(kernel + 0.1, keys)
    assert float(jnp.abs(one - other).max()) > 0.01
    assert jnp.allclose(one, again, atol=1e-6)
    fixed = draw(kernel + 0.1, None)
    assert float(jnp.abs(fixed[0] - one).max()) > 0.01
    assert jnp.allclose(fixed[0], fixed[2], atol=1e-6)
    small = jax.jit(noisy.apply)(with_noise(kernel + 0.1), image[:1])[0]
    assert jnp.allclose(fixed[:1], small, atol=1e-6)  # whatever the batch


def test_detail_is_the_deviation_from_the_local_mean_in_local_deviations():
    image = jax.random.uniform(jax.random.key(0), (2, 40, 44, 3), minval=-1)
    grey = np.asarray(image[1], np.float64) @ images.LUMA

    def around(array, row, column):
        return np.pad(array, 7, mode="edge")[row : row + 15, column : column + 15]

    deviation = np.array(
        [[grey[y, x] - around(grey, y, x).mean() for x in range(44)] for y in range(40)]
    )
    found = resnet._detail(image)
    assert found.shape == (2, 40, 44, 1)
    for place in ((20, 20), (0, 0), (39, 3)):
        wanted = deviation[place] / np.sqrt((around(deviation, *place) ** 2).mean() + 0.02**2)
        assert found[(1, *place, 0)] == pytest.approx(wanted, rel=1e-4)
    dark = resnet._detail(0.1 * image - 0.9)  # as in dark hair
    assert float(jnp.abs(dark).mean()) > 0.8 * float(jnp.abs(found).mean())
    assert float(jnp.abs(resnet._detail(jnp.full((1, 32, 32, 3), 0.3))).max()) < 1e-3


@pytest.mark.parametrize("option", ["noise", "detail"])
def test_options_start_without_effect(option):
    net = resnet.Translator(features=1, width=4, num_blocks=1, **{option: True})
    plain = resnet.Translator(features=1, width=4, num_blocks=1)
    image = jax.random.uniform(jax.random.key(0), (1, 16, 16, 3))
    variables = jax.jit(net.init)(jax.random.key(1), image)
    assert not variables["params"][option]["kernel"].any()
    params = {name: leaf for name, leaf in variables["params"].items() if name != option}
    with_option = jax.jit(net.apply)(variables, image)[0]
    without = jax.jit(plain.apply)({"params": params}, image)[0]
    np.testing.assert_allclose(with_option, without, atol=1e-6)
