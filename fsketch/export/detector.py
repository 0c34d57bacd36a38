"""The three nets of the face detector (fsketch/nets/mtcnn.py) as ONNX files, for the page.

Each takes `image`, float32[n, h, w, 3], adapted as there, and gives `score`, the probabilities of
no face and of a face, `box`, and of the third also `points`:

    file       net          image       score            box              points
    pnet.onnx  proposal     any size    [n, h', w', 2]   [n, h', w', 4]
    rnet.onnx  refinement   24 x 24     [n, 2]           [n, 4]
    onet.onnx  output       48 x 48     [n, 2]           [n, 4]           [n, 10]
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fsketch.export import graph

# file -> net, side of its images, (window, stride) of the pooling after each convolution, outputs
_NETS = {
    "pnet.onnx": ("proposal", 0, [(2, 2), None, None], ["score", "box"]),
    "rnet.onnx": ("refinement", 24, [(3, 2), (3, 2), None], ["score", "box"]),
    "onet.onnx": ("output", 48, [(3, 2), (3, 2), (2, 2), None], ["score", "box", "points"]),
}


def serialized(params: Mapping[str, Any], about: Mapping[str, str]) -> dict[str, bytes]:
    """{file name: content}; params: of the three nets by name.  about: meta data of every file."""
    files = {}
    for file, (net, side, pools, outputs) in _NETS.items():
        made = graph.Graph()
        layers = graph.Layers(made, params[net])
        x = made.image("image", ["n", side or "h", side or "w", 3])
        for number, pool in enumerate(pools, 1):
            x = layers.prelu(layers.conv(x, padding=0, name=f"conv{number}"), f"prelu{number}")
            x = layers.max_pool(x, window=pool[0], stride=pool[1], ceil=True) if pool else x
        if side:
            # A dense layer is a convolution over the whole map, 3 x 3 px.
            x = _dense(layers, x, "dense", side=3)
            x = layers.prelu(x, f"prelu{len(pools) + 1}")
        for name in outputs:
            y = _dense(layers, x, name) if side else layers.conv(x, name=name)
            y = layers.op("Softmax", y, axis=1) if name == "score" else y
            channels = np.size(params[net][name]["bias"])
            if side:
                made.give(layers.op("Flatten", y), name, ["n", channels])
            else:
                made.give_image(y, name, ["n", "rows", "columns", channels])
        files[file] = made.serialized(net, about)
    return files


def _dense(layers: graph.Layers, x: str, name: str, *, side: int = 1) -> str:
    kernel, bias = (np.asarray(layers.params[name][part]) for part in ("kernel", "bias"))
    square = kernel.reshape(side, side, -1, kernel.shape[-1])
    return layers.convolved(x, square, bias, padding=0)
