"""Experiments: every file builds; a chain trains, stops between stages, goes on, and prints."""

import importlib
import pkgutil

import numpy as np
import pytest
from etils import epath

from fsketch import experiment, methods, train
from fsketch.configs import experiments, kd, kd_plus
from fsketch.core import checkpoint

NAMES = [module.name for module in pkgutil.iter_modules(experiments.__path__)]


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_builds_and_says_what_to_expect(name):
    module = importlib.import_module(f"fsketch.configs.experiments.{name}")
    for field in (f"fsketch train --config=configs/experiments/{name}.py", "Cost ", "Expect "):
        assert field in module.__doc__, field
    config = module.get_config()
    assert config.is_locked
    if "stages" not in config:
        methods.create(config)
        return
    config.data.manual_dir = "PAIRS"
    if "teacher" in config:
        config.teacher.path = "FILE"
    for stage, folder in experiment.stages(config, epath.Path("RUNS")):
        methods.create(stage)
        assert stage.is_locked and stage.data.manual_dir == "PAIRS"
        if stage.method in ("kt", "kd", "kd_plus"):
            roles = ("teacher",) if stage.method != "kt" else ("teacher_photo", "teacher_sketch")
            assert {stage[role].path for role in roles} == {"FILE"}
        assert folder.name in module.__doc__ or folder.name.rpartition("_")[0] in module.__doc__
        assert all(part.startswith("RUNS/") for part in stage.start_from.split(",") if part)


def test_the_arguments_of_an_experiment_are_checked():
    module = importlib.import_module("fsketch.configs.experiments.cuhk_ladder")
    assert module.get_config("student=small").stages.kd.model.width == 24
    with pytest.raises(ValueError, match=r"experiments/cuhk_ladder\.py:small: .*student=small"):
        module.get_config("small")


@pytest.fixture
def chain(tiny):
    """One KD, a second from it, KD+ from the mean of both."""

    def make(module, **changes):
        config = tiny(module)
        changes = {"best_metric": "", "data.validation": "", **changes}
        return experiments.stage(config, changes)

    stages = {
        "last": make(kd),
        "again": experiments.stage(make(kd), {"num_steps": 3}, start_from="last"),
        "critics": experiments.stage(make(kd_plus), {}, start_from="last,again"),
    }
    data = stages["last"].data
    config = experiments.experiment(stages, teacher=stages["last"].teacher.path)
    config.data.manual_dir, config.data.data_dir = data.manual_dir, data.data_dir
    return config


def test_a_chain_stops_between_stages_goes_on_and_starts_from_the_mean(
    chain, tmp_path, monkeypatch, capsys
):
    loop, begun = train.train, []

    def stopped_at(limit):
        def start(config, workdir):
            begun.append(workdir.name)
            if len(begun) == limit:
                raise train.Stopped(0)
            return loop(config, workdir)

        return start

    monkeypatch.setattr(train, "train", stopped_at(3))
    with pytest.raises(train.Stopped):
        experiment.train(chain, tmp_path)
    assert begun == ["last", "again", "critics"]
    begun.clear()
    monkeypatch.setattr(train, "train", stopped_at(None))
    experiment.train(chain, tmp_path)
    assert begun == ["critics"]
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows if row[0] in chain.order] == ["last", "again", "critics"]
    assert rows[0][:3] == ["stage", "step", "to_sketch/ssim"] and rows[3][1] == "3"

    *earlier, critics = (checkpoint.read(tmp_path / name, kind="latest") for name in chain.order)
    assert critics[1]["config"]["start_from"] == f"{tmp_path}/last,{tmp_path}/again"
    assert "order" not in critics[1]["config"]
    # Two steps of Adam move a number by twice the rate at most.
    rate = chain.stages.critics.optim.learning_rate
    name = next(name for name in critics[0] if name.startswith("players/student_sketch/params"))
    mean = np.mean([arrays[name] for arrays, _ in earlier], axis=0)
    assert 0 < np.abs(critics[0][name] - mean).max() < 3 * rate
    begun.clear()
    experiment.train(chain, tmp_path)
    assert not begun


def test_what_cannot_be_ordered_is_refused(chain):
    def first(config):
        return next(experiment.stages(config, epath.Path("RUNS")))

    with chain.unlocked():
        chain.order = ("again", "last", "critics")
    with pytest.raises(ValueError, match=r"stages\.again\.start_from: expected a stage before"):
        first(chain)
    with chain.unlocked():
        chain.order = ("last",)
    with pytest.raises(ValueError, match="order: expected the stages again, critics, last, got"):
        first(chain)


def test_fields_of_the_experiment_hold_for_its_stages_and_unknown_ones_are_refused(chain):
    chain.stages.again.num_steps = 7
    chain.teacher.path = "FILE"
    assert {stage.teacher.path for stage in chain.stages.values()} == {"FILE"}
    with pytest.raises(KeyError):
        experiments.stage(kd.tiny(), {"optim.rate": 1.0})
