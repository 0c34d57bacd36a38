"""TPU chips by their published numbers, slices of them by name, and the roofline."""

import contextlib
import importlib.util
import math
import os
from collections.abc import Sequence
from typing import NamedTuple

import jax

from fsketch.core import errors


class Chip(NamedTuple):
    """teraflops: bfloat16, dense.  gigabytes_per_sec: of its HBM.  hbm_gib.  published by Google.

    axes: of its slices.  largest_host: chips of a slice that one machine holds.
    """

    teraflops: float
    gigabytes_per_sec: float
    hbm_gib: float
    axes: int
    largest_host: int


CHIPS = {
    "v5e": Chip(197, 819, 16, axes=2, largest_host=8),
    "v5p": Chip(459, 2765, 95, axes=3, largest_host=4),
    "v6e": Chip(918, 1640, 32, axes=2, largest_host=8),
}


class Slice(NamedTuple):
    """chip: a key of CHIPS.  shape: chips along each axis, e.g. (2, 4)."""

    chip: str
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """As it was given: "v5e:2x4"."""
        return f"{self.chip}:{'x'.join(map(str, self.shape))}"

    @property
    def num_chips(self) -> int:
        """Chips on all hosts."""
        return math.prod(self.shape)

    @property
    def num_hosts(self) -> int:
        """Machines: one, or as many as hold four chips each."""
        single = self.num_chips <= CHIPS[self.chip].largest_host
        return 1 if single else self.num_chips // 4


def parse(text: str) -> Slice:
    """A slice from "v5e:2x4" or "v5p:2x2x1"; "v5e" is one chip.  UsageError for anything else."""
    name, colon, axes = text.partition(":")
    sizes = axes.split("x") if colon else ["1"] * (CHIPS[name].axes if name in CHIPS else 0)
    if (
        name not in CHIPS
        or len(sizes) != CHIPS[name].axes
        or not all(size.isdecimal() and int(size) for size in sizes)
    ):
        examples = [":".join([key, "x".join("2" * chip.axes)]) for key, chip in CHIPS.items()]
        raise errors.UsageError(
            f"--topology: expected one of {', '.join(CHIPS)}, or chips along each axis, e.g. "
            f"{', '.join(examples)}; got {text!r}"
        )
    return Slice(name, tuple(map(int, sizes)))


def devices(wanted: Slice) -> Sequence[jax.Device]:
    """The devices of a slice that is not there, to compile for.

    Raises UsageError without libtpu, ValueError for a slice that it does not know.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise errors.UsageError(
            "tpu-check: expected the package libtpu, the compiler for TPUs (Linux, no TPU needed), "
            "got none; pip install 'fsketch[tpu]'"
        )
    # Its questions to a machine with a TPU, and its lock on one.
    os.environ |= {"TPU_SKIP_MDS_QUERY": "1", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}
    from jax.experimental import topologies

    hosts = wanted.shape if wanted.num_hosts == 1 else (2, 2)
    hosts = (*hosts, 1, 1)[:3]
    with _quiet():
        try:
            return topologies.get_topology_desc(
                platform="tpu", topology_name=wanted.name, chips_per_host_bounds=hosts
            ).devices
        except jax.errors.JaxRuntimeError as error:
            raise ValueError(
                f"--topology: expected a slice that libtpu knows, got {wanted.name}: {error}"
            ) from error


@contextlib.contextmanager
def _quiet():
    """Without what libtpu prints to stderr about the TPU that is not there."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class Roofline(NamedTuple):
    """The least time of a program on a chip, and which of the two needs it."""

    arithmetic_sec: float
    memory_sec: float

    @property
    def seconds(self) -> float:
        """The longer of the two."""
        return max(self)

    @property
    def bound(self) -> str:
        """ "arithmetic" or "memory"."""
        return "arithmetic" if self.arithmetic_sec >= self.memory_sec else "memory"


def roofline(flop: float, moved_bytes: float, chip: Chip) -> Roofline:
    """The times that a chip's published peaks leave for this work."""
    return Roofline(flop / chip.teraflops / 1e12, moved_bytes / chip.gigabytes_per_sec / 1e9)
