"""Weights files of torch, read without torch and without running anything they hold.

Two formats are read: the zip archive that torch writes since 1.6 (data.pkl and one member a
storage) and the stream of pickles that it wrote before (magic number, protocol, system, object,
storage keys, then each storage behind its length).  Both describe a tensor as a storage, an
offset, a size and strides.

A pickle can call any function by name; here it reaches only the stand-ins of `_stand_ins`, and
every other name is refused.
"""

import collections
import io
import math
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C  # of the stream format
DTYPES = {  # by storage class; bfloat16 is the upper half of a float32
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": "<u2",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1",
    "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip


def read(path: str) -> dict[str, np.ndarray]:
    """The tensors of a *.pth or *.pt file by name, read-only; bfloat16 comes as float32.

    The file holds a mapping from names to tensors, or a mapping with exactly one such entry,
    {"state_dict": ..., "epoch": ...}.  Of stylegan2-pytorch's {"g": ..., "g_ema": ...,
    "latent_avg": tensor} the averaged generator and that tensor are read.  ValueError for anything
    else and damaged files.
    """
    with open(path, "rb") as file:
        try:
            return (_read_zip if zipfile.is_zipfile(file) else _read_stream)(file)
        except Refusal as error:
            raise ValueError(f"{path}: {error}") from None
        except Exception as error:  # unpickling a damaged file can raise anything
            kind = type(error).__name__
            raise ValueError(f"{path}: truncated or damaged ({kind}: {error})") from None


class Refusal(ValueError):
    """A file that is understood well enough to say what is wrong with it."""


class Storage(NamedTuple):
    """Numbers in a row, by the name of their bytes in the file."""

    kind: str  # a key of DTYPES
    key: str
    length: int

    @property
    def num_bytes(self) -> int:
        return self.length * np.dtype(DTYPES[self.kind]).itemsize


class Tensor(NamedTuple):
    """A view of a storage."""

    storage: Storage
    offset: int  # this and the strides count elements
    size: tuple[int, ...]
    stride: tuple[int, ...]


def _stand_ins() -> dict[str, Any]:
    """The names that a pickle may use; new for each, since a pickle can set attributes on them."""
    return {
        "collections.OrderedDict": collections.OrderedDict,
        "torch.Size": tuple,
        "argparse.Namespace": type("Namespace", (), {}),  # further arguments that some files keep
        "torch._utils._rebuild_tensor": lambda *parts: Tensor(*parts),
        "torch._utils._rebuild_tensor_v2": lambda *parts: Tensor(*parts[:4]),
        "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
        **{f"torch.{kind}": kind for kind in DTYPES},
    }


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="utf-8")  # of the strings of Python 2
        self.storages: dict[str, Storage] = {}
        self._stand_ins = _stand_ins()

    def find_class(self, module: str, name: str) -> Any:
        found = self._stand_ins.get(f"{module}.{name}")
        if found is None:
            raise Refusal(f"names {module}.{name}, which no plain weights file needs; refused")
        return found

    def persistent_load(self, pid: Any) -> Storage:
        match pid:
            case ["storage", kind, str(key), _, int(length), *view] if kind in DTYPES:
                if view not in ([], [None]):
                    raise Refusal(f"storage {key} is a view of another, which is not read")
                storage = Storage(kind, key, length)
                self.storages[key] = storage
                return storage
        raise Refusal(f"refers to {pid!r}, which is not a storage")


def _read_zip(file: io.BufferedReader) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        roots = [n.removesuffix("data.pkl") for n in names if n.split("/")[1:] == ["data.pkl"]]
        if len(roots) != 1:
            raise Refusal("a zip archive without torch's data.pkl")
        root = roots[0]
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
            raise Refusal("big-endian, which is not read")
        with archive.open(f"{root}data.pkl") as stream:
            tree = _Unpickler(stream).load()
        return _arrays(tree, lambda key: archive.read(f"{root}data/{key}"))


def _read_stream(file: io.BufferedReader) -> dict[str, np.ndarray]:
    file.seek(0)
    tree, data = load_stream(file)
    return _arrays(tree, data.__getitem__)


def load_stream(file: io.BufferedReader) -> tuple[Any, dict[str, bytes]]:
    """(object, bytes of its storages by key) of a file in the stream format."""
    if file.peek(2).startswith(b"PK"):
        raise Refusal("a truncated zip archive")
    if tarfile.is_tarfile(file):
        raise Refusal("torch's oldest format, a tar archive; load and save it again with torch")
    if not file.peek(1).startswith(b"\x80") or _Unpickler(file).load() != MAGIC:
        raise Refusal("not a weights file of torch")
    _Unpickler(file).load()  # the protocol's version, always 1001
    if not _Unpickler(file).load()["little_endian"]:
        raise Refusal("big-endian, which is not read")
    unpickler = _Unpickler(file)
    tree = unpickler.load()
    data = {}
    for key in _Unpickler(file).load():
        length, expected = int.from_bytes(file.read(8), "little"), unpickler.storages[key].length
        if length != expected:
            raise Refusal(
                f"truncated or damaged: storage {key} has {length} elements, not {expected}"
            )
        data[key] = file.read(unpickler.storages[key].num_bytes)
    return tree, data


def _arrays(tree: Any, data: Callable[[str], bytes]) -> dict[str, np.ndarray]:
    """The tensors of an unpickled object; `data` gives the bytes of a storage."""
    return {
        name: array(name, tensor, data(tensor.storage.key))
        for name, tensor in _named_tensors(tree).items()
    }


def _named_tensors(tree: Any) -> Mapping[str, Tensor]:
    if _names_tensors(tree):
        return tree
    entries = tree if isinstance(tree, dict) else {}
    if _names_tensors(entries.get("g_ema")):
        mean = entries.get("latent_avg")
        return {**entries["g_ema"], **({} if mean is None else {"latent_avg": mean})}
    candidates = [entry for entry in entries.values() if _names_tensors(entry)]
    if len(candidates) == 1 and not any(isinstance(e, Tensor) for e in entries.values()):
        return candidates[0]
    kinds = [f"{name} ({type(entry).__name__})" for name, entry in entries.items()]
    raise Refusal(
        "not a mapping from names to tensors, nor one with exactly one such entry; it is a "
        f"{type(tree).__name__} with the entries {', '.join(kinds[:9]) or 'none'}"
    )


def _names_tensors(tree: Any) -> bool:
    return bool(
        isinstance(tree, dict)
        and tree
        and all(isinstance(n, str) and isinstance(t, Tensor) for n, t in tree.items())
    )


def array(name: str, tensor: Tensor, data: bytes) -> np.ndarray:
    """The tensor `name` from the bytes of its storage; Refusal unless it fits them."""
    storage, offset, size, stride = tensor
    if len(data) != storage.num_bytes:
        raise Refusal(
            f"truncated: {name} has {len(data)} bytes of the {storage.num_bytes} of its storage"
        )
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if min((offset, *size, *stride)) < 0 or (0 not in size and last >= storage.length):
        raise Refusal(f"{name} reaches outside its storage")
    if math.prod(size) > storage.length:  # with strides of 0 a few numbers would claim terabytes
        raise Refusal(f"{name}: {math.prod(size):,} numbers from {storage.length:,}")
    flat = np.frombuffer(data, DTYPES[storage.kind])[offset:]
    if storage.kind == "BFloat16Storage":
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    steps = [step * flat.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(flat, size, steps, writeable=False)
