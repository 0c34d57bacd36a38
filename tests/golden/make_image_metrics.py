"""Writes image_metrics.json: FSIM, FSIMc and MS-SSIM by piq 0.8, in float64.

    python tests/golden/make_image_metrics.py ../shared/data

from the repository root, in an environment with torch and piq.  The folder holds the real pairs;
of them only ids and numbers are kept.
"""

import csv
import itertools
import json
import math
import pathlib
import sys

import image_pairs
import numpy as np
import piq
import torch
from PIL import Image

METHODS = ("pcf", "ansgda", "cagan")
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


def ms_ssim(*images):
    return piq.multi_scale_ssim(*tensors(*images), data_range=255.0, reduction="none").tolist()


def read(path, mode):
    image = np.asarray(Image.open(path).convert(mode))
    return image.reshape(1, *image.shape[:2], -1)


def main():
    data = pathlib.Path(sys.argv[1])
    grey = image_pairs.draw(1, size=(250, 200), number=3)
    colour = image_pairs.draw(2, size=(250, 200), number=3, channels=3)
    halved = image_pairs.draw(3, size=(400, 512))  # averaged and subsampled by 2
    sixteenths = image_pairs.draw(4, size=(176, 192), number=3)  # no odd side on any scale
    result = {
        "fsim": fsim(*grey),
        "fsim_halved": fsim(*halved),
        "fsimc": fsim(*colour),
        "fsimc_matlab": fsimc_matlab(*colour),
        "ms_ssim": ms_ssim(*sixteenths),
        "sketches": [],
        "photos": [],
    }
    cuhk = data / "cuhk_student"
    with (cuhk / "pairs.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    for row in rows[:64:8]:
        for method in METHODS:
            peer = data / "peer_results" / "cuhk100" / method / f"{row['id']}.png"
            pair = read(cuhk / row["sketch"], "L"), read(peer, "L")
            entry = {"id": row["id"], "method": method, "fsim": fsim(*pair)[0]}
            result["sketches"].append(entry)
    for row, other in itertools.pairwise(rows[:25]):
        pair = read(cuhk / row["photo"], "RGB"), read(cuhk / other["photo"], "RGB")
        entry = {"id": row["id"], "other": other["id"], "fsimc": fsim(*pair)[0]}
        entry["fsimc_matlab"] = fsimc_matlab(*pair)[0]
        result["photos"].append(entry)
    path = pathlib.Path(__file__).with_name("image_metrics.json")
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
