"""--config=FILE:ARGUMENTS and --config.FIELD=VALUE."""

import pathlib

import pytest

from fsketch.core import config_files, errors

OWN = """
from ml_collections import ConfigDict

def get_config(argument="none"):
    if argument == "wrong":
        raise ValueError("argument 'wrong'")
    config = ConfigDict()
    config.name, config.steps, config.rate, config.flip = argument, 3, 0.5, True
    config.model = ConfigDict({"width": 8, "taps": ("a", "b")})
    return config.lock()
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """A folder with a configuration, and a package `configs` of somebody else."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "__init__.py").write_text("raise ImportError('foreign')")
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)


def load(*words):
    return config_files.load(*config_files.take(words)[:2])


def test_fields_are_set_by_their_types_in_both_spellings():
    given = ["--config=own.py:kd", "--config.steps", "7", "--workdir=w", "--config.rate=1e-3"]
    more = ["--config.flip=false", "--config.model.width=4", "--config.model.taps=('c',)"]
    assert config_files.take(given)[2] == ["--workdir=w"]
    config = load(*given, *more)
    assert config.to_dict() == {
        "name": "kd", "steps": 7, "rate": 1e-3, "flip": False,
        "model": {"width": 4, "taps": ("c",)},
    }  # fmt: skip


def test_a_tilde_is_the_home_folder_in_every_field(monkeypatch):
    monkeypatch.setenv("HOME", "/h")
    config = load("--config=own.py", "--config.name=~/a/,~/b", "--config.model.taps=('~/c', 'd~')")
    assert config.name == "/h/a,/h/b" and config.model.taps == ("/h/c", "d~")


def test_a_file_here_comes_before_the_installed_one():
    assert load("--config=configs/kd.py").method == "kd"
    pathlib.Path("configs/kd.py").write_text(OWN)
    assert load("--config=configs/kd.py").name == "none"


@pytest.mark.parametrize(
    "words, message",
    [
        (["--config=configs/kdd.py"], "got configs/kdd.py (did you mean configs/kd.py?)"),
        (["--config=own.py:wrong"], "--config=own.py:wrong: argument 'wrong'"),
        (["--config=own.py", "--config.seed"], "--config.seed: expected --config.seed=VALUE"),
        (["--config=own.py", "--config.step=1"], "got step; did you mean steps?"),
        (["--config=own.py", "--config.width=1"], "got width; did you mean model.width?"),
        (
            ["--config=own.py", "--config.model.widht=1"],
            "model.widht: expected one of taps, width, got widht; did you mean model.width?",
        ),
        (
            ["--config=own.py", "--config.steps.x=1"],
            "--config.steps.x: expected a section, got steps",
        ),
        (["--config=own.py", "--config.steps=many"], "expected a whole number, got 'many'"),
        (["--config=own.py", "--config.rate=high"], "expected a number, got 'high'"),
        (["--config=own.py", "--config.flip=2"], "expected true or false, got '2'"),
        (["--config=own.py", "--config.model=2"], "--config.model: expected"),
        (["--config=own.py", "--config.model.taps=c d"], "expected (A, B, ...), got 'c d'"),
    ],
)
def test_what_does_not_fit_is_named(words, message):
    with pytest.raises(errors.UsageError) as caught:
        load(*words)
    assert message in str(caught.value)
