"""Of all nets: parameter counts, types and what they refuse.  Nothing is computed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch.convert import published
from fsketch.core import trees
from fsketch.nets import (
    alexnet,
    facenet,
    image_critic,
    inception,
    iresnet,
    mla,
    mobilefacenet,
    patch_critic,
    remover,
    resnet,
    squeezenet,
    style,
    tinynet,
    unet,
    vgg,
)


def shapes(net, *size, channels=3):
    """(output, variables) of two images."""
    image = jax.ShapeDtypeStruct((2, *size, channels), jnp.float32)
    return jax.eval_shape(net.init_with_output, jax.random.key(0), image)


# Published or worked out by hand from the papers' tables; numbers with a point are in millions.
COUNTS = [
    (unet.UNet(features=3, depth=8), 256, 3, 54_413_955),  # the published code prints 54.414
    (unet.UNet(features=3, depth=7), 128, 3, 41_828_995),
    (resnet.Translator(features=3, num_blocks=9), 64, 3, 11.38),
    (resnet.Translator(features=3, num_blocks=6), 64, 3, 7.84),
    (style.StyleNet(), 128, 3, 1_679_235),
    # 6208 + 131328 + 524800 + 2098176 + 8193, the layers of the table with scales and biases
    (patch_critic.PatchCritic(), 64, 6, 2_768_705),
    (remover.FaceCritic(), 128, 3, 6.66),
    (mla.MLANet(), 64, 3, 3_068_290),
    (image_critic.ImageCritic("released"), 128, 3, 14_499_401),
    (image_critic.ImageCritic("paper"), 128, 3, 38_243_713),
    (inception.Inception(), 299, 3, 21_785_568),
    (mobilefacenet.MobileFaceNet(embedding_size=128), 112, 3, 1_003_136),
]


@pytest.mark.parametrize(("net", "size", "channels", "number"), COUNTS)
def test_nets_have_the_parameters_of_their_papers(net, size, channels, number):
    count = trees.count(shapes(net, size, size, channels=channels)[1]["params"])
    assert (count if isinstance(number, int) else round(count / 1e6, 2)) == number


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("alexnet", 2_469_696),
        ("squeezenet_v1.0", 1_248_424),
        ("squeezenet_v1.1", 1_235_496),
        ("vgg16", 14_714_688),
        ("vgg19", 20_024_384),
        ("mtcnn", 495_850),
    ],
)
def test_nets_of_weights_have_their_published_sizes(name, count):
    assert sum(np.prod(shape) for shape in published.WEIGHTS[name].shapes().values()) == count


MAPS = [
    (alexnet.AlexNet(), 224, {"relu1": (55, 55, 64), "relu2": (27, 27, 192)}),
    # Version 1.0 rounds its pooling up, as Caffe does.
    (squeezenet.SqueezeNet(), 227, {"conv1": (111, 111, 96), "fire4": (55, 55, 256)}),
    (squeezenet.SqueezeNet("1.1"), 224, {"conv1": (111, 111, 64), "fire9": (13, 13, 512)}),
    (vgg.VGG(), 256, {"relu1_2": (256, 256, 64), "relu5_4": (16, 16, 512)}),
]


@pytest.mark.parametrize(("net", "size", "expected"), MAPS)
def test_maps_have_their_published_shapes(net, size, expected):
    maps, _ = shapes(net, size, size)
    assert {tap: maps[tap].shape[1:] for tap in expected} == expected


def layer(kind, *sizes):
    return {f"{kind}_{i}": size for i, size in enumerate(sizes)}


REMOVED = {
    **layer("Conv", (64, 64, 2), (32, 32, 4), (16, 16, 8), (8, 8, 16), (4, 4, 32)),
    **layer("ConvTranspose", (8, 8, 16), (16, 16, 8), (32, 32, 4), (64, 64, 2), (128, 128, 3)),
    "transformer1": (64, 64, 2), "transformer2": (32, 32, 4), "transformer3": (16, 16, 8),
    "transformer4": (32, 32, 4), "_Blocks_0": (8, 8, 16), "_Blocks_1": (16, 16, 8),
}  # fmt: skip
RESOLUTIONS = [
    (remover.Remover(3, width=2), 128, REMOVED),
    (
        unet.UNet(features=1, width=2, depth=5), 64,
        layer("Conv", (32, 32, 2), (16, 16, 4), (8, 8, 8), (4, 4, 16), (2, 2, 16))
        | layer("ConvTranspose", (4, 4, 16), (8, 8, 8), (16, 16, 4), (32, 32, 2), (64, 64, 1)),
    ),
    (
        patch_critic.PatchCritic(width=4), 256,
        layer("Conv", (128, 128, 4), (64, 64, 8), (32, 32, 16), (31, 31, 32), (30, 30, 1)),
    ),
    (
        style.StyleNet(width=8, num_blocks=1), 32,
        layer("Conv", (32, 32, 8), (16, 16, 16), (8, 8, 32), (8, 8, 32), (8, 8, 32), (16, 16, 16),
              (32, 32, 8), (32, 32, 3)),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("net", "size", "expected"), RESOLUTIONS)
def test_inner_maps_have_the_shapes_of_the_tables(net, size, expected):
    image = jnp.zeros((1, size, size, 3))
    variables = jax.eval_shape(net.init, jax.random.key(0), image)
    run = lambda v: net.apply(v, image, capture_intermediates=True)  # noqa: E731
    seen = jax.eval_shape(run, variables)[1]["intermediates"]
    assert {name: seen[name]["__call__"][0].shape[1:] for name in expected} == expected
    convolutions = {name for name in seen if name.startswith("Conv")}
    assert convolutions == {name for name in expected if name.startswith("Conv")}


HALF = [
    (remover.Remover(3, width=2, dtype="bfloat16"), 32),
    (remover.ReleasedRemover(3, width=2, dtype="bfloat16"), 64),
    (remover.FaceCritic(width=2, dtype="bfloat16"), 32),
    (unet.UNet(features=1, width=2, depth=4, dtype="bfloat16"), 16),
    (patch_critic.PatchCritic(width=4, dtype="bfloat16"), 32),
    (style.StyleNet(width=4, num_blocks=1, dtype="bfloat16"), 16),
    (resnet.Translator(features=1, width=4, num_blocks=1, dtype="bfloat16"), 16),
    (mla.MLANet(width=4, num_blocks=1, dtype="bfloat16"), 14),
]


@pytest.mark.parametrize(("net", "size"), HALF)
def test_bfloat16_gives_float32_outputs_from_float32_parameters(net, size):
    out, variables = shapes(net, size, size)
    out = out[0] if isinstance(out, tuple) else out  # a translator's maps may be short
    assert out.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    image = jnp.zeros((2, size, size, 3))
    jaxpr = str(jax.make_jaxpr(net.apply)(jax.tree.map(jnp.zeros_like, variables), image))
    assert "bf16[" in jaxpr  # inside it computes in bfloat16


OUTPUTS = [
    (remover.Remover(1, width=4), 96, (2, 96, 96, 1)),
    (remover.Remover(1, width=4, up="nearest"), 96, (2, 96, 96, 1)),
    (remover.ReleasedRemover(1, width=4), 192, (2, 192, 192, 1)),
    (remover.FaceCritic(width=4), 32, (2, 1)),
    (patch_critic.PatchCritic(width=4), 24, (2, 1, 1, 1)),
    (mla.MLANet(width=4), 13, (2, 26, 26, 3)),
    (mla.MLANet(width=4, pool_px=3), 5, (2, 10, 10, 3)),
    (facenet.InceptionResNetV1(), 75, (2, 512)),  # one pixel is left
]


@pytest.mark.parametrize(("net", "size", "shape"), OUTPUTS)
def test_other_sizes_and_the_smallest_work(net, size, shape):
    assert shapes(net, size, size)[0].shape == shape


REFUSED = [
    (unet.UNet(features=1), (250, 250), "divisible by 256, got 250 x 250"),
    (remover.Remover(3), (80, 80), "divisible by 32, got 80 x 80"),
    (remover.ReleasedRemover(3), (96, 96), "divisible by 64, got 96 x 96"),
    (remover.FaceCritic(), (24, 24), "divisible by 16"),
    (remover.Remover(3, skips="all"), (32, 32), "skips: .*'residual', 'top', 'unet'.* got 'all'"),
    (remover.Remover(3, join="sum"), (32, 32), "join: .*'add', 'concat'.* got 'sum'"),
    (remover.Remover(3, up="bicubic"), (32, 32), "up: .*'nearest', 'transposed'.* got 'bicubic'"),
    (resnet.Translator(features=1), (30, 32), "30 x 32"),
    (resnet.Translator(features=1, up="bilinear"), (16, 16), r"model\.up: .*got 'bilinear'"),
    (resnet.Translator(features=1, skips=True), (16, 16), "'nearest' with model.skips"),
    (style.StyleNet(width=4), (30, 32), "30 x 32"),
    (style.StyleNet(width=4), (4, 16), "4 x 16"),
    (patch_critic.PatchCritic(), (20, 20), "at least 24 px a side, got 20 x 20"),
    (mla.MLANet(width=4), (13, 12), "at least 13 px a side, got 12 x 13 px"),
    (image_critic.ImageCritic(), (64, 48), "multiples of 32 px, got 48 x 64"),
    (image_critic.ImageCritic("srgan"), (64, 64), "critic.form: .*'paper'.* got 'srgan'"),
    (
        iresnet.IResNet(iresnet.DEPTHS[18]),
        (128, 128),
        r"112 x 112 x 3 \(IResNet.* got \(128, 128, 3\)",
    ),
    (mobilefacenet.MobileFaceNet(), (96, 96), r"112 x 112 x 3 \(MobileFaceNet.* got \(96, 96, 3\)"),
    (
        mobilefacenet.MobileFaceNet(size_px=100),
        (100, 100),
        "size_px: expected a multiple of 16, got 100",
    ),
    (facenet.InceptionResNetV1(), (74, 74), r"H, W >= 75 and 3 channels, got \(74, 74, 3\)"),
    (tinynet.TinyNet("d"), (112, 112), r"variant: .*\['a', 'b', 'c', 'mini'\], got 'd'"),
]


@pytest.mark.parametrize(("net", "size", "message"), REFUSED)
def test_what_does_not_fit_is_refused(net, size, message):
    with pytest.raises(ValueError, match=message):
        shapes(net, *size)
