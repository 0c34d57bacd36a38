"""Experiments: every file builds; a chain trains, stops between stages, goes on, and prints."""

import importlib
import pkgutil

import numpy as np
import pytest
from etils import epath

from fsketch import experiment, methods, train
from fsketch.configs import experiments, teacher
from fsketch.core import checkpoint

pytestmark = pytest.mark.usefixtures("plain_convolutions")

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
        sources = [part for part in stage.start_from.split(",") if part]
        assert all(part.startswith("RUNS/") or part in module.__doc__ for part in sources)


def test_the_arguments_of_an_experiment_are_checked():
    module = importlib.import_module("fsketch.configs.experiments.cuhk_ladder")
    assert module.get_config("student=small").stages.kd.model.width == 24
    with pytest.raises(ValueError, match=r"experiments/cuhk_ladder\.py:small: .*student=small"):
        module.get_config("small")


def test_a_path_reaches_all_stages_which_otherwise_keep_their_own():
    config = importlib.import_module("fsketch.configs.experiments.synthdistill_sface").get_config()
    config.embedder.path = "FILE"
    stages = [config.stages[name] for name in config.order]
    paths = {(stage.generator.path, stage.embedder.path) for stage in stages}
    assert paths == {("dcgan_digiface", "FILE")}


@pytest.fixture
def chain(tiny):
    """A recogniser, a second from it, a third from the mean of both."""
    start_from = {"first": "", "again": "first", "mean": "first,again"}
    stages = {
        name: experiments.stage(tiny(teacher), {"start_from": start_from[name]})
        for name in start_from
    }
    folders = {field: stages["first"].data[field] for field in ("manual_dir", "data_dir")}
    config = experiments.experiment(stages)
    config.data.update(folders)
    config.stages.again.num_steps = 3
    return config


def test_a_chain_stops_between_stages_goes_on_and_starts_from_the_mean(
    chain, tmp_path, monkeypatch, capsys
):
    loop, begun = train.train, []

    def until(limit):
        def start(config, workdir):
            begun.append(workdir.name)
            if len(begun) == limit:
                raise train.Stopped(0)
            return loop(config, workdir)

        begun.clear()
        monkeypatch.setattr(train, "train", start)

    until(3)
    with pytest.raises(train.Stopped):
        experiment.train(chain, tmp_path)
    assert begun == ["first", "again", "mean"]
    until(None)
    experiment.train(chain, tmp_path)
    assert begun == ["mean"]
    lines = capsys.readouterr().out.splitlines()[-5:]
    assert lines[0].split()[:3] == ["stage", "step", "rank1"]
    assert [line.split()[0] for line in lines[2:]] == ["first", "again", "mean"]

    *earlier, (mean, meta) = (
        checkpoint.read(tmp_path / name, kind="latest") for name in chain.order
    )
    assert [meta["step"] for _, meta in earlier] == [2, 3]
    assert meta["config"]["start_from"] == f"{tmp_path}/first,{tmp_path}/again"
    # Two steps of Adam move a number by twice the rate or little more.
    name = next(name for name in mean if name.startswith("players/teacher/params"))
    started = np.mean([arrays[name] for arrays, _ in earlier], axis=0)
    moved = np.abs(mean[name] - started).max()
    assert 0 < moved < 3 * chain.stages.mean.optim.learning_rate
    assert np.abs(earlier[0][0][name] - started).max() > 0
    until(None)
    experiment.train(chain, tmp_path)
    assert not begun


def test_what_cannot_be_ordered_is_refused(chain):
    def check(order, message):
        with chain.unlocked():
            chain.order = order
        with pytest.raises(ValueError, match=message):
            list(experiment.stages(chain, epath.Path("RUNS")))

    check(
        ("again", "first", "mean"),
        r"stages\.again\.start_from: expected an earlier stage, got 'first'",
    )
    check(("first",), "order: expected the stages again, first, mean, got")


def test_fields_of_an_experiment_hold_for_all_stages(chain):
    chain.data.manual_dir = "DIR"
    chain.stages.again.seed = 5
    stages = dict(zip(chain.order, experiment.stages(chain, epath.Path("RUNS")), strict=True))
    assert {stage.data.manual_dir for stage, _ in stages.values()} == {"DIR"}
    assert [stage.seed for stage, _ in stages.values()] == [0, 5, 0]
    with pytest.raises(KeyError):
        experiments.stage(teacher.tiny(), {"optim.rate": 1.0})
