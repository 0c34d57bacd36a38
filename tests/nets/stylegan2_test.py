"""StyleGAN2: sizes, published keys, images as torch's, noise.

The numbers are those of golden/make_stylegan2.py.
"""

import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from golden import embedder_draws as draws

from fsketch.convert import face_tables, published, tables
from fsketch.core import trees
from fsketch.nets import stylegan2

with np.load(pathlib.Path(__file__).parents[1] / "golden" / "stylegan2.npz") as _archive:
    GOLDEN = dict(_archive)
SIZE, BASE, MOST, WIDTH, DEPTH = draws.STYLEGAN2
NET = stylegan2.Generator(SIZE, BASE, MOST, width=WIDTH, depth=DEPTH)


@pytest.fixture(scope="module")
def variables():
    """Of NET, from the official state dict."""
    arrays = {
        k: draws.weight(k, shape) for k, shape in draws.stylegan2_shapes(*draws.STYLEGAN2).items()
    }
    abstract = jax.eval_shape(NET.init, jax.random.key(0), jnp.zeros((1, WIDTH)))
    shapes = {name: leaf.shape for name, leaf in trees.flatten(abstract).items()}
    table = face_tables.by_module(lambda: shapes, face_tables.dotted)
    flat = tables.apply(table, face_tables.stylegan2_state_dict(arrays), shapes)
    return traverse_util.unflatten_dict(flat, sep="/")


def image(variables, w, *, net=NET, **options):
    apply = functools.partial(net.apply, method="image", **options)
    return np.asarray(jax.jit(apply)(variables, w))


@pytest.mark.parametrize(
    ("name", "base", "number"),
    [("stylegan2_ffhq256", 16384, 24_767_458), ("stylegan2_256", 32768, 30_034_338)],
)
def test_published_sizes_and_keys(name, base, number):
    weights = published.WEIGHTS[name]
    sizes = {flat: int(np.prod(shape)) for flat, shape in weights.shapes().items()}
    assert sum(n for flat, n in sizes.items() if flat.startswith("params/")) == number
    official = draws.stylegan2_shapes(256, base, 512, 512, 8)
    filters = {key for key in official if key.endswith("resample_filter")}
    assert (
        sum(int(np.prod(official[key])) for key in filters)
        + sum(n for flat, n in sizes.items() if flat.startswith("constants/"))
        == 175_568
    )  # buffers
    for flat, (key, axes) in weights.table().items():
        shape = official.pop(key)
        assert weights.shapes()[flat] == (tuple(shape[i] for i in axes) if axes else shape), key
    assert official.keys() == filters
    assert stylegan2.Synthesis(256).num_ws == 14


def test_latents_equal_torch_s(variables):
    z = draws.latents(2, WIDTH)
    for name, truncation in (("w", 1.0), ("pulled", 0.7)):
        found = NET.apply(variables, z, truncation=truncation, method="latents")
        np.testing.assert_allclose(found, GOLDEN[name], atol=1e-5)


def assert_equal_torch(name, found):
    np.testing.assert_allclose(found, GOLDEN[name].transpose(0, 2, 3, 1), atol=1e-4)


def test_images_equal_torch_s(variables):
    layers = 2 * int(np.log2(SIZE)) - 2
    same = np.repeat(GOLDEN["w"][:, None], layers, axis=1)
    ws = np.concatenate([same, draws.latents(layers, WIDTH)[None]])
    found = image(variables, ws, noise="const")
    assert_equal_torch("const", found[:2])
    assert_equal_torch("layers", found[2:])
    assert_equal_torch("none", image(variables, GOLDEN["w"][:1], noise="none"))
    clamped = image(variables, GOLDEN["w"][:1], net=NET.clone(clamp=0.5), noise="const")
    assert_equal_torch("clamped", clamped)


def test_random_noise_belongs_to_its_image():
    net = stylegan2.Generator(8, 16, 2, width=4, depth=1)
    rng = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape).astype(np.float32),
        jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, 4))),
    )
    keys = jax.random.split(jax.random.key(0), 3)
    found = image(variables, jnp.ones((3, 4)), net=net, keys=keys)
    turned = image(variables, jnp.ones((3, 4)), net=net, keys=keys[::-1])
    np.testing.assert_allclose(found, turned[::-1], atol=1e-5)
    assert np.abs(found[0] - found[1]).mean() > 0.01


def test_wrong_arguments_are_refused(variables):
    w = jnp.zeros((1, WIDTH))
    for message, options in {
        r"noise: expected one of \('random', 'const', 'none'\), got 'some'": {"noise": "some"},
        "keys: expected one per image": {"noise": "random"},
    }.items():
        with pytest.raises(ValueError, match=message):
            NET.apply(variables, w, method="image", **options)
    with pytest.raises(ValueError, match="expected one or 8 per image at 32 px"):
        NET.apply(variables, jnp.zeros((1, 7, WIDTH)), noise="none", method="image")
    with pytest.raises(ValueError, match=r"size_px: .*got 48"):
        jax.eval_shape(NET.clone(size_px=48).init, jax.random.key(0), w)
