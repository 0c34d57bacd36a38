"""The arrays in torch_zip.pth and torch_stream.pth, drawn alike by the script and the test."""

import numpy as np


def arrays():
    """Arrays by name; `shared` is seen through the tensors "transposed" and "part"."""
    rng = np.random.default_rng(0)
    return {
        "float32": rng.normal(size=(2, 3)).astype(np.float32),
        "float16": rng.normal(size=4).astype(np.float16),
        "float64": rng.normal(size=(1, 2)),
        "int64": np.array(-(2**40)),
        "empty": np.zeros((0, 3), np.float32),
        "shared": rng.normal(size=(3, 4)).astype(np.float32),
    }
