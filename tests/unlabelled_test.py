"""Photos without sketches: a teacher run draws them once, and a student learns from them."""

import shutil

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fsketch import evaluate, experiment, prepare, train, translator
from fsketch.configs import experiments, kd
from fsketch.core import checkpoint
from fsketch.data import drawn as drawn_data
from fsketch.data import pipeline, sources
from fsketch.faces import align

pytestmark = pytest.mark.usefixtures("plain_convolutions")


@pytest.fixture
def config(tiny, kd_run):
    """Four pairs, and the photos of four others, which the untrained `kd_run` draws."""
    result = tiny(kd)
    with result.unlocked():
        result.data.train, result.unlabelled.split = "train[:4]", "train[4:7]"
        result.unlabelled.teacher = str(kd_run)
    return result


def read(path):
    return np.asarray(Image.open(path))


def test_a_teacher_draws_photos_and_an_epoch_has_as_many_of_them(config, kd_run, tmp_path):
    done = prepare.prepare(config, tmp_path)
    drawn = drawn_data.pairs(done)
    teacher = translator.load_translator(kd_run, "to_sketch")
    source = {"data_dir": config.data.data_dir, "manual_dir": config.data.manual_dir}
    photos = sources.load("paired_folder", "train[4:7]", **source)
    assert drawn.id == photos.id
    for i, pair in enumerate(drawn.images):
        np.testing.assert_array_equal(pair["photo"], photos.images[i]["photo"])
        np.testing.assert_array_equal(pair["sketch"], teacher(pair["photo"]))
        assert (pair["sketch"] != photos.images[i]["sketch"]).any()
    canvases = evaluate.load_canvases(done.data, "train[:4]", canvas_px=32, drawn=drawn)
    assert canvases.id == [*(f"f{i:02d}" for i in range(4)), *photos.id]
    assert len(set(canvases.identity)) == 2 + 3
    assert pipeline.epoch(canvases).tolist() == [0, 1, 2, 3, 4, 5, 6, 4]
    done.data.memory_mb = 0
    stored = evaluate.load_canvases(done.data, "train[:4]", canvas_px=32, drawn=drawn)
    for name, array in stored.batch(np.arange(7)).items():
        np.testing.assert_array_equal(array, canvases.batch(np.arange(7))[name])


def test_a_student_trains_on_them_and_refuses_to_go_on_with_others(config, tmp_path, capsys):
    experiment.train(config, tmp_path)
    assert "7 training (3 drawn by the teacher), 2 validation" in capsys.readouterr().err
    _, meta = checkpoint.read(tmp_path, kind="latest")
    assert meta["prepared"].count("paired_folder-") == 2
    made = tmp_path / "unlabelled" / "sketches" / "f05.png"
    before = made.stat().st_mtime_ns
    made.unlink()
    experiment.train(config, tmp_path)  # drawn again, equal: the finished run is not refused
    assert made.stat().st_mtime_ns > before
    Image.fromarray(255 - read(made)).save(made)
    with pytest.raises(ValueError, match=r"f05\.png: expected fsketch to_sketch by step 0.*none"):
        experiment.train(config, tmp_path)
    done = config.copy_and_resolve_references()
    done.unlabelled.pairs = str(tmp_path / "unlabelled")
    with pytest.raises(ValueError, match="images or lists were changed"):
        train.train(done, tmp_path)
    config.unlabelled.split = "train[4:6]"
    with pytest.raises(ValueError, match=r"expected sketches of these photos, got f06\.png"):
        experiment.train(config, tmp_path)


def test_faces_of_a_folder_are_aligned_and_photos_without_one_named(config, tmp_path, capsys):
    photos = tmp_path / "photos"
    (photos / "nasa").mkdir(parents=True)
    astronaut = data.astronaut()
    Image.fromarray(astronaut).save(photos / "nasa" / "far.jpg", quality=95)
    Image.fromarray(astronaut[:250, 120:320]).save(photos / "aligned.png")
    Image.fromarray(astronaut[300:, 350:]).save(photos / "nobody.png")
    (photos / "notes.txt").write_text("not a photo")
    config.unlabelled.split, config.unlabelled.folder = "", str(photos)
    prepare.prepare(config, tmp_path)
    made = tmp_path / "unlabelled" / "photos"
    assert sorted(path.name for path in made.iterdir()) == ["aligned.png", "nasa-far.png"]
    np.testing.assert_array_equal(read(made / "aligned.png"), astronaut[:250, 120:320])
    assert read(made / "nasa-far.png").shape[:2] == align.FRAME
    assert "1 of 3 photos show no face and are left out: nobody" in capsys.readouterr().err
    shutil.copy(photos / "nasa" / "far.jpg", photos / "aligned.jpg")
    with pytest.raises(ValueError, match=r"unlabelled.folder: .*different names, got .*aligned"):
        prepare.prepare(config, tmp_path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"teacher": ""}, r"unlabelled.teacher: expected a run together .*''.*split"),
        ({"folder": "photos"}, "unlabelled: expected one of pairs, folder and split"),
        ({"split": ""}, "expected a run together"),
        ({"split": "trian"}, "unlabelled.split: 'trian'"),
        ({"split": "", "folder": "nowhere"}, "unlabelled.folder: .*folder of photos, got nowhere"),
        ({"teacher": "nowhere"}, "unlabelled.teacher: .*got nowhere: no checkpoint"),
        ({"split": "", "teacher": "", "pairs": "nowhere"}, "nowhere, which is no folder"),
    ],
)
def test_a_mistake_is_told_before_the_training(config, tmp_path, fields, message):
    config.unlabelled.update(fields)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        experiment.check(config, tmp_path)


def test_an_earlier_stage_may_be_the_teacher(tiny, tmp_path):
    changes = {"unlabelled.split": "train[4:]", "unlabelled.teacher": "large"}
    stages = {name: experiments.stage(tiny(kd), {}) for name in ("large", "small")}
    experiments.stage(stages["small"], changes)
    config = experiments.experiment(stages, teacher=tiny(kd).teacher.path)
    for field in ("manual_dir", "data_dir"):
        config.data[field] = tiny(kd).data[field]
    _, (small, _) = experiment.stages(config, tmp_path)
    assert small.unlabelled.teacher == str(tmp_path / "large")
    experiment.check(config, tmp_path)
    config.order = ("small", "large")
    with pytest.raises(ValueError, match=r"stages\.small\.unlabelled\.teacher: .*earlier stage"):
        experiment.check(config, tmp_path)
