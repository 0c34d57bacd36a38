"""InsightFace's packed verification sets (`lfw.bin`, `agedb_30.bin`, ...), read without mxnet.

A pack is a pickle of (images, flags): 2 N encoded images, of which 2 i and 2 i + 1 are pair i, and
N flags, true for two images of one person.  An image is a string of bytes [code: lfw2pack.py] or
an array of bytes as OpenCV makes it [code: agedb2pack.py], written by Python 2 or 3.

A pickle is a program, and Python's `pickle` would run what it names.  Here `_read` follows only the
opcodes of `OPCODES`, all of them harmless: they build tuples, lists, bytes, text, integers,
booleans and None.  Only names in `NAMES` are accepted, each for one rule; nothing is imported or
called.  A pack that needs more is refused.
"""

import io
import pickletools
from pathlib import Path
from typing import Any, NamedTuple

BYTES_2 = ("SHORT_BINSTRING", "BINSTRING")  # the strings of Python 2, as Latin-1 text
BYTES_3 = ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8")
PLAIN = ("SHORT_BINUNICODE", "BINUNICODE", "BININT", "BININT1", "BININT2")
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
OPCODES = (
    "PROTO", "FRAME", "STOP", "MARK", "EMPTY_LIST", "APPEND", "APPENDS", *TUPLES, "TUPLE",
    "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET",
    *BYTES_2, *BYTES_3, *PLAIN, *CONSTANTS, "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",
)  # fmt: skip
_DTYPE, _NDARRAY, _ENCODE = "numpy.dtype", "numpy.ndarray", "_codecs.encode"
_EMPTY = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_FILLED = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")
NAMES = (_ENCODE, _DTYPE, _NDARRAY, *_EMPTY, *_FILLED)


class Pack(NamedTuple):
    """N pairs in the order of the file."""

    images: list[bytes]  # 2 N
    is_same: list[bool]  # N


def read(path: str | Path) -> Pack:
    """The encoded images and flags of a pack.

    ValueError, with the file's name: truncated, damaged or not such a pickle; an opcode or a name
    that is not accepted; an entry that is not a string or array of bytes; flags other than true
    and false; not two images per flag.
    """
    try:
        return _pack(_read(Path(path).read_bytes()))
    except _Refusal as error:
        raise ValueError(f"{path}: {error}") from None
    except (ArithmeticError, AssertionError, LookupError, MemoryError, ValueError) as error:
        kind = type(error).__name__
        raise ValueError(f"{path}: truncated or damaged ({kind}: {error})") from None


class _Refusal(ValueError):
    """A file that is understood well enough to say what is wrong with it."""


class _Name(str):
    """One of `NAMES`."""


class _Dtype(str):
    """The kind of an array's elements, "u1" or "b1"."""


class _Array:
    """Bytes of an array, in the order of its elements."""

    def __init__(self) -> None:
        self.dtype, self.shape, self.data = "", (), b""

    def fill(self, shape: Any, dtype: Any, data: Any) -> None:
        sound = isinstance(shape, tuple) and isinstance(dtype, _Dtype) and isinstance(data, bytes)
        if not sound or shape not in ((len(data),), (len(data), 1)):
            raise _Refusal(f"an array of shape {shape}; expected [n] or [n, 1] of bytes")
        self.dtype, self.shape, self.data = str(dtype), shape, data


def _read(content: bytes) -> Any:
    """The content of the pickle, with arrays as `_Array`."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    marks: list[int] = []  # heights of the stack

    def since_mark() -> list[Any]:
        place = marks.pop()
        items = stack[place:]
        del stack[place:]
        return items

    for opcode, argument, _ in pickletools.genops(io.BytesIO(content)):
        name = opcode.name
        if name not in OPCODES:
            raise _Refusal(f"pickle opcode {name}, which no pack needs; refused")
        if name == "PROTO" and argument < 2:
            raise _Refusal(f"pickle protocol {argument}; expected 2 to 5")
        if name in BYTES_2:
            stack.append(argument.encode("latin-1"))
        elif name in BYTES_3:
            stack.append(bytes(argument))
        elif name in PLAIN:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name == "MARK":
            marks.append(len(stack))
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name in ("APPEND", "APPENDS"):
            items = since_mark() if name == "APPENDS" else [stack.pop()]
            if not isinstance(stack[-1], list):
                raise _Refusal("items appended to what is no list; refused")
            stack[-1].extend(items)
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in TUPLES:
            place = len(stack) - TUPLES[name]
            if place < 0:
                raise _Refusal("a tuple of more items than there are; refused")
            stack[place:] = [tuple(stack[place:])]
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "GLOBAL":
            stack.append(_name(argument.replace(" ", ".")))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_name(f"{module!s:.60}.{attribute!s:.60}"))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_reduced(function, arguments))
        elif name == "BUILD":
            _build(stack.pop(), stack[-1])
    return stack.pop()  # genops ends at STOP, or raises without one


def _name(name: str) -> _Name:
    if name not in NAMES:
        raise _Refusal(f"names {name}, which no pack needs; refused")
    return _Name(name)


def _reduced(function: Any, arguments: Any) -> Any:
    """The result of calling one of `NAMES`."""
    if isinstance(function, _Name) and isinstance(arguments, tuple):
        match str(function), arguments:
            case "_codecs.encode", (str(text), "latin1"):  # bytes, by Python 3 for Python 2
                return text.encode("latin-1")
            case "numpy.dtype", (str() | bytes() as kind, *_):
                kind = kind.decode("latin-1") if isinstance(kind, bytes) else kind
                if kind not in ("u1", "b1"):
                    raise _Refusal(f"an array of {kind!r:.20}; expected bytes (u1) or flags")
                return _Dtype(kind)
            case name, _ if name in _EMPTY:
                return _Array()
            case name, (data, dtype, shape, "C") if name in _FILLED:
                array = _Array()
                array.fill(shape, dtype, data)
                return array
    raise _Refusal(f"calls {function!s:.60} in a way that no pack needs; refused")


def _build(state: Any, target: Any) -> None:
    """Fills an array; the state of a dtype (its alignment) says nothing about bytes."""
    match target, state:
        case _Array(), (_, shape, dtype, _, data):  # one axis: either order is the same
            target.fill(shape, dtype, data)
        case _Dtype(), _:
            pass
        case _:
            raise _Refusal("sets the state of what is no array; refused")


def _pack(tree: Any) -> Pack:
    """Checks the types of everything read."""
    match tree:
        case (list() | tuple() as images, list() | tuple() | _Array() as flags):
            pass
        case _:
            raise _Refusal("not a pair of images and flags")
    if isinstance(flags, _Array):
        flags = list(flags.data) if flags.dtype == "b1" else [None]
    for number, flag in enumerate(flags):
        if not isinstance(flag, int) or flag not in (0, 1):
            raise _Refusal(f"flag {number}: neither true nor false")
    if len(images) != 2 * len(flags):
        raise _Refusal(f"{len(images)} images for {len(flags)} pairs; expected two a pair")
    encoded = []
    for number, image in enumerate(images):
        if isinstance(image, _Array) and image.dtype == "u1":
            image = image.data
        if not isinstance(image, bytes):
            raise _Refusal(f"image {number}: neither a string nor an array of bytes")
        encoded.append(image)
    return Pack(encoded, [bool(flag) for flag in flags])
