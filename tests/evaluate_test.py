"""Restoring and the sample sheet; evaluations of whole runs: train_test.py, programs_test.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath
from flax import linen as nn

from fsketch import evaluate, methods, prediction, restore, sample_sheets
from fsketch.configs import cyclegan, embedder, ide, kd, style
from fsketch.core import checkpoint, parallel, sheets, state
from fsketch.data import pipeline
from fsketch.methods import interface
from fsketch.nets import convolution


def test_examples_alone_and_all_at_once_agree(monkeypatch):
    """As on CPU, and as on GPU and TPU."""
    net = nn.Sequential([nn.Conv(8, (3, 3)), nn.GroupNorm(2), nn.relu, nn.Conv(1, (3, 3))])
    rng = np.random.default_rng(0)
    batch = {"photo": rng.integers(0, 256, (16, 12, 12, 3)).astype(np.uint8)}
    params = net.init(jax.random.key(0), jnp.zeros((1, 12, 12, 3)))
    method = interface.Method(None, None, None, lambda _, frozen, b: {"sketch": frozen(b["photo"])})
    frozen = state.Frozen(params, net, lambda image: image, "")
    made = []
    for platform in ("cpu", "tpu"):
        monkeypatch.setattr(jax, "default_backend", lambda platform=platform: platform)
        replicated = (parallel.replicate(part) for part in ({}, frozen))
        made.append(prediction.predictor(method)(*replicated)(batch)["sketch"])
    assert made[0].shape == (16, 12, 12, 1)
    np.testing.assert_allclose(*made, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("with_coarse", [False, True])
def test_a_sample_sheet_has_a_row_for_all_that_there_is(with_coarse, monkeypatch):
    """Three pairs of 4 x 2 px on 4 px canvases, 2 shown; values: photo 10, sketch 20, coarse 30."""

    def kind(value, depth):
        return np.full((3, 4, 4, depth), value, np.uint8)

    box = np.tile([0, 1, 4, 2], (3, 1))
    coarse = kind(30, 1) if with_coarse else None
    canvases = pipeline.Canvases(
        kind(10, 3), kind(20, 1), box, list("abc"), np.arange(3), coarse=coarse
    )
    shown = {}
    monkeypatch.setattr(sheets, "sheet", shown.update)
    sample_sheets.sample_sheet(
        lambda batch: {"sketch": np.ones((len(batch["photo"]), 4, 4, 1), np.float32)},
        canvases,
        num_samples=2,
        batch_size=2,
        above={"style": [np.full((4, 2, 3), 40, np.uint8)]},
    )
    values = {"style": 40, "photo": 10, "sketch": 20, "coarse image": 30}
    values["sketch made from the photo"] = 255
    if not with_coarse:
        del values["coarse image"]
    assert {label: int(row[0].min()) for label, row in shown.items()} == values
    assert list(shown) == list(values)
    assert {image.shape[:2] for row in shown.values() for image in row} == {(4, 2)}


@pytest.mark.parametrize("is_drawn", [False, True])
def test_a_sheet_of_embeddings_shows_the_nearest_other_face(is_drawn, monkeypatch):
    """Six persons, then second views of them; grey levels are 20 times the person plus the view.

    There is room for both views of four persons.
    """
    monkeypatch.setattr(sample_sheets, "NUM_COMPARED", 8)
    identity = np.tile(np.arange(6), 2)
    levels = 20 * identity + np.repeat([0, 1], 6)
    photo = np.broadcast_to(levels[:, None, None, None], (12, 4, 4, 3)).astype(np.uint8)
    box = np.tile([0, 0, 4, 4], (12, 1))
    faces = pipeline.Canvases(photo, None, box, [str(i) for i in levels], identity)

    def predict(batch):
        angle = batch["photo"][:, 0, 0, 0] / 100
        outputs = {"embedding_photo": np.stack([np.cos(angle), np.sin(angle)], 1)}
        return outputs | ({"face": batch["photo"] / -127.5 + 1.0} if is_drawn else {})

    rows = {}
    monkeypatch.setattr(sheets, "sheet", rows.update)
    sample_sheets.sample_sheet(predict, faces, num_samples=4, batch_size=3, above={})
    assert list(rows) == ["face", "nearest of 7 others"]
    face, nearest = (np.array([image.mean() for image in row]) for row in rows.values())
    if is_drawn:  # the drawn faces, here negatives, and not the batch's
        face, nearest = 255 - face, 255 - nearest
    assert len(set(face // 20)) == 4
    np.testing.assert_array_equal(face // 20, nearest // 20)
    np.testing.assert_array_equal(np.abs(face - nearest), 1)


def test_what_makes_nothing_to_be_seen_has_no_sheet():
    photo = np.zeros((2, 4, 4, 3), np.uint8)
    faces = pipeline.Canvases(photo, None, np.tile([0, 0, 4, 4], (2, 1)), ["a", "b"], np.arange(2))
    for outputs in ({}, {"embedding_sketch": np.zeros((2, 8))}):
        made = sample_sheets.sample_sheet(
            lambda _, outputs=outputs: outputs, faces, num_samples=2, batch_size=2, above={}
        )
        assert made is None


def test_a_sheet_shows_as_many_persons_and_styles_as_there_are():
    of_styles = np.repeat(np.arange(40), 3)  # as portraits are listed: ID@STYLE
    places = sample_sheets.shown(of_styles, 8)
    assert len(set(of_styles[places])) == 8 and len(set(places % 3)) == 3
    np.testing.assert_array_equal(sample_sheets.shown(of_styles, 8), places)
    np.testing.assert_array_equal(sample_sheets.shown(np.arange(40), 8), np.arange(8))
    few = sample_sheets.shown(np.repeat([0, 1, 2], 5), 8)
    assert len(set(few)) == 8 and set(few // 5) == {0, 1, 2}
    np.testing.assert_array_equal(sample_sheets.shown(np.zeros(3, int), 8), np.arange(3))


def test_a_border_is_left_out_of_the_scores():
    """IDE's code scores validation pairs without 2 px at every side."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 20, 20, 1)).astype(np.uint8)
    photo, box = np.repeat(pixels, 3, -1), np.tile([0, 0, 20, 20], (2, 1))
    pairs = pipeline.Canvases(photo, pixels, box, ["a", "b"], np.arange(2))

    def predict(batch):
        framed = np.pad(batch["photo"][:, 2:-2, 2:-2, :1], ((0, 0), (2, 2), (2, 2), (0, 0)))
        return {"sketch": framed / 127.5 - 1}

    inner, one, none = (
        evaluate.evaluate(predict, pairs, batch_size=2, protocol="plain", border_px=px)
        for px in (2, 1, 0)
    )
    assert inner["to_sketch/psnr"] == 99 and inner["to_sketch/ssim"] == pytest.approx(1)
    assert none["to_sketch/psnr"] < one["to_sketch/psnr"] < 20
    assert ide.get_config("data=cuhk").validation_border_px == 2


def test_each_style_has_scores_of_its_own():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 20, 20, 1)).astype(np.uint8)
    photo, box = np.repeat(pixels, 3, -1), np.tile([0, 0, 20, 20], (5, 1))
    pixels[[1, 3]] = 255 - pixels[[1, 3]]
    drawn_in = ["ink", "pen", "ink", "pen", "pen"]
    pairs = pipeline.Canvases(photo, pixels, box, list("abcde"), np.arange(5), drawn_in=drawn_in)

    def predict(batch):
        return {"sketch": batch["photo"][..., :1] / 127.5 - 1}

    options = {"batch_size": 2, "protocol": "plain"}
    scored = evaluate.score(predict, pairs, **options)
    found = evaluate.by_style(scored, drawn_in)
    assert {hand: scores.pop("images") for hand, scores in found.items()} == {"ink": 2, "pen": 3}
    for hand, scores in found.items():
        places = [place for place, name in enumerate(drawn_in) if name == hand]
        own = pairs.take(places)
        assert own.drawn_in == [hand] * len(places)
        assert scores == pytest.approx(evaluate.evaluate(predict, own, **options))
    assert found["ink"]["to_sketch/psnr"] == 99 > found["pen"]["to_sketch/psnr"]
    assert evaluate.by_style(scored, ()) == evaluate.by_style(scored, ["ink"] * 5) == {}


def test_a_run_on_parts_is_restored_without_its_pool_of_parts(tiny, tmp_path):
    config = tiny(cyclegan)
    config.data.part_px = 16
    canvases = evaluate.load_canvases(config.data, "test", canvas_px=config.data.crop_px)
    with convolution.plain():
        fresh = prediction.initial_state(methods.create(config), {}, config, canvases)
    assert {x.shape[1:3] for x in jax.tree.leaves(fresh.memory) if x.ndim == 4} == {(16, 16)}
    places = checkpoint.open_workdir(tmp_path, keep=1)
    checkpoint.save(places.latest, 0, fresh, restore.meta_data(config, step=0))
    places.wait()
    places.close()

    restored = restore.run(tmp_path, kind="latest")
    leaves = [jax.tree.leaves(players) for players in (restored.state.players, fresh.players)]
    for one, other in zip(*leaves, strict=True):
        np.testing.assert_array_equal(one, other)
    whole = prediction.blank(config)
    made = jax.eval_shape(restored.method.predict, restored.state, {}, whole)
    assert made["sketch"].shape == (1, 32, 32, 1) and made["photo"].shape == (1, 32, 32, 3)


@pytest.mark.parametrize(
    ("experiment", "metrics", "protocol", "told"),
    [
        (kd, {"to_sketch/ssim": 0.5}, "plain", "SSIM Gaussian"),
        (embedder, {"rank1": 0.5, "auc": 0.9}, "embeddings", "nearest other picture, by cosine"),
        (style, {}, "none", "not scored"),
    ],
)
def test_a_report_tells_the_convention_of_its_own_metrics(experiment, metrics, protocol, told):
    config = experiment.tiny()
    config.data.name = pipeline.DRAWN  # no data set to look up
    found = evaluate.report(config, metrics, step=1, num_images=2)
    assert found["protocol"] == protocol and told in found["convention"]
    assert ("SSIM" in found["convention"]) == ("to_sketch/ssim" in metrics)


def test_without_a_protocol_images_are_written_and_not_scored(tmp_path):
    pixels = np.zeros((2, 20, 20, 3), np.uint8)
    box = np.tile([0, 0, 20, 20], (2, 1))
    pairs = pipeline.Canvases(pixels, pixels[..., :1], box, ["a", "b"], np.arange(2))
    made = evaluate.evaluate(
        lambda batch: {"sketch": np.ones((2, 20, 20, 3))},
        pairs,
        batch_size=2,
        protocol=None,
        folder=epath.Path(tmp_path),
    )
    assert made == {}
    assert sorted(path.name for path in (tmp_path / "to_sketch").iterdir()) == ["a.png", "b.png"]


def test_what_compiles_is_named_before_and_once(capsys):
    method = interface.Method(None, None, None, lambda _, frozen, b: {"sketch": b["photo"]})
    predict = prediction.predictor(method)({}, {})
    said = []
    for size in (8, 8, 16):
        predict({"photo": np.zeros((size, 4, 4, 3), np.uint8)})
        said.append(capsys.readouterr().err.splitlines())
    assert said[0][0] == "compiling the predictions" and len(said[0]) == 2
    assert said[1] == [] and len(said[2]) == 2
