"""Whole programs in processes of their own: signals, kills, two processes, the launch script.

Slower than the rest; the marker `programs` selects or leaves them out.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import fsketch
from fsketch import programs, train
from fsketch.core import checkpoint, errors
from fsketch.nets import convolution

pytestmark = pytest.mark.programs
ROOT = pathlib.Path(__file__).parents[1]
KD = ROOT / "configs" / "kd.py"
# Those of this process, but for the number of devices.
FLAGS = " ".join(flag for flag in os.environ["XLA_FLAGS"].split() if "device_count" not in flag)
DEVICES = "--xla_force_host_platform_device_count"


def environment(**changes):
    """That of this process, with one simulated device and compilation that is quick and cached."""
    base = {
        "XLA_FLAGS": FLAGS,
        "JAX_PLATFORMS": "cpu",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    return {**os.environ, **base, **changes}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def command(pairs_folder, tmp_path_factory):
    """A function: workdir and more flags -> the command of a tiny KD run on the drawn pairs.

    It has no teacher: what it takes to compile is most of these tests' time.  Later flags win.
    """
    data_dir = tmp_path_factory.getbasetemp() / "prepared"

    def make(workdir, *flags):
        fields = {
            "data.name": "paired_folder", "data.manual_dir": pairs_folder,
            "data.data_dir": data_dir,
            "data.canvas_px": 40, "data.crop_px": 32, "data.part_px": 0,
            "model.width": 4, "model.num_blocks": 1,
            "batch_size": 2, "eval_batch_size": 4, "num_samples": 2, "log_every_steps": 1,
        }  # fmt: skip
        return [
            sys.executable, "-m", "fsketch", "train", f"--config={KD}:ablation=reconstruction",
            f"--workdir={workdir}", *(f"--config.{k}={v}" for k, v in fields.items()), *flags,
        ]  # fmt: skip

    return make


def run(arguments, **changes):
    return subprocess.run(
        arguments, env=environment(**changes), capture_output=True, text=True, timeout=300
    )


def steps(workdir):
    folder = workdir / "checkpoints" / "latest"
    return sorted(int(p.name) for p in folder.glob("*") if p.name.isdigit())


def arrays(workdir):
    return checkpoint.read(workdir, kind="latest")[0]


EIGHT_STEPS = (
    "--config.num_steps=8", "--config.save_every_steps=1", "--config.eval_every_steps=8",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(command, tmp_path_factory, cache):
    """The workdir of eight steps without a break."""
    workdir = tmp_path_factory.mktemp("whole")
    done = run(command(workdir, *EIGHT_STEPS), JAX_COMPILATION_CACHE_DIR=cache)
    assert done.returncode == 0, done.stderr
    return workdir


def test_killed_at_any_moment_a_run_resumes_to_the_same_end(command, whole, tmp_path, cache):
    """kill -9 as soon as a save has begun: the end is that of an unbroken run."""
    broken = tmp_path / "broken"
    arguments = command(broken, *EIGHT_STEPS)
    with subprocess.Popen(
        arguments,
        env=environment(JAX_COMPILATION_CACHE_DIR=cache),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        latest = broken / "checkpoints" / "latest"
        deadline = time.time() + 200
        # Wait for a later step's temporary folder: a save that is under way.
        while time.time() < deadline and process.poll() is None:
            partial = [p.name for p in latest.glob("*.orbax-checkpoint-tmp*")]
            if any(int(name.split(".")[0]) >= 3 for name in partial):
                break
            time.sleep(0.001)
        finished = steps(broken)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert partial, "no save was under way when the kill came"
    assert process.returncode == -signal.SIGKILL
    # What was finished when the kill came is still there, and readable.
    assert finished
    assert max(steps(broken)) >= max(finished)
    stored, meta = checkpoint.read(broken, kind="latest")
    assert meta["step"] >= max(finished)
    assert all(np.isfinite(array).all() for array in stored.values())

    last = run(arguments, JAX_COMPILATION_CACHE_DIR=cache)
    assert last.returncode == 0, last.stderr
    assert "resumed from" in last.stderr
    for text in ("compiling the training step", "compiled in", f"{broken / 'outputs'}: ", "Next: "):
        assert text in last.stderr
    assert len(last.stderr.splitlines()) < 30
    assert "configuration (what differs" in (broken / "log.txt").read_text()
    one, other = arrays(whole), arrays(broken)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


# A disk without room for another checkpoint, as far as every system has one: no file may grow.
FULL = """
import resource, sys
from fsketch import __main__ as front_door
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.exit(front_door.main(sys.argv[1:]))
"""


def test_after_a_full_disk_and_sigterm_a_run_can_go_on(command, whole, tmp_path, cache, capsys):
    """One message with the path and the way on; then a run that saves when it is told to stop."""
    workdir = shutil.copytree(whole, tmp_path / "w")
    flags = [*EIGHT_STEPS, "--config.num_steps=9"]
    child = [sys.executable, "-c", FULL, *command(workdir, *flags)[3:]]
    result = run(child, JAX_COMPILATION_CACHE_DIR=cache)
    assert result.returncode == 1
    *_, what, safe, way_on = result.stderr.splitlines()
    assert what.startswith(f"{workdir / 'checkpoints'}/")
    assert what.endswith("expected room for a file of this size, got: file too large")
    assert safe == f"Safe: the checkpoint of step 8 in {workdir / 'checkpoints'}"
    assert way_on.startswith("To go on: fsketch train --config=")
    assert "Traceback" not in result.stderr

    flags += ["--config.num_steps=100000", "--config.save_every_steps=100000"]
    with subprocess.Popen(
        command(workdir, *flags),
        env=environment(JAX_COMPILATION_CACHE_DIR=cache),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr:
            if "step 11/" in line:
                assert errors.run(programs.evaluate, [f"--workdir={workdir}"]) == 1
                process.send_signal(signal.SIGTERM)
                break
        rest = process.stderr.read()
        assert process.wait(timeout=100) == 0
    assert "saved; run again to resume" in rest
    told = capsys.readouterr().err
    assert f"got process {process.pid} on" in told and "(fsketch train)" in told
    assert steps(workdir)[-1] >= 11


def test_installed_it_works_from_any_folder(command, tmp_path, cache):
    """A wheel beside a foreign package `configs`: front door, both entry points, package data."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    copy = tmp_path / "copy"  # a build leaves folders behind
    shutil.copytree(
        ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv*", "*.egg-info", "build")
    )
    built = run([*pip, "wheel", "--no-deps", f"--wheel-dir={tmp_path}", str(copy)])
    if built.returncode:
        pytest.skip(f"no wheel can be built here: {built.stderr[-300:]}")
    (wheel,) = tmp_path.glob("fsketch-*.whl")
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    run([*pip, "install", "--no-deps", f"--target={site}", str(wheel)])
    assert {path.name.split("-")[0] for path in site.iterdir()} == {"bin", "fsketch"}
    for name in (
        "tfds_builders/cufs/splits/ar_train.txt", "tfds_builders/cufs/README.md",
        "scoring/page/page.css", "scoring/page/page.html.j2", "configs/kd.py",
        "configs/experiments/cuhk_kd.py",
    ):  # fmt: skip
        assert (site / "fsketch" / name).is_file(), name

    (elsewhere / "configs").mkdir(parents=True)
    (elsewhere / "configs" / "__init__.py").write_text("raise ImportError('foreign')")
    paths = {"PYTHONPATH": str(site), "JAX_COMPILATION_CACHE_DIR": cache}

    def there(*arguments):
        result = subprocess.run(
            arguments, cwd=elsewhere, env=environment(**paths), capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        return result

    where = there(sys.executable, "-c", "import fsketch; print(fsketch.__file__)").stdout
    assert where.startswith(str(site))
    script = [sys.executable, str(site / "bin" / "fsketch")]
    assert there(*script, "--version").stdout == f"fsketch {fsketch.__version__}\n"
    config = "--config=configs/kd.py:ablation=reconstruction"
    flags = [config, "--workdir=w", *command("w", "--config.num_steps=1")[6:]]
    there(*script, "train", *flags)
    evaluation = (elsewhere / "w" / "evaluation.json").read_text()
    main = [sys.executable, "-m", "fsketch.main"]
    scores = json.loads(there(*main, "--mode=evaluate", "--workdir=w").stdout)
    assert scores["method"] == "kd" and scores["num_images"] == 4
    assert scores == json.loads(evaluation)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize(("count", "devices", "memory_mb"), [(2, 2, 4096), (4, 1, 0)])
def test_processes_train_as_one(command, tiny_teacher, tmp_path, cache, count, devices, memory_mb):
    """Processes on loopback reach the state of this process, which has eight devices.

    With memory_mb 0 no pair fits in memory: each process decodes its share at every step.
    """
    port = free_port()
    processes = [
        subprocess.Popen(
            command(
                tmp_path / "many",
                f"--config={KD}:ablation=mimic",
                f"--config.data.memory_mb={memory_mb}",
                f"--config.teacher.path={tiny_teacher}",
                "--config.teacher.num_calibration=2",
                "--config.num_samples=0",
                "--config.best_metric=",
                "--config.data.validation=",
                "--config.num_steps=2",
                "--config.batch_size=8",
                "--config.save_every_steps=2",
                "--config.eval_every_steps=2",
                f"--coordinator=127.0.0.1:{port}",
                f"--num_processes={count}",
                f"--process_id={i}",
            ),
            env=environment(
                XLA_FLAGS=f"{FLAGS} {DEVICES}={devices}", JAX_COMPILATION_CACHE_DIR=cache
            ),
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(count)
    ]
    try:
        errors = [process.communicate(timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * count, "\n".join(errors)
    assert f"4 x cpu in {count} processes" in errors[0]
    many, meta = checkpoint.read(tmp_path / "many", kind="latest")
    config = checkpoint.from_json(meta["config"])
    with convolution.plain():
        train.train(config, tmp_path / "one")
    one = arrays(tmp_path / "one")
    assert one.keys() == many.keys()
    # Sums over devices may be taken in another order; Adam's first moments show the gradients.
    moments = [name for name in one if "/mu/" in name]
    assert moments
    scale = max(np.abs(one[name]).max() for name in moments)
    for name in moments:
        np.testing.assert_allclose(one[name], many[name], atol=1e-4 * scale, err_msg=name)
    lines = (tmp_path / "many" / "metrics.jsonl").read_text().splitlines()
    training = [line for line in lines if "images_per_sec" in line]
    assert len(training) == 2  # one process writes

    # Four devices' checkpoint goes on with eight.
    with config.unlocked():
        config.num_steps = 3
    with convolution.plain():
        assert int(train.train(config, tmp_path / "many").step) == 3
    assert steps(tmp_path / "many")[-1] == 3
    lines = (tmp_path / "many" / "metrics.jsonl").read_text().splitlines()
    assert sum("images_per_sec" in line for line in lines) == 3  # no step was taken again


def test_the_launch_script_explains_itself():
    result = subprocess.run(
        [str(ROOT / "launch" / "local.sh")], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    assert "launch/local.sh CMD..." in result.stdout
    assert "FSKETCH_VENV" in result.stdout


def test_this_process_simulates_eight_devices():
    assert jax.local_device_count() == 8
