"""Kills a tiny run again and again and flips bits of its checkpoints; prints what was lost.

    python tests/slow/kills.py --folder=DIR [--kills=100] [--flips=1000] [--seed=0]

An unbroken KD run of 40 steps is the measure.  A second one is killed (SIGKILL) at random moments,
every other time inside a save, and started again by the same command until it ends; where more
kills are asked for than it survives, another run begins.  After each kill every checkpoint that is
there is compared with the unbroken run's of its step, to the bit, and metrics.jsonl row by row;
at the end checkpoints, images and scores.  Then bits at random places of the finished run's
checkpoint files are flipped, one at a time: it must be refused, or change nothing that is read.
Exit code 1 if anything was lost.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from PIL import Image

from fsketch.convert import files
from fsketch.core import checkpoint, writers
from fsketch.nets import squeezenet

ROOT = pathlib.Path(__file__).parents[2]
STEPS, SAVE, EVALUATE, FASTEST_SEC = 40, 2, 8, 0.03
TIMINGS = ("images_per_sec",)


def main() -> int:
    parser = argparse.ArgumentParser(description="See the module's docstring.")
    parser.add_argument("--folder", required=True, type=pathlib.Path, help="new, or of such a test")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw, root = random.Random(given.seed), given.folder.absolute()
    shutil.rmtree(root, ignore_errors=True)
    command = prepare(root)
    subprocess.run([*command, f"--workdir={root / 'whole'}"], env=environment(root), check=True)
    counts = collections.Counter()
    while counts["kills"] < given.kills:
        counts["runs"] += 1
        broken(root, command, draw, given.kills, counts)
    counts += flips(root / "whole", draw, given.flips)
    print(json.dumps(counts, indent=1))
    lost = ("checkpoints unequal", "rows unequal", "ends unequal", "flips read", "flips crashed")
    return 1 if any(counts[name] for name in lost) else 0


def environment(root: pathlib.Path) -> dict[str, str]:
    """One CPU device, and compiled programs kept."""
    kept = {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": str(root / "xla")}
    return {**os.environ, **kept, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}


def prepare(root: pathlib.Path) -> list[str]:
    """Draws 14 pairs and a teacher; the command that trains on them, without its workdir."""
    rng, rows = np.random.default_rng(0), ["id,photo,sketch,split,identity"]
    y, x = np.mgrid[:30, :24]
    for i in range(14):
        blob = np.exp(-((x - rng.uniform(6, 18)) ** 2 + (y - rng.uniform(8, 22)) ** 2) / 40)
        photo = (blob[..., None] * rng.uniform(100, 250, 3)).astype(np.uint8)
        names = {"photo": photo, "sketch": (255 - 200 * blob).astype(np.uint8)}
        for kind, image in names.items():
            (root / "pairs" / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / "pairs" / kind / f"f{i:02d}.png")
        split = "train" if i < 8 else "validation" if i < 10 else "test"
        rows.append(f"f{i:02d},photo/f{i:02d}.png,sketch/f{i:02d}.png,{split},{i // 2}")
    (root / "pairs" / "pairs.csv").write_text("\n".join(rows) + "\n")
    variables = jax.jit(squeezenet.SqueezeNet().init)(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    weights, params = str(root / "teacher.safetensors"), jax.device_get(variables["params"])
    files.write(weights, params, net="squeezenet_v1.0", source="drawn at random", sha256="-")
    fields = {
        "data.name": "paired_folder", "data.manual_dir": root / "pairs",
        "data.data_dir": root / "prepared", "data.canvas_px": 40, "data.crop_px": 32,
        "data.part_px": 0,
        "model.width": 4, "model.num_blocks": 1, "teacher.path": weights,
        "teacher.num_calibration": 2, "batch_size": 2, "eval_batch_size": 4, "num_samples": 2,
        "log_every_steps": 1, "num_steps": STEPS, "save_every_steps": SAVE,
        "eval_every_steps": EVALUATE, "keep_checkpoints": STEPS,
    }  # fmt: skip
    return [
        sys.executable, "-m", "fsketch", "train", f"--config={ROOT / 'configs' / 'kd.py'}",
        *(f"--config.{name}={value}" for name, value in fields.items()),
    ]  # fmt: skip


def broken(
    root: pathlib.Path, command: list[str], draw: random.Random, kills: int, counts: dict
) -> None:
    """One run, killed until it ends or all kills are spent, and compared."""
    workdir, whole = root / "broken", root / "whole"
    shutil.rmtree(workdir, ignore_errors=True)
    while True:
        inside = bool(counts["kills"] % 2)
        with subprocess.Popen(
            [*command, f"--workdir={workdir}"],
            env=environment(root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            saving = counts["kills"] < kills and wait(process, workdir, draw, inside=inside)
            if counts["kills"] < kills and process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
        if process.returncode == 0:
            break
        if process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"the run ended by itself with {process.returncode}: {workdir}")
        counts["kills"] += 1
        counts["kills inside a save"] += saving
        compare(workdir, whole, counts)
    compare(workdir, whole, counts)
    counts["ends equal" if ends(workdir) == ends(whole) else "ends unequal"] += 1


def wait(
    process: subprocess.Popen, workdir: pathlib.Path, draw: random.Random, *, inside: bool
) -> bool:
    """Until a random moment of the run, or inside one of its next saves; whether it is inside."""
    latest, rows = workdir / "checkpoints" / "latest", workdir / "metrics.jsonl"
    begun = len(rows.read_bytes().splitlines()) if rows.exists() else 0
    more = draw.randrange(8)
    while process.poll() is None:
        now = len(rows.read_bytes().splitlines()) if rows.exists() else 0
        saving = any(latest.glob("*.orbax-checkpoint-tmp*"))
        if now >= begun + more and (saving or not inside):
            time.sleep(draw.random() * FASTEST_SEC)
            return any(latest.glob("*.orbax-checkpoint-tmp*"))
        time.sleep(0.0005)
    return False


def compare(workdir: pathlib.Path, whole: pathlib.Path, counts: dict) -> None:
    """Every finished checkpoint, and every row, with the unbroken run's."""
    for kind in checkpoint.KINDS:
        for step, found in stored(workdir, kind):
            wanted = dict(stored(whole, "latest" if kind == "best" else kind, only=step))[step]
            counts["checkpoints equal" if equal(found, wanted) else "checkpoints unequal"] += 1
    rows, wanted = lines(workdir), lines(whole)
    fits = all(row in wanted for row in rows) and len(rows) == len({json.dumps(r) for r in rows})
    counts["rows equal" if fits else "rows unequal"] += len(rows)


def stored(workdir: pathlib.Path, kind: str, *, only: int | None = None):
    """(step, (arrays, meta data)) of each checkpoint of a kind, or None for what is not readable"""
    folder = workdir / "checkpoints" / kind
    steps = sorted(int(p.name) for p in folder.glob("[0-9]*") if p.name.isdigit())
    for step in steps if only is None else [only]:
        with ocp.CheckpointManager(folder) as manager:
            try:
                yield step, checkpoint.load(_At(manager, step))
            except checkpoint.DamagedError:
                yield step, None


class _At:
    """A manager whose newest step is this one."""

    def __init__(self, manager: ocp.CheckpointManager, step: int) -> None:
        self.restore, self.directory = manager.restore, manager.directory
        self.latest_step, self.all_steps = (lambda: step), (lambda: [step])


def equal(one, other) -> bool:
    """Whether arrays are the same to the bit."""
    if one is None or other is None:
        return False
    return one[0].keys() == other[0].keys() and all(
        one[0][name].tobytes() == other[0][name].tobytes() for name in one[0]
    )


def lines(workdir: pathlib.Path) -> list[dict]:
    """The rows of metrics.jsonl without their timings."""
    path = workdir / "metrics.jsonl"
    rows = writers.read_scalars(path) if path.exists() else []
    return [{n: value for n, value in row.items() if n not in TIMINGS} for row in rows]


def ends(workdir: pathlib.Path):
    """All that a finished run leaves: rows, scores, images."""
    images = {
        str(path.relative_to(workdir)): path.read_bytes()
        for name in ("outputs", "samples")
        for path in sorted((workdir / name).rglob("*.png"))
    }
    return lines(workdir), json.loads((workdir / "evaluation.json").read_text()), images


def flips(workdir: pathlib.Path, draw: random.Random, count: int) -> collections.Counter:
    """What became of flipped bits: refused, or without effect; "read" is a loss."""
    counts = collections.Counter()
    places = [p for p in sorted((workdir / "checkpoints").glob("*/[0-9]*")) if p.name.isdigit()]
    whole = {place: dict(stored(workdir, place.parent.name))[int(place.name)] for place in places}
    for _ in range(count):
        place = draw.choice(places)
        path = draw.choice(
            [p for p in sorted(place.rglob("*")) if p.is_file() and p.stat().st_size]
        )
        content = path.read_bytes()
        bit = draw.randrange(8 * len(content))
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            found = dict(stored(workdir, place.parent.name, only=int(place.name)))[int(place.name)]
        except Exception as error:
            print(f"{path} bit {bit}: {type(error).__name__}: {error}")
            counts["flips crashed"] += 1
        else:
            same = found and equal(found, whole[place]) and found[1] == whole[place][1]
            counts["flips refused" if found is None else f"flips {'idle' if same else 'read'}"] += 1
        path.write_bytes(content)
    return counts


if __name__ == "__main__":
    sys.exit(main())
