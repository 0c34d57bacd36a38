"""Figures of docs/use.md and docs/page.md: eyes found in aligned photos, and times.

    python tests/slow/front_door.py --photos=PHOTOS --model=MODEL.onnx --page=PAGE

PHOTOS: a folder of photos of 200 x 250 px whose eyes are at (75, 125) and (125, 125).  MODEL.onnx:
written by `fsketch export --format=onnx --model=sketch-small --uint8 MODEL.onnx`.  PAGE: a folder
written by `fsketch export --format=page PAGE`; needs Chromium and playwright (the extra `page`).
"""

import argparse
import io
import pathlib
import shutil
import statistics
import threading
import time

import numpy as np
from PIL import Image
from skimage import data

import fsketch
from fsketch.core import image_files
from fsketch.demo import serve
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
    import onnxruntime

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


def page(folder: pathlib.Path) -> None:
    """Prints the times of a first visit in headless Chromium, with the portrait of scikit-image."""
    from playwright import sync_api

    portrait = io.BytesIO()
    Image.fromarray(data.astronaut()).save(portrait, "PNG")
    given = {"name": "portrait.png", "mimeType": "image/png", "buffer": portrait.getvalue()}
    server = serve.server(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_api.sync_playwright() as driver:
        chromium = shutil.which("chromium")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        visit = browser.new_page()

        def draw() -> None:
            visit.set_input_files("#file", given)
            visit.wait_for_selector("body[data-state=working]")
            visit.wait_for_selector("body[data-state=result]", timeout=120_000)

        start = time.perf_counter()
        visit.goto(serve.address(server))
        visit.wait_for_selector("body[data-ready]", timeout=120_000)
        loaded = time.perf_counter() - start
        first, each = milliseconds(draw)
        print(f"page: loaded {loaded:.1f} s, first face {first / 1000:.2f} s,", end=" ")
        print(f"each further one {each / 1000:.2f} s")
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=pathlib.Path)
    parser.add_argument("--model")
    parser.add_argument("--page", type=pathlib.Path)
    flags = parser.parse_args()
    for run, given in ((eyes, flags.photos), (speed, flags.model), (page, flags.page)):
        if given:
            run(given)
