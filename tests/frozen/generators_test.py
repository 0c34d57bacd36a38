"""Face generators: one form for two kinds, SynthDistill's crop, faces in their places."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.convert import files
from fsketch.data.synthetic import face_shape
from fsketch.frozen import generators
from fsketch.nets import dcgan, stylegan2


def test_the_published_crop():
    assert generators.face_box(256) == (21, 234, 22, 235)
    with pytest.raises(ValueError, match=r"size_px: expected .*, got 8"):
        generators.face_box(8)


def test_the_crop_is_resized_bilinearly_without_antialiasing():
    rows, columns = np.mgrid[:256, :256].astype(np.float32)
    image = jnp.stack([rows, columns, (rows + columns) % 2], axis=-1)[None]
    found = np.asarray(generators.crop(image))[0]
    assert found.shape == (112, 112, 3)
    at = (np.arange(112) + 0.5) * 213 / 112 - 0.5  # half-pixel centres, align_corners False
    np.testing.assert_allclose(found[:, 0, 0], 21 + at, atol=1e-3)
    np.testing.assert_allclose(found[0, :, 1], 22 + at, atol=1e-3)
    # On a chessboard the weights of the two nearest pixels show; antialiasing would blur them.
    low = np.floor(at).astype(int)
    share = at - low
    sign = (1 - 2 * share) * np.where(low % 2, -1, 1)
    expected = 0.5 - 0.5 * np.outer(sign, sign) * np.where((21 + 22) % 2, -1, 1)
    np.testing.assert_allclose(found[..., 2], expected, atol=1e-3)


@pytest.fixture(scope="module")
def kinds():
    """One of each kind, with images of 64 px."""
    rng = np.random.default_rng(0)

    def drawn(net, width):
        return jax.tree.map(
            lambda leaf: rng.normal(size=leaf.shape).astype(np.float32),
            jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, width))),
        )

    style, deep = stylegan2.Generator(64, 64, 4, width=6, depth=2), dcgan.Generator(6, 4)
    statistics = deep.init(jax.random.key(0), jnp.zeros((1, 6)))["batch_stats"]
    return {
        "procedural": generators.load("", size_px=64),
        "stylegan2": generators.StyleGAN2(drawn(style, 6), style, "{}"),
        "dcgan": generators.DCGAN(drawn(deep, 6) | {"batch_stats": statistics}, deep, "{}"),
    }


@pytest.mark.parametrize("kind", ["procedural", "stylegan2", "dcgan"])
def test_all_kinds_have_one_form(kinds, kind):
    keys = jax.random.split(jax.random.key(1), 3)

    @jax.jit
    def run(generator, keys):
        latents = generator.latents(keys)
        return latents, generator.image(latents, keys), generator.face(latents, keys, size_px=24)

    latents, images, faces = run(kinds[kind], keys)
    assert latents.ndim == 2 and len(latents) == 3
    assert images.shape == (3, 64, 64, 3) and faces.shape == (3, 24, 24, 3)
    for array in (images, faces):
        assert array.dtype == jnp.float32 and np.abs(array).max() <= 1
    assert np.abs(images[0] - images[1]).mean() > 0.01
    alone = kinds[kind].latents(keys[1:2])
    np.testing.assert_allclose(latents[1:2], alone, rtol=1e-5, atol=1e-6)


def test_a_face_is_the_crop_of_its_image(kinds):
    """At the crop's own size nothing is resized, so the two show the same points."""
    generator = kinds["procedural"]
    box = generators.face_box(64)
    assert box.bottom - box.top == box.right - box.left == 54

    @jax.jit
    def run(latents):
        image = generator.image(latents)
        return generator.face(latents, size_px=54), generators.crop(image, size_px=54), image

    faces, crops, images = run(generator.latents(jax.random.split(jax.random.key(2), 2)))
    part = images[:, box.top : box.bottom, box.left : box.right]
    np.testing.assert_allclose(crops, part, atol=1e-5)
    np.testing.assert_allclose(faces, part, atol=1e-3)


def test_windows_put_the_eyes_where_they_are_taken_to_be():
    """Frame coordinates of pixel centres around the left eye, (-25, 0)."""
    box = generators.face_box(256)
    scale = 50 / (162 - 95)
    window = face_shape.Window(75 + (box.left - 95) * scale, 125 + (box.top - 120) * scale,
                               213 * scale, 213 * scale)  # fmt: skip
    u, v, _ = face_shape.frame(213, 213, window=window)
    column, row = 95 - box.left, 120 - box.top  # the eye is at this pixel's upper left corner
    np.testing.assert_allclose(
        [u[0, column - 1 : column + 1].mean(), v[row - 1 : row + 1, 0].mean()], [-25, 0], atol=1e-4
    )


def test_other_weights_are_refused(tmp_path):
    tree = {"params": {"x": np.zeros(1, np.float32)}}
    for net, reason in (("vgg19", r"one of \['dcgan_digiface', .*got those of 'vgg19'"),
                        ("stylegan2_256", "not those of the net")):  # fmt: skip
        path = str(tmp_path / f"{net}.safetensors")
        files.write(path, tree, net=net, source="-", sha256="-")
        with pytest.raises(ValueError, match=reason):
            generators.load(path)
