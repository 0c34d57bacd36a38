"""Processes that read ahead: what they give, errors, and that they end with their parent."""

import signal
import subprocess
import sys
import time

import numpy as np

from fsketch.data import lazy, pipeline, read_ahead, sources

PROGRAM = """
import multiprocessing, os, signal, sys, time
import numpy as np
from fsketch.data import pipeline, sources

def main(data_dir, manual_dir, out):
    pairs = sources.load("paired_folder", "train", data_dir=data_dir, manual_dir=manual_dir)
    canvases = pipeline.place(pairs, canvas_px=32, fill_photo=0, fill_sketch=255, memory_mb=0)
    stream = pipeline.training_batches(
        canvases, 3, batch_size=4, seed=0, process=0, num_processes=1, num_workers=2
    )
    batches = [next(stream) for _ in range(3)]  # both workers run
    for child in multiprocessing.active_children():  # as Ctrl-C and job schedulers do
        os.kill(child.pid, signal.SIGINT)
        os.kill(child.pid, signal.SIGTERM)
    batches += [next(stream) for _ in range(6)]
    np.savez(out, **{name: np.stack([b[name] for b in batches]) for name in batches[0]})
    print("workers", *(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(60)

if __name__ == "__main__":
    main(*sys.argv[1:])
"""


def test_workers_give_the_same_batches_and_end_with_a_killed_parent(pairs_folder, tmp_path):
    program, out = tmp_path / "program.py", tmp_path / "batches.npz"
    program.write_text(PROGRAM)
    folders = {"data_dir": str(tmp_path / "data"), "manual_dir": str(pairs_folder)}
    with subprocess.Popen(
        [sys.executable, program, *folders.values(), out], stdout=subprocess.PIPE, text=True
    ) as process:
        last = next(line for line in process.stdout if line.startswith("workers"))
        workers = [int(pid) for pid in last.split()[1:]]
        process.send_signal(signal.SIGKILL)
    assert len(workers) == 2
    ends = time.monotonic() + 10
    while alive := [pid for pid in workers if is_running(pid)]:
        assert time.monotonic() < ends, f"{alive} live on"
        time.sleep(0.05)

    pairs = sources.load("paired_folder", "train", **folders)
    canvases = pipeline.place(pairs, canvas_px=32, fill_photo=0, fill_sketch=255)
    with np.load(out) as batches:
        for k in range(9):
            expected = pipeline.training_batch(canvases, 3 + 4 * k, batch_size=4, seed=0)
            for name, array in expected.items():
                np.testing.assert_array_equal(batches[name][k], array)


def is_running(pid):
    """False for a zombie, too: whoever inherits it may not have asked for its exit code."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_threads_read_ahead_in_order_and_no_further_than_their_number():
    seen = []
    elements = lazy.Lazy(range(100), lambda i: (seen.append(i), i)[1])
    stream = read_ahead.read_ahead(elements, num_threads=2)
    assert [next(stream) for _ in range(5)] == [0, 1, 2, 3, 4]
    stream.close()
    assert sorted(seen) == list(range(len(seen))) and len(seen) <= 7
    seen.clear()
    assert next(read_ahead.read_ahead(elements, num_threads=0)) == 0
    assert seen == [0]
