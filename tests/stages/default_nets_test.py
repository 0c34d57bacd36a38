"""Default frozen nets: trained beside the workdir where they are needed, once, and found again."""

from fsketch import prepare, train
from fsketch.configs import ide, kd, kt, synthdistill
from fsketch.core import checkpoint
from fsketch.nets import convolution
from fsketch.stages import default_nets


def test_a_default_net_is_trained_where_a_term_needs_it(tiny, tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(train, "train", lambda config, path: trained.append((config, path)))
    config = tiny(ide)
    config.perceptual.path = ""
    config.loss_weights.perceptual = 0.0
    assert prepare.prepare(config, tmp_path / "run") == config and not trained
    config.loss_weights.perceptual = 1.0
    done = prepare.prepare(config, tmp_path / "run")
    ((teacher_config, path),) = trained
    assert teacher_config.method == "teacher" and done.perceptual.path == str(path)


def test_the_two_teachers_of_kt_learn_from_photos_and_from_sketches(tiny, tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(train, "train", lambda config, path: trained.append((config, str(path))))
    config = tiny(kt)
    with config.unlocked():
        config.teacher_photo.path = config.teacher_sketch.path = ""
    done = prepare.prepare(config, tmp_path / "run")
    assert sorted((config.kinds, path) for config, path in trained) == [
        (("photo",), done.teacher_photo.path),
        (("sketch",), done.teacher_sketch.path),
    ]
    assert done.teacher_photo.path != done.teacher_sketch.path


def test_the_default_teacher_is_trained_once_and_reused(tiny, tmp_path):
    config = tiny(kd)
    with config.unlocked():
        config.teacher.path = ""
    with convolution.plain():
        first = prepare.prepare(config, tmp_path / "run")
    assert first.teacher.path.startswith(str(tmp_path / "teacher-"))
    events = set((tmp_path / first.teacher.path).rglob("*"))
    assert prepare.prepare(config, tmp_path / "other").teacher.path == first.teacher.path
    assert set((tmp_path / first.teacher.path).rglob("*")) == events
    with config.unlocked():
        config.teacher.config.seed = 1
    assert str(default_nets.folder(config.teacher.config, tmp_path / "run")) != first.teacher.path


def test_an_embedder_is_trained_beside_the_workdir_if_none_is_given(tiny, tmp_path, monkeypatch):
    trained = []
    config = tiny(synthdistill)
    monkeypatch.setattr(train, "train", lambda nested, path: trained.append(path))
    with config.unlocked():
        config.embedder.path = ""
    found = prepare.prepare(config, tmp_path / "run").embedder.path
    assert trained == [default_nets.folder(config.embedder.config, tmp_path / "run")]
    assert found == str(trained[0])


def test_a_started_workdir_keeps_its_own_nets(tiny, tmp_path, monkeypatch):
    config = tiny(kd)
    config.teacher.path = ""
    monkeypatch.setattr(checkpoint, "frozen_specs", lambda workdir: {"teacher": "{}"})
    assert prepare.prepare(config, tmp_path / "run") == config
