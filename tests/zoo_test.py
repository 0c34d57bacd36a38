"""The zoo: a run becomes a model that makes the same images; what is not as it was is refused."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import safetensors.numpy

import fsketch
from fsketch import models, translator
from fsketch.configs import kd
from fsketch.core import errors, trees
from fsketch.export import program
from fsketch.zoo import cards, entries, nets

pytestmark = pytest.mark.usefixtures("plain_convolutions")

DRAWN = {"training_data": "drawn pairs", "terms": "none"}


@pytest.fixture
def copied(zoo, tmp_path):
    """A folder with the tiny models, for changes."""
    return shutil.copytree(zoo, tmp_path / "copied")


def change(folder, **fields):
    """Changes fields of the card of tiny-sketch; None removes one."""
    path = folder / "tiny-sketch.json"
    told = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({name: value for name, value in told.items() if value != "gone"}))


@pytest.mark.parametrize(("norm", "direction"), [("instance", "to_sketch"), ("batch", "to_photo")])
def test_a_model_makes_the_images_of_its_run(tiny, leave, tmp_path, norm, direction):
    config = tiny(kd)
    config.model.norm = norm
    config.optim.ema_rate = 0.9 if norm == "batch" else 0.0
    workdir = leave(config, tmp_path / "runs" / "kd", gain=30 if norm == "batch" else 4)
    command = "fsketch train --config=/there/mine.py --workdir=/x/kd/ --config.a=1"
    (workdir / "log.txt").write_text(f"T I fsketch.said: $ {command}\n")
    metrics = {f"{direction}/ssim": 0.51239, f"{direction}/none": None, "other/ssim": 1.0}
    where = {"protocol": "plain", "data": "mine", "num_images": 4}
    by_style = {"ink": {"images": 3, f"{direction}/ssim": 0.6}}
    report = {"step": 0, "metrics": metrics, "by_style": by_style, **where}
    (workdir / "evaluation.json").write_text(json.dumps(report))
    card, differences = entries.write_entry(workdir, direction, "mine", tmp_path, **DRAWN)
    assert max(difference.mean for difference in differences) < 0.5
    assert cards.find("mine", zoo=str(tmp_path)) == card
    assert card.scores == [
        {"protocol": "plain", "data": "mine", "images": 4, "ssim": 0.5124},
        {"protocol": "plain", "data": "mine, style ink", "images": 3, "ssim": 0.6},
    ]
    assert card.command == "fsketch train --config=mine.py --workdir=kd --config.a=1"

    content = (tmp_path / "mine.safetensors").read_bytes()
    assert (card.bytes, card.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    arrays = safetensors.numpy.load(content)
    kinds = {name.partition("/")[0]: array.dtype for name, array in arrays.items()}
    assert kinds.pop("params") == np.float16
    assert kinds == ({"batch_stats": np.float32} if norm == "batch" else {})
    params = [array for name, array in arrays.items() if name.startswith("params/")]
    assert card.parameters == trees.count(params)
    assert not any("adapt" in name for name in arrays)

    rng = np.random.default_rng(1)
    model, run = nets.load(card), translator.load_translator(workdir, direction)
    for shape in ((30, 24, 3), (7, 5, 1)):
        image = rng.integers(0, 256, shape, np.uint8)
        made, wanted = model(image).astype(int), run(image)
        assert made.shape == wanted.shape and wanted.std() > 5
        assert np.abs(made - wanted).mean() < 0.5
    assert model.origin == f"fsketch {direction} by mine, weights {card.sha256[:16]}"
    assert model.canvas((250, 200)) == run.canvas((250, 200))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sha256": "0" * 64}, "tiny-sketch.safetensors: expected the SHA-256 0000"),
        ({"name": "other"}, "name: expected tiny-sketch, got 'other'"),
        ({"direction": "to_paint"}, "direction: expected to_sketch or to_photo, got 'to_paint'"),
        ({"terms": "gone"}, r"got a difference in \['terms'\]"),
        ({"more": 1}, r"got a difference in \['more'\]"),
        ({"config": {}}, "that cannot be built"),
        (
            {"config": {"model": {}, "channels": [3, 1], "fill": 0, "crop_px": 32}},
            "cannot be built",
        ),
    ],
)
def test_a_card_that_is_not_whole_is_refused(copied, fields, reason):
    change(copied, **fields)
    with pytest.raises(ValueError, match=reason):
        nets.load(cards.find("tiny-sketch", zoo=str(copied)))


def test_damaged_files_and_missing_ones_are_refused(copied):
    zoo, weights = str(copied), copied / "tiny-sketch.safetensors"
    card = cards.find("tiny-sketch", zoo=zoo)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match="expected the SHA-256"):
        nets.load(card)
    weights.unlink()
    with pytest.raises(ValueError, match="got no file; install"):
        nets.load(card)
    with pytest.raises(ValueError, match="style: expected none, it has one style"):
        nets.load(card, style="ink")
    (copied / "broken.json").write_text("{")
    with pytest.raises(ValueError, match=r"broken\.json: expected a model's card, got no JSON"):
        cards.cards(zoo)
    with pytest.raises(ValueError, match=r"expected a folder of models, got .*absent"):
        cards.cards(f"{zoo}/absent")


def test_the_nearest_folder_comes_first(zoo, copied, monkeypatch, tmp_path):
    change(copied, summary="mine")
    monkeypatch.setattr(cards, "PACKAGE", tmp_path / "package")
    with pytest.raises(ValueError, match="expected one of direction to_photo, got none: name a"):
        cards.default("to_photo")
    with pytest.raises(ValueError, match="model: expected 'tiny-photo', got none: name a run"):
        cards.find("tiny-photo")
    monkeypatch.setenv(cards.VARIABLE, str(zoo))
    assert cards.default("to_sketch").summary != "mine"
    assert cards.default("to_sketch", zoo=str(copied)).summary == "mine"
    assert [card.name for card in cards.cards(str(copied))] == ["tiny-photo", "tiny-sketch"]
    with pytest.raises(ValueError, match=r"got 'tiny-skech' \(did you mean tiny-sketch\?\)"):
        cards.find("tiny-skech")


def test_what_cannot_become_a_model_is_refused(kd_run, tiny_embedder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="expected a run of kt, kd or kd_plus, got 'embedder'"):
        entries.write_entry(tiny_embedder, "to_sketch", "mine", out, **DRAWN)
    with pytest.raises(ValueError, match="name: expected a plain file name"):
        entries.write_entry(kd_run, "to_sketch", "../mine", out, **DRAWN)
    with pytest.raises(ValueError, match=r"since data\.name is 'paired_folder'"):
        entries.write_entry(kd_run, "to_sketch", "mine", out)
    monkeypatch.setattr(nets, "build", lambda *_, style: lambda image: image[..., :1])
    with pytest.raises(ValueError, match=r"the model: expected its run's images within 1\.0 level"):
        entries.write_entry(kd_run, "to_sketch", "mine", out, **DRAWN)
    assert not out.exists()


def test_the_table_and_a_card_tell_data_and_terms(zoo, capsys):
    assert errors.run(models.main, [f"--zoo={zoo}"]) == 0
    table = capsys.readouterr().out
    for text in ("tiny-photo", "tiny-sketch", "to_photo", "drawn pairs", "none"):
        assert text in table
    assert errors.run(models.main, ["tiny-photo", f"--zoo={zoo}"]) == 0
    printed = capsys.readouterr().out
    card = cards.find("tiny-photo", zoo=str(zoo))
    for text in (card.sha256, card.summary, f"{card.parameters}", f"{card.weights}", "version"):
        assert text in printed
    assert errors.run(models.main, ["tiny", f"--zoo={zoo}"]) == 1
    assert "model: expected one of tiny-photo, tiny-sketch" in capsys.readouterr().err
    scores = {"protocol": "cufs", "data": "cufs/cuhk", "images": 100, "ssim": 0.649, "fsim": 0.7346}
    assert models.score_text(scores) == "ssim 0.649, fsim 0.7346 (cufs, 100 images of cufs/cuhk)"


def test_what_ships_is_small_whole_and_tells_its_terms(monkeypatch):
    monkeypatch.delenv(cards.VARIABLE, raising=False)
    shipped = cards.cards("")
    assert sum(card.bytes for card in shipped) <= 8e6
    for card in shipped:
        assert card.folder == cards.PACKAGE and card.terms and card.training_data and card.command
        assert nets.load(card).origin.startswith("fsketch ")


def test_load_is_found_late():
    assert fsketch.load.__name__ == "load"
    with pytest.raises(AttributeError, match="has no attribute 'loud'"):
        fsketch.loud  # noqa: B018


def test_export_makes_a_model(kd_run, tmp_path, capsys):
    words = ["--format=zoo", f"--workdir={kd_run}", "--direction=to_sketch", str(tmp_path)]
    assert errors.run(program.main, words) == 2
    assert "--name: expected it for a model of the zoo, got none" in capsys.readouterr().err
    told = [f"--{field}={value}" for field, value in DRAWN.items()]
    assert errors.run(program.main, [*words, "--name=mine", *told, "--summary=Mine."]) == 0
    printed = capsys.readouterr().out.splitlines()
    card = cards.find("mine", zoo=str(tmp_path))
    assert (card.summary, card.terms) == ("Mine.", "none")
    assert printed[0].startswith("blocks of colour: 0.") and "levels on average" in printed[0]
    assert printed[-1].endswith(f"{card.parameters:,} parameters, {card.bytes:,} bytes")
