"""Tiny weights files in torch's two formats -> torch_zip.pth, torch_stream.pth.

python tests/golden/make_torch_files.py, in an environment with torch.
"""

import pathlib

import torch
from torch_draws import arrays

FOLDER = pathlib.Path(__file__).parent


def main():
    drawn = {name: torch.from_numpy(array) for name, array in arrays().items()}
    shared = drawn.pop("shared")
    tensors = {
        **drawn,
        "bfloat16": drawn["float32"].to(torch.bfloat16),
        "parameter": torch.nn.Parameter(drawn["float64"]),
        "transposed": shared.T,
        "part": shared[1:, ::2],
    }
    torch.save(tensors, FOLDER / "torch_zip.pth")
    nested = {"state_dict": tensors, "epoch": 3, "shape": shared.shape}
    torch.save(nested, FOLDER / "torch_stream.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
