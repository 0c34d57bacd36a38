"""The pages of docs/extend, followed to the letter: their files are made, their lines added."""

import importlib
import importlib.util
import pathlib
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch import methods, tfds_builders
from fsketch.configs import data, kd, students
from fsketch.convert import published
from fsketch.core import types
from fsketch.data import sources
from fsketch.frozen import architectures
from fsketch.losses import transfer
from fsketch.nets import students as nets
from fsketch.scoring import measures

PAGES = pathlib.Path(__file__).parents[1] / "docs" / "extend"
# A Python block whose first line says its place: a file, or a line of a table in a file.
BLOCK = re.compile(r"```python\n# ([\w/]+)\.py(?:, in (\w+))?\n(.*?)```", re.DOTALL)


@pytest.fixture
def follow(monkeypatch, tmp_path):
    """Does what a page says, until the end of the test; the modules it makes by their path."""

    def make(path, code):
        file = tmp_path / f"{path}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
        name = "fsketch." + path.removeprefix("fsketch/").replace("/", ".")
        spec = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        assert module.__doc__
        return module

    def do(page):
        made, names = {}, {}
        for path, table, code in BLOCK.findall((PAGES / f"{page}.md").read_text()):
            if not table:
                made[path] = names[pathlib.Path(path).name] = make(path, code)
                continue
            name = "fsketch." + path.removeprefix("fsketch/").replace("/", ".")
            module = importlib.import_module(name.removesuffix(".__init__"))
            for key, value in eval(f"{{{code}}}", {**vars(module), **names}).items():
                monkeypatch.setitem(getattr(module, table), key, value)
        return made

    return do


def batch(size=32):
    images = jax.random.uniform(jax.random.key(0), (2, size, size, 4), minval=-1.0)
    return {"photo": images[..., :3], "sketch": images[..., 3:]}


def shapes_of_a_step(config):
    """(state, scalars, predictions) of a method's first step, as shapes."""
    method = methods.create(config)
    pairs, keys = batch(config.data.crop_px), jax.random.split(jax.random.key(1), 2)
    frozen = method.freeze([batch(config.data.crop_px)])

    def run(pairs, keys):
        start = method.init(jax.random.key(0), frozen, pairs)
        after, scalars = method.train_step(start, frozen, pairs, keys)
        return after, scalars, method.predict(after, frozen, pairs)

    return jax.eval_shape(
        jax.vmap(run, axis_name=types.AXIS), *jax.tree.map(lambda x: x[None], (pairs, keys))
    )


def test_a_method(follow):
    experiment = follow("method")["configs/l1"]
    for argument in ("", "data=cuhk,student=small"):
        assert experiment.get_config(argument).method == "l1"
    after, scalars, predictions = shapes_of_a_step(experiment.tiny())
    assert set(after.players) == {"translator"}
    assert set(scalars) == {"translator/reconstruction"}
    assert predictions["sketch"].shape == (1, 2, 32, 32, 1)


def test_a_student_net(follow, monkeypatch):
    follow("student")
    monkeypatch.setitem(kd.KEYS, "student", ("default", *students.STUDENTS))  # read at import
    model = kd.get_config("data=cuhk,student=hourglass,variant=stroked,schedule=quick").model
    assert (model.net, model.width, model.num_blocks) == ("hourglass", 32, 4)
    sizes = {tap: 32 >> i % 3 for i, tap in enumerate((*transfer.ENCODER, *transfer.DECODER))}
    teacher = {tap: (size, size, 5) for tap, size in sizes.items()}
    net = nets.student(model, features=1, shapes=teacher)
    found = jax.eval_shape(net.init_with_output, jax.random.key(0), batch()["photo"])[0]
    fake, taps, matched = found
    assert fake.shape == (2, 32, 32, 1)
    assert {tap: x.shape[1] for tap, x in taps.items()} == sizes
    assert {tap: x.shape[1:] for tap, x in matched.items()} == teacher


def test_a_metric(follow):
    follow("metric")
    (metric,) = measures.ready(("mae",), measures.Options())
    images = np.zeros((2, 4, 4, 1)), np.stack([np.zeros((4, 4, 1)), np.full((4, 4, 1), 3.0)])
    np.testing.assert_array_equal(metric.score(*images), [0.0, 3.0])


def test_a_teacher(follow):
    follow("teacher")
    weights, net = published.WEIGHTS["vgg13"], architectures.ARCHITECTURES["vgg13"]
    assert weights.table().keys() == weights.shapes().keys()
    module, image = net.maps(), jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    maps = jax.eval_shape(module.init_with_output, jax.random.key(0), image)[0]
    assert [maps[tap].shape[1:] for tap in net.taps] == [(64, 64, 64), (32, 32, 128), (16, 16, 256)]
    assert net.deepest(module) in maps


def test_a_data_set(follow, monkeypatch, pairs_folder, tmp_path):
    made = follow("dataset")["tfds_builders/lab_faces/lab_faces_dataset_builder"]
    monkeypatch.setitem(kd.KEYS, "data", tuple(data.PAIRS))  # read at import
    assert kd.get_config("data=lab_faces").data.name == "lab_faces"
    for name in ("README.md", "CITATIONS.bib"):
        pathlib.Path(made.__file__).with_name(name).write_text("Drawn pairs.\n")
    monkeypatch.setattr(tfds_builders, "BUILDERS", (*tfds_builders.BUILDERS, made.Builder))
    folder = tmp_path / "faces"
    for kind in ("photos", "sketches"):
        (folder / kind).mkdir(parents=True)
        for file in (pairs_folder / kind).iterdir():
            (folder / kind / file.name).write_bytes(file.read_bytes())
    assert not sources.check("lab_faces", manual_dir=str(folder))[1].problems
    place = {"data_dir": str(tmp_path / "prepared"), "manual_dir": str(folder)}
    train, test = (sources.load("lab_faces", split, **place) for split in ("train", "test"))
    assert (len(train.id), test.id) == (10, ["f10", "f11", "f12", "f13"])
