import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.losses import perceptual
from fsketch.metrics import style_distance

pytestmark = pytest.mark.usefixtures("full_optimization")


@pytest.fixture(scope="module")
def maps():
    return np.random.default_rng(0).normal(size=(3, 5, 4, 6)).astype(np.float32)


def test_gram_matrices_are_those_of_the_metric(maps):
    grams = perceptual.gram(maps)
    for one, image in zip(grams, maps, strict=True):
        np.testing.assert_allclose(one, style_distance.gram(image[None]), rtol=1e-5, atol=1e-7)


def test_style_by_hand_sees_no_places(maps):
    # One channel of ones, H W = 4: G = 1; against 3 and 0.5, two taps: 4 + 0.25.
    ones = {"a": jnp.ones((2, 2, 2, 1)), "b": jnp.ones((2, 2, 2, 1))}
    grams = {"a": jnp.full((1, 1), 3.0), "b": jnp.full((1, 1), 0.5)}
    assert float(perceptual.style(ones, grams)) == pytest.approx(4.25)
    expected = 4 / 9 + 0.25 / 0.25
    assert float(perceptual.style(ones, grams, relative=True)) == pytest.approx(expected)
    shuffled = np.random.default_rng(1).permutation(maps.reshape(3, 20, 6), axis=1)
    target = {"a": perceptual.gram(maps)[0]}
    moved = {"a": shuffled.reshape(maps.shape)[:1]}
    assert float(perceptual.style(moved, target)) == pytest.approx(0, abs=1e-10)


def test_styles_image_by_image(maps):
    grams = perceptual.gram(maps)
    assert float(perceptual.style({"a": maps}, {"a": grams})) == pytest.approx(0, abs=1e-12)
    turned = perceptual.style({"a": maps}, {"a": grams[::-1]}, relative=True)
    alone = [
        perceptual.style({"a": maps[i : i + 1]}, {"a": grams[2 - i]}, relative=True)
        for i in range(3)
    ]
    assert float(turned) == pytest.approx(np.mean(alone), rel=1e-5) and float(turned) > 0.01


def test_content_by_hand(maps):
    assert float(perceptual.content(maps, maps)) == 0
    assert float(perceptual.content(maps + 2, maps)) == pytest.approx(4, rel=1e-5)
    zeros = np.zeros_like(maps)
    assert float(perceptual.content(zeros, maps, relative=True)) == pytest.approx(1, rel=1e-5)
    with pytest.raises(AssertionError):
        perceptual.content(maps[:1], maps)


def test_relative_terms_take_each_image_by_itself(maps):
    """So that a batch may be split over devices."""
    targets = maps * np.array([1.0, 10.0, 100.0], np.float32)[:, None, None, None]
    together = perceptual.content(maps, targets, relative=True)
    alone = [
        perceptual.content(maps[i : i + 1], targets[i : i + 1], relative=True) for i in range(3)
    ]
    assert float(together) == pytest.approx(np.mean(alone), rel=1e-5)


def test_total_variation_by_hand():
    image = jnp.asarray([[0.0, 1.0], [3.0, 3.0]])[None, :, :, None]
    # Right: 1, 0; down: 3, 2.
    assert float(perceptual.total_variation(image)) == pytest.approx(0.5 + 6.5)
    assert float(perceptual.total_variation(jnp.ones((1, 4, 4, 3)))) == 0


def test_gradients_are_finite_where_all_is_black():
    def loss(x):
        grams = {"a": jnp.zeros((2, 2))}
        return perceptual.style({"a": x}, grams, relative=True) + perceptual.content(
            x, jnp.zeros_like(x), relative=True
        )

    assert np.isfinite(jax.grad(loss)(jnp.full((1, 3, 3, 2), 0.1))).all()
