"""Sampled images and their gradients, by torch (2.14), in float64.

    PYTHON tests/golden/make_stn.py     # writes tests/golden/stn.npz

PYTHON is an interpreter with torch.  The images, matrices and weights are drawn here from a
seed by numpy, so that a test can draw them again.
"""

import pathlib

import numpy as np

# name -> (height, width, rows of angle, scale, tx, ty)
CASES = {
    "square": (9, 9, [(0.4, 1.0, 0.1, -0.2), (-1.2, 1.1, -0.3, 0.05)]),
    "oblong": (6, 11, [(0.7, 0.98, 0.15, 0.1), (3.0, 1.3, 0.0, 0.4)]),
    "enlarged": (9, 9, [(0.2, 0.31, 0.6, -0.5), (2.1, 0.8, 0.1, 0.2)]),
    "far": (6, 11, [(0.5, 1.0, 1.7, 0.3), (0.1, 3.0, -0.2, 0.9)]),
}
CHANNELS = 3


def draw(name):
    """(image float64[B, H, W, C], parameters float64[B, 4], gradient of the output)."""
    height, width, rows = CASES[name]
    rng = np.random.default_rng(len(name))
    image, gradient = rng.normal(size=(2, len(rows), height, width, CHANNELS))
    return image, np.array(rows), gradient


def main():
    """Writes for each case the output and the gradients of image and matrix."""
    import torch
    import torch.nn.functional as F

    results = {}
    for name in CASES:
        image, parameters, gradient = draw(name)
        cos, sin = (parameters[:, 1] * f(parameters[:, 0]) for f in (np.cos, np.sin))
        turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], 1)
        matrix = np.concatenate([turn, turn @ parameters[:, 2:, None]], -1)
        x = torch.tensor(np.moveaxis(image, -1, 1), requires_grad=True)
        theta = torch.tensor(matrix, requires_grad=True)
        grid = F.affine_grid(theta, x.shape, align_corners=True)
        y = F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
        y.backward(torch.tensor(np.moveaxis(gradient, -1, 1)))
        results[f"{name}/matrix"] = matrix
        results[f"{name}/output"] = np.moveaxis(y.detach().numpy(), 1, -1)
        results[f"{name}/image"] = np.moveaxis(x.grad.numpy(), 1, -1)
        results[f"{name}/theta"] = theta.grad.numpy()
    np.savez_compressed(pathlib.Path(__file__).with_name("stn.npz"), **results)


if __name__ == "__main__":
    main()
