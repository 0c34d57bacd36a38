"""Everything is checked before anything is trained: each mistake by its field, in every stage."""

import pytest
from etils import epath

from fsketch import experiment, train
from fsketch.configs import cyclegan, experiments, ide, ifrp, kd, kt, style, synthdistill
from fsketch.configs import embedder as embedders
from fsketch.nets import convolution
from fsketch.stages import coarse_images


@pytest.fixture(autouse=True)
def no_training(monkeypatch):
    """Nothing is trained or made while it is checked."""

    def begun(*arguments, **options):
        pytest.fail("a stage began")

    monkeypatch.setattr(train, "train", begun)
    monkeypatch.setattr(coarse_images, "coarse_images", begun)
    with convolution.plain():
        yield


@pytest.fixture
def untaught(tiny):
    """KD whose default teacher is not trained yet."""
    config = tiny(kd)
    config.teacher.path = ""
    return config


@pytest.mark.parametrize("module", [kd, kt, ide, ifrp, style, cyclegan, embedders, synthdistill])
def test_what_can_be_trained_passes_without_a_trained_net(tiny, tmp_path, module):
    config = tiny(module)
    config.data.test = "test"  # portraits have others
    if module in (embedders, synthdistill):
        config.data.update(module.tiny().data)
    for section in ("teacher", "teacher_photo", "teacher_sketch", "embedder", "perceptual"):
        if section in config and "config" in config[section]:
            config[section].path, config[section].config.batch_size = "", 8
    experiment.check(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data.manual_dir": "nowhere"}, "manual_dir: expected the folder .*got nowhere, which is"),
        ({"data.manual_dir": "empty"}, "which is empty"),
        ({"data.train": "trian"}, "data.train: 'trian': .*'train'"),
        ({"data.validation": "train[3:3]"}, r"data.validation: .*expected examples, got none"),
        ({"data.crop_px": 24, "data.canvas_px": 24}, "use a larger data.canvas_px"),
        (
            {"best_metric": "to_sketch/sim"},
            "best_metric: expected one of to_photo/.*to_sketch/ssim, got 'to_sk",
        ),
        ({"best_metric": "rank1"}, "best_metric: expected one of .*, got 'rank1'"),
        ({"protocol": "cufs"}, "protocol cufs, image f..: expected 200x250 px.*, got 24x30 px"),
        ({"protocol": "cusf"}, "protocol: expected plain, "),
        ({"batch_size": 9}, "batch_size: expected .*got 9"),
        ({"teacher.taps": ("relu1_2", "relu2_2", "relu9_9")}, "taps: expected 3 of .*relu1_2"),
        ({"teacher.path": "vgg19.safetensors"}, "teacher.path: 'vgg19.safetensors': expected the"),
        ({"start_from": "nowhere"}, "start_from: nowhere: no checkpoint"),
        ({"start_from": "w.safetensors"}, r"w\.safetensors"),
        ({"teacher.config.data.train": "trian"}, "data.train: 'trian'"),
        ({"teacher.config.best_metric": "rank2"}, "best_metric: expected one of .*rank1"),
        ({"model.norm": "layer"}, "got 'layer'"),
    ],
)
def test_a_mistake_is_told_before_the_teacher_is_trained(untaught, tmp_path, fields, message):
    epath.Path("empty").mkdir(exist_ok=True)
    for name, value in fields.items():
        section, _, field = name.rpartition(".")
        place = untaught
        for part in filter(None, section.split(".")):
            place = place[part]
        place[field] = value
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        experiment.check(untaught, tmp_path / "run")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, ""),
        (
            {"model.width": 8},
            r"RUN/first \(step 0\), student_photo does not fit this configuration",
        ),
        ({"best_metric": "to_sketch/sim"}, "best_metric"),
    ],
)
def test_later_stages_are_checked_before_the_first_begins(
    tiny, untaught, tmp_path, fields, message
):
    fields = {**fields, "start_from": "first"}
    folders = {name: untaught.data[name] for name in ("manual_dir", "data_dir")}
    stages = {
        "first": experiments.stage(tiny(kd), {}),
        "second": experiments.stage(tiny(kd), fields),
    }
    config = experiments.experiment(stages)
    config.data.update(folders)
    for stage in config.stages.values():
        stage.teacher.path = ""
    if not fields.keys() - {"start_from"}:
        experiment.check(config, tmp_path)
        return
    with pytest.raises(ValueError, match=message.replace("RUN", str(tmp_path))):
        experiment.check(config, tmp_path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, ""),
        ({"test_styles": ("nowhere.png",)}, "nowhere.png: expected an image, got no such file"),
        ({"prefix": "g"}, "portraits.prefix: expected f00"),
        ({"networks": "nowhere"}, "nowhere: expected runs of scream, candy, mosaic"),
        ({"manual_dir": "nowhere"}, "got nowhere, which is no folder"),
    ],
)
def test_faces_and_styles_of_portraits_are_checked(
    tiny, tiny_teacher, pairs_folder, tmp_path, fields, message
):
    config = ifrp.get_config("portraits=fs2k")
    folder = tiny(kd).data
    config.portraits.update(
        {"faces": "paired_folder", "manual_dir": str(pairs_folder), "prefix": "", "size_px": 32}
    )
    config.data.data_dir, config.best_metric = folder.data_dir, "to_photo/ssim"
    config.data.canvas_px = config.data.crop_px = 32
    config.protocol = "plain"
    config.portraits.network.batch_size = 8
    config.portraits.network.teacher.path = config.face.path = tiny_teacher
    config.face.taps = ("fire4",)
    config.portraits.update(fields)
    if not message:
        experiment.check(config, tmp_path / "run")
        return
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        experiment.check(config, tmp_path / "run")
