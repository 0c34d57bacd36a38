"""ONNX graphs against the nets in JAX, on two sizes; `onnx.reference` is the second runtime."""

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest

from fsketch.core import images
from fsketch.export import architectures, graph, onnx_file
from fsketch.nets import convolution, layers, remover, resnet, separable, style, unet

SMALL = {"width": 4, "num_blocks": 1}
STROKED = {"up": "nearest", "skips": True, "noise": True, "detail": True}
TWO = ((16, 32), (48, 16))
# net, channels of its images, sizes
CASES = {
    "transposed": (resnet.Translator(1, **SMALL), 3, TWO),
    "nearest": (resnet.Translator(3, **SMALL, up="nearest", norm="batch"), 1, TWO),
    "stroked": (resnet.Translator(1, **SMALL, **STROKED), 3, TWO),
    "grey_detail": (resnet.Translator(1, **SMALL, norm="none", detail=True), 1, TWO),
    "separable": (
        resnet.Translator(1, **SMALL, block=separable.SeparableBlock, relu_after_add=False), 3, TWO,
    ),
    "unet": (unet.UNet(1, width=4, depth=3), 3, TWO),
    "unet_batch": (unet.UNet(3, width=4, depth=2, norm="batch"), 3, TWO),
    "style": (style.StyleNet(**SMALL), 3, TWO),
    "remover": (remover.Remover(3, width=2), 3, [(64, 96)]),
    "remover_joined": (
        remover.Remover(1, width=2, skips="unet", join="concat", norm="instance"), 3, [(64, 64)],
    ),
    "remover_still": (
        remover.Remover(3, width=2, has_transformers=False, up="nearest"), 1, [(32, 64)],
    ),
    "remover_released": (remover.ReleasedRemover(3, width=2), 3, [(64, 64)]),
}  # fmt: skip


def drawn(net, channels, size):
    """Variables of the net whose layers all matter."""
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        name = path[-1].key
        noise = rng.standard_normal(leaf.shape).astype(np.float32)
        if "Dense_1" in str(path):  # of a transformer: angle, scale and shifts, little of the map
            return 0.02 * noise + np.float32([0.3, 1.1, 0.1, -0.2])
        if name == "kernel":
            return noise * np.float32(1.5 / np.sqrt(np.prod(leaf.shape[:-1])))
        return np.abs(1 + 0.2 * noise) if name in ("scale", "var") else 0.2 * noise

    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, *size, channels)))
    return jax.tree_util.tree_map_with_path(draw, dict(shapes))


def translator(net, variables):
    """The net as a compiled function, with the clip of the remover's predictions."""

    @jax.jit
    def translate(image):
        out = net.apply(variables, image)
        out = out[0] if isinstance(out, tuple) else out
        return jnp.clip(out, -1, 1)

    return translate


def content(net, variables, channels, *, size=("h", "w"), is_uint8=False, half=False):
    made = graph.Graph(half=half)
    image = made.image("image", ["n", *size, channels], is_uint8=is_uint8)
    own = graph.Layers(made, variables["params"], variables.get("batch_stats"))
    x = architectures.translated(own, net, image, channels=channels)
    made.give_image(x, "made", ["n", *size, net.features if hasattr(net, "features") else 3],
                    is_uint8=is_uint8)  # fmt: skip
    return made.serialized("net", {"of": "a test"})


@pytest.mark.parametrize("name", CASES)
def test_a_graph_makes_the_net_s_images(name, monkeypatch):
    monkeypatch.setattr(resnet, "NOISE_PX", 24)  # the tile repeats
    net, channels, sizes = CASES[name]
    variables = drawn(net, channels, sizes[0])
    with convolution.plain():
        translate = translator(net, variables)
        if not architectures.multiple(net):
            (fixed,) = sizes
            floats, levels = (
                content(net, variables, channels, size=fixed, is_uint8=u) for u in (False, True)
            )
        else:
            floats, levels = (content(net, variables, channels, is_uint8=u) for u in (False, True))
        floats, levels = onnx_file.function(floats), onnx_file.function(levels)
        for size in sizes:
            batch = np.random.default_rng(1).integers(0, 256, (2, *size, channels), np.uint8)
            scaled = np.asarray(images.from_uint8(batch))
            wanted = np.asarray(translate(scaled))
            assert wanted.std() > 0.05
            np.testing.assert_allclose(floats(scaled), wanted, atol=2e-5)
            apart = np.abs(levels(batch).astype(int) - images.to_uint8(wanted))
            assert apart.max() <= 1 and (apart > 0).mean() < 1e-3


@pytest.mark.parametrize(
    "net",
    [resnet.Translator(1, width=4, num_blocks=1, up="nearest"), unet.UNet(1, width=4, depth=3)],
    ids=["residual", "unet"],
)
def test_a_graph_draws_in_its_style(net):
    rng, shares = np.random.default_rng(0), np.float32([[0.25, 0.75]])
    image = rng.uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
    with convolution.plain():
        params = dict(jax.jit(net.init)(jax.random.key(0), image, shares)["params"])
        for name in params:
            if name.startswith("Dense"):  # a shift
                shape = params[name]["kernel"].shape
                params[name] = {"kernel": rng.standard_normal(shape).astype(np.float32)}
        wanted = jax.jit(net.apply)({"params": params}, image, shares)
    wanted = wanted[0] if isinstance(wanted, tuple) else wanted
    made = graph.Graph()
    own = graph.Layers(made, params, style=shares)
    x = made.image("image", ["n", "h", "w", 3])
    x = architectures.translated(own, net, x, channels=3)
    made.give_image(x, "made", ["n", "h", "w", 1])
    drawn = onnx_file.function(made.serialized("net", {}))(image)
    np.testing.assert_allclose(drawn, wanted, atol=2e-5)


def test_another_runtime_makes_the_same_images(monkeypatch):
    net, channels, _ = CASES["stroked"]
    variables = drawn(net, channels, (16, 32))
    image = np.random.default_rng(1).uniform(-1, 1, (2, 16, 32, 3)).astype(np.float32)
    graph_of = content(net, variables, channels)
    by_onnxruntime = onnx_file.function(graph_of)(image)
    monkeypatch.setattr(onnx_file, "onnxruntime", None)
    np.testing.assert_allclose(onnx_file.function(graph_of)(image), by_onnxruntime, atol=2e-5)


def test_an_even_image_has_one_translation_in_all_runtimes():
    net = resnet.Translator(1, width=8, num_blocks=3)
    variables = drawn(net, 3, (64, 64))
    even = np.full((1, 64, 64, 3), 0.3, np.float32)
    wanted = translator(net, variables)(even)
    np.testing.assert_allclose(
        onnx_file.function(content(net, variables, 3))(even), wanted, atol=1e-4
    )


def test_kernels_of_16_bits_are_those_of_rounded_variables():
    net, channels, (size, _) = CASES["nearest"]
    variables = drawn(net, channels, size)
    rounded = jax.tree.map(
        lambda x: x.astype(np.float16).astype(np.float32) if x.ndim == 4 else x, variables
    )
    image = np.random.default_rng(1).uniform(-1, 1, (2, *size, channels)).astype(np.float32)
    full, half = content(net, variables, channels), content(net, variables, channels, half=True)
    np.testing.assert_allclose(
        onnx_file.function(half)(image), translator(net, rounded)(image), atol=2e-5
    )
    kernels = sum(x.size for x in jax.tree.leaves(variables) if x.ndim == 4 and x.size > 64)
    assert 2 * kernels - 100 * len(jax.tree.leaves(variables)) < len(full) - len(half) < 2 * kernels


def test_a_net_without_a_graph_is_refused():
    with pytest.raises(ValueError, match=r"expected a net that has a graph .*got PReLU"):
        architectures.multiple(layers.PReLU())


def test_a_graph_says_what_it_is():
    net, channels, _ = CASES["transposed"]
    model = onnx.load_from_string(content(net, drawn(net, channels, (16, 16)), channels))
    assert {prop.key: prop.value for prop in model.metadata_props} == {"of": "a test"}
    shape = [
        dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim
    ]
    assert shape == ["n", "h", "w", 3]
