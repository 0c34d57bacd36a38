"""Layers: initial values, normalisation against numpy and flax, pooling, resampling."""

import flax.errors
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.core import types
from fsketch.nets import layers


def draw(*shape, dtype="float32"):
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape), dtype)


def shapes(variables):
    return jax.tree.map(jnp.shape, nn.unbox(variables))


@pytest.mark.parametrize(
    "layer, size, expected",
    [
        (layers.Conv(5), (9, 6), (9, 6)),
        (layers.Conv(5, 7, pad_mode="reflect"), (9, 6), (9, 6)),
        (layers.Conv(5, 4, stride=2), (8, 6), (4, 3)),
        (layers.Conv(5, 3, stride=2), (9, 6), (5, 3)),
        (layers.Conv(5, dilation=2), (9, 6), (9, 6)),
        (layers.Conv(5, 4, padding=0), (4, 4), (1, 1)),
        (layers.ConvTranspose(5), (9, 6), (18, 12)),
        (layers.ConvTranspose(5, 4, output_padding=0), (9, 6), (18, 12)),
    ],
    ids=str,
)
def test_sizes(layer, size, expected):
    x = jax.ShapeDtypeStruct((2, *size, 3), jnp.float32)
    y, variables = jax.eval_shape(lambda x: layer.init_with_output(jax.random.key(0), x), x)
    assert y.shape == (2, *expected, 5)
    k = layer.kernel_size
    widths = (3, 5) if isinstance(layer, layers.Conv) else (5, 3)
    assert shapes(variables) == {"params": {"kernel": (k, k, *widths), "bias": (5,)}}


def test_initial_values():
    x = draw(1, 8, 8, 64)
    conv = layers.Conv(64).init(jax.random.key(0), x)["params"]
    np.testing.assert_allclose(jnp.std(conv["kernel"]), 0.02, rtol=0.05)
    assert not conv["bias"].any()
    for kind in ("instance", "batch"):
        norm = layers.Norm(kind).init(jax.random.key(0), x)["params"]
        assert shapes(norm) == {"scale": (64,), "bias": (64,)}
        np.testing.assert_allclose(jnp.mean(norm["scale"]), 1, atol=0.01)
        np.testing.assert_allclose(jnp.std(norm["scale"]), 0.02, rtol=0.4)
        assert not norm["bias"].any()


def test_reflect_pad_equals_jax_and_its_autodiff():
    x = draw(2, 5, 8, 3)
    for padding in (0, 1, 4):
        pads = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        y, ours = jax.vjp(lambda x, p=padding: layers.reflect_pad(x, p), x)
        expected, theirs = jax.vjp(lambda x, p=pads: jnp.pad(x, p, mode="reflect"), x)
        np.testing.assert_array_equal(y, expected)
        g = draw(*y.shape)
        np.testing.assert_allclose(ours(g)[0], theirs(g)[0], rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="padding: expected less than"):
        layers.reflect_pad(x, 5)


@pytest.mark.parametrize("affine", [True, False])
def test_instance_norm_equals_numpy(affine):
    x = 3 + 2 * draw(2, 9, 7, 4)
    norm = layers.InstanceNorm(affine=affine)
    y, variables = norm.init_with_output(jax.random.key(0), x)
    wide = np.asarray(x, np.float64)
    expected = wide - wide.mean((1, 2), keepdims=True)
    expected /= np.sqrt(wide.var((1, 2), keepdims=True) + 1e-5)
    if affine:
        params = {"scale": jnp.array([1.0, 2, 3, 4]), "bias": jnp.array([0.0, 1, 0, 2])}
        y = norm.apply({"params": params}, x)
        expected = expected * params["scale"] + params["bias"]
    else:
        assert not variables
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_statistics_of_bfloat16_maps_are_float32():
    """Sums of 4096 values, which bfloat16 cannot hold, against numpy in float64."""
    x = (3 + 2 * draw(1, 64, 64, 2)).astype(jnp.bfloat16)
    y = layers.InstanceNorm(affine=False).apply({}, x)
    assert y.dtype == jnp.bfloat16
    wide = np.asarray(x, np.float64)
    expected = (wide - wide.mean((1, 2))) / np.sqrt(wide.var((1, 2)) + 1e-5)
    np.testing.assert_allclose(np.asarray(y, np.float64), expected, rtol=2**-8, atol=1e-4)


def test_instance_norm_keeps_the_digits_of_even_images():
    """A sum of 65 536 equal numbers has an error that the norm of an even map enlarges 316-fold."""
    y = layers.InstanceNorm(affine=False).apply({}, jnp.full((1, 256, 256, 3), -1.6793965))
    np.testing.assert_allclose(y, 0, atol=1e-5)
    x = 1000 + draw(1, 16, 16, 2)
    wide = np.asarray(x, np.float64)
    expected = (wide - wide.mean((1, 2))) / np.sqrt(wide.var((1, 2)) + 1e-5)
    np.testing.assert_allclose(layers.InstanceNorm(affine=False).apply({}, x), expected, atol=1e-5)


def test_gradients_of_instance_norm_are_those_of_its_formula():
    x, cotangent = 3 + 2 * draw(2, 6, 5, 3), jnp.sin(jnp.arange(180.0)).reshape(2, 6, 5, 3)

    def formula(x):
        deviation = x - x.mean((1, 2), keepdims=True)
        variance = jnp.square(deviation).mean((1, 2), keepdims=True)
        return deviation / jnp.sqrt(variance + 1e-5)

    def pulled(function, x):
        return jax.vjp(function, x)[1](cotangent)[0]

    def norm(x):
        return layers.InstanceNorm(affine=False).apply({}, x)

    np.testing.assert_allclose(pulled(norm, x), pulled(formula, x), atol=1e-6)
    second = [
        jax.grad(lambda x, f=f: jnp.square(pulled(f, x)).sum())(x) for f in (norm, formula)
    ]  # as penalties of gradients have it
    np.testing.assert_allclose(*second, atol=1e-6)


def test_norm_none_and_unknown():
    x = draw(1, 4, 4, 2)
    y, variables = layers.Norm("none").init_with_output(jax.random.key(0), x)
    np.testing.assert_array_equal(x, y)
    assert not variables
    with pytest.raises(ValueError, match="'layer'"):
        layers.Norm("layer").init(jax.random.key(0), x)


def batch_step(variables, x):
    return layers.Norm("batch").apply(variables, x, train=True, mutable=["batch_stats"])


def test_batch_norm_over_devices_equals_the_global_batch():
    x = draw(4, 6, 5, 3) * jnp.arange(1, 5).reshape(4, 1, 1, 1)
    variables = layers.Norm("batch").init(jax.random.key(0), x)
    assert shapes(variables["batch_stats"]) == {"mean": (3,), "var": (3,)}
    y, stats = batch_step(variables, x)
    mapped = jax.pmap(
        jax.jit(batch_step),
        types.AXIS,
        in_axes=(None, 0),
        devices=jax.devices()[:2],
    )
    shards, shard_stats = mapped(variables, x.reshape(2, 2, 6, 5, 3))
    np.testing.assert_allclose(shards.reshape(x.shape), y, rtol=1e-4, atol=1e-5)
    for name in ("mean", "var"):
        expected = stats["batch_stats"][name]
        for device in range(2):
            np.testing.assert_allclose(
                shard_stats["batch_stats"][name][device], expected, rtol=1e-5, atol=1e-6
            )
    flat = np.asarray(x).reshape(-1, 3)
    np.testing.assert_allclose(stats["batch_stats"]["mean"], 0.1 * flat.mean(0), atol=1e-6)
    np.testing.assert_allclose(stats["batch_stats"]["var"], 0.9 + 0.1 * flat.var(0), rtol=1e-5)


@pytest.mark.parametrize("ties", [False, True])
def test_max_pool_equals_flax(ties):
    x = draw(2, 9, 6, 3)
    x = jnp.round(x) if ties else x
    y, ours = jax.vjp(lambda x: layers.max_pool(x), x)
    expected, theirs = jax.vjp(lambda x: nn.max_pool(x, (2, 2), (2, 2)), x)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(ours(y + 1)[0], theirs(y + 1)[0])


@pytest.mark.parametrize("size", [(7, 6), (1, 2)])
def test_l2_pool_is_a_strided_hanning_filter_of_squares(size):
    x = np.asarray(draw(2, *size, 3), np.float64)
    hanning = np.hanning(5)[1:-1, None] * np.hanning(5)[None, 1:-1]
    hanning /= hanning.sum()
    squares = np.pad(x**2, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros((2, (size[0] + 1) // 2, (size[1] + 1) // 2, 3))
    for h, w in np.ndindex(expected.shape[1:3]):
        window = squares[:, 2 * h : 2 * h + 3, 2 * w : 2 * w + 3]
        expected[:, h, w] = np.sqrt(np.einsum("uv,buvc->bc", hanning, window))
    np.testing.assert_allclose(layers.l2_pool(jnp.asarray(x)), expected, rtol=1e-5, atol=1e-6)


def test_upsample_repeats_pixels():
    x = draw(2, 3, 5, 2)
    y = layers.upsample(x)
    np.testing.assert_array_equal(y, np.kron(x, np.ones((1, 2, 2, 1))))


def test_pixel_shuffle_orders_channels_as_torch():
    x = jnp.arange(1 * 2 * 3 * 8.0).reshape(1, 2, 3, 8)
    y = layers.pixel_shuffle(x)
    assert y.shape == (1, 4, 6, 2)
    for channel, row, column in np.ndindex(2, 2, 2):
        np.testing.assert_array_equal(
            y[:, row::2, column::2, channel], x[..., channel * 4 + row * 2 + column]
        )
    with pytest.raises(ValueError, match="multiple"):
        layers.pixel_shuffle(x[..., :6])


def test_dropout_keeps_the_mean_and_each_example_has_its_own():
    keys = jax.random.split(jax.random.key(0), 3)
    x = jnp.ones((3, 40, 40, 8))
    y = layers.dropout(x, keys, rate=0.25)
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.75], rtol=1e-6)
    assert float((y == 0).mean()) == pytest.approx(0.25, abs=0.01)
    assert (y[0] != y[1]).any()
    np.testing.assert_array_equal(layers.dropout(x[1:2], keys[1:2], rate=0.25), y[1:2])


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
def test_a_parameter_that_is_there_is_not_drawn_again(kind):
    drawn = []

    def init(key, shape, dtype=jnp.float32):
        drawn.append(shape)
        return jnp.ones(shape, dtype)

    net = getattr(layers, kind)(3, kernel_init=init, bias_init=init)
    variables = net.init(jax.random.key(0), jnp.ones((1, 4, 4, 2)))
    assert len(drawn) == 2
    net.apply(variables, jnp.ones((1, 4, 4, 2)))
    assert len(drawn) == 2


def test_a_parameter_of_another_shape_is_refused():
    net = layers.Conv(3)
    variables = net.init(jax.random.key(0), jnp.ones((1, 4, 4, 2)))
    with pytest.raises(flax.errors.ScopeParamShapeError):
        net.apply(variables, jnp.ones((1, 4, 4, 5)))
