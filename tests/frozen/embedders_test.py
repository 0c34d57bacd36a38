"""Embedders by path: they are the trained nets, as the run that trained them shows them faces."""

import json

import jax
import numpy as np
import pytest

from fsketch import methods, restore
from fsketch.configs import embedder, kd, teacher
from fsketch.convert import files
from fsketch.core import checkpoint, images, trees
from fsketch.frozen import embedders, metric_nets, registry
from fsketch.scoring import face_crops, features, measures


def test_a_run_is_an_embedder(tiny_embedder):
    net = embedders.load(tiny_embedder)
    spec = json.loads(net.spec)
    assert (spec["net"], spec["side_px"], spec["frame"]) == ("vgg", 32, "face")
    arrays, _ = checkpoint.read(tiny_embedder)
    kernel = arrays["players/embedder/params/net/embedding/kernel"]
    np.testing.assert_array_equal(net.variables["params"]["embedding"]["kernel"], kernel)
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    config = embedder.tiny()
    method = methods.create(config)
    like = jax.eval_shape(method.init, jax.random.key(0), {}, {})
    state = checkpoint.fill(like, arrays, source="test")
    batch = {"photo": images.from_uint8(picture[None])}
    trained = method.predict(state, {}, batch)["embedding_photo"]
    np.testing.assert_allclose(face_crops.on_pictures(net)([picture]), trained, atol=1e-5)
    # And for fsketch.score.
    extract = features.embedding(measures.Options(embedder=tiny_embedder)).extract
    np.testing.assert_allclose(extract([picture]), trained, atol=1e-5)


def test_running_statistics_come_along(tmp_path):
    config = embedder.tiny()
    with config.unlocked():
        config.model.net = "tinyfar"
        config.model.arguments = {"variant": "mini", "embedding_size": 8}
    shapes = jax.eval_shape(methods.create(config).init, jax.random.key(0), {}, {})
    host = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.25, leaf.dtype), shapes)
    keep(config, host, tmp_path)
    net = embedders.load(str(tmp_path))
    wanted = jax.eval_shape(net.net.init, jax.random.key(0), np.zeros((1, 32, 32, 3), np.float32))
    assert jax.tree.structure(net.variables) == jax.tree.structure(dict(wanted))
    assert "batch_stats" in net.variables


def test_an_embedder_is_built_again_from_its_specification(tiny_embedder):
    net = embedders.load(tiny_embedder)
    again = registry.build(net.spec, net.variables)
    image = np.zeros((1, 32, 32, 3), np.float32)
    np.testing.assert_array_equal(net(image), again(image))


def left_behind(config, workdir):
    """A workdir of an untrained run."""
    method = methods.create(config)
    batch = {"photo": np.zeros((1, 32, 32, 3), np.float32)}
    host = jax.device_get(jax.jit(method.init)(jax.random.key(0), {}, batch))
    keep(config, host, workdir)
    return host


def keep(config, host, workdir):
    """Saves a state as a run would."""
    places = checkpoint.open_workdir(workdir, keep=1)
    checkpoint.save(places.latest, 3, host, restore.meta_data(config, step=3))
    places.wait()
    places.close()


def test_a_teacher_s_run_is_one_on_its_canvas(tmp_path):
    config = teacher.tiny()
    with config.unlocked():
        config.optim.ema_rate = 0.5
        config.data.fill_photo = 9
    host = left_behind(config, tmp_path)
    net = embedders.load(str(tmp_path))
    ema = trees.flatten(host["teacher"].ema)
    for name, array in trees.flatten(net.variables["params"]).items():
        np.testing.assert_array_equal(array, ema[name])
    assert not any("classifier" in name for name in trees.flatten(net.variables))
    placed = face_crops.placed(net, [np.full((20, 30, 1), 200, np.uint8)])
    assert placed.shape == (1, 32, 32, 3)
    assert (placed[0, 6:26, 1:31] == 200).all() and (placed[0, :6] == 9).all()
    with pytest.raises(ValueError, match=r"fits a canvas of .*, got 40 x 20 px"):
        face_crops.placed(net, [np.zeros((20, 40, 3), np.uint8)])


def test_what_is_no_embedder_is_refused(tiny_teacher, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing': expected the workdir of a run"):
        embedders.load(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match=r"got those of 'squeezenet_v1.0'"):
        embedders.load(tiny_teacher)
    keep(kd.tiny(), {"x": np.zeros(1)}, tmp_path / "kd")
    with pytest.raises(ValueError, match=r"used as embedder, got one of method 'kd'"):
        embedders.load(str(tmp_path / "kd"))
    with pytest.raises(metric_nets.WeightsError, match=r"embedder: .*method 'kd'"):
        features.embedding(measures.Options(embedder=str(tmp_path / "kd")))
    path = str(tmp_path / "x.safetensors")
    files.write(path, {"a": np.zeros(1)}, net="vgg", source="-", sha256="-")  # no published one
    with pytest.raises(ValueError, match="got those of 'vgg'"):
        embedders.load(path)
