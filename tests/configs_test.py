"""Every method's configuration: builds, is locked, documents itself, and has a tiny twin."""

import importlib
import pathlib
import re

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from fsketch import methods
from fsketch.configs import cyclegan, data, ifrp, kd, pix2pix, synthdistill
from fsketch.core import checkpoint
from fsketch.scoring import protocols

FOLDER = pathlib.Path(__file__).parents[1] / "configs"
NAMES = sorted(
    p.stem for p in FOLDER.glob("*.py") if p.stem not in ("__init__", "shared", "data", "students")
)


@pytest.fixture(params=NAMES)
def experiment(request):
    return importlib.import_module(f"fsketch.configs.{request.param}")


def arguments(experiment):
    """One for each value of each key, on real pairs where the value is for these."""
    for key, values in experiment.KEYS.items():
        for value in values:
            real = {"schedule": "data=cuhk,", "pairs": "data=cuhk,"}.get(key, "")
            if experiment is synthdistill and key == "student" and value in ("a", "b", "c"):
                real = "faces=stylegan2,"
            yield f"{real}{key}={value}"


def test_each_value_builds_a_locked_configuration_of_a_known_method(experiment):
    for argument in arguments(experiment):
        config = experiment.get_config(argument)
        assert config.is_locked
        assert config.method in methods.METHODS
        assert config.num_steps > 0
        assert config.best_metric == "" or config.data.validation, argument
        methods.create(config)
        with pytest.raises(AttributeError):
            config.no_such_field = 1
        with pytest.raises(TypeError):
            config.num_steps = "many"


def test_the_first_value_of_a_key_is_its_default(experiment):
    first = ",".join(f"{key}={values[0]}" for key, values in experiment.KEYS.items())
    assert experiment.get_config() == experiment.get_config(first)


def test_an_unknown_word_key_or_value_is_refused_in_every_file(experiment, request):
    file = rf"configs/{request.node.callspec.params['experiment']}\.py"
    key = next(iter(experiment.KEYS))
    for argument in ("nonsense", "nonsense=1", f"{key}=nonsense"):
        with pytest.raises(ValueError, match=rf"{file}:{argument}: .*expected .*got 'nonsense'"):
            experiment.get_config(argument)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "cuhk,small",
            "configs/kd.py:cuhk,small: expected key=value, e.g. data=cuhk,student=small; "
            "'cuhk' is now data=cuhk, 'small' is now student=small",
        ),
        ("no_mutual,data=cuhk", "e.g. ablation=no_mutual; 'no_mutual' is now ablation=no_mutual"),
        ("embedded", "'embedded' is now data=procedural"),
        ("cuhk,word", "'cuhk' is now data=cuhk"),
        ("word", "e.g. data=...; got 'word'; the keys are data, student, "),
        ("size=small", "expected one of the keys data, student, variant, .*, got 'size'"),
        (
            "data=fs3k",
            "data: expected one of procedural, cuhk, .*styles, paired_folder, got 'fs3k'",
        ),
        ("data=ar,data=cuhk", "data: expected once, got 'ar' and 'cuhk'"),
        ("pairs=whole", "pairs=whole: expected data=cuhk, .*fs2k, got data=procedural"),
        ("schedule=quick", r"expected pairs on a canvas of 256 px, got 160 px \(procedural_faces"),
    ],
)
def test_a_refusal_names_what_is_expected(argument, message):
    with pytest.raises(ValueError, match=message):
        kd.get_config(argument)


def test_values_that_exclude_each_other_are_refused():
    for config in (cyclegan, pix2pix):
        with pytest.raises(
            ValueError, match="expected portraits= without data=, pairs= and schedule="
        ):
            config.get_config("portraits=fs2k,data=cuhk")
    with pytest.raises(ValueError, match="student: expected mini with faces=procedural, got 'b'"):
        synthdistill.get_config("student=b")


@pytest.mark.parametrize("portraits", ["procedural", "celeba", "fs2k", "orl"])
@pytest.mark.parametrize("baseline", [cyclegan, pix2pix])
def test_baselines_see_the_portraits_of_ifrp(baseline, portraits):
    theirs, ours = (c.get_config(f"portraits={portraits}") for c in (baseline, ifrp))
    for name in ("portraits", "data", "batch_size", "num_steps", "best_metric", "protocol"):
        assert theirs[name] == ours[name], name
    side = theirs.data.crop_px
    pair = {kind: np.zeros((1, side, side, 3)) for kind in ("photo", "sketch")}
    method = methods.create(theirs)
    made = jax.eval_shape(
        lambda key: method.predict(method.init(key, {}, pair), {}, pair), jax.random.key(0)
    )
    assert made["photo"].shape == pair["photo"].shape


@pytest.mark.parametrize(("portraits", "seed"), [("celeba", 1), ("fs2k", 0), ("procedural", 0)])
def test_ifrp_at_the_paper_s_size_has_the_seed_of_its_code(portraits, seed):
    assert ifrp.get_config(f"portraits={portraits}").seed == seed


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


def chosen(split):
    pieces = re.findall(r"train\[(\d+):(\d+)\]", split)
    return [i for first, end in pieces for i in range(int(first), int(end))]


@pytest.mark.parametrize("name", [name for name, pairs in data.PAIRS.items() if pairs.num_held_out])
def test_validation_is_held_out_of_all_parts_of_the_training_pairs(name):
    config, pairs = kd.get_config(f"data={name}"), data.PAIRS[name]
    held_out = chosen(config.data.validation)
    assert len(held_out) == pairs.num_held_out
    assert sorted(held_out + chosen(config.data.train)) == list(range(pairs.num_train))
    assert np.diff(held_out).min() == np.diff(held_out).max()
    assert config.data.test == "test"
    assert config.num_steps == 200 * (pairs.num_train - len(held_out))
    whole = kd.get_config(f"data={name},pairs=whole")
    assert (whole.data.train, whole.data.validation, whole.best_metric) == ("train", "", "")
    assert (whole.data.test, whole.num_steps) == ("test", config.num_steps)


@pytest.mark.parametrize("name", data.PAIRS)
def test_the_metric_that_chooses_is_one_of_the_protocol(name):
    pairs = data.PAIRS[name]
    assert pairs.metric in protocols.get(pairs.protocol).image_metrics
    assert pairs.crop_px % 16 == 0 and pairs.crop_px < pairs.canvas_px


def test_every_field_is_read_somewhere(experiment):
    """A field that no code reads is a promise that nothing keeps."""
    source = "".join(p.read_text() for p in FOLDER.parent.joinpath("fsketch").rglob("*.py"))
    for name in _leaves(experiment.get_config().to_dict()):
        assert re.search(rf"(\.{name}\b|\"{name}\")", source) or name in PASSED_ON, name


# Fields of config.model that nets/students.py hands to the net's constructor as they are.
PASSED_ON = ("num_blocks", "up", "skips", "noise", "detail")


def _leaves(fields):
    for name, value in fields.items():
        if isinstance(value, dict) and name != "loss_weights":
            yield from _leaves(value)
        else:
            yield name
