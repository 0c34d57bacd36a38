"""Time of the patch model on noise: against loops in numpy, and by the number of training pairs.

python tests/golden/time_patches.py [HEIGHT]     # of the image that loops take; 250 takes minutes

Seconds of the processors, which a busy machine does not change.
"""

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

CONFIG = shared.get_config()
ide.add_patches(CONFIG)
SETTINGS = coarse.settings(CONFIG.patches)


def timed(function, *arguments):
    start = time.process_time()
    result = jax.block_until_ready(function(*arguments))
    return result, time.process_time() - start


def ours(count, height):
    """(given and wanted images, iterations, seconds of one image)."""
    rng = np.random.default_rng(0)
    given = rng.integers(0, 256, (count + 1, height, 200, 1)).astype(np.uint8)
    wanted = rng.integers(0, 256, (count, height, 200, 1)).astype(np.uint8)
    names = [str(i) for i in range(count)]
    index = model.fit(given[:count], wanted, names, np.arange(count), SETTINGS)
    program = jax.jit(lambda *arrays: model.translate(*arrays, SETTINGS))
    image = images.from_uint8(jax.numpy.asarray(given[count]))
    arguments = model.ready(index), image, np.ones(count, bool)
    runs = [timed(program, *arguments) for _ in range(3)]  # the first compiles
    return (given, wanted), int(runs[0][0].solution.num_iterations), min(run[1] for run in runs)


def main():
    height = int(sys.argv[1]) if len(sys.argv) > 1 else 250
    (given, wanted), sweeps, fast = ours(88, height)
    everyone = np.ones(88, bool)
    _, slow = timed(
        lambda: patch_loops.translate(
            given[:88] / 255, wanted / 255, given[88] / 255, everyone, settings=SETTINGS,
            sweeps=sweeps,
        )
    )  # fmt: skip
    print(f"200 x {height} px, 88 pairs: {fast:.2f} s, loops {slow:.1f} s, {slow / fast:.0f} times")
    for count in (88, 268, 694):
        _, sweeps, fast = ours(count, 250)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{count} pairs: {fast:.2f} s, {sweeps} iterations, peak {peak:.2f} GB so far")


if __name__ == "__main__":
    main()
