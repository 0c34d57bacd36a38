"""Embedders by path: what they see of a picture, and that they are the trained nets."""

import json

import jax
import numpy as np
import pytest

from fsketch import methods
from fsketch.configs import embedder, teacher
from fsketch.convert import files
from fsketch.core import checkpoint, images, trees
from fsketch.frozen import embedders, extractors
from fsketch.scoring import features, measures


def test_the_recognition_crop_of_aligned_images_by_hand():
    # Eyes 50 px apart become 35.2372: one pixel of the crop is 1.418955 px of the image.
    left, top, right, bottom = embedders.face_box()
    assert right - left == pytest.approx(112 * 1.418955, rel=1e-5)
    assert left == pytest.approx(75 - 38.2946 * 1.418955, rel=1e-4)
    assert top == pytest.approx(125 - 51.6 * 1.418955, rel=1e-4)
    assert bottom - top == right - left


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
    np.testing.assert_allclose(embedders.on_pictures(net)([picture]), trained, atol=1e-5)
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
    again = embedders.build(net.spec, net.variables)
    image = np.zeros((1, 32, 32, 3), np.float32)
    np.testing.assert_array_equal(net(image), again(image))
    assert embedders.side_px(again) == 32


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
    meta = {"config": checkpoint.to_json(config), "step": 3, "position": 0, "frozen": []}
    checkpoint.save(places.latest, 3, host, meta)
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
    placed = embedders.placed(net, [np.full((20, 30, 1), 200, np.uint8)])
    assert placed.shape == (1, 32, 32, 3)
    assert (placed[0, 6:26, 1:31] == 200).all() and (placed[0, :6] == 9).all()
    with pytest.raises(embedders.EmbedderError, match=r"40 x 20 px .* does not fit"):
        embedders.placed(net, [np.zeros((20, 40, 3), np.uint8)])


def test_a_face_is_cut_out_of_aligned_images_and_squares_are_taken_whole(tiny_embedder):
    net = embedders.load(tiny_embedder)
    aligned = np.zeros((250, 200, 3), np.uint8)
    aligned[123:127, 73:77] = aligned[123:127, 123:127] = 255  # the eyes
    (crop,) = embedders.placed(net, [aligned])
    rows, columns = np.nonzero(crop[..., 0] > 60)
    assert {round(r) for r in rows} <= {14, 15}  # 51.6 / 112 of 32, less half a pixel: 14.2
    assert set(columns) <= {10, 11, 20, 21}  # 38.3 and 73.5: 10.4 and 20.5
    square = np.full((112, 112, 1), 77, np.uint8)
    assert (embedders.placed(net, [square]) == 77).all()
    with pytest.raises(embedders.EmbedderError, match=r"30 x 20 px; admitted are squares"):
        embedders.placed(net, [np.zeros((20, 30, 3), np.uint8)])


def test_what_is_no_embedder_is_refused(tiny_embedder, tiny_teacher, tmp_path):
    with pytest.raises(embedders.EmbedderError, match="no such folder"):
        embedders.load(str(tmp_path / "nothing"))
    with pytest.raises(embedders.EmbedderError, match=r"weights of 'squeezenet_v1.0'"):
        embedders.load(tiny_teacher)
    _, meta = checkpoint.read(tiny_embedder)
    places = checkpoint.open_workdir(tmp_path, keep=1)
    meta["config"]["method"] = "kd"
    checkpoint.save(places.latest, 0, {"x": np.zeros(1)}, meta)
    places.wait()
    places.close()
    with pytest.raises(embedders.EmbedderError, match=r"method 'kd'; .*'embedder'"):
        embedders.load(str(tmp_path))
    with pytest.raises(extractors.WeightsError, match=r"embedder: .*method 'kd'"):
        features.embedding(measures.Options(embedder=str(tmp_path)))


def test_files_without_a_net_are_refused(tmp_path):
    path = str(tmp_path / "x.safetensors")
    files.write(path, {"a": np.zeros(1)}, net="vgg", source="-", sha256="-")
    with pytest.raises(embedders.EmbedderError, match="weights of 'vgg'"):
        embedders.load(path)
