"""Weights on disk: published files of several formats, and ours.

Ours are safetensors with the net's name, origin and checksums in the header.
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from flax import traverse_util

from fsketch.convert import caffe_weights, keras_weights, nvidia_pickle, onnx_weights, torch_weights
from fsketch.core import arrays, checksums, names, writers

_FIELDS = ("net", "source", "sha256")
_CHECKSUMS = "crc32"


def write(
    path: str,
    params: Mapping[str, Any],
    *,
    net: str,
    source: str,
    sha256: str,
    licence: str = "",
) -> None:
    """Writes a parameter tree for `net`; source and sha256 identify the original file.

    licence: that of the original file, if it is known.

    The tree of a net with running statistics is {"params": ..., "batch_stats": ...}.
    """
    flat = traverse_util.flatten_dict(params, sep="/")
    tensors = {name: np.ascontiguousarray(array) for name, array in flat.items()}
    told = dict(zip(_FIELDS, (net, source, sha256), strict=True))
    if licence:
        told["licence"] = licence
    told[_CHECKSUMS] = _checksums(told, tensors)
    writers.write_whole(path, safetensors.numpy.save(tensors, metadata=told))


def read(path: str) -> tuple[str, dict[str, Any]]:
    """(net, parameter tree) of a file that `write` made.

    ValueError for any other file, and for one with other bits than were written.
    """
    said, flat = _read_safetensors(path)
    if "net" not in said:
        raise ValueError(
            f"{path}: expected a net's name in its header, got none; use fsketch convert"
        )
    for part in {part for name in flat for part in name.split("/")}:
        names.check(part, f"{path}: a name of an array")
    told = said.pop(_CHECKSUMS, None)
    # Earlier files have none; a name that is no longer its own is a flipped bit.
    if (told or said.keys() - _FIELDS) and told != _checksums(said, flat):
        raise ValueError(
            f"{path}: expected the numbers that were written, got others (a damaged file); convert "
            "the published file again with fsketch convert"
        )
    return said["net"], traverse_util.unflatten_dict(flat, sep="/")


def _checksums(said: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> str:
    """Those of all arrays, and under "" that of the rest of the header, as JSON."""
    sums = {**checksums.of_arrays(tensors), "": checksums.of_json(said)}
    return json.dumps(sums, sort_keys=True)


def variables(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The collections of a tree of `read`: {"params": ...}, and others where the net has them."""
    return dict(tree) if "params" in tree else {"params": tree}


def header(path: str) -> dict[str, str]:
    """What a file of `write` says of itself: net, source, sha256 and, where known, licence."""
    with safetensors.safe_open(path, framework="numpy") as file:
        return file.metadata()


def source_sha256(path: str) -> str:
    """SHA-256 of the published file that a file of `write` was made from."""
    return header(path)["sha256"]


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """The arrays by name of a published file: npz, safetensors, pth, pt, tar, caffemodel, onnx,
    pkl or h5; a tar is torch's under another name.

    ValueError for other formats, damaged files and files that hold anything else.
    """
    readers = {
        ".npz": _read_npz,
        ".safetensors": lambda path: _read_safetensors(path)[1],
        ".pth": torch_weights.read,
        ".pt": torch_weights.read,
        ".tar": torch_weights.read,
        ".caffemodel": caffe_weights.read,
        ".onnx": onnx_weights.read,
        ".pkl": nvidia_pickle.read,
        ".h5": keras_weights.read,
    }
    suffix = pathlib.Path(path).suffix
    if suffix not in readers:
        raise ValueError(f"{path}: expected a file {', '.join(readers)}, got {suffix!r}")
    return readers[suffix](path)


def _read_npz(path: str) -> dict[str, np.ndarray]:
    try:
        return arrays.read_npz(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read_safetensors(path: str) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """(header, arrays by name)."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return file.metadata() or {}, tensors
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path}: expected a safetensors file, got {error}") from None
