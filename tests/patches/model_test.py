"""The whole model against loops, its index on disk, and what it refuses."""

import jax
import numpy as np
import pytest
from golden import patch_loops

from fsketch.configs import ide, shared
from fsketch.core import images
from fsketch.data import coarse
from fsketch.patches import model, representations


def settings(**changes):
    config = shared.get_config()
    ide.add_patches(config)
    small = {
        "patch_px": 6, "step_px": 3, "radius_px": 2, "num_candidates": 4, "tolerance": 1e-6,
        "is_distinct": False,
    }  # fmt: skip
    config.patches.update({**small, **changes})
    return coarse.settings(config.patches)


def pairs(count=6, size=(20, 17), channels=(3, 1)):
    """Smooth faces of sorts, so that neighbours in place are neighbours in looks."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: size[0], : size[1]]
    made = []
    for depth in channels:
        phase = rng.uniform(0, 6, (count, 1, 1, depth))
        waves = np.sin(y[..., None] / 3 + phase) * np.cos(x[..., None] / 4 + phase)
        noise = rng.normal(size=(count, *size, depth))
        made.append(np.clip(128 + 90 * waves + 8 * noise, 0, 255).astype(np.uint8))
    return made


def fit(chosen, *, count=6, channels=(3, 1)):
    given, wanted = pairs(count, channels=channels)
    names = [f"p{i}" for i in range(count)]
    return model.fit(given, wanted, names, np.arange(count) // 2, chosen)


def translate(index, image, identity=None):
    program = jax.jit(lambda *arrays: model.translate(*arrays, index.settings))
    return program(model.ready(index), images.from_uint8(image), index.allowed(identity))


@pytest.mark.usefixtures("full_optimization")
@pytest.mark.parametrize("is_distinct", [False, True])
def test_the_model_equals_loops(is_distinct):
    chosen = settings(
        is_distinct=is_distinct, num_candidates=3 if is_distinct else 4, representations=("colour",)
    )
    index = fit(chosen)
    made = translate(index, index.given[2], identity=1)
    # Maps of colour have another standard deviation than grey, which they are scaled to.
    grey = representations.grey(index.given / 255.0)
    given = index.given / 255 * (np.std(grey) / np.std(index.given / 255))
    expected = patch_loops.translate(
        given, index.wanted / 255, given[2], index.allowed(1), settings=chosen, sweeps=300
    )
    np.testing.assert_allclose((np.asarray(made.image) + 1) / 2, expected, atol=1e-3)
    assert made.image.shape == (20, 17, 1)
    energies = np.asarray(made.solution.energies)
    assert (np.diff(energies) <= 0).all()
    assert energies[-1] < energies[0]


def test_an_image_s_own_identity_is_left_out():
    index = fit(settings(num_candidates=1, overlap_weight=0.0))
    np.testing.assert_array_equal(index.allowed(1), [1, 1, 0, 0, 1, 1])
    itself = translate(index, index.given[2])
    np.testing.assert_array_equal(images.to_uint8(itself.image), index.wanted[2])
    # Without it the result is the same whatever its pair looks like.
    rng = np.random.default_rng(1)
    spoiled = index._replace(given=index.given.copy(), wanted=index.wanted.copy())
    spoiled.wanted[2:4] = rng.integers(0, 256, spoiled.wanted[2:4].shape)
    one, other = (translate(i, index.given[2], identity=1).image for i in (index, spoiled))
    np.testing.assert_array_equal(one, other)
    assert (images.to_uint8(np.asarray(one)) != index.wanted[2]).mean() > 0.5


def test_several_representations_are_weighed_by_turns():
    index = fit(settings(representations=("grey", "dog", "lbp"), spread=0.05, max_iterations=20))
    fitted, image = model.ready(index), images.from_uint8(index.given[0])
    np.testing.assert_allclose(fitted.scales[0], 1.0, rtol=1e-5)
    assert len(fitted.scales) == 10
    results = []
    for turns in (1, 2):
        chosen = index.settings._replace(num_alternations=turns)
        program = jax.jit(lambda f, i, a, s=chosen: model.translate(f, i, a, s).image)
        results.append(np.asarray(program(fitted, image, index.allowed(0))))
        assert np.isfinite(results[-1]).all()
    assert (results[0] != results[1]).any()


def test_weights_of_representations_are_the_best():
    """Of all on the simplex, those of the least 1/2 sum_m mu_m residual_m + spread / 2 |mu|^2."""
    residuals = np.random.default_rng(0).uniform(0, 2, (3, 2, 2))
    mu = np.asarray(model.representation_weights(residuals, spread=0.5))

    def energy(mu):
        return (mu * residuals).sum(0) / 2 + 0.25 * np.square(mu).sum(0)

    np.testing.assert_allclose(mu.sum(0), 1, atol=1e-6)
    assert mu.min() >= 0
    for other in np.random.default_rng(1).dirichlet(np.ones(3), 200):
        assert (energy(mu) <= energy(other[:, None, None]) + 1e-6).all()


@pytest.mark.parametrize("name", representations.REPRESENTATIONS)
def test_each_representation_keeps_the_size_and_knows_grey(name):
    make = jax.jit(representations.REPRESENTATIONS[name])
    rng = np.random.default_rng(0)
    grey = rng.uniform(size=(2, 12, 9, 1)).astype(np.float32)
    maps = np.asarray(make(grey))
    assert maps.shape[:3] == (2, 12, 9)
    assert np.isfinite(maps).all()
    assert make(np.repeat(grey, 3, -1)).shape[:3] == (2, 12, 9)
    if name in ("dog", "csdn", "surf", "lbp"):  # brightness is not seen
        np.testing.assert_allclose(make(grey / 2 + 0.3), make(grey / 2), atol=1e-4)


def test_lab_equals_scikit_image():
    color = pytest.importorskip("skimage.color")
    rgb = np.random.default_rng(0).uniform(size=(5, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(representations.lab(rgb) * 100, color.rgb2lab(rgb), atol=0.05)


def test_the_index_comes_back_from_disk(tmp_path):
    index = fit(settings())
    model.save(tmp_path / "index.npz", index)
    again = model.load(tmp_path / "index.npz")
    assert again.settings == index.settings
    assert again.id == index.id
    for name in ("given", "wanted", "identity"):
        np.testing.assert_array_equal(getattr(again, name), getattr(index, name))
    assert again.digest() == index.digest()
    assert [path.name for path in tmp_path.iterdir()] == ["index.npz"]


def test_the_digest_tells_what_matters():
    index = fit(settings())
    changed = index.given.copy()
    changed[0, 0, 0] ^= 1
    others = [
        index._replace(given=changed),
        index._replace(given=index.wanted, wanted=index.given),
        index._replace(identity=index.identity[::-1]),
        index._replace(settings=settings(overlap_weight=2.0)),
    ]
    digests = {index.digest(), *(other.digest() for other in others)}
    assert len(digests) == 5
    assert index._replace(settings=settings(memory_mb=1)).digest() == index.digest()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"representations": ("gray",)}, "representations: expected some of grey, .*gray"),
        ({"solver": "best"}, "solver: expected some of weights, choice, .*best"),
        ({"stitch": "glue"}, "stitch: expected some of average, cut, .*glue"),
        ({"step_px": 2, "stitch": "cut"}, "step_px: .* for cuts, got 2"),
        ({"step_px": 6}, "step_px: .*patch_px: 6, got 6"),
        ({"is_distinct": True, "num_candidates": 5}, "num_candidates: expected at most 4, .*got 5"),
        ({"damping": 1.0}, "damping"),
        ({"radius_px": -1}, "radius_px: .*got -1"),
    ],
)
def test_impossible_settings_name_their_field(changes, message):
    with pytest.raises(ValueError, match=message):
        fit(settings(**changes))


def test_pairs_of_another_size_are_named():
    given, wanted = pairs()
    given = [*given[:5], given[5][:19]]
    with pytest.raises(ValueError, match=r"p5: expected 17 x 20 px .*as p0, got 17 x 19 px"):
        model.fit(given, wanted, [f"p{i}" for i in range(6)], np.arange(6), settings())
