"""Processor time from the launch of a command to its first result, with an empty compilation cache
("cold") and with one that an earlier start filled ("warm"); medians of fresh processes.

    python benchmarks/startup.py sketch                     a photo of one face -> the first sketch
    python benchmarks/startup.py train --config=configs/kd.py [--config.FIELD=VALUE ...]
                                                            -> the end of the first training step

`fsketch prepare` draws the faces and trains the teacher, beside the workdir, before; the measured
ones start in a fresh workdir.  Processor time includes all threads, and depends little on
what else the machine does.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def child(command: str, given: list[str]) -> None:
    """Runs a command up to its first result, then prints the processor seconds until each phase."""
    from fsketch.core import startup

    startup.prepare()
    from jax import monitoring

    counts = {"programs": 0, "from the cache": 0}

    def count(event: str, *_: object, **__: object) -> None:
        counts["programs"] += event == "/jax/core/compile/backend_compile_duration"
        counts["from the cache"] += event == "/jax/compilation_cache/cache_hits"

    monitoring.register_event_listener(count)
    monitoring.register_event_duration_secs_listener(count)
    marks = {}

    def before(owner: object, name: str, phase: str) -> None:
        """Marks the phase that ends where this function is first called."""
        function = getattr(owner, name)

        def marked(*args: object, **options: object) -> object:
            marks.setdefault(phase, time.process_time())
            return function(*args, **options)

        setattr(owner, name, marked)

    if command == "sketch":
        from fsketch import own_photos

        marks["imported"] = time.process_time()
        own_photos.sketch(given)
    else:
        from fsketch import programs, train, training_log

        marks["imported"] = time.process_time()
        before(train._Training, "__init__", "data read")
        before(train._Training, "to_the_end", "nets ready")
        training_log.Window.compiled = lambda self: stop()

    def stop() -> None:
        marks["first result"] = time.process_time()
        print(json.dumps({**marks, **counts}), flush=True)
        os._exit(0)

    if command == "train":
        programs.train(given)
    stop()


def start(command: str, given: list[str], cache: pathlib.Path) -> dict[str, float]:
    """What `child` measured in a fresh process with this cache."""
    words = [sys.executable, __file__, "--child", command, *given]
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    run = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(run.stderr)
    return json.loads(run.stdout.splitlines()[-1])


def photo(folder: pathlib.Path) -> pathlib.Path:
    """The astronaut of scikit-image as a file."""
    import skimage.data
    from PIL import Image

    Image.fromarray(skimage.data.astronaut()).save(folder / "photo.png")
    return folder / "photo.png"


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("command", choices=("sketch", "train"))
    parser.add_argument("--repeats", type=int, default=5)
    flags, rest = parser.parse_known_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        measure(flags, rest, folder)
    finally:
        shutil.rmtree(folder)


def measure(flags: argparse.Namespace, rest: list[str], folder: pathlib.Path) -> None:
    if flags.command == "sketch":
        given = [str(photo(folder)), str(folder / "out"), "--overwrite"]
    else:
        given = [*rest, f"--workdir={folder / 'run'}"]
        prepare = [sys.executable, "-m", "fsketch", "prepare", *given]  # the teacher, too
        subprocess.run(prepare, check=True, capture_output=True)
    rows = {"cold": [], "warm": []}
    for _ in range(flags.repeats):
        shutil.rmtree(folder / "cache", ignore_errors=True)
        for kind in rows:
            shutil.rmtree(folder / "run", ignore_errors=True)
            rows[kind].append(start(flags.command, given, folder / "cache"))
    for kind, measured in rows.items():
        medians = {name: statistics.median(row[name] for row in measured) for name in measured[0]}
        print(kind, "  ".join(f"{name} {value:.4g}" for name, value in medians.items()))


if __name__ == "__main__":
    main()
