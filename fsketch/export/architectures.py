"""The graph of every net that translates images, in the order of the net's own file."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from flax import linen as nn

from fsketch.core import errors, images
from fsketch.export import graph, removers
from fsketch.nets import remover, resnet, separable, students, style, unet


class Entry(NamedTuple):
    """add: (layers, net, image) -> the net's image, maps in [-1, 1].

    multiple: net -> what height and width must be a multiple of; 0: the size is fixed.
    """

    add: Callable[[graph.Layers, nn.Module, str], str]
    multiple: Callable[[nn.Module], int]


def translated(layers: graph.Layers, net: nn.Module, image: str, *, channels: int) -> str:
    """A map of images in [-1, 1] -> that of the net's; grey ones are repeated for a colour net."""
    if isinstance(net, students.Student):
        layers, net = layers.module("", name="translator"), net.translator
    if channels < layers.params["Conv_0"]["kernel"].shape[2]:
        image = layers.concat(image, image, image)
    return _entry(net).add(layers, net, image)


def multiple(net: nn.Module) -> int:
    """What height and width of images must be a multiple of; 0: their size is fixed."""
    net = net.translator if isinstance(net, students.Student) else net
    return _entry(net).multiple(net)


def _entry(net: nn.Module) -> Entry:
    if type(net) not in NETS:
        expected = ", ".join(kind.__name__ for kind in NETS)
        raise errors.UsageError(
            f"--workdir: expected a net that has a graph ({expected}), got {type(net).__name__}"
        )
    return NETS[type(net)]


def _residual(layers: graph.Layers, net: resnet.Translator, image: str) -> str:
    def norm_relu(x: str) -> str:
        return layers.relu(layers.shifted(layers.norm(x, net.norm)))

    def up(x: str, skip: str) -> str:
        if net.up == "nearest":
            x = layers.upsample(x)
            x = layers.concat(x, skip) if net.skips else x
            return norm_relu(layers.conv(x))
        return norm_relu(layers.conv_transpose(x))

    x = layers.conv(image, reflect=True)
    if net.noise:
        x = layers.op("Add", x, layers.conv(_noise(layers, image), reflect=True, name="noise"))
    if net.detail:
        x = layers.op("Add", x, layers.conv(_detail(layers, image), reflect=True, name="detail"))
    first = norm_relu(x)
    second = norm_relu(layers.conv(first, stride=2))
    x = norm_relu(layers.conv(second, stride=2))
    for _ in range(net.num_blocks):
        x = _block(layers.module(net.block.__name__), net, x)
    x = up(x, second)
    x = up(x, first)
    return layers.op("Tanh", layers.conv(x, reflect=True))


def _block(layers: graph.Layers, net: resnet.Translator, x: str) -> str:
    def conv_norm(y: str) -> str:
        if net.block is separable.SeparableBlock:
            y = layers.conv(layers.depthwise(y))
        else:
            y = layers.conv(y, reflect=True)
        return layers.norm(y, net.norm)

    x = layers.op("Add", x, conv_norm(layers.relu(conv_norm(x))))
    return layers.relu(x) if net.relu_after_add else x


def _noise(layers: graph.Layers, image: str) -> str:
    """The tile of resnet.noise, repeated to the size of the image: 1 x 1 x H x W."""
    tile = layers.graph.constant(np.asarray(resnet.noise_tile())[None, None])
    size, side = layers.graph.size(image), layers.graph.ints(resnet.NOISE_PX)
    one = layers.graph.ints(1)
    more = layers.op("Add", layers.op("Div", size, side), one)
    tiled = layers.op("Tile", tile, layers.op("Concat", layers.graph.ints(1, 1), more, axis=0))
    return layers.op("Slice", tiled, layers.graph.ints(0, 0), size, layers.graph.ints(2, 3))


def _detail(layers: graph.Layers, image: str) -> str:
    """As in nets/resnet.py; the luma of a single channel is that channel."""

    def local(x: str) -> str:
        x = layers.pad(x, resnet.DETAIL_PX // 2, mode="edge")
        return layers.op("AveragePool", x, kernel_shape=[resnet.DETAIL_PX] * 2)

    luma = image
    if layers.params["Conv_0"]["kernel"].shape[2] == 3:
        luma = layers.convolved(image, np.reshape(images.LUMA, (1, 1, 3, 1)))
    deviation = layers.op("Sub", luma, local(luma))
    variance = local(layers.op("Mul", deviation, deviation))
    scale = layers.op("Sqrt", layers.op("Add", variance, layers.constant(resnet.FLAT**2)))
    return layers.op("Div", deviation, scale)


def _unet(layers: graph.Layers, net: unet.UNet, image: str) -> str:
    def up(x: str) -> str:
        return layers.conv_transpose(layers.relu(x), output_padding=0)

    skips, x = [], image
    for level in range(net.depth):
        x = layers.leaky_relu(x, 0.2) if level else x
        x = layers.conv(x, stride=2, padding=1)
        x = layers.norm(x, net.norm) if 0 < level < net.depth - 1 else x
        x = layers.shifted(x)
        skips.append(x)
    x = skips.pop()
    while skips:
        x = layers.concat(skips.pop(), layers.norm(up(x), net.norm))
    return layers.op("Tanh", up(x))


def _style(layers: graph.Layers, net: style.StyleNet, image: str) -> str:
    def conv_norm(x: str, **options: int) -> str:
        return layers.instance_norm(layers.conv(x, reflect=True, **options))

    x = layers.relu(conv_norm(image))
    for _ in range(2):
        x = layers.relu(conv_norm(x, stride=2))
    for _ in range(net.num_blocks):
        x = layers.op("Add", x, conv_norm(layers.relu(conv_norm(x))))
    for _ in range(2):
        x = layers.relu(conv_norm(layers.upsample(x)))
    return layers.op("Tanh", layers.conv(x, reflect=True))


NETS: dict[type[nn.Module], Entry] = {
    resnet.Translator: Entry(_residual, lambda net: 4),
    unet.UNet: Entry(_unet, lambda net: 2**net.depth),
    style.StyleNet: Entry(_style, lambda net: 4),
    remover.Remover: Entry(removers.journal, lambda net: 0),
    remover.ReleasedRemover: Entry(removers.released, lambda net: 0),
}
