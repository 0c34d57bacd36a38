"""The front door and its programs; whole processes of them are in programs_test.py."""

import errno
import json
import pathlib
import re
import shlex
import subprocess
import sys
import time

import pytest

import fsketch
from fsketch import __main__ as front_door
from fsketch import (
    evaluate,
    experiment,
    main,
    prepare,
    programs,
    score,
    train,
    training_log,
    verify_faces,
)
from fsketch.core import errors, locks, logs


def test_the_version_is_said_at_once_and_without_jax():
    code = "import sys; from fsketch import __main__; __main__.main(); print('jax' in sys.modules)"
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=True
    )
    assert run.stdout == f"fsketch {fsketch.__version__}\nFalse\n"
    assert time.perf_counter() - start < 5  # well under a second on a machine that is not busy


def test_every_command_has_a_program_and_a_line_of_help(capsys):
    assert front_door.main(["--help"]) == 0
    text = capsys.readouterr().out
    for command, (_, what) in front_door.COMMANDS.items():
        assert callable(front_door.program(command))
        assert f"  {command:<11} {what}\n" in text
    assert front_door.main([]) == 2


@pytest.mark.parametrize(
    "program, words, message",
    [
        (front_door, ["trian"], "got trian (did you mean train?)"),
        (main, ["--mode=sing"], "--mode: expected one of train, evaluate, prepare, got 'sing'"),
    ],
)
def test_what_is_no_command_is_refused(program, words, message, capsys):
    assert program.main(words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1])
def test_evaluation_of_an_embedder_verifies_on_the_sets_it_is_given(
    monkeypatch, capsys, code, tmp_path
):
    asked = []
    monkeypatch.setattr(evaluate, "evaluate_workdir", lambda workdir, **_: {"accuracy": 0.5})
    monkeypatch.setattr(verify_faces, "main", lambda given: asked.append(given) or code)
    (tmp_path / "checkpoints").mkdir()
    workdir = f"--workdir={tmp_path}/"
    assert programs.evaluate([workdir]) == 0
    assert not asked and json.loads(capsys.readouterr().out) == {"accuracy": 0.5}
    assert programs.evaluate([workdir, "--sets=faces"]) == code
    given = verify_faces.parser().parse_args(asked[0])
    assert (given.sets, given.embedder, given.json) == (
        "faces", [str(tmp_path)], f"{tmp_path}/verification.json",
    )  # fmt: skip


@pytest.mark.parametrize(
    "program, words, code, message",
    [
        (programs.evaluate, ["--workdir=nowhere"], 1, "expected a run's folder, got nowhere"),
        (programs.evaluate, ["--workdir=w", "--config.seed=1"], 2, "--config: expected none"),
        (programs.train, ["--workdir=", "--config=configs/kd.py"], 2, "--workdir: expected"),
        (programs.train, ["--workdir=w"], 2, "--config: expected one of configs/cyclegan.py"),
        (
            programs.train,
            ["--workdir=w", "--config=configs/kd.py", "--config.num_steps=0"],
            2,
            "num_steps",
        ),
        (
            programs.train,
            ["--workdir=w", "--config=configs/kd.py", "--num_processes=2"],
            2,
            "expected all of them or none",
        ),
        (programs.prepare, ["cufs/cuhk", "--check"], 2, "--check: expected with --manual_dir=DIR"),
        *(
            (programs.train, ["--workdir=w", "--config=configs/kd.py", word], 2, message)
            for word, message in (
                ("--config.optim.learning_rat=1", "learning_rat"),
                ("--config.num_steps=many", "num_steps"),
                ("--config.optim.learning_rate=high", "learning_rate"),
            )
        ),
    ],
)
def test_wrong_calls_are_told_in_one_message(
    program, words, code, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert errors.run(program, words) == code
    told = capsys.readouterr().err
    assert message in told and "Traceback" not in told and len(told.splitlines()) < 6


@pytest.mark.parametrize(
    "error, code, lines",
    [
        (
            training_log.NonFiniteError("step 9: loss not finite"),
            1,
            ["step 9: loss not finite", "Safe: the checkpoint of step 8 in {}/checkpoints"],
        ),
        (
            OSError(errno.ENOSPC, "full"),
            1,
            ["{}: expected room on its disk, got: no space left on device", "Safe: "],
        ),
        (KeyboardInterrupt(), 130, ["interrupted", "Safe: the checkpoint of step 8"]),
        (train.Stopped(130), 130, ["To go on: fsketch train"]),
    ],
)
def test_a_training_that_breaks_off_says_what_is_safe_and_how_to_go_on(
    monkeypatch, tmp_path, capsys, error, code, lines
):
    def broken(config, workdir):
        for step in (7, 8):
            (tmp_path / "checkpoints" / "latest" / str(step)).mkdir(parents=True)
        raise error

    monkeypatch.setattr(experiment, "check", lambda config, workdir: None)
    monkeypatch.setattr(prepare, "prepare", lambda config, workdir: config)
    monkeypatch.setattr(train, "train", broken)
    words = ["--config=configs/kd.py", f"--workdir={tmp_path}", "--config.batch_size=8"]
    try:
        assert errors.run(programs.train, words) == code
    except SystemExit as stop:
        assert stop.code == code
    told = capsys.readouterr().err.splitlines()
    for line, start in zip(told, lines, strict=False):
        assert line.startswith(start.format(tmp_path))
    assert told[-1] == f"To go on: fsketch train {' '.join(words)}"
    with locks.workdir(tmp_path, "another"):  # it is free again
        assert type(error).__name__ in (tmp_path / logs.FILE).read_text()


README = (pathlib.Path(__file__).parents[1] / "README.md").read_text().replace("\\\n", " ")


@pytest.mark.parametrize("line", re.findall("^fsketch (?:score|verify) .*", README, re.M))
def test_flags_are_read_as_the_readme_writes_them(line):
    _, command, *words = shlex.split(line, comments=True)
    given = {"score": score, "verify": verify_faces}[command].parser().parse_args(words)
    assert vars(given)
