"""Times FSIM beside piq's on this machine, in turn, and all metrics on 338 pairs.

    python tests/golden/time_fsim.py PYTHON --rounds=7

from the repository root; PYTHON is an interpreter with torch and piq.  Prints milliseconds a pair
of 200 x 250 px: medians over the rounds, and the ratio of each round.  Both use all cores; where
other programs run, compare one core each (`taskset -c 0`), since piq's threads wait for each other.
"""

import argparse
import pathlib
import subprocess
import sys
import time

import image_pairs
import numpy as np

NUM_PAIRS = 64
BATCH = 16  # of piq; ours is that of the scorer
NUM_CUFS = 338  # test pairs
SIZE = (250, 200)


def serve_piq():
    """The other process: for each line "channels batch", seconds of FSIM over all pairs."""
    import piq
    import torch

    for line in sys.stdin:
        channels, batch = map(int, line.split())
        x, y = (
            torch.tensor(np.moveaxis(image, -1, 1).astype(np.float32))
            for image in image_pairs.draw(0, size=SIZE, number=NUM_PAIRS, channels=channels)
        )
        options = {"data_range": 255.0, "chromatic": channels == 3, "reduction": "none"}
        with torch.no_grad():
            piq.fsim(x[:batch], y[:batch], **options)  # starts threads, plans transforms
            start = time.perf_counter()
            for i in range(0, NUM_PAIRS, batch):
                piq.fsim(x[i : i + batch], y[i : i + batch], **options)
        print(time.perf_counter() - start, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
    import jax

    from fsketch.metrics import fsim, scoot, ssim
    from fsketch.scoring import measures, protocols

    def seconds(function, *arrays):
        start = time.perf_counter()
        jax.block_until_ready(function(*arrays))
        return time.perf_counter() - start

    def scored(truth, output, name):
        """As fsketch.score does it: batches of 16, two at a time."""
        scorer = protocols.ImageScorer(measures.ready((name,), measures.Options()))
        for pair in zip(truth, output, strict=True):
            scorer.add(*pair)
        return scorer.scores()[name]

    other = subprocess.Popen(
        [args.python, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    for metric, channels in ((fsim.fsim, 1), (fsim.fsimc, 3)):
        pair = image_pairs.draw(0, size=SIZE, number=NUM_PAIRS, channels=channels)
        name = metric.__name__
        seconds(scored, *pair, name)  # compiles
        rows = []
        for _ in range(args.rounds):
            row = [seconds(scored, *pair, name)]
            for batch in (1, BATCH):
                other.stdin.write(f"{channels} {batch}\n")
                other.stdin.flush()
                row.append(float(other.stdout.readline()))
            rows.append(np.array(row) * 1e3 / NUM_PAIRS)
        ours, single, batched = np.median(rows, axis=0)
        ratios = sorted(min(row[1:]) / row[0] for row in rows)
        print(
            f"{name}: ours {ours:.1f} ms, piq {single:.1f} one by one, "
            f"{batched:.1f} in batches of {BATCH}; the faster piq over ours, by round: "
            + " ".join(f"{ratio:.1f}" for ratio in ratios)
        )
        for number in (NUM_PAIRS, NUM_CUFS):
            shape = jax.ShapeDtypeStruct((number, *SIZE, channels), np.uint8)
            memory = jax.jit(metric).lower(shape, shape).compile().memory_analysis()
            print(f"  buffers for {number} pairs: {memory.temp_size_in_bytes / 1e6:.0f} MB")
    other.stdin.close()
    other.wait()

    def all_three(truth, output):
        return [metric(truth, output) for metric in (ssim.ssim, fsim.fsim, scoot.scoot)]

    pair = [np.repeat(i, 22, axis=0)[:NUM_CUFS] for i in image_pairs.draw(0, size=SIZE, number=16)]
    jax.clear_caches()
    compiled = jax.jit(all_three)
    first, second = seconds(compiled, *pair), seconds(compiled, *pair)
    print(
        f"SSIM, FSIM, Scoot of {NUM_CUFS} pairs: {first:.1f} s with compiling, then {second:.1f} s"
    )


if __name__ == "__main__":
    serve_piq() if "--serve" in sys.argv else main()
