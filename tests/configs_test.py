"""Every experiment: builds, is locked, documents itself, and has a tiny twin."""

import importlib
import pathlib
import re

import numpy as np
import pytest
from ml_collections import ConfigDict

from fsketch import methods
from fsketch.configs import kd
from fsketch.core import checkpoint

FOLDER = pathlib.Path(__file__).parents[1] / "configs"
NAMES = sorted(p.stem for p in FOLDER.glob("*.py") if p.stem not in ("__init__", "base"))


@pytest.fixture(params=NAMES)
def experiment(request):
    return importlib.import_module(f"configs.{request.param}")


def test_each_argument_builds_a_locked_configuration_of_a_known_method(experiment):
    for argument in experiment.ARGUMENTS:
        config = experiment.get_config(argument)
        assert config.is_locked
        assert config.method in methods.METHODS
        assert config.num_steps > 0
        methods.create(config)
        with pytest.raises(AttributeError):
            config.no_such_field = 1
        with pytest.raises(TypeError):
            config.num_steps = "many"


def test_default_argument_is_the_first(experiment):
    assert experiment.get_config() == experiment.get_config(experiment.ARGUMENTS[0])


def test_an_unknown_argument_is_refused(experiment):
    with pytest.raises(ValueError, match="nonsense"):
        experiment.get_config("nonsense")


def test_the_docstring_is_a_lab_record(experiment):
    for field in ("Paper ", "Run ", "Cost ", "Expect "):
        assert field in experiment.__doc__, field
    assert "fsketch train --config=configs/" in experiment.__doc__


def test_a_tiny_twin_exists_and_keeps_the_method(experiment):
    tiny = experiment.tiny()
    assert tiny.method == experiment.get_config().method
    assert tiny.num_steps <= 4


def test_configurations_survive_json(experiment):
    config = experiment.get_config()
    again = checkpoint.from_json(checkpoint.to_json(config))
    assert isinstance(again, ConfigDict)
    assert again == config


@pytest.mark.parametrize(("words", "pairs"), [("cuhk", 88), ("cufs", 268)])
def test_validation_is_held_out_of_all_parts_of_the_training_pairs(words, pairs):
    data = kd.get_config(words).data

    def chosen(split):
        pieces = re.findall(r"train\[(\d+):(\d+)\]", split)
        return [i for first, end in pieces for i in range(int(first), int(end))]

    held_out = chosen(data.validation)
    assert len(held_out) == 8 and sorted(held_out + chosen(data.train)) == list(range(pairs))
    assert np.diff(held_out).min() == np.diff(held_out).max()
    assert data.test == "test"


def test_whole_trains_on_what_else_chooses_the_checkpoint():
    config = kd.get_config("cuhk,small,structured,quick,whole")
    assert (config.data.train, config.data.validation, config.best_metric) == ("train", "", "")
    assert config.data.test == "test"
    assert config.num_steps == kd.get_config("cuhk,small,structured,quick").num_steps
    for argument in ("whole", "embedded,whole"):
        with pytest.raises(ValueError, match="'whole' is for pairs of one training split"):
            kd.get_config(argument)


def test_the_quick_schedule_is_for_real_pairs():
    with pytest.raises(ValueError, match="'quick' is for pairs of 256 px, cuhk and cufs"):
        kd.get_config("quick")


def test_every_field_is_read_somewhere(experiment):
    """A field that no code reads is a promise that nothing keeps."""
    source = "".join(p.read_text() for p in FOLDER.parent.joinpath("fsketch").rglob("*.py"))
    for name in _leaves(experiment.get_config().to_dict()):
        assert re.search(rf"(\.{name}\b|\"{name}\")", source), name


def _leaves(data):
    for name, value in data.items():
        if isinstance(value, dict) and name != "loss_weights":
            yield from _leaves(value)
        else:
            yield name
