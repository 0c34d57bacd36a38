"""LPIPS by hand; equality with the reference is in perceptual_test."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.metrics import lpips

pytestmark = pytest.mark.usefixtures("full_optimization")

HEADS = {"a": jnp.array([1.0, 2.0, 4.0]), "b": jnp.ones((1, 1, 1, 3))}


def identity(image):
    """The net's input as two maps, the second from the left half of the image."""
    return {"a": image, "b": image[:, :, : image.shape[2] // 2], "unused": image}


def noise(channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (2, 8, 6, channels)).astype(np.uint8)


distance = jax.jit(functools.partial(lpips.lpips, features=identity, heads=HEADS))


def test_by_hand():
    """Two flat colours, on whose normalised vectors the definition is worked out in float64."""
    colours = np.array([[255.0, 0.0, 128.0], [10.0, 20.0, 250.0]])
    vectors = (colours / 127.5 - 1 - lpips.SHIFT) / lpips.SCALE
    x, y = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = ((x - y) ** 2 * [2, 3, 5]).sum()  # both heads
    truth, output = (np.broadcast_to(c, (1, 8, 6, 3)) for c in colours)
    np.testing.assert_allclose(distance(truth, output), [expected], rtol=1e-6)


def test_eps_is_added_to_the_length():
    """Vectors of length eps are halved; had it been added to the square, they would vanish."""

    def tiny(image):
        return {"a": jnp.stack([image[..., 0] > 0, image[..., 0] < 0], -1) * 1e-10}

    flat = np.full((1, 4, 4, 1), 255.0)
    found = lpips.lpips(flat, 0 * flat, features=tiny, heads={"a": jnp.ones(2)})
    np.testing.assert_allclose(found, [0.5], rtol=1e-6)


def test_pairs_are_independent_and_symmetric():
    x, y = noise(seed=1), noise(seed=2)
    both = distance(x, y)
    np.testing.assert_allclose(both[1:], distance(y[1:], x[1:]), rtol=1e-6)
    assert (both > 0).all()
    np.testing.assert_allclose(distance(x, x), 0, atol=1e-6)


def test_gradient_is_finite_at_vectors_of_zero():
    def dead(image):
        return {"a": jnp.maximum(image - 100, 0)}

    def score(output):
        return lpips.lpips(noise(), output, features=dead, heads={"a": jnp.ones(3)}).sum()

    assert jnp.isfinite(jax.jit(jax.grad(score))(noise(seed=1).astype(np.float32))).all()


def test_wrong_inputs_are_refused():
    x = noise()
    with pytest.raises(ValueError, match=r"one shape.*\(2, 8, 6, 3\) and \(2, 8, 6, 1\)"):
        lpips.lpips(x, noise(1), features=identity, heads=HEADS)
    with pytest.raises(ValueError, match=r"map: expected one of \['a', 'b', 'unused'\], got 'c'"):
        lpips.lpips(x, x, features=identity, heads={"c": jnp.ones(3)})
    with pytest.raises(ValueError, match=r"expected b to have pixels, got \(8, 1\) px"):
        lpips.lpips(x[:, :, :1], x[:, :, :1], features=identity, heads=HEADS)
