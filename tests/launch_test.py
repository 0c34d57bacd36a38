"""Launching: the TPU script's gcloud commands and what its hosts do, and the Colab notebook.

No cloud is asked: a stand-in for gcloud comes first in PATH, which notes what it was called with,
runs `ssh` commands here in a home folder for each host, and keeps a bucket in a folder.
"""

import ast
import functools
import importlib
import json
import operator
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest

from fsketch import own_photos, programs, synthesize
from fsketch.report import program as report

ROOT = pathlib.Path(__file__).parents[1]
SCRIPT = ROOT / "launch" / "tpu_vm.sh"
NOTEBOOK = ROOT / "launch" / "colab.ipynb"

GCLOUD = f"""#!{sys.executable} -IS
import io, json, os, pathlib, shutil, subprocess, sys, tarfile

words = sys.argv[1:]
here = pathlib.Path(__file__).parents[1]
with (here / "calls").open("a") as file:
    file.write(json.dumps(["gcloud", *words]) + "\\n")
options = dict(word[2:].split("=", 1) for word in words if word.startswith("--") and "=" in word)
if (here / "broken").exists() and (here / "broken").read_text() in words:
    sys.exit("ERROR: (gcloud) broken")
homes = sorted(here.glob("home*"))
homes = homes if options.get("worker") == "all" else homes[:1]

taken = here / "taken"  # as a TPU is that was preempted
if taken.exists() and "create" in words:
    taken.unlink()
    for home in homes:
        shutil.rmtree(home)
        home.mkdir()
elif taken.exists() and "describe" in words:
    print("SUSPENDED")
elif taken.exists() and "delete" not in words:
    sys.exit("ssh: connection refused")
elif "describe" in words and "state" in options["format"]:
    states = here / "states"
    now, *later = states.read_text().split()
    states.write_text(" ".join(later or [now]))
    if now == "none":
        sys.exit("ERROR: (gcloud) NOT_FOUND: no such resource")
    print(now)
elif "describe" in words:
    print(";".join(f"10.0.0.{{i}}" for i in range(len(sorted(here.glob("home*"))))))
elif "scp" in words and "--recurse" not in words:
    for home in homes:  # the launch scripts alone, and no environment
        with tarfile.open(words[4]) as whole, tarfile.open(home / "fsketch.tar.gz", "w:gz") as part:
            for member in whole:
                if member.name.startswith("launch/tpu"):
                    part.addfile(member, whole.extractfile(member))
            stub = b'[ "$1 $2" = "python -c" ] && echo $FSKETCH_EXTRAS made || exec "$@"\\n'
            stub = b"#!/usr/bin/env bash\\n" + stub
            member = tarfile.TarInfo("launch/local.sh")
            member.size, member.mode = len(stub), 0o755
            part.addfile(member, io.BytesIO(stub))
elif "ssh" in words:
    codes = [
        subprocess.run(
            ["bash", "-c", options["command"]], cwd=home, env={{**os.environ, "HOME": str(home)}}
        ).returncode
        for home in homes
    ]
    sys.exit(max(codes))
elif words[0] == "storage":
    paths = [here / "bucket" / w[5:] if w.startswith("gs://") else w for w in words[2:]]
    paths = [pathlib.Path(path) for path in paths if not str(path).startswith("--")]
    if "ls" in words and not paths[0].exists():
        sys.exit("ERROR: (gcloud) One or more URLs matched no objects.")
    if "cp" in words:
        paths[1].parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(*paths)
"""


class Cloud:
    """The stand-in and what is known of it."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "bin" / "gcloud").write_text(GCLOUD)
        (folder / "bin" / "gcloud").chmod(0o755)
        self.home = folder / "home0"
        self.home.mkdir()
        self.states("ACTIVE")

    def states(self, *states):
        """What `describe` answers, in turn; the last for ever."""
        (self.folder / "states").write_text(" ".join(states))

    def breaks(self, verb):
        (self.folder / "broken").write_text(verb)

    def start(self, *words, **variables):
        known = ("TYPE", "PROJECT", "SPOT", "QUEUED", "RUNTIME", "HOSTS", "BUCKET", "DRY_RUN")
        environment = {k: v for k, v in os.environ.items() if k not in known}
        environment |= {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "CLOUDSDK_CONFIG": str(self.folder),  # a real gcloud would find no account
            "NAME": "faces", "ZONE": "us-west4-a", "POLL_SEC": "0",
        }  # fmt: skip
        environment |= variables
        return subprocess.Popen(
            [str(SCRIPT), *words],
            env={k: v for k, v in environment.items() if v},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words, **variables):
        with self.start(*words, **variables) as process:
            out, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, errors)

    def calls(self):
        """The arguments of each call so far, which are then forgotten."""
        path = self.folder / "calls"
        if not path.exists():
            return []
        lines = path.read_text().splitlines()
        path.unlink()
        return [json.loads(line) for line in lines]

    def outcome(self):
        """Of the run, once it has ended."""
        deadline = time.time() + 30
        while time.time() < deadline:
            last = self("status").stdout.splitlines()[-1]
            if not last.startswith("running"):
                return last
            time.sleep(0.2)
        raise AssertionError(f"still running: {self.log()}")

    def log(self):
        return (self.home / "fsketch-runs" / "run.log").read_text()


@pytest.fixture
def cloud(tmp_path):
    result = Cloud(tmp_path)
    yield result
    for home in tmp_path.glob("home*"):
        if (home / "fsketch.lock").exists():
            result("stop")


@pytest.fixture
def ready(cloud):
    """After setup."""
    if not (ROOT / ".git").exists():
        pytest.skip("setup copies what git tracks, and this is no git checkout")
    done = cloud("setup")
    assert done.returncode == 0, done.stderr
    assert "tpu made" in done.stdout
    cloud.calls()
    return cloud


def printed(result):
    assert result.returncode == 0, result.stderr
    return [shlex.split(line) for line in result.stdout.splitlines()]


TPUS = ["gcloud", "compute", "tpus"]
ZONE = "--zone=us-west4-a"


V4 = ["--accelerator-type=v4-8", "--runtime-version=tpu-ubuntu2204-base", "--node-id=faces"]
SSH = [*TPUS, "tpu-vm", "ssh", "faces"]
HOST = "bash fsketch/launch/tpu_host.sh"


@pytest.mark.parametrize(
    ("words", "variables", "expected"),
    [
        ("create", {"TYPE": "v4-8"}, [*TPUS, "queued-resources", "create", "faces", *V4, ZONE]),
        (
            "create",
            {"TYPE": "v6e-4", "SPOT": "1", "PROJECT": "my project", "QUEUED": "0"},
            [*TPUS, "tpu-vm", "create", "faces", "--accelerator-type=v6e-4",
             "--version=v2-alpha-tpuv6e", "--spot", ZONE, "--project=my project"],
        ),
        ("delete", {}, [*TPUS, "queued-resources", "delete", "faces", "--force", ZONE]),
        ("delete", {"QUEUED": "0"}, [*TPUS, "tpu-vm", "delete", "faces", ZONE]),
        (
            "logs -f", {"WORKER": "1"},
            [*SSH, "--worker=1", "--command=tail -n 100 -f fsketch-runs/run.log", ZONE],
        ),
        ("stop", {}, [*SSH, "--worker=all", f"--command={HOST} stop", ZONE]),
        (
            "fetch runs/kd here", {},
            [*TPUS, "tpu-vm", "scp", "--recurse", "faces:fsketch/runs/kd", "here", "--worker=0",
             ZONE],
        ),
        (
            "run echo --workdir=runs/x", {"BUCKET": "gs://mine/f/"},
            [*SSH, "--worker=all", "--command=env FSKETCH_BUCKET=gs://mine/f FSKETCH_SAVE_MIN=10 "
             f"FSKETCH_WORKDIR=runs/x {HOST} start echo --workdir=runs/x", ZONE],
        ),
    ],
)  # fmt: skip
def test_a_dry_run_prints_the_command_and_calls_nothing(cloud, words, variables, expected):
    assert printed(cloud("--dry_run", *words.split(), **variables))[0] == expected
    assert cloud.calls() == []


@pytest.mark.parametrize(
    ("accelerator", "runtime"),
    [("v5litepod-8", "v2-alpha-tpuv5-lite"), ("v5p-8", "v2-alpha-tpuv5")],
)
def test_create_asks_for_the_software_of_the_type(cloud, accelerator, runtime):
    first = printed(cloud("create", TYPE=accelerator, DRY_RUN="1"))[0]
    assert f"--runtime-version={runtime}" in first


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        (["create"], {"NAME": ""}, "NAME: expected a value"),
        (["logs"], {"ZONE": ""}, "ZONE: expected a value"),
        (["create"], {}, "TYPE: expected a value"),
        (["create"], {"TYPE": "v9-8"}, "TYPE: expected v2-N"),
        (["start"], {}, "unknown command: start"),
        (["setup", "now"], {}, "setup: expected no arguments, got now"),
        (["run"], {}, "run: expected a command"),
        (["run", "echo", "--workdir=gs://a/b"], {}, "--workdir: expected a folder"),
        (["run", "echo", "--workdir", "gs://a/b"], {}, "--workdir: expected a folder"),
        (["run", "echo", "--workdir=w"], {"BUCKET": "mine"}, "gs://NAME"),
        (["run", "echo"], {"BUCKET": "gs://mine"}, "BUCKET: expected a command with --workdir"),
        (
            ["run", "echo", "--workdir=w"],
            {"BUCKET": "gs://mine", "HOSTS": "2"},
            "BUCKET: expected a TPU of one host",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_gcloud_is_called(cloud, words, variables, message):
    result = cloud(*words, **variables)
    assert result.returncode == 1
    assert message in result.stderr
    assert cloud.calls() == []


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["create"], "create"),
        (["setup"], "scp"),
        (["run", "echo"], "ssh"),
        (["fetch", "runs/kd"], "scp"),
        (["delete"], "delete"),
    ],
)
def test_a_failure_of_gcloud_is_one_of_the_script(cloud, words, verb):
    cloud.states("none")
    cloud.breaks(verb)
    result = cloud(*words, TYPE="v4-8")
    assert result.returncode != 0
    assert "broken" in result.stderr
    assert verb in cloud.calls()[-1]  # nothing comes after it


def verbs(calls):
    return [call[4] for call in calls]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("none WAITING_FOR_RESOURCES ACTIVE", ["describe", "create", "describe", "describe"]),
        ("ACTIVE", ["describe", "describe"]),  # it is there: nothing to do
        ("SUSPENDED ACTIVE", ["describe", "delete", "create", "describe"]),  # it was taken away
        ("none FAILED", ["describe", "create", "describe"]),
    ],
)
def test_create_waits_until_the_tpu_is_there(cloud, states, expected):
    cloud.states(*states.split())
    result = cloud("create", TYPE="v4-8")
    assert verbs(cloud.calls()) == expected
    assert result.returncode == (1 if "FAILED" in states else 0)
    message = "faces was not created" if "FAILED" in states else "launch/tpu_vm.sh delete"
    assert message in result.stderr


@pytest.mark.programs
def test_setup_copies_tracked_files_and_keeps_runs(ready):
    assert (ready.home / "fsketch" / "launch" / "tpu_host.sh").exists()
    (ready.home / "fsketch" / "runs" / "mine").write_text("")
    (ready.home / "fsketch" / "old.py").write_text("")
    assert ready("setup").returncode == 0
    assert (ready.home / "fsketch" / "runs" / "mine").exists()
    assert not (ready.home / "fsketch" / "old.py").exists()


@pytest.mark.programs
def test_a_run_goes_on_alone_and_its_words_arrive_as_they_are(ready):
    words = ["it's", "$HOME", "a  b", '"', "*", "", "x=(1,'y')"]
    program = "import sys, time; print(sys.argv[1:], flush=True); time.sleep(60)"
    started = ready("run", "python3", "-c", program, *words)
    assert started.returncode == 0, started.stderr
    deadline = time.time() + 20
    while repr(words) not in ready.log() and time.time() < deadline:
        time.sleep(0.1)
    assert repr(words) in ready.log()
    assert repr(words) in ready("logs").stdout
    assert ready("status").stdout.splitlines()[-1].startswith("running ")

    again = ready("run", "echo")
    assert again.returncode != 0
    assert "a run is in progress" in again.stderr
    assert ready("setup").returncode != 0  # nor is the code taken from under it
    assert ready("stop").returncode == 0
    assert ready.outcome() == "ended 143"
    assert ready("stop").returncode != 0


# Counts its starts in its workdir, as a resumed run counts its steps.
COUNTER = """
mkdir -p runs/kd/checkpoints/latest/5.orbax-checkpoint-tmp-1
echo x >> runs/kd/checkpoints/count
wc -l < runs/kd/checkpoints/count
exit 7
"""


@pytest.mark.programs
def test_a_new_tpu_goes_on_with_the_workdir_of_the_bucket(ready):
    command = ["run", "bash", "-c", COUNTER, "-", "--workdir=runs/kd"]
    assert ready(*command, BUCKET="gs://mine/f").returncode == 0
    assert ready.outcome() == "ended 7"
    assert "runs/kd is saved as gs://mine/f/runs/kd.tar" in ready.log()

    shutil.rmtree(ready.home)  # the disk goes with the TPU
    ready.home.mkdir()
    assert ready("setup").returncode == 0
    result = ready(*command, BUCKET="gs://mine/f")
    assert "runs/kd is restored from gs://mine/f/runs/kd.tar" in result.stdout
    # Half a checkpoint is not kept.
    latest = ready.home / "fsketch-runs" / "kd" / "checkpoints" / "latest"
    assert ready.outcome() == "ended 7"
    assert "\n2\n" in ready.log()
    assert latest.is_dir()
    kept = subprocess.run(
        ["tar", "-tf", ready.folder / "bucket/mine/f/runs/kd.tar"], capture_output=True, text=True
    ).stdout
    assert "checkpoints/count" in kept
    assert "tmp" not in kept
    # Nothing is left beside the workdir.
    assert sorted(p.name for p in (ready.home / "fsketch-runs").iterdir()) == ["kd", "run.log"]


@pytest.mark.programs
def test_a_bucket_that_cannot_be_asked_starts_nothing(ready):
    ready.breaks("storage")
    result = ready("run", "echo", "--workdir=runs/kd", BUCKET="gs://mine/f")
    assert result.returncode != 0
    assert "cannot be looked up" in result.stderr
    assert not (ready.home / "fsketch-runs" / "run.log").exists()


@pytest.mark.programs
def test_several_hosts_need_one_workdir(cloud, ready):
    (cloud.folder / "home1").mkdir()
    assert cloud("setup").returncode == 0
    command = ["run", "echo", "fsketch", "train"]
    result = cloud(*command, "--workdir=runs/kd")  # a folder of each host
    assert result.returncode != 0
    assert "expected host 0's folder, got another runs/kd" in result.stderr
    assert not (cloud.home / "fsketch-runs" / "run.log").exists()
    share = f"--workdir={cloud.folder / 'share'}"
    assert cloud(*command, share).returncode == 0
    assert cloud.outcome() == "ended 0"
    for home in ("home0", "home1"):
        log = (cloud.folder / home / "fsketch-runs" / "run.log").read_text()
        assert f"echo fsketch train {share} --distributed\n" in log


@pytest.mark.programs
def test_persist_begins_again_on_a_new_tpu(ready):
    """The TPU is taken away in the middle of the run; on the next one the run ends."""
    once = ready.folder / "once"
    program = f"[ -e {once} ] || {{ touch {once}; exec sleep 60; }}"
    with ready.start("persist", "bash", "-c", program, TYPE="v4-8", POLL_SEC="0.2") as process:
        deadline = time.time() + 30
        while not once.exists() and time.time() < deadline:
            time.sleep(0.1)
        pid = int((ready.home / "fsketch.pid").read_text())
        (ready.folder / "taken").touch()
        os.kill(pid, signal.SIGKILL)
        _, errors = process.communicate(timeout=40)
    assert process.returncode == 0, errors
    assert "faces is SUSPENDED: starting again" in errors
    assert ready.outcome() == "ended 0"
    assert "create" in verbs(ready.calls())


@pytest.mark.programs
def test_persist_does_not_repeat_an_error(ready):
    result = ready("persist", "bash", "-c", "exit 3", TYPE="v4-8", POLL_SEC="0.2")
    assert result.returncode == 1
    assert "the run ended 3: see launch/tpu_vm.sh logs" in result.stderr


CELLS = json.loads(NOTEBOOK.read_text())["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


def test_the_notebook_holds_no_results_and_its_cells_have_names():
    for cell in CELLS:
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert re.fullmatch("[a-zA-Z0-9_-]{1,64}", cell["id"])
        assert all(line.endswith("\n") for line in cell["source"][:-1])
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)


def commands(source):
    """The lines of a cell that a shell gets, continued ones joined."""
    joined = source.replace("\\\n", " ")
    return [line.strip()[1:] for line in joined.splitlines() if line.strip().startswith("!")]


def test_the_code_is_python():
    """After what IPython does with ! and %."""
    names = set()
    for source in CODE:
        joined = source.replace("\\\n", " ")
        tree = ast.parse(re.sub(r"^(\s*)[!%].*$", r"\1pass", joined, flags=re.M))
        names |= {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        # What a command takes from Python is known by then.
        for command in commands(source):
            assert set(re.findall(r"\{(\w+)\}", command)) <= names, command
            if "import" in command:
                ast.parse(shlex.split(command)[2])


# Of the programs that are called: where their flags are.
PARSERS = {
    "sketch": lambda: own_photos.parser("to_sketch"),
    "train": lambda: programs.parser("train"),
    "synthesize": synthesize.parser,
    "report": report.parser,
}


def test_programs_flags_and_fields_of_the_notebook_exist():
    text = "".join(line for cell in CELLS for line in [*cell["source"], "\n"])
    configs = [
        importlib.import_module(f"fsketch.configs.{name}").get_config(*filter(None, [argument]))
        for name, argument in set(re.findall(r"configs/(\w+)\.py(?::([\w=,]+))?", text))
    ]
    seen = set()
    for words in (shlex.split(command) for source in CODE for command in commands(source)):
        if words[0] == "fsketch":
            seen.add(words[1])
            known = PARSERS[words[1]]()._option_string_actions
            flags = [word.split("=")[0] for word in words[2:] if word.startswith("--")]
            for flag in flags:
                assert flag in known or flag.split(".")[0] == "--config", (words[1], flag)
    assert seen == PARSERS.keys()
    fields = re.findall(r"--config\.([\w.]+)=", text)
    assert configs and len(fields) > 5
    for config in configs:
        for field in fields:
            functools.reduce(operator.getitem, field.split("."), config)
    for path in re.findall(r"\blaunch/[\w.-]+", text):
        assert (ROOT / path).exists(), path
