"""FSIM and FSIMc by piq 0.8, in float64.

python tests/golden/make_image_metrics.py     # torch, piq; writes image_metrics.json
"""

import json
import math
import pathlib
import sys

import image_pairs
import numpy as np
import piq
import torch

MATLAB_YIQ = [[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]]


def tensors(*images):
    return [torch.tensor(np.moveaxis(np.asarray(i, np.float64), -1, 1)) for i in images]


def fsim(*images):
    x, y = tensors(*images)
    options = {"data_range": 255.0, "chromatic": x.shape[1] == 3, "reduction": "none"}
    return piq.fsim(x, y, **options).tolist()


def fsimc_matlab(*images):
    """piq's FSIMc with the colour matrix and the root of a negative product of the MATLAB file."""
    module = sys.modules["piq.fsim"]
    rgb2yiq, similarity_map = module.rgb2yiq, module.similarity_map
    matrix = torch.tensor(MATLAB_YIQ, dtype=torch.float64)
    chroma = []

    def patched_map(x, y, constant):
        value = similarity_map(x, y, constant)
        if constant == 200:
            chroma.append(value)
        if len(chroma) == 2:  # piq returns |S_I S_Q|^0.03 for this
            root = math.cos(math.pi * 0.03) ** (1 / 0.03)
            value = torch.where(chroma[0] * chroma[1] < 0, value * root, value)
        return value

    module.rgb2yiq = lambda x: torch.einsum("dc,nchw->ndhw", matrix, x)
    module.similarity_map = patched_map
    try:
        return fsim(*images)
    finally:
        module.rgb2yiq, module.similarity_map = rgb2yiq, similarity_map


def main():
    grey = image_pairs.draw(1, size=(250, 200), number=3)
    colour = image_pairs.draw(2, size=(250, 200), number=3, channels=3)
    halved = image_pairs.draw(3, size=(400, 512))  # averaged and subsampled by 2
    result = {
        "fsim": fsim(*grey),
        "fsim_halved": fsim(*halved),
        "fsimc": fsim(*colour),
        "fsimc_matlab": fsimc_matlab(*colour),
    }
    path = pathlib.Path(__file__).with_name("image_metrics.json")
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
