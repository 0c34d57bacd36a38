"""Converted weights on disk: safetensors with the net's name and origin in the header."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from flax import traverse_util


def write(path: str, params: Mapping[str, Any], *, net: str, source: str, sha256: str) -> None:
    """Writes a parameter tree for `net`; source and sha256 name the file it came from.

    The tree of a net with running statistics is {"params": ..., "batch_stats": ...}.
    """
    flat = traverse_util.flatten_dict(params, sep="/")
    arrays = {name: np.ascontiguousarray(array) for name, array in flat.items()}
    header = {"net": net, "source": source, "sha256": sha256}
    safetensors.numpy.save_file(arrays, path, metadata=header)


def read(path: str) -> tuple[str, dict[str, Any]]:
    """(net, parameter tree) of a file that `write` made; ValueError for any other file."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path}: not a safetensors file ({error})") from None
    if "net" not in header:
        raise ValueError(
            f"{path}: no net is named in its header; convert weights with python -m fsketch.convert"
        )
    return header["net"], traverse_util.unflatten_dict(flat, sep="/")
