"""Training an embedder: drawn persons, refusals, and that it learns."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch import methods, prediction, train
from fsketch.configs import embedder, kd
from fsketch.data import pipeline
from fsketch.data.synthetic import procedural
from fsketch.methods import drawn

pytestmark = pytest.mark.usefixtures("quick_faces", "plain_convolutions")


@pytest.fixture
def frozen():
    return methods.create(embedder.tiny()).freeze([{"identity": np.array([7])}])


def test_a_person_is_the_same_in_every_view_and_a_view_is_of_its_key(frozen, monkeypatch):
    generator = frozen["generator"]
    identity = jnp.array([3, 3, 4])
    keys = jax.random.split(jax.random.key(0), 3)
    seen = []
    photo = procedural.render_photo

    def watched(identity, view, **options):
        jax.debug.callback(lambda i, v: seen.append((np.asarray(i), np.asarray(v))), identity, view)
        return photo(identity, view, **options)

    monkeypatch.setattr(procedural, "render_photo", watched)
    faces = drawn.views(generator, identity, keys, side_px=32)
    jax.effects_barrier()
    assert len({tuple(i) for i, _ in seen}) == 2 and len({tuple(v) for _, v in seen}) == 3
    assert faces.shape == (3, 32, 32, 3) and float(jnp.abs(faces).max()) <= 1
    alone = drawn.views(generator, identity[1:2], keys[1:2], side_px=32)
    np.testing.assert_allclose(alone[0], faces[1], atol=1e-6)


def test_held_out_faces_depend_on_their_place_alone(frozen):
    batch = {"identity": jnp.array([8, 8, 9]), "index": jnp.array([0, 1, 2])}
    faces = drawn.photos(frozen, batch, side_px=32)
    again = drawn.photos(frozen, jax.tree.map(lambda x: x[1:2], batch), side_px=32)
    np.testing.assert_allclose(again[0], faces[1], atol=1e-6)
    assert (np.asarray(faces[0]) != faces[1]).any()
    given = {**batch, "photo": jnp.ones((3, 32, 32, 3))}
    assert drawn.photos(frozen, given, side_px=32) is given["photo"]


def test_it_learns_to_tell_drawn_persons_apart(tmp_path):
    config = embedder.tiny()
    with config.unlocked():
        config.batch_size = config.eval_batch_size = 16
        config.num_steps, config.eval_every_steps, config.save_every_steps = 60, 60, 60
        config.log_every_steps = 20
        config.optim.learning_rate = 1e-2
        config.margin.scale = 8.0
    train.train(config, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    accuracy = [row["embedder/accuracy"] for row in rows if "embedder/accuracy" in row]
    assert accuracy[-1] > accuracy[0]
    result = json.loads((tmp_path / "evaluation.json").read_text())
    assert set(result["metrics"]) == {"rank1", "accuracy", "auc"}
    assert result["num_images"] == 8


def test_more_persons_than_directions_are_refused():
    config = embedder.tiny()
    with pytest.raises(
        ValueError, match=r"model.num_identities: expected more than 1000, .*got 1000"
    ):
        methods.create(config).freeze([{"identity": np.array([i])} for i in (3, 1000)])
    with config.unlocked():
        config.model.net = "resnet"
    with pytest.raises(ValueError, match=r"model.net: expected .*'vgg'.*got 'resnet'"):
        methods.create(config)
    with config.unlocked():
        config.model.net = "vgg"
        config.model.arguments.wings = 2
    with pytest.raises(ValueError, match=r"model.arguments of vgg: .*wings"):
        methods.create(config)


def test_methods_that_need_images_refuse_drawn_data(tiny):
    config = tiny(kd)
    with config.unlocked():
        config.data.name = pipeline.DRAWN
        for weight in ("mimic", "transform"):
            config.loss_weights[weight] = 0.0
    method = methods.create(config)
    with pytest.raises(
        ValueError, match=r"data.name: expected .*with (photo|sketch) for method 'kd', got 'drawn'"
    ):
        prediction.initial_state(method, {}, config, pipeline.drawn("0:4"))
