"""The graphs of IFRP's nets (fsketch/nets/remover.py) and of their spatial transformers.

They have dense layers, so they take images of one size.
"""

import numpy as np

from fsketch.export import graph
from fsketch.nets import remover


def journal(layers: graph.Layers, net: remover.Remover, image: str) -> str:
    """The net of the journal."""
    levels, num_blocks = remover.SKIPS[net.skips]

    def finish(x: str) -> str:
        return layers.leaky_relu(layers.norm(x, net.norm), remover.SLOPE)

    def up(x: str) -> str:
        if net.up == "nearest":
            return layers.conv(layers.upsample(x))
        return layers.conv_transpose(x, output_padding=0)

    maps, x = {}, image
    for level in range(1, 6):
        x = finish(layers.conv(x, stride=2, padding=1))
        if level <= 3:
            x = _transformed(layers, net, x, level, px=_size(layers, level))
        maps[level] = x
    for level in range(4, 0, -1):
        x = finish(up(x))
        if level in levels:
            skip = _blocks(layers.module("_Blocks"), maps[level], num_blocks, net.norm)
            if net.join == "add":
                x = layers.op("Add", x, skip)
            else:
                x = layers.conv(layers.concat(x, skip))
        if level == 2:
            x = _transformed(layers, net, x, 4, px=_size(layers, 2))
    x = layers.conv(finish(up(x))) if net.up == "nearest" else up(x)
    return _clipped(layers, x)


def released(layers: graph.Layers, net: remover.ReleasedRemover, image: str) -> str:
    """The net of the released code."""

    def conv_norm(x: str) -> str:
        return layers.norm(layers.conv(x), net.norm)

    x = image
    for level in range(1, 7):
        x = layers.leaky_relu(conv_norm(x), remover.SLOPE)
        if level in (2, 3):
            x = _transformed(layers, net, x, level - 1, px=_size(layers, level - 1))
        x = layers.max_pool(x)
    height, width = _size(layers, 6)
    x = layers.dense(_flat(layers, x))
    x = layers.op("Reshape", x, layers.graph.ints(0, height, width, -1))
    x = layers.op("Transpose", x, perm=(0, 3, 1, 2))
    for level in range(1, 7):
        x = layers.upsample(layers.relu(conv_norm(x)))
        if level == 2:
            x = _transformed(layers, net, x, 3, px=_size(layers, 4))
    x = layers.relu(conv_norm(x))
    return _clipped(layers, layers.conv(x))


def _size(layers: graph.Layers, level: int) -> tuple[int, int]:
    """(height, width) of a map after this number of halvings."""
    height, width = layers.graph.image_px
    return height >> level, width >> level


def _clipped(layers: graph.Layers, x: str) -> str:
    """As the method's predictions."""
    return layers.op("Clip", x, layers.constant(-1.0), layers.constant(1.0))


def _flat(layers: graph.Layers, x: str) -> str:
    """N x C x H x W -> N x HWC, in flax' order."""
    return layers.op("Flatten", layers.op("Transpose", x, perm=(0, 2, 3, 1)))


def _blocks(layers: graph.Layers, x: str, number: int, norm: str) -> str:
    def conv_norm(y: str) -> str:
        return layers.norm(layers.conv(y), norm)

    for _ in range(number):
        y = layers.leaky_relu(conv_norm(x), remover.SLOPE)
        x = layers.op("Add", x, conv_norm(y))
    return x


def _transformed(
    layers: graph.Layers,
    net: remover.Remover | remover.ReleasedRemover,
    x: str,
    number: int,
    *,
    px: tuple[int, int],
) -> str:
    """`stn.SpatialTransformer` of a map of px = (height, width)."""
    if not net.has_transformers:
        return x
    outer = layers.module("", name=f"transformer{number}")
    parameters = _localised(outer.module("Localisation"), x, px)
    angle, scale, tx, ty = (
        outer.op("Slice", parameters, *(outer.graph.ints(i) for i in (k, k + 1, 1)))
        for k in range(4)
    )  # N x 1 each
    cos, sin = (outer.op("Mul", scale, outer.op(kind, angle)) for kind in ("Cos", "Sin"))

    def dot(a: str, b: str, c: str, d: str, kind: str) -> str:
        return outer.op(kind, outer.op("Mul", a, b), outer.op("Mul", c, d))

    x_row = [cos, outer.op("Neg", sin), dot(cos, tx, sin, ty, "Sub")]
    y_row = [sin, cos, dot(sin, tx, cos, ty, "Add")]
    matrix = outer.op("Concat", *x_row, *y_row, axis=1)
    matrix = outer.op("Reshape", matrix, outer.graph.ints(0, 2, 3))  # N x 2 x 3
    v, u = np.meshgrid(*(np.linspace(-1, 1, side, dtype=np.float32) for side in px), indexing="ij")
    points = np.stack([u, v, np.ones_like(u)]).reshape(3, -1)
    grid = outer.op("MatMul", matrix, outer.graph.constant(points, exact=True))  # N x 2 x HW
    grid = outer.op("Transpose", grid, perm=(0, 2, 1))
    grid = outer.op("Reshape", grid, outer.graph.ints(0, *px, 2))
    return outer.op("GridSample", x, grid, mode="bilinear", padding_mode="zeros", align_corners=1)


def _localised(layers: graph.Layers, x: str, px: tuple[int, int]) -> str:
    """`stn.Localisation`: N x 4."""
    count = sum(name.startswith("Conv_") for name in layers.params)
    side = min(px)
    for place in range(1, count + 1):
        is_last = place == count
        x = layers.relu(layers.conv(x, padding=0 if is_last else 1))
        if not is_last and side >= 8:
            x, side = layers.max_pool(x), side // 2
    return layers.dense(layers.relu(layers.dense(_flat(layers, x))))
