"""What all programs share: paths, flags of several values, messages of errors, locks, progress."""

import errno
import re
import signal
import subprocess
import sys

import pytest

from fsketch.core import arguments, errors, locks, logs, paths, progress


def test_paths_are_taken_as_people_write_them(monkeypatch):
    monkeypatch.setenv("HOME", "/h")
    for text, path in (("~/r/kd/", "/h/r/kd"), ("runs//kd/", "runs/kd"), ("", ""), ("a~", "a~")):
        assert paths.expanded(text) == path
        assert paths.labelled(f"x={text}") == f"x={path}"
    assert paths.expanded("gs://b/c/") == "gs://b/c/"
    assert paths.labelled("~/a=b") == "/h/a=b"


@pytest.mark.parametrize(
    "words",
    [["--output=A", "B", "--metrics=a,b"], ["--output", "A", "B", "--metrics", "a", "b"],
     ["--output=A", "--metrics=a", "--output=B", "--metrics=b"]],
)  # fmt: skip
def test_flags_of_several_values_have_all_spellings(words):
    parser = arguments.Parser("test")
    parser.several("--output")
    parser.several("--metrics", commas=True, known="abc")
    given = parser.parse_args(words)
    assert (given.output, given.metrics) == (["A", "B"], ["a", "b"])
    with pytest.raises(SystemExit):
        parser.parse_args(["--metrics=a,d"])


def test_an_unknown_value_of_several_is_named(capsys):
    parser = arguments.Parser("test")
    parser.several("--only", commas=True, known=("lfw", "calfw"))
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--only=lfw,lwf"])
    assert caught.value.code == 2
    assert "--only: expected some of lfw, calfw, got lwf" in capsys.readouterr().err


TENSORSTORE = (
    'OUT_OF_RANGE: Error writing "a/0.0" in OCDBT database at local file "/r/c/": Failed writing: '
    "\"/r/c/d/ca41\": Failed to write 359 bytes to file 4: File too large [os_error_code='27']"
)


@pytest.mark.parametrize(
    "error, code, message",
    [
        (ValueError("a: expected b, got c"), 1, "a: expected b, got c"),
        (errors.UsageError("--a: expected b"), 2, "--a: expected b"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "", "/r/c"), 1, "/r/c: expected room on its disk, got: no space"),
        (OSError(errno.EROFS, "", "/r"), 1, "/r: expected a place that can be written, got: read"),
        (ValueError(TENSORSTORE), 1, "/r/c/d/ca41: expected room for a file of this size, got"),
        (FileNotFoundError("r: no run"), 1, "r: no run"),
        (KeyError("x"), 1, "KeyError: 'x'\nThis is a mistake of the program; --verbosity=1"),
    ],
)
def test_one_handler_makes_one_message_and_the_exit_code(error, code, message, capsys):
    error.add_note("a note")

    def program(words):
        raise error

    assert errors.run(program, []) == code
    told = capsys.readouterr().err
    assert told.startswith(message) and told.endswith("a note\n") and "Traceback" not in told
    assert errors.run(program, [], verbose=True) == code
    assert "Traceback" in capsys.readouterr().err


HOLD = """
import sys, time
from fsketch.core import locks
with locks.workdir(sys.argv[1], "fsketch train"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_workdir_has_one_program_until_that_dies(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(locks.HeldError) as caught, locks.workdir(tmp_path, "fsketch evaluate"):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    told = rf"got process {process.pid} on \S+ \(fsketch train\) since \d{{4}}-\d\d-\d\d \d\d:\d\d"
    assert str(caught.value).startswith(f"{tmp_path}: expected") and re.search(
        told, str(caught.value)
    )
    with locks.workdir(tmp_path, "fsketch evaluate"):
        pass


def test_progress_away_from_a_terminal_is_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(progress, "EVERY_SEC", 0.0)
    assert list(progress.track("ab", "letters", 2)) == ["a", "b"]
    first, last = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"letters: 1/2  \S+/s  \S+ s left", first)
    assert re.fullmatch(r"letters: 2/2  \S+/s  0 s left", last)
    monkeypatch.setattr(progress, "EVERY_SEC", 10.0)
    assert list(progress.track("ab", "letters", None)) == ["a", "b"]
    assert capsys.readouterr().err == ""


LOGS = """
import logging, sys, threading, warnings
from absl import logging as absl_logging
from fsketch.core import logs, progress
logs.to_terminal()
with logs.to_file(sys.argv[1], "fsketch train"):
    warnings.warn("of a library")
    absl_logging.info("for the file")
    logging.getLogger("jax").warning("of jax")
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    progress.say("for the person")
"""


def test_the_terminal_is_for_people_and_the_file_has_all(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", LOGS, str(tmp_path / logs.FILE)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stderr == "for the person\n" and not run.stdout
    written = (tmp_path / logs.FILE).read_text()
    for text in ("of a library", "for the file", "of jax", "ZeroDivisionError", "for the person"):
        assert text in written
