"""The three nets of the face detector MTCNN as ONNX files, for the page.

Source: Zhang et al., IEEE SPL 23(10), 2016.  Each takes `image`, float32[n, h, w, 3], upright, as
(grey level - 127.5) / 128, and gives `score`, the probabilities of no face and of a face, and
`box`, the shifts of x0, y0, x1, y1 in sides of the window; the third also gives `points`, five x
and five y in sides of the window.

    file       image       score            box              points
    pnet.onnx  any size    [n, h', w', 2]   [n, h', w', 4]
    rnet.onnx  24 x 24     [n, 2]           [n, 4]
    onet.onnx  48 x 48     [n, 2]           [n, 4]           [n, 10]

One window of the first, at (y, x), is 12 x 12 px and begins at pixel (2 y, 2 x).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fsketch.export import graph

# net -> side of its image, (window, stride) of the pooling after each convolution, 0: none; the
# number of dense layers after them; outputs.
_WINDOWS = {
    "pnet": (None, ((2, 2), None, None), 0, ("score", "box")),
    "rnet": (24, ((3, 2), (3, 2), None), 1, ("score", "box")),
    "onet": (48, ((3, 2), (3, 2), (2, 2), None), 1, ("score", "box", "points")),
}


def serialized(weights: Mapping[str, Mapping[str, Any]], about: Mapping[str, str]) -> dict:
    """{file name: content} of the three nets.

    weights: by net, {"conv1": {"kernel", "bias"}, "prelu1": {"slope"}, ..., "dense1": ...,
    "score", "box", "points": {"kernel", "bias"}} as numpy arrays; kernels k x k x Cin x Cout, a
    dense layer's is that of a convolution over its whole map.  about: meta data of every file.
    """
    files = {}
    for net, (side, pools, num_dense, outputs) in _WINDOWS.items():
        made = graph.Graph()
        layers = graph.Layers(made, weights[net])
        x = made.image("image", ["n", side or "h", side or "w", 3])
        names = [f"{i}" for i in range(1, len(pools) + 1 + num_dense)]
        for number, pool in zip(names, [*pools, *[None] * num_dense], strict=True):
            x = layers.prelu(layers.conv(x, padding=0, name=f"conv{number}"), f"prelu{number}")
            if pool:
                x = layers.max_pool(x, window=pool[0], stride=pool[1], ceil=True)
        for name in outputs:
            y = layers.conv(x, padding=0, name=name)
            y = layers.op("Softmax", y, axis=1) if name == "score" else y
            channels = np.shape(weights[net][name]["kernel"])[-1]
            if side is None:
                made.give_image(y, name, ["n", "rows", "columns", channels])
            else:
                made.give(layers.op("Flatten", y), name, ["n", channels])
        files[f"{net}.onnx"] = made.serialized(net, about)
    return files
