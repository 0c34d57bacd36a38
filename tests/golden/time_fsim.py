"""Times FSIM beside piq's on this machine, in turn.

    python tests/golden/time_fsim.py PYTHON

PYTHON is an interpreter with torch and piq.  Prints milliseconds a pair of 200 x 250 px, medians
over rounds.  Both use all cores; where other programs run, compare one core each
(`taskset -c 0`), since piq's threads wait for each other.
"""

import pathlib
import subprocess
import sys
import time

import image_pairs
import numpy as np

NUM_PAIRS, BATCH, ROUNDS = 64, 16, 7  # BATCH of piq; ours is that of the scorer


def pairs(channels):
    return image_pairs.draw(0, size=(250, 200), number=NUM_PAIRS, channels=channels)


def serve_piq():
    """The other process: for each line "channels batch", seconds of FSIM over all pairs."""
    import piq
    import torch

    for line in sys.stdin:
        channels, batch = map(int, line.split())
        x, y = (
            torch.tensor(np.moveaxis(image, -1, 1).astype(np.float32)) for image in pairs(channels)
        )
        options = {"data_range": 255.0, "chromatic": channels == 3, "reduction": "none"}
        with torch.no_grad():
            piq.fsim(x[:batch], y[:batch], **options)  # starts threads, plans transforms
            start = time.perf_counter()
            for i in range(0, NUM_PAIRS, batch):
                piq.fsim(x[i : i + batch], y[i : i + batch], **options)
        print(time.perf_counter() - start, flush=True)


def main():
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
    from fsketch.scoring import measures, protocols

    def ours(name, channels):
        """As fsketch score does it: batches of 16, two at a time."""
        scorer = protocols.ImageScorer(measures.ready((name,), measures.Options()))
        images = pairs(channels)
        start = time.perf_counter()
        for pair in zip(*images, strict=True):
            scorer.add(*pair)
        scorer.scores()
        return time.perf_counter() - start

    with subprocess.Popen(
        [sys.argv[1], __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        for name, channels in (("fsim", 1), ("fsimc", 3)):
            ours(name, channels)  # compiles
            rows = []
            for _ in range(ROUNDS):
                rows.append([ours(name, channels)])
                for batch in (1, BATCH):
                    print(channels, batch, file=other.stdin, flush=True)
                    rows[-1].append(float(other.stdout.readline()))
            here, single, batched = np.median(rows, axis=0) * 1e3 / NUM_PAIRS
            print(f"{name}: {here:.1f} ms, piq {single:.1f}, in batches of {BATCH} {batched:.1f}")
        other.stdin.close()


if __name__ == "__main__":
    serve_piq() if "--serve" in sys.argv else main()
