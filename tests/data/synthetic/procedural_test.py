import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.data.synthetic import drawing, face_shape, face_traits, pencil, procedural

SMALL = {"height_px": 80, "width_px": 64}
NUM_IDENTITIES, NUM_VIEWS = 16, 4


def _identities(n: int, seed: int = 0) -> jax.Array:
    return jax.vmap(procedural.sample_identity)(jax.random.split(jax.random.key(seed), n))


def _views(n: int, seed: int = 1) -> jax.Array:
    return jax.vmap(procedural.sample_view)(jax.random.split(jax.random.key(seed), n))


@pytest.fixture(scope="module")
def crowd() -> tuple[jax.Array, jax.Array, procedural.Face]:
    """Sixteen people in four views each, and their latents, flattened identity-major."""
    identities = jnp.repeat(_identities(NUM_IDENTITIES), NUM_VIEWS, axis=0)
    views = _views(NUM_IDENTITIES * NUM_VIEWS)
    return identities, views, procedural.render_batch(identities, views, **SMALL)


@pytest.fixture(scope="module")
def portraits() -> tuple[jax.Array, jax.Array, procedural.Face]:
    """The mean face and another, without glasses and looking ahead, at 200 x 250."""
    identities = jnp.concatenate([jnp.zeros((1, procedural.IDENTITY_DIM)), _identities(1, 5)])
    identities = identities.at[:, -4].set(9.0)
    views = jnp.zeros((2, procedural.VIEW_DIM))
    return (
        identities,
        views,
        procedural.render_batch(identities, views, height_px=250, width_px=200),
    )


def test_shapes_and_range(crowd):
    identities, views, face = crowd
    assert identities.shape[-1] == procedural.IDENTITY_DIM
    assert views.shape[-1] == procedural.VIEW_DIM
    assert face.photo.shape == (64, 80, 64, 3)
    assert face.sketch.shape == (64, 80, 64, 1)
    for image in face:
        assert image.dtype == jnp.float32
        assert np.isfinite(image).all()
        assert -1.0 <= image.min() < -0.5 < 0.5 < image.max() <= 1.0


def test_same_key_same_bytes(crowd):
    _, _, face = crowd
    identities = jnp.repeat(_identities(NUM_IDENTITIES), NUM_VIEWS, axis=0)
    again = procedural.render_batch(identities, _views(NUM_IDENTITIES * NUM_VIEWS), **SMALL)
    np.testing.assert_array_equal(face.photo, again.photo)
    np.testing.assert_array_equal(face.sketch, again.sketch)


def test_batch_equals_single_unjitted(crowd):
    identities, views, face = crowd
    single = procedural.render(identities[5], views[5], **SMALL)  # not jitted
    # Grain is a hash of rounded coordinates: a last bit may flip a lattice cell.
    np.testing.assert_allclose(single.photo, face.photo[5], atol=2e-2)
    np.testing.assert_allclose(single.sketch, face.sketch[5], atol=2e-2)


def test_eyes_are_at_their_anchors(portraits):
    _, _, face = portraits
    luma = np.asarray(face.photo).mean(-1)
    rows, columns = np.mgrid[115:136, 0:200]
    for image in luma:
        for eye in (75, 125):
            near = abs(columns + 0.5 - eye) < 9
            dark = np.maximum(np.quantile(image[115:136][near], 0.12) - image[115:136], 0.0) * near
            x = (dark * (columns + 0.5)).sum() / dark.sum()
            y = (dark * (rows + 0.5)).sum() / dark.sum()
            assert abs(x - eye) < 2.0
            assert abs(y - 125) < 2.0


def test_mean_face_is_symmetric_but_for_the_light():
    t = face_traits.traits(jnp.zeros(procedural.IDENTITY_DIM), jnp.zeros(procedural.VIEW_DIM))
    u, v, _ = face_shape.frame(40, 32)
    fields = face_shape.fields(t, u, v)
    for name in ("face", "ear", "eye", "iris", "brow", "nostril", "upper_lip", "rim"):
        distance = getattr(fields, name)
        np.testing.assert_allclose(distance, distance[:, ::-1], atol=1e-3)


def test_identities_differ_more_than_views(crowd):
    _, _, face = crowd
    # The middle of the face, without its backdrop and its overall light.
    for image in face:
        middle = np.asarray(image)[:, 28:64, 18:46].reshape(64, -1)
        middle = middle - middle.mean(1, keepdims=True)
        middle = middle / middle.std(1, keepdims=True)
        distance = np.sqrt(((middle[:, None] - middle[None]) ** 2).mean(-1))
        identity = np.arange(64) // NUM_VIEWS
        same = identity[:, None] == identity[None]
        assert distance[~same].mean() > 1.25 * distance[same & ~np.eye(64, dtype=bool)].mean()


def test_sketch_background_is_paper_whatever_the_photo(crowd):
    _, _, face = crowd
    photo, sketch = (np.asarray(image)[:, :6, :6].mean((1, 2, 3)) for image in face)
    assert photo.min() < -0.5
    assert sketch.min() > 0.85


def test_sketch_is_not_the_photo_in_grey(crowd):
    _, _, face = crowd
    luma, sketch = np.asarray(face.photo).mean(-1), np.asarray(face.sketch)[..., 0]
    correlation = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(luma, sketch, strict=True)
    ]
    assert np.mean(correlation) < 0.75


def test_artist_exaggerates_shape_only():
    identity, view = _identities(1)[0], jnp.zeros(procedural.VIEW_DIM)
    mean = face_traits.traits(jnp.zeros_like(identity), view).shape
    plain = face_traits.traits(identity, view)
    drawn = face_traits.traits(identity, view, exaggeration=pencil.EXAGGERATION)
    expected = mean.ear_size + pencil.EXAGGERATION * (plain.shape.ear_size - mean.ear_size)
    np.testing.assert_allclose(drawn.shape.ear_size, expected, rtol=1e-5)
    np.testing.assert_array_equal(drawn.looks, plain.looks)


def test_small_render_agrees_with_large_one_scaled_down(portraits):
    identities, views, large = portraits
    identities, views = (jnp.resize(x, (64, x.shape[1])) for x in (identities, views))
    small = procedural.render_batch(identities, views, **SMALL)  # compiled for the crowd
    for a, b in zip(small, large, strict=True):
        a = a[: len(b)]
        scaled = jax.image.resize(b, a.shape, "linear", antialias=True)
        for one, other in zip(a, scaled, strict=True):
            assert np.corrcoef(np.ravel(one), np.ravel(other))[0, 1] > 0.85


def test_derivatives_are_finite_even_far_out():
    # Forward mode, unjitted: quick, and a dense direction meets every NaN there is.
    identity, view = 3.0 * _identities(1, 7)[0], 3.0 * _views(1, 8)[0]

    def face(*latents):
        return procedural.render(*latents, **SMALL)

    ones = jnp.ones_like(identity), jnp.ones_like(view)
    for change in jax.jvp(face, (identity, view), ones)[1]:
        assert np.isfinite(change).all()
        assert (np.abs(change) > 0).mean() > 0.25


def test_renders_move_continuously_with_the_latents():
    start, end, view = _identities(1, 3), _identities(1, 4), _views(1)
    path = start + jnp.linspace(0.0, 1.0, 64)[:, None] * (end - start)
    photo = procedural.render_batch(path, jnp.repeat(view, 64, 0), **SMALL).photo
    jumps = jnp.abs(jnp.diff(photo, axis=0)).mean((1, 2, 3))
    assert jumps.max() < 0.15
    assert jumps.sum() > 0.1


def test_distances_and_coverage():
    np.testing.assert_allclose(drawing.ellipse(3.0, 0.0, 2.0, 2.0), 1.0, atol=1e-3)
    np.testing.assert_allclose(drawing.box(5.0, 0.0, 2.0, 1.0, 0.5), 3.0, atol=1e-2)
    np.testing.assert_allclose(drawing.cover(jnp.array([-9.0, 0.0, 9.0]), 1.0), [1.0, 0.5, 0.0])
    np.testing.assert_allclose(drawing.join(jnp.array(1.0), jnp.array(5.0), 2.0), 1.0)


def test_noise_is_uniform_enough():
    u, v = jnp.meshgrid(jnp.arange(200) * 0.37, jnp.arange(200) * 0.41 - 40.0)
    field = drawing.noise(u, v, 1)
    assert 0.0 <= field.min() < 0.1 < 0.9 < field.max() <= 1.0
    assert abs(field.mean() - 0.5) < 0.03
    assert abs(np.corrcoef(np.ravel(field), np.ravel(drawing.noise(u, v, 2)))[0, 1]) < 0.1
