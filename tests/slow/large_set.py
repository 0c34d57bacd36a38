"""What a set that does not fit in memory costs: peak memory, and pairs/s of the input alone.

    python tests/slow/large_set.py FOLDER [--pairs=20000] [--steps=20]

FOLDER keeps the set, as many synthetic pairs of 64 x 80 px; it is made by the first call.  Each
form runs in a process of its own: a tiny KD trained for some steps, and the training stream read
without training, by threads and by processes.

20 000 pairs are 488 MB decoded and 105 MB stored.  On two CPU cores with other work beside: a tiny
KD peaks at 1328 MB with the set in memory and at 818 MB with a limit of 64 MB.  The stream alone
gives 134,000 pairs/s from memory (752 MB), and below the limit 2,000 pairs/s by threads, whatever
their number (325 MB), 1,900 by one process and 1,400 by two (280 MB each beside).
"""

import argparse
import io
import json
import pathlib
import resource
import subprocess
import sys
import time

import numpy as np

SIZE = (80, 64)  # height, width
CANVAS_PX = 80
BATCH = 16


def make(folder, count):
    """A prepared set `paired_folder` of cheap images, written past the checks of its builder."""
    import tensorflow_datasets as tfds
    from PIL import Image

    from fsketch.tfds_builders import paired_folder

    def png(pixels):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format="PNG", compress_level=1)
        file.seek(0)
        return file

    def examples(count):
        rng = np.random.default_rng(0)
        y, x = np.mgrid[: SIZE[0], : SIZE[1]]
        for i in range(count):
            slope = rng.uniform(0, 1.5, 3)
            photo = (x[..., None] * slope + y[..., None] * (1.5 - slope)).astype(np.uint8)
            photo[::4, ::4] ^= rng.integers(0, 64, (SIZE[0] // 4, SIZE[1] // 4, 3), np.uint8)
            yield (
                i,
                {
                    "photo": png(photo),
                    "sketch": png(photo[..., 0]),
                    "id": f"n{i:06d}",
                    "identity": i,
                },
            )

    with tfds.core.registered.skip_registration():

        class Synthetic(paired_folder.Builder):
            name = paired_folder.Builder.name

            def _split_generators(self, dl_manager):
                return {"train": examples(count), "test": examples(8)}

    tfds.disable_progress_bar()
    data_dir = folder / f"{Synthetic.name}-synthetic"
    Synthetic(data_dir=str(data_dir)).download_and_prepare(file_format="array_record")


def settings(folder, memory_mb, num_workers):
    """A tiny KD without a teacher."""
    from fsketch.configs import kd

    config = kd.tiny()
    with config.unlocked():
        config.loss_weights.mimic = config.loss_weights.transform = 0.0
        config.data.name, config.data.data_dir = "paired_folder", str(folder)
        config.data.train, config.data.test, config.data.validation = "train", "test", ""
        config.data.canvas_px = config.data.crop_px = CANVAS_PX
        config.batch_size, config.best_metric = BATCH, ""
        if "memory_mb" in config.data:  # absent before there was a choice
            config.data.memory_mb, config.data.num_workers = memory_mb, num_workers
    return config


def train(folder, *, steps, memory_mb):
    """Peak resident memory of a short run, in MB, and its seconds."""
    import tempfile

    from fsketch import train

    config = settings(folder, memory_mb, 0)
    with config.unlocked():
        config.num_steps = config.save_every_steps = config.eval_every_steps = steps
        config.num_samples = 2
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as workdir:
        train.train(config, workdir)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_mb": round(peak / 1024), "seconds": round(time.perf_counter() - start, 1)}


def read(folder, *, memory_mb, num_threads, num_workers):
    """Pairs/s of the training stream; the time until it is ready; peak memory with workers'."""
    import os

    from fsketch import evaluate
    from fsketch.data import pipeline

    start = time.perf_counter()
    data = settings(folder, memory_mb, num_workers).data
    canvases = evaluate.load_canvases(data, "train", canvas_px=CANVAS_PX)
    os.cpu_count = lambda: num_threads
    stream = pipeline.training_batches(
        canvases,
        0,
        batch_size=BATCH,
        seed=0,
        process=0,
        num_processes=1,
        num_workers=num_workers,
    )
    for _ in range(50):
        next(stream)
    begin, count = time.perf_counter(), 0
    while time.perf_counter() < begin + 8:
        next(stream)
        count += BATCH
    rate = count / (time.perf_counter() - begin)
    stream.close()
    own, others = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "pairs_per_sec": round(rate),
        "ready_sec": round(begin - start, 1),
        "peak_mb": round(own),
        "worker_peak_mb": round(others),
    }


def main():
    """Runs every form in a process of its own and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--form", type=json.loads, help="one form, in this process")
    given = parser.parse_args()
    if given.form:
        function = {"train": train, "read": read}[given.form.pop("what")]
        print(json.dumps(function(given.folder, **given.form)))
        return
    if not given.folder.exists():
        start = time.perf_counter()
        make(given.folder, given.pairs)
        print(f"{given.pairs} pairs made in {time.perf_counter() - start:.0f} s")
    for memory_mb in (4096, 64):
        ask(given.folder, what="train", steps=given.steps, memory_mb=memory_mb)
    for memory_mb, num_threads, num_workers in (
        (4096, 1, 0),
        (64, 0, 0),
        (64, 1, 0),
        (64, 2, 0),
        (64, 4, 0),
        (64, 1, 1),
        (64, 1, 2),
    ):
        ask(
            given.folder,
            what="read",
            memory_mb=memory_mb,
            num_threads=num_threads,
            num_workers=num_workers,
        )


def ask(folder, **form):
    """Prints what one form says."""
    command = [sys.executable, __file__, str(folder), f"--form={json.dumps(form)}"]
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    print(form, out.stdout.decode().splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
