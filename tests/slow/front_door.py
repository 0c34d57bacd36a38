"""Figures of docs/use.md: eyes found in aligned photos, and the time of a model by its runtimes.

    python tests/slow/front_door.py PHOTOS MODEL.onnx

PHOTOS: a folder of photos of 200 x 250 px whose eyes are at (75, 125) and (125, 125).  MODEL.onnx:
written by `fsketch export --format=onnx --model=sketch-small --uint8 MODEL.onnx`.
"""

import pathlib
import statistics
import sys
import time

import numpy as np
import onnxruntime

import fsketch
from fsketch.core import image_files
from fsketch.faces import align, detector

REPEATS = 20


def eyes(folder: pathlib.Path) -> None:
    """Prints how far the found eyes are from their places, in px."""
    errors, missed = [], 0
    for path in sorted(folder.iterdir()):
        with image_files.open_image(path) as image:
            faces = detector.load().find(np.asarray(image.convert("RGB")))
        missed += not faces
        errors += [faces[0].eyes - np.array(align.EYES)] if faces else []
    errors = np.stack(errors)
    away, centred = (np.linalg.norm(x, axis=-1) for x in (errors, errors - errors.mean(0)))
    print(f"{len(errors)} found, {missed} missed; eyes {away.mean():.2f} px away, most", end=" ")
    print(f"{away.max():.1f}; {centred.mean():.2f} after a constant offset")


def milliseconds(function) -> tuple[float, float]:
    """(the first call, the median of REPEATS more)."""
    times = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - start))
    return times[0], statistics.median(times[1:])


def speed(path: str) -> None:
    """Prints the time of one image: in ONNX Runtime on one thread, and by the library."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    canvas = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3)).astype(np.uint8)
    name, translate = session.get_inputs()[0].name, fsketch.load().translator("to_sketch")
    for label, function in (
        ("onnxruntime", lambda: session.run(None, {name: canvas})),
        ("fsketch", lambda: translate(canvas[0, :250, :200])),
    ):
        first, each = milliseconds(function)
        print(f"{label}: first {first:.0f} ms, then {each:.0f} ms an image")


if __name__ == "__main__":
    eyes(pathlib.Path(sys.argv[1]))
    speed(sys.argv[2])
