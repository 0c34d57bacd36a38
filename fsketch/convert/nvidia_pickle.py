"""Pickles of NVIDIA's StyleGAN2 (stylegan2-ada-pytorch, stylegan3), read without running them.

Such a file is a pickled dict {"G": ..., "D": ..., "G_ema": ..., ...}.  A net in it is a call of
torch_utils.persistence._reconstruct_persistent_obj on a dict with the net's source code and its
`state`, the attributes of a torch module; a storage is a call of torch.storage._load_from_bytes on
a file in torch's stream format [code: torch_utils/persistence.py].

Python's unpickling calls any name in the file.  Here the few names of the needed parts map to
stand-ins that keep data; every other name maps to a class that accepts everything and does nothing.
"""

import collections
import io
import pickle
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from fsketch.convert import torch_weights

NET = "G_ema"


class _Module(NamedTuple):
    state: Mapping[str, Any]


class _Loaded(NamedTuple):
    """A storage with its bytes."""

    storage: torch_weights.Storage
    data: bytes


def read(path: str) -> dict[str, np.ndarray]:
    """Parameters and buffers of the averaged generator "G_ema" by torch's names.

    ValueError for other or damaged files.
    """
    with open(path, "rb") as file:
        try:
            tree = _Unpickler(file).load()
        except torch_weights.Refusal as error:
            raise ValueError(f"{path}: {error}") from None
        except Exception as error:  # unpickling a damaged file can raise anything
            kind = type(error).__name__
            raise ValueError(f"{path}: truncated or damaged ({kind}: {error})") from None
    net = tree.get(NET) if isinstance(tree, dict) else None
    if not isinstance(net, _Module):
        raise ValueError(f"{path}: expected NVIDIA's pickle with a net {NET!r}, got none")
    try:
        arrays = {name: _array(name, tensor) for name, tensor in _tensors(net, "")}
    except torch_weights.Refusal as error:
        raise ValueError(f"{path}: {error}") from None
    if not arrays:
        raise ValueError(f"{path}: expected parameters in {NET}, got none")
    return arrays


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _stand_ins().get(f"{module}.{name}")
        return found or type(name, (_Inert,), {})


class _Inert:
    """Accepts everything that a pickle gives to objects and keeps nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs

    def __setstate__(self, state: Any) -> None:
        del state

    def __setitem__(self, key: Any, value: Any) -> None:
        del key, value

    def append(self, item: Any) -> None:
        """A list's."""

    def extend(self, items: Any) -> None:
        """A list's."""


def _stand_ins() -> dict[str, Any]:
    return {
        "collections.OrderedDict": collections.OrderedDict,
        "torch_utils.persistence._reconstruct_persistent_obj": _module,
        "torch._utils._rebuild_tensor_v2": lambda *parts: torch_weights.Tensor(*parts[:4]),
        "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
        "torch.storage._load_from_bytes": _load_storage,
    }


def _module(meta: Mapping[str, Any]) -> _Module:
    return _Module(meta["state"])


def _load_storage(data: bytes) -> _Loaded:
    storage, arrays = torch_weights.load_stream(io.BufferedReader(io.BytesIO(data)))
    if not isinstance(storage, torch_weights.Storage):
        raise torch_weights.Refusal(f"a {type(storage).__name__} where a storage should be")
    return _Loaded(storage, arrays[storage.key])


def _tensors(module: _Module, prefix: str) -> Iterator[tuple[str, torch_weights.Tensor]]:
    """(name, tensor) of a module and of those in it, as torch's state_dict names them."""
    for kind in ("_parameters", "_buffers"):
        for name, tensor in module.state[kind].items():
            if isinstance(tensor, torch_weights.Tensor):  # or None
                yield prefix + name, tensor
    for name, child in module.state["_modules"].items():
        if isinstance(child, _Module):
            yield from _tensors(child, f"{prefix}{name}.")


def _array(name: str, tensor: torch_weights.Tensor) -> np.ndarray:
    if not isinstance(tensor.storage, _Loaded):
        raise torch_weights.Refusal(f"{name} has no storage of its own")
    storage, data = tensor.storage
    return torch_weights.array(name, tensor._replace(storage=storage), data)
