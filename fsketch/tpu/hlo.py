"""Memory traffic of a compiled program, operation by operation, from its text.

The text is optimised HLO with layouts: `bf16[2,64,64,16]{3,0,2,1:T(8,128)(2,1)S(1)}` names its axes
from minor to major, the tile that the last ones are padded to, and its memory (HBM without S).
An operation reads its operands and writes its result once; what lies in on-chip memory is free.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

_BITS = {
    "pred": 8, "s4": 4, "u4": 4, "s8": 8, "u8": 8, "s16": 16, "u16": 16, "bf16": 16, "f16": 16,
    "s32": 32, "u32": 32, "f32": 32, "s64": 64, "u64": 64, "f64": 64, "c64": 64,
}  # fmt: skip
_SHAPE = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\](?:\{([\d,]*)(?::([^}]*))?\})?")
_TILE = re.compile(r"T\(([\d,]+)\)")
_MEMORY = re.compile(r"S\((\d+)\)")
_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_NAME = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = ")
_CALLED = re.compile(r"(?:calls|body|to_apply)=%?([\w.\-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_OP_NAME = re.compile(r'op_name="([^"]*)"')
# They move nothing: names for memory, or the second half of an operation.
_FREE = {
    "parameter", "constant", "bitcast", "get-tuple-element", "tuple", "after-all", "partition-id",
    "replica-id",
}  # fmt: skip
_SLICES = {"slice", "dynamic-slice", "gather"}


class Operation(NamedTuple):
    """One operation of the program.

    kind: its opcode.  shape: of its result, as text.  operands: names.  called: the computation of
    a fusion, a loop or a call.  trips: rounds of a loop.  cycles: by the compiler's estimate, 0 if
    it made none.  where: the path of modules and primitives in the source.
    """

    name: str
    kind: str
    shape: str
    operands: tuple[str, ...]
    called: str
    trips: int
    cycles: int
    where: str


class Consumer(NamedTuple):
    """What an operation moves to and from HBM in one run of the program, in all its rounds."""

    operation: Operation
    bytes: int
    cycles: int


def padded_bytes(shape: str) -> int:
    """Bytes in HBM of an array's or a tuple's shape with layout, padded to its tiles."""
    return sum(_array_bytes(*match.groups()) for match in _SHAPE.finditer(shape))


def _array_bytes(kind: str, axes: str, order: str | None, layout: str | None) -> int:
    memory = _MEMORY.search(layout or "")
    if kind not in _BITS or (memory and memory[1] != "0"):
        return 0
    sizes = [int(size) for size in axes.split(",") if size]
    minor_first = [int(axis) for axis in (order or "").split(",") if axis]
    physical = [sizes[axis] for axis in reversed(minor_first)] or sizes
    tile = _TILE.search(layout or "")
    for back, side in enumerate(reversed([int(n) for n in tile[1].split(",")] if tile else []), 1):
        if back <= len(physical):
            physical[-back] = -(-physical[-back] // side) * side
    return math.prod(physical) * _BITS[kind] // 8


def computations(text: str) -> tuple[str, dict[str, dict[str, Operation]]]:
    """(name of the entry, {computation: {operation's name: operation}}) of a module's text."""
    entry, found, current = "", {}, None
    for line in text.splitlines():
        if head := _HEAD.match(line):
            current = found[head[2]] = {}
            entry = head[2] if head[1] else entry
        elif current is not None and (name := _NAME.match(line)):
            operation = _parsed(name[1], line[name.end() :])
            current[operation.name] = operation
    if not entry:
        raise ValueError("program: expected the text of an HLO module with an ENTRY, got none")
    return entry, found


def _parsed(name: str, rest: str) -> Operation:
    """An operation from the text after `name = `."""
    end = _closed(rest) if rest.startswith("(") else rest.index(" ")
    shape, rest = rest[:end], rest[end:].lstrip()
    kind, _, arguments = rest.partition("(")
    stop = _closed("(" + arguments) - 1
    attributes = arguments[stop:]
    operands = tuple(re.findall(r"%([\w.\-]+)", arguments[:stop]))
    called, trips, cycles, where = (
        match[1] if (match := pattern.search(attributes)) else default
        for pattern, default in ((_CALLED, ""), (_TRIPS, "1"), (_CYCLES, "0"), (_OP_NAME, ""))
    )
    return Operation(name, kind, shape, operands, called, int(trips), int(cycles), where)


def _closed(text: str) -> int:
    """The place after the bracket that closes the first one."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            return place + 1
    raise ValueError(f"program: expected closed brackets, got {text[:60]!r}")


def consumers(text: str) -> list[Consumer]:
    """The operations of a compiled program that move memory, largest traffic first."""
    entry, found = computations(text)
    return sorted(_of(entry, found, rounds=1), key=lambda one: one.bytes, reverse=True)


def _of(
    name: str, found: Mapping[str, Mapping[str, Operation]], *, rounds: int
) -> Iterator[Consumer]:
    here = found[name]
    for operation in here.values():
        if operation.kind in ("while", "call"):
            yield from _of(operation.called, found, rounds=rounds * operation.trips)
        elif operation.kind not in _FREE and not operation.kind.endswith("-done"):
            moved = _written(operation) + _read(operation, here, found)
            yield Consumer(operation, rounds * moved, rounds * operation.cycles)


def _written(operation: Operation) -> int:
    if operation.kind.endswith("-start"):  # (result, operand, context): the second is no copy
        first = _SHAPE.search(operation.shape)
        return _array_bytes(*first.groups()) if first else 0
    return padded_bytes(operation.shape)


def _read(
    operation: Operation,
    here: Mapping[str, Operation],
    found: Mapping[str, Mapping[str, Operation]],
) -> int:
    """Bytes of the operands, of each no more than what is cut out of it."""
    if operation.kind in _SLICES:
        return padded_bytes(operation.shape)
    inside = found.get(operation.called, {}) if operation.kind == "fusion" else {}
    parameters = [inner for inner in inside.values() if inner.kind == "parameter"]
    total = 0
    for place, name in enumerate(operation.operands):
        if name in operation.operands[:place]:
            continue  # read once
        size = padded_bytes(here[name].shape) if name in here else 0
        if place < len(parameters):
            size = min(size, _used(parameters[place].name, inside.values(), size))
        total += size
    return total


def _used(parameter: str, inside: Iterable[Operation], whole: int) -> int:
    """Bytes that a fusion reads of a parameter: all, unless it only cuts pieces out of it."""
    users = [inner for inner in inside if parameter in inner.operands]
    if users and all(inner.kind in _SLICES for inner in users):
        return sum(padded_bytes(inner.shape) for inner in users)
    return whole


def part(where: str) -> str:
    """The part of the program that a path names: its modules, numbers dropped, and its direction.

    "jit(f)/transpose(jvp(Student))/translator/Conv_3/mul" -> "Student/translator/Conv, backward".
    """
    backward = "transpose(" in where
    inner = where.partition("/")[2].replace("shard_map/", "")
    names = re.findall(r"(?:^|/)(?:\w+\()*([A-Za-z]\w*)\)*(?=/)", inner)
    modules = [re.sub(r"_\d+$", "", name) for name in names]
    return "/".join(modules[:3]) + (", backward" if backward else "")


def by_part(found: Iterable[Consumer]) -> list[tuple[str, int, int]]:
    """(part, bytes, cycles) summed over the parts, largest traffic first."""
    sums: dict[str, list[int]] = {}
    for one in found:
        total = sums.setdefault(part(one.operation.where) or one.operation.kind, [0, 0])
        total[0] += one.bytes
        total[1] += one.cycles
    return sorted(((name, *pair) for name, pair in sums.items()), key=lambda row: -row[1])
