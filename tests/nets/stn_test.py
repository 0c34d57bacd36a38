"""The spatial transformer: parity with torch, gradients, its start, its table."""

import itertools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import precision
import pytest
from golden import make_stn

from fsketch.core import trees
from fsketch.nets import stn

GOLDEN = np.load(pathlib.Path(__file__).parents[1] / "golden/stn.npz")


sample, similarity = jax.jit(stn.sample), jax.jit(stn.similarity)


@jax.jit
def gradients(image, matrix, gradient):
    """Of image and matrix, for this gradient of the output."""
    return jax.vjp(stn.sample, image, matrix)[1](gradient)


def matrices(*rows):
    return similarity(np.asarray(rows, np.float32))


@pytest.mark.parametrize("name", make_stn.CASES)
def test_values_and_gradients_are_torch_s(name):
    image, parameters, gradient = make_stn.draw(name)
    with precision.double():
        matrix = similarity(parameters)
        np.testing.assert_allclose(matrix, GOLDEN[f"{name}/matrix"], atol=1e-14)
        output = sample(image, matrix)
        of_image, of_matrix = gradients(image, matrix, gradient)
    np.testing.assert_allclose(output, GOLDEN[f"{name}/output"], atol=1e-12)
    np.testing.assert_allclose(of_image, GOLDEN[f"{name}/image"], atol=1e-12)
    np.testing.assert_allclose(of_matrix, GOLDEN[f"{name}/theta"], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("height", "width"), [(7, 12), (2, 3)])
def test_the_identity_is_exact_and_its_gradient_passes_unchanged(height, width):
    image = jax.random.normal(jax.random.key(0), (2, height, width, 3))
    matrix = matrices(stn.IDENTITY, stn.IDENTITY)
    np.testing.assert_array_equal(sample(image, matrix), image)
    np.testing.assert_array_equal(gradients(image, matrix, image)[0], image)


def test_a_matrix_without_inverse_has_finite_gradients():
    image = jax.random.normal(jax.random.key(0), (1, 4, 4, 2))
    gradient, _ = gradients(image, matrices((0, 0, 0, 0)), jnp.ones_like(image))
    # Every output pixel reads the middle, between the four central pixels.
    expected = np.zeros((1, 4, 4, 2))
    expected[:, 1:3, 1:3] = 16 / 4
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_no_scatter_is_run_near_the_identity():
    """The only one in the program lies in the branch for boxes that are too large."""
    image, matrix = jnp.zeros((1, 8, 8, 2)), matrices((0.2, 1.0, 0.1, 0.0))
    jaxpr = jax.make_jaxpr(gradients.__wrapped__)(image, matrix, image).jaxpr

    def scatters(jaxpr):
        count = 0
        for equation in jaxpr.eqns:
            if equation.primitive.name == "cond":
                *_, taken = equation.params["branches"]
                count += scatters(taken.jaxpr)
                continue
            count += equation.primitive.name.startswith("scatter")
            for value in equation.params.values():
                inner = getattr(value, "jaxpr", value)
                count += scatters(inner) if hasattr(inner, "eqns") else 0
        return count

    assert scatters(jaxpr) == 0


def test_bfloat16_maps_are_warped_in_float32():
    image = jax.random.normal(jax.random.key(0), (1, 8, 8, 2)).astype(jnp.bfloat16)
    matrix = matrices((0.3, 1.0, 0.1, 0.0))
    output = sample(image, matrix)
    assert output.dtype == jnp.bfloat16
    exact = sample(image.astype(jnp.float32), matrix)
    np.testing.assert_array_equal(output, exact.astype(jnp.bfloat16))
    of_image, of_matrix = jax.eval_shape(gradients, image, matrix, output)
    assert (of_image.dtype, of_matrix.dtype) == (jnp.bfloat16, jnp.float32)


# The four localisation nets of the paper: input, channels, their convolutions' parameters by hand.
@pytest.mark.parametrize(
    ("size", "depth", "channels"),
    [
        (64, 32, (64, 128, 256, 20, 20)),
        (32, 64, (128, 256, 20, 20)),
        (16, 128, (256, 20, 20)),
        (32, 64, (64, 128, 256, 20)),
    ],
)
def test_the_localisation_net_has_the_table_s_parameters(size, depth, channels):
    net, x = stn.Localisation(channels), jnp.zeros((1, size, size, depth))
    convolutions = sum(9 * i * o + o for i, o in itertools.pairwise((depth, *channels)))
    count = trees.count(jax.eval_shape(net.init, jax.random.key(0), x))
    assert count == convolutions + 80 * 20 + 20 + 20 * 4 + 4


@pytest.mark.parametrize(("option", "angle"), [(False, 0.0), (True, 1.0)])
def test_it_starts_at_the_identity_unless_told_otherwise_and_learns(option, angle):
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    net = stn.SpatialTransformer((4, 4), option)
    variables = jax.jit(net.init)(jax.random.key(1), x)

    @jax.jit
    def loss(variables):
        warped = net.apply(variables, x)
        return jnp.square(warped - 1).mean(), warped

    (_, warped), gradient = jax.value_and_grad(loss, has_aux=True)(variables)
    expected = sample(x, matrices(*[(angle, 1, 0, 0)] * 2))
    np.testing.assert_allclose(warped, expected, atol=1e-6)
    assert np.array_equal(warped, x) != option
    # The gradient reaches the last layer, though at the identity sampling points meet pixels.
    last = gradient["params"]["Localisation_0"]["Dense_1"]
    assert all(float(jnp.abs(leaf).max()) > 0 for leaf in last.values())
