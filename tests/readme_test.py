"""Every command of the README and of docs/: parsed by its program, and run where it can be.

A command is run if it needs neither data nor hardware nor published weights; the others are
checked up to their arguments and their configuration.
"""

import configparser
import os
import pathlib
import re
import shlex
import subprocess

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image
from skimage import data as pictures

from fsketch import __main__ as front_door
from fsketch import main, programs
from fsketch.configs import kd
from fsketch.core import arguments, config_files
from fsketch.nets import convolution

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
SETTING = re.compile(r"[A-Z_]+=")
# What stands for files of the reader's.
OTHERS = re.compile(r"\b(DIR|FILE|OURS|ORL|PHOTOS|cagan|data=)|\.safetensors|experiments/")


def commands(page):
    """The commands of a page's sh blocks, lines that end with a backslash joined."""
    for _, block in BLOCK.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield words


ALL = [(page, words) for page in PAGES for words in commands(page)]


def stripped(words):
    """A command without settings and launch/local.sh, `python -m fsketch.main` as `fsketch`."""
    words = list(words)
    while SETTING.match(words[0]):
        check_setting(words.pop(0))
    if words[0] == "launch/local.sh":
        words = words[1:]
    if words[:3] == ["python", "-m", "fsketch.main"]:
        modes = [word for word in words if word.startswith("--mode=")]
        mode = modes[0].removeprefix("--mode=") if modes else "train"
        assert mode in main.MODES
        words = ["fsketch", mode, *(word for word in words[3:] if word not in modes)]
    return words


def check_setting(word):
    name, _, value = word.partition("=")
    if name == "FSKETCH_EXTRAS":
        assert extras() >= set(value.split(","))


def extras():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return set(setup["options.extras_require"])


class Parsed(Exception):
    """Ends a program when it has its arguments."""


@pytest.fixture
def only_parse(monkeypatch):
    """Makes the parser of every program end it; errors of the arguments are argparse's own."""
    parse = arguments.Parser.parse_args

    def stop(self, words, namespace=None):
        parse(self, words, namespace)
        raise Parsed

    monkeypatch.setattr(arguments.Parser, "parse_args", stop)


def check_fsketch(command, *words):
    """The program takes these arguments, and the configuration its fields."""
    name, fields, rest = config_files.take(words)
    if name:
        config_files.load(name, fields)
    if name and command in ("train", "evaluate", "prepare"):
        with pytest.raises(Parsed):
            programs.parser(command).parse_args(rest)
        return
    with pytest.raises(Parsed):
        front_door.program(command)(list(words))


def check_other(name, *words):
    """A command that is not ours has the files and extras that it names."""
    if name == "pip":
        asked = re.findall(r"\[(.*)\]", words[-1])
        assert words[0] in ("install", "download") and extras() >= set(asked)
    elif name == "export":
        assert all(SETTING.match(word) for word in words)
    elif words == ("setup",) and not (ROOT / ".git").exists():
        pytest.skip("launch/tpu_vm.sh setup copies what git tracks")
    elif name.startswith("launch/"):
        place = {"NAME": "n", "ZONE": "z", "TYPE": "v5litepod-8", "HOSTS": "1"}
        done = subprocess.run(
            [ROOT / name, "--dry_run", *words], env={**os.environ, **place}, capture_output=True
        )
        assert done.returncode == 0, done.stderr
    else:
        assert name in ("pytest", "ruff", "python")
        for word in () if words[:2] == ("-m", "zipfile") else words:
            path = word.rpartition("=")[2]
            assert "/" not in path or (ROOT / path).exists(), word


def text_of(case):
    page, words = case
    return f"{page.relative_to(ROOT)}: {shlex.join(words)}"


@pytest.mark.parametrize("case", ALL, ids=text_of)
def test_a_command_is_one_that_its_program_takes(case, only_parse):
    name, *words = stripped(case[1])
    check = check_fsketch if name == "fsketch" else lambda *words: check_other(name, *words)
    check(*words)


def test_two_commands_set_all_up_and_the_readme_is_short():
    ours = [words for page, words in ALL if page == PAGES[0]]
    first, second = [words for words in ours if words[0] == "launch/local.sh"][:2]
    assert first == shlex.split(
        "launch/local.sh python -m fsketch.main --config=configs/kd.py --workdir=runs/kd"
    )
    assert second == ["launch/local.sh", "pytest"]
    assert os.access(ROOT / "launch" / "local.sh", os.X_OK)
    assert len(PAGES[0].read_text().splitlines()) <= 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            names = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
            assert anchor in names, target


def smaller(data_dir):
    """--config.FIELD=VALUE of everything in which a tiny KD differs, for eight devices."""

    def flat(config, prefix=""):
        for name, value in config.items():
            if isinstance(value, ConfigDict):
                yield from flat(value, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}", value

    usual, tiny = dict(flat(kd.get_config())), dict(flat(kd.tiny()))
    changes = {name: value for name, value in tiny.items() if usual[name] != value}
    changes |= {name: 8 for name in changes if name.endswith("batch_size")}
    changes |= {name: data_dir for name in usual if name.endswith("data.data_dir")}
    return [f"--config.{name}={value}" for name, value in changes.items()]


@pytest.mark.programs
def test_the_readme_can_be_followed_without_data_and_hardware(tmp_path, monkeypatch, capsys):
    """Its commands one after the other in an empty folder, trainings with tiny sizes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FSKETCH_STARTUP", "0")
    (tmp_path / "photos").mkdir()
    for name in ("photos/one.png", "portrait.png"):
        Image.fromarray(np.full((32, 30, 3), 90, np.uint8)).save(tmp_path / name)
    (tmp_path / "holiday").mkdir()
    face = Image.fromarray(pictures.astronaut()[:256, 96:352])
    for name in ("portrait.jpg", "group.jpg", "drawing.png", "holiday/one.jpg"):
        face.save(tmp_path / name)
    done = []
    for page, words in ALL:
        if page != PAGES[0] or OTHERS.search(shlex.join(words)) or SETTING.match(words[0]):
            continue
        name, *words = stripped(words)
        if name != "fsketch" or words[0] == "demo":  # which serves until it is stopped
            continue
        words += smaller(tmp_path / "data") if words[0] == "train" else []
        with convolution.plain():  # compiles sooner
            assert front_door.main(words) == 0, (words, capsys.readouterr().err)
        done.append(words[0])
    drawn = ["sketch", "sketch", "sketch", "photo", "models"]
    assert done == [*drawn, "train", "train", "evaluate", "score", "synthesize"]
    made = {str(p.relative_to(tmp_path)) for p in (tmp_path / "sketches").rglob("*.png")}
    assert made == {"sketches/one.png", "sketches/portrait.png"}
    drawings = {path.name for path in (tmp_path / "drawings").iterdir()}
    assert drawings == {"portrait.png", "one.png", "group-scene.png"}
