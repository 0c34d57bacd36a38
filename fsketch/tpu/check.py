"""fsketch tpu-check: what a TPU will make of an experiment, by its compiler, without a TPU.

    fsketch tpu-check --config=configs/kd.py [--topology=v5e:2x4] [--batch=16]
    fsketch tpu-check --table=tpu.json --topology=v5e,v5p,v6e     all methods, as Markdown

Compiles the training step and `predict` for each topology by libtpu (extra `tpu`), and prints FLOP
and memory traffic of one chip's program, the times that they take at the chip's published peaks
(the roofline; a real step takes longer), memory, and what moves most bytes.  Compiling takes half a
minute, with --full minutes.  FLOP and bytes are the compiler's; times are predictions.
"""

import argparse
from collections.abc import Iterator, Sequence

import jax
import tabulate

from fsketch.core import arguments, config_files, errors, progress
from fsketch.tpu import chips, compiled, hlo, table


def main(given: Sequence[str]) -> int:
    """Compiles and prints."""
    name, fields, rest = config_files.take(given)
    args = parser().parse_args(rest)
    slices = [chips.parse(text) for text in args.topology or ["v5e"]]
    jax.config.update("jax_platforms", "cpu")  # nothing runs, also where there is a TPU
    devices = {wanted: chips.devices(wanted) for wanted in slices}
    if args.table:
        programs = args.program or compiled.PROGRAMS
        print(table.make(args.table, slices, programs, full=args.full))
        return 0
    config = config_files.load(name, fields)
    if "stages" in config:
        raise errors.UsageError(
            f"--config: expected one configuration, got the stages {', '.join(config.order)} of an "
            "experiment; check the configuration of one of them"
        )
    run = compiled.Run(config)
    for wanted in slices:
        for program in args.program or compiled.PROGRAMS:
            counts = []
            for pairs in batches(args.batch, config.batch_size, wanted.num_chips):
                progress.say(f"compiling {program} for {wanted.name}, {pairs} pairs a chip")
                lowered = run.lowered(program, pairs, devices[wanted])
                counts.append(compiled.count(lowered, pairs, full=args.full))
                print("\n".join(lines(program, wanted, counts[-1], top=args.top)), flush=True)
            print(largest_line(counts, chips.CHIPS[wanted.chip]))
    return 0


def parser() -> argparse.ArgumentParser:
    """The flags, without --config and its fields."""
    result = arguments.Parser("tpu-check", description=__doc__.partition("\n\n")[0])
    result.several(
        "--topology", commas=True, metavar="SLICE",
        help="chips: v5e (default: one), v5e:2x4 (a host), v5p:2x2x2 (two), v6e:4x4 ...",
    )  # fmt: skip
    result.several("--batch", commas=True, metavar="N", help="pairs a chip; default: the config's")
    result.several("--program", commas=True, known=compiled.PROGRAMS, help="default: both")
    result.add_argument(
        "--full", action="store_true",
        help="compile with all optimisations, which takes many times as long",
    )  # fmt: skip
    result.path("--table", metavar="FILE", help="all methods; keeps rows in FILE and adds to them")
    result.add_argument("--top", type=int, default=12, help="consumers to print")
    return result


def batches(asked: Sequence[str], batch_size: int, num_chips: int) -> list[int]:
    """Pairs a chip: those asked for, or the configuration's, at least one."""
    if not all(text.isdecimal() and int(text) for text in asked):
        raise errors.UsageError(f"--batch: expected numbers from 1, got {' '.join(asked)}")
    return [int(text) for text in asked] or [max(1, batch_size // num_chips)]


def lines(
    program: str, wanted: chips.Slice, counted: compiled.Counted, *, top: int
) -> Iterator[str]:
    """The report of one compiled program."""
    chip = chips.CHIPS[wanted.chip]
    hosts = f"{wanted.num_hosts} host{'s' * (wanted.num_hosts > 1)}"
    yield (
        f"\n{program}, {wanted.name} ({wanted.num_chips} x {wanted.chip} on {hosts}), "
        f"{counted.pairs} pairs a chip, compiled in {counted.seconds:.0f} s"
    )
    memory = f"{counted.held / compiled.GIB:.2f} GiB of {chip.hbm_gib:g}"
    if not counted.fits:
        yield f"  does not fit: needs {memory}"
        return
    roof = chips.roofline(counted.flop, counted.moved, chip)
    yield f"  arithmetic  {counted.flop / 1e12:8.3f} TFLOP  {1e3 * roof.arithmetic_sec:8.2f} ms"
    yield f"  traffic     {counted.moved / 1e9:8.3f} GB     {1e3 * roof.memory_sec:8.2f} ms"
    yield f"  ({counted.accessed / 1e9:.3f} GB by the compiler's count, on-chip memory included)"
    rate = counted.pairs * wanted.num_chips / roof.seconds
    share = roof.arithmetic_sec / roof.seconds
    yield f"  bound by {roof.bound}: at most {share:.0%} of the peak, {rate:.0f} pairs/s"
    yield (
        f"  memory      {memory}: arguments {counted.arguments / compiled.GIB:.2f}, temporary "
        f"{counted.temporary / compiled.GIB:.2f}"
    )
    total = sum(one.bytes for one in counted.consumers)
    by_part = [(size, cycles, name) for name, size, cycles in hlo.by_part(counted.consumers)]
    by_operation = [(one.bytes, one.cycles, told(one)) for one in counted.consumers]
    for title, rows in (("by part", by_part), ("by operation", by_operation)):
        shown = [(f"{size / 1e9:.3f}", f"{size / total:.0%}", f"{cycles / 1e6:.2f}", name)
                 for size, cycles, name in rows[:top]]  # fmt: skip
        yield tabulate.tabulate(shown, ["GB", "share", "Mcycles", title], disable_numparse=True)


def told(one: hlo.Consumer) -> str:
    """An operation in one line: opcode, result, the last of its path."""
    shape = one.operation.shape
    path = one.operation.where.partition("/")[2]
    return f"{one.operation.kind} {shape[:44]}{'...' * (len(shape) > 44)} {path[-60:]}"


def largest_line(counts: Sequence[compiled.Counted], chip: chips.Chip) -> str:
    """The largest batch, by one compiled batch or by two."""
    basis = " and ".join(str(one.pairs) for one in sorted(counts, key=lambda one: one.pairs)[-2:])
    pairs = compiled.largest(counts, chip.hbm_gib * compiled.GIB)
    return f"  largest batch: about {pairs} pairs a chip, by the memory of {basis} pairs"
