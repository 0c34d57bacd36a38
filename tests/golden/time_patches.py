"""Time of the patch model on noise: against loops in numpy, and by the number of training pairs.

python tests/golden/time_patches.py [--height=250]     # 250: all of it, minutes for the loops

Seconds of the clock, and of the processors: on a busy machine only the latter say something.
"""

import argparse
import pathlib
import resource
import sys
import time

import numpy as np
import patch_loops

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

import jax

from fsketch.configs import ide, shared
from fsketch.core import images
from fsketch.data import coarse
from fsketch.patches import model


def default_settings():
    """Those of configs/ide.py."""
    config = shared.get_config()
    ide.add_patches(config)
    return coarse.settings(config.patches)


def timed(function, *arguments):
    """(result, seconds by the clock, seconds of processors)."""
    clock, processors = time.perf_counter(), time.process_time()
    result = jax.block_until_ready(function(*arguments))
    return result, time.perf_counter() - clock, time.process_time() - processors


def ours(count, height, *, repeats=2):
    """(arrays, iterations, the least of the clock, of the processors) of one image."""
    rng = np.random.default_rng(0)
    given = rng.integers(0, 256, (count + 1, height, 200, 1)).astype(np.uint8)
    wanted = rng.integers(0, 256, (count, height, 200, 1)).astype(np.uint8)
    settings = default_settings()
    names = [str(i) for i in range(count)]
    index = model.fit(given[:count], wanted, names, np.arange(count), settings)
    fitted, admitted = model.ready(index), np.ones(count, bool)
    program = jax.jit(lambda *arrays: model.translate(*arrays, settings))
    image = images.from_uint8(jax.numpy.asarray(given[count]))
    program(fitted, image, admitted).image.block_until_ready()
    runs = [timed(program, fitted, image, admitted) for _ in range(repeats)]
    iterations = int(runs[0][0].solution.num_iterations)
    return (given, wanted), iterations, min(run[1] for run in runs), min(run[2] for run in runs)


def main():
    """Prints a line for each measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--height", type=int, default=250, help="of the image that loops take")
    height = parser.parse_args().height
    (given, wanted), sweeps, clock, processors = ours(88, height)
    print(f"200 x {height} px, 88 pairs, {sweeps} iterations: {clock:.2f} s, {processors:.2f} s")
    _, slow_clock, slow = timed(
        lambda: patch_loops.translate(
            given[:88] / 255, wanted / 255, given[88] / 255, np.ones(88, bool),
            settings=default_settings(), sweeps=sweeps,
        )
    )  # fmt: skip
    print(f"loops, as many sweeps: {slow_clock:.1f} s, {slow:.1f} s; {slow / processors:.0f} times")
    for count in (88, 268, 694):
        _, sweeps, clock, processors = ours(count, 250)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"200 x 250 px, {count} pairs, {sweeps} iterations: {clock:.2f} s, {processors:.2f} s, "
            f"peak {peak:.2f} GB so far"
        )


if __name__ == "__main__":
    main()
