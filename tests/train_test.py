"""The loop: resume, signals, non-finite losses, checkpoints that do not fit, evaluation."""

import contextlib
import json
import os
import shutil
import signal
import threading

import jax
import numpy as np
import pytest
from PIL import Image

import fsketch
from fsketch import evaluate, methods, prediction, restore, train, training_log, warm_start
from fsketch.configs import cyclegan, kd, kd_plus, teacher
from fsketch.convert import files
from fsketch.core import checkpoint, history, parallel, sheets, stops, trees, writers
from fsketch.data import pipeline
from fsketch.nets import convolution


def run(config, workdir, **changes):
    """Trains; the changes are fields of the configuration."""
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.update(changes)
    return train.train(config, workdir)


def arrays(tree):
    return trees.flatten(jax.device_get(tree))


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.fixture(autouse=True)
def plain_convolutions(request):
    """Sooner compiled."""
    is_quick = "full_optimization" not in request.fixturenames
    with convolution.plain() if is_quick else contextlib.nullcontext():
        yield


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    """The workdir of a tiny run of four steps."""
    workdir = tmp_path_factory.mktemp("finished")
    with convolution.plain():  # as in the tests
        run(tiny(kd), workdir, num_steps=4)
    return workdir


def test_a_run_leaves_what_it_promises(tiny, finished):
    names = {path.name for path in finished.iterdir()}
    assert {"metrics.jsonl", "events", "samples", "checkpoints", "evaluation.json"} <= names
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert {line["step"] for line in lines} == {1, 2, 3, 4}
    assert "student_sketch/reconstruction" in lines[0]
    assert any("validation/to_sketch/ssim" in line for line in lines)
    assert sorted(path.name for path in (finished / "samples").iterdir()) == [
        "0000002.png",
        "0000004.png",
    ]
    held_out = evaluate.load_canvases(tiny(kd).data, "validation", canvas_px=32)
    photo = pipeline.cut(held_out.photo[0], held_out.box[0])
    height, width = photo.shape[:2]
    sheet = np.asarray(Image.open(finished / "samples" / "0000004.png"))
    top = sheets.FONT_PX + 2 * sheets.GAP_PX  # below the label
    np.testing.assert_array_equal(sheet[top : top + height, 2 : 2 + width], photo)
    result = json.loads((finished / "evaluation.json").read_text())
    assert set(result["metrics"]) == {
        f"{d}/{m}" for d in ("to_sketch", "to_photo") for m in ("ssim", "psnr", "fsim", "scoot")
    }
    assert result["num_images"] == 4
    assert result["protocol"] == "plain"
    assert "jax" in result["versions"]


def test_evaluation_needs_the_workdir_alone_and_repeats_itself(finished):
    before = json.loads((finished / "evaluation.json").read_text())
    (finished / "evaluation.json").unlink()
    left_over = finished / "outputs" / "to_sketch" / "left_over.png"
    left_over.write_bytes(b"")
    assert evaluate.evaluate_workdir(finished) == before
    assert json.loads((finished / "evaluation.json").read_text()) == before
    assert not left_over.exists()


def test_the_names_of_metrics_are_known_before_any_prediction(finished):
    result = json.loads((finished / "evaluation.json").read_text())
    restored = restore.run(finished, kind="latest")
    data = restored.config.data
    canvases = evaluate.load_canvases(data, "test", canvas_px=data.crop_px)
    names = evaluate.metric_names(
        restored.method, restored.state, restored.frozen, canvases, protocol="plain"
    )
    assert names == sorted(result["metrics"])


def test_another_split_is_evaluated_beside(finished):
    before = (finished / "evaluation.json").read_bytes()
    result = evaluate.evaluate_workdir(finished, split="validation[:2]")
    assert result["split"] == "validation[:2]" and result["num_images"] == 2
    beside = finished / "splits" / "validation[:2]"
    assert json.loads((beside / "evaluation.json").read_text()) == result
    assert len(list((beside / "outputs" / "to_sketch").iterdir())) == 2
    assert (finished / "evaluation.json").read_bytes() == before
    assert len(list((finished / "outputs" / "to_sketch").iterdir())) == 4


@pytest.mark.usefixtures("full_optimization")
def test_predictions_do_not_depend_on_the_batch_size(finished):
    """To the bit, as programs compile them."""
    restored = restore.run(finished, kind="latest")
    data = restored.config.data
    canvases = evaluate.load_canvases(data, "train+test", canvas_px=data.crop_px)
    predict = prediction.predictor(restored.method)(
        parallel.replicate(restored.state), parallel.replicate(restored.frozen)
    )
    one, two = (
        list(evaluate.predictions(predict, canvases, batch_size=size))
        for size in (8, 16)  # one and two a device
    )
    assert len(one) == len(two) == 12
    for (_, outputs), (_, others) in zip(one, two, strict=True):
        assert outputs.keys() == {"sketch", "photo"}
        assert_same(outputs, others)


def test_a_stopped_run_and_one_with_a_damaged_checkpoint_end_as_the_unbroken_one(
    tiny, finished, tmp_path
):
    """Two steps by threads, up to a signal, and two by processes, with images on disk."""
    config = tiny(kd)
    config.data.memory_mb = 0
    workdir = tmp_path / "run"
    shutil.copytree(finished, workdir)
    whole, meta = checkpoint.read(workdir, kind="latest")
    newest = workdir / "checkpoints" / "latest" / "4"
    for path in (newest / "arrays").rglob("*"):
        if path.is_file():
            path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    with pytest.raises(
        checkpoint.DamagedError, match=r"latest/4: .* step 2, is whole: add --check"
    ):
        run(config, workdir, num_steps=4)
    assert checkpoint.set_aside(workdir) == ["latest/4"]
    half, _ = checkpoint.read(workdir, kind="latest")
    run(config, workdir, num_steps=4, data={"num_workers": 2})
    again, meta_again = checkpoint.read(workdir, kind="latest")
    assert_same(whole, again)
    meta_again["config"]["data"].update(memory_mb=meta["config"]["data"]["memory_mb"])
    meta_again["config"]["data"].update(num_workers=meta["config"]["data"]["num_workers"])
    assert meta == meta_again

    # The schedule is that of four steps.
    with pytest.raises(train.Stopped) as stopped:
        stop_after(2, lambda: run(config, tmp_path / "stopped", num_steps=4))
    assert stopped.value.code == 0
    arrays_, its = checkpoint.read(tmp_path / "stopped", kind="latest")
    assert its["step"] == 2
    assert_same(half, arrays_)


@pytest.fixture
def deaf():
    """A call during which a signal comes, and which does not end by itself for a minute."""
    release = threading.Event()

    def call(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        release.wait(60)

    yield call
    release.set()


def test_a_signal_while_the_first_step_compiles_ends_the_run_at_once(
    tiny, tmp_path, monkeypatch, deaf
):
    monkeypatch.setattr(train._Training, "_advance", deaf)
    with pytest.raises(train.Stopped) as stopped:
        run(tiny(kd), tmp_path, num_steps=4)
    assert stopped.value.code == 0 and checkpoint.last_step(tmp_path) is None


def test_an_evaluation_that_a_signal_breaks_off_is_made_up_for(
    tiny, finished, tmp_path, monkeypatch, deaf
):
    with monkeypatch.context() as patched, pytest.raises(train.Stopped):
        patched.setattr(prediction, "predictor", lambda method: lambda *held: deaf)
        run(tiny(kd), tmp_path, num_steps=4)
    assert checkpoint.last_step(tmp_path) == 2
    run(tiny(kd), tmp_path, num_steps=4)
    for kind in ("best", "latest"):
        one, other = (checkpoint.read(path, kind=kind) for path in (finished, tmp_path))
        assert_same(one[0], other[0])
        assert one[1] == other[1]
    ours, whole = (
        [line | {"images_per_sec": 0} for line in map(json.loads, path.open())]
        for path in (tmp_path / "metrics.jsonl", finished / "metrics.jsonl")
    )
    assert sorted(ours, key=str) == sorted(whole, key=str)


def test_image_pools_resume_exactly(tiny, tmp_path):
    config = tiny(cyclegan)
    config.pool_size = 4  # full after one step of eight, exchanged in the others
    config.num_samples, config.save_every_steps = 0, 2
    config.loss_weights.identity, config.critic.num_layers = 0.0, 1  # less to compile
    whole = run(config, tmp_path, num_steps=3)
    assert int(whole.memory["sketch"].count) == 4
    shutil.rmtree(tmp_path / "checkpoints" / "latest" / "3")
    assert_same(arrays(whole), arrays(run(config, tmp_path, num_steps=3)))


def stop_after(step, function):
    """Calls the function with a signal that arrives while its step `step` is under way."""
    original = train._Training._advance

    def advance(self, now, parts):
        if now == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, now, parts)

    train._Training._advance = advance
    try:
        return function()
    finally:
        train._Training._advance = original


def test_a_run_is_restored_from_its_stored_configuration_alone(finished, monkeypatch):
    read = checkpoint.read

    def without_norm(workdir, *, kind="best"):
        arrays, meta = read(workdir, kind=kind)
        if kind == "latest":
            del meta["config"]["model"]["norm"]
        return arrays, meta

    whole = restore.run(finished, kind="latest").config
    monkeypatch.setattr(checkpoint, "read", without_norm)
    version = fsketch.__version__
    message = rf"made by version {version}: expected .* the field 'model.norm', got one without"
    with pytest.raises(ValueError, match=message):
        restore.run(finished, kind="latest")
    monkeypatch.setitem(history.ADDED, "99.0.0", {"model.norm": "instance"})
    assert restore.run(finished, kind="latest").config == whole


def test_a_checkpoint_has_no_device_axis(finished):
    stored, _ = checkpoint.read(finished, kind="latest")
    kernel = stored["players/student_sketch/params/translator/Conv_0/kernel"]
    assert kernel.shape == (7, 7, 3, 4)  # no replica axis


def test_another_architecture_is_refused_with_the_difference(tiny, finished):
    config = tiny(kd)
    with config.unlocked():
        config.model.width = 6
    with pytest.raises(ValueError, match=r"another architecture.*(?s:.*)got \(7, 7, 3, 4\)"):
        train.train(config, finished)


def test_the_first_non_finite_loss_stops_the_run_and_names_it(tiny, tmp_path):
    config = tiny(teacher)
    with config.unlocked():
        config.optim.learning_rate = 1e30
        config.num_steps = 20
        config.save_every_steps = 1
    with pytest.raises(training_log.NonFiniteError, match=r"step \d+: .*not finite"):
        train.train(config, tmp_path)
    stored, meta = checkpoint.read(tmp_path, kind="latest")
    assert meta["step"] < 20
    assert all(np.isfinite(array).all() for array in stored.values())


def test_ruined_parameters_are_never_saved(tiny, tmp_path):
    """An update overflows while the loss before it was finite: no checkpoint of it appears."""
    config = tiny(teacher)
    with config.unlocked():
        config.optim.learning_rate = 1e39  # infinite in float32
        config.save_every_steps = 1
        config.num_steps = 3
    with pytest.raises(training_log.NonFiniteError, match=r"step 1: players/teacher/.*not saved"):
        train.train(config, tmp_path)
    with pytest.raises(FileNotFoundError):
        checkpoint.read(tmp_path, kind="latest")


def test_another_teacher_needs_another_workdir(tiny, finished, tmp_path):
    config = tiny(kd)
    net, params = files.read(config.teacher.path)
    params["conv1"]["bias"] = params["conv1"]["bias"] + 1
    config.teacher.path = str(tmp_path / "other.safetensors")
    files.write(config.teacher.path, params, net=net, source="-", sha256="-")
    with pytest.raises(ValueError, match=r"other.safetensors' is .*started with.*random.safetens"):
        train.train(config, finished)


@pytest.fixture(scope="module")
def fresh(tiny, finished):
    """The first state of a KD+; its students have means and noise, those of `finished` none."""
    config = tiny(kd_plus)
    with config.unlocked():
        config.optim.ema_rate = 0.5
        config.model.noise = True
    frozen = restore.frozen_nets(finished)
    canvases = evaluate.load_canvases(config.data, "test", canvas_px=config.data.crop_px)
    with convolution.plain():
        return prediction.initial_state(methods.create(config), frozen, config, canvases)


def store(workdir, stored):
    places = checkpoint.open_workdir(workdir, keep=1)
    checkpoint.save(places.latest, 1, stored, {"step": 1})
    places.wait()
    places.close()


def test_a_run_starts_from_the_players_of_another(fresh, finished):
    stored, _ = checkpoint.read(finished)
    now, before = arrays(warm_start.started(fresh, str(finished))), arrays(fresh)
    for name in now:
        source = before[name]
        if name.startswith("players/student") and ("/params/" in name or "/ema/" in name):
            # Layers that the source lacks begin at zero.
            source = stored.get(name.replace("/ema/", "/params/"), 0.0)
            assert np.any(source) or "/noise/" in name or "bias" in name, name
        np.testing.assert_array_equal(now[name], source, err_msg=name)
    with pytest.raises(FileNotFoundError, match="start_from: runs/kd: no checkpoint"):
        warm_start.started(fresh, kd_plus.get_config("stage=staged").start_from)
    only_critics = fresh.replace(players={"critic_sketch": fresh["critic_sketch"]})
    with pytest.raises(
        ValueError, match=r"start_from: .*expected players among .*got 'student_photo'"
    ):
        warm_start.started(only_critics, str(finished))


def test_means_start_students_and_critics_start_as_they_are(fresh, tmp_path):
    stored = {name: x + 1 if "/ema/" in name else x + 2 for name, x in arrays(fresh).items()}
    store(tmp_path, stored)
    now = arrays(warm_start.started(fresh, str(tmp_path)))
    for role, kind in (("student_sketch", "ema"), ("critic_sketch", "params")):
        names = [name for name in now if name.startswith(f"players/{role}/params/")]
        assert names
        for name in names:
            source = stored[name.replace("/params/", f"/{kind}/", 1)]
            np.testing.assert_array_equal(now[name], source, err_msg=name)


def test_a_run_starts_from_the_mean_of_several(fresh, tmp_path):
    drawn = arrays(fresh)
    students = {name: x for name, x in drawn.items() if name.startswith("players/student_sketch")}
    twice, more, alone = (str(tmp_path / name) for name in ("twice", "more", "alone"))
    store(twice, {name: 2 * x for name, x in drawn.items()})
    store(more, {name: x + 4 for name, x in drawn.items()})
    store(alone, students)
    now = arrays(warm_start.started(fresh, f"{twice},{more}"))
    names = [name for name in now if "/params/" in name or "/stats/" in name]
    assert any("student_photo" in name for name in names)
    for name in names:
        np.testing.assert_allclose(now[name], 1.5 * drawn[name] + 2, rtol=1e-6, err_msg=name)
    with pytest.raises(ValueError, match=r"alone: expected .*photo.*got \['student_sketch'\]"):
        warm_start.started(fresh, f"{twice},{alone}")
    with pytest.raises(FileNotFoundError, match=r"start_from: .*none: no checkpoint"):
        warm_start.started(fresh, f"{twice},{tmp_path}/none")


def test_one_player_starts_from_converted_weights(tiny, tmp_path):
    config = tiny(teacher)
    canvases = evaluate.load_canvases(config.data, "test", canvas_px=config.data.crop_px)
    fresh = prediction.initial_state(methods.create(config), {}, config, canvases)
    player = fresh["teacher"]
    doubled = jax.tree.map(lambda x: 2 * x + 1, player.params)
    head = doubled.pop("classifier")
    path = str(tmp_path / "features.safetensors")
    files.write(path, doubled, net="features", source="drawn", sha256="-")
    started = warm_start.started(fresh, path)
    now, before = trees.flatten(started["teacher"].params), trees.flatten(player.params)
    for name in before:
        factor, shift = (1, 0) if name.startswith("classifier/") else (2, 1)
        np.testing.assert_array_equal(now[name], factor * before[name] + shift, err_msg=name)
    files.write(path, {"other": head}, net="features", source="drawn", sha256="-")
    with pytest.raises(ValueError, match=r"start_from: .*features.*(?s:.*)other"):
        warm_start.started(fresh, path)
    two = fresh.replace(players={"one": player, "two": player})
    with pytest.raises(ValueError, match=r"expected a single player, got \['one', 'two'\]"):
        warm_start.started(two, path)


@pytest.mark.parametrize(
    "changes", [{"best_metric": "to_sketch/fsim"}, {"data": {"validation": "validation[:2]"}}]
)
def test_a_resumed_run_chooses_as_before(tiny, finished, changes):
    with pytest.raises(ValueError, match=r"(fsim|\[:2\]).*was chosen by .*--config.start_from="):
        run(tiny(kd), finished, num_steps=4, **changes)


def test_a_best_checkpoint_from_after_the_newest_is_forgotten(tmp_path):
    places = checkpoint.open_workdir(tmp_path, keep=2)
    assert checkpoint.best_score(places.best, last_step=0) == -np.inf
    checkpoint.save(places.best, 4, {"x": np.ones(2)}, {"score": 0.5})
    places.wait()
    assert checkpoint.best_score(places.best, last_step=4) == 0.5
    assert checkpoint.best_score(places.best, last_step=3) == -np.inf
    assert not places.best.all_steps()
    places.close()


def test_metrics_of_steps_that_are_taken_again_are_forgotten(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"step": 3, "los')
    writer = writers.Writer(tmp_path, start=2, is_first=True)
    writer.scalars(3, {"loss": 1.0, "psnr": float("inf")})
    writer.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"step": 1}, {"step": 2}, {"step": 3, "loss": 1.0, "psnr": None}]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("batch_size", 9, "batch_size: expected a multiple of 8 devices, got 9"),
        ("num_steps", 0, "num_steps: expected at least 1, got 0"),
        (
            "accumulate_steps",
            2,
            "accumulate_steps: expected a divisor of the 1 pairs of each device, got 2",
        ),
        ("optim", {"learning_rate": 0.0}, "optim.learning_rate: expected more than 0, got 0.0"),
        ("optim", {"decay_from": 1.5}, "optim.decay_from: expected 0 to 1, got 1.5"),
        ("optim", {"ema_rate": 1.0}, "optim.ema_rate: expected 0 to less than 1, got 1.0"),
        ("best_metric", "to_sketch/fid", "best_metric: expected one of .*, got 'to_sketch/fid'"),
    ],
)
def test_impossible_numbers_name_their_field(tiny, tmp_path, field, value, message):
    with pytest.raises(ValueError, match=message):
        run(tiny(teacher), tmp_path, **{field: value})


def test_images_of_another_size_than_the_configured_are_named(tiny, tmp_path):
    with pytest.raises(
        ValueError, match=r"f00: expected data.image_px: \(30, 22\) .*, got \(30, 24\)"
    ):
        run(tiny(teacher), tmp_path, data={"image_px": (30, 22)})


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        evaluate.evaluate_workdir(tmp_path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_is_a_flag_and_is_given_back(number, code):
    before = signal.getsignal(number)
    with stops.StopSignal() as stop:
        assert not stop.agreed(1, 1)
        os.kill(os.getpid(), number)
        assert stop.agreed(1, 1) and stop.exit_code == code
        if code:
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


def test_what_is_waited_for_gives_its_result_or_its_error():
    with stops.StopSignal() as stop, convolution.plain():
        assert stop.wait_for(convolution._is_plain.get)  # in this context
        with pytest.raises(ZeroDivisionError):
            stop.wait_for(divmod, 1, 0)


def test_a_finished_run_adds_no_line_keeps_its_best_and_knows_its_images_by_content(
    tiny, finished, pairs_folder, tmp_path, capsys
):
    workdir = tmp_path / "killed"  # before its best was saved
    shutil.copytree(finished, workdir)
    shutil.rmtree(workdir / "checkpoints" / "best")
    newest, meta = checkpoint.read(finished, kind="latest")
    assert meta["is_best"]
    pairs = shutil.copytree(pairs_folder, tmp_path / "pairs")
    run(tiny(kd), workdir, num_steps=3, data={"manual_dir": str(pairs)})
    told = "nothing to train: the checkpoint is of step 4, num_steps is 3"
    assert told in capsys.readouterr().err
    lines, before = ((d / "metrics.jsonl").read_text().splitlines() for d in (workdir, finished))
    assert sorted(lines) == sorted(before)
    with checkpoint.ocp.CheckpointManager(workdir / "checkpoints" / "best") as best:
        stored, its = checkpoint.load(best)
    assert (its["step"], its["score"]) == (4, meta["score"])
    assert_same(stored, newest)
    shutil.copy(pairs / "photos" / "f01.png", pairs / "photos" / "f00.png")
    with pytest.raises(ValueError, match=r"data: expected what .* paired_folder-.*, got pair"):
        run(tiny(kd), finished, num_steps=4, data={"manual_dir": str(pairs)})


def test_embeddings_by_hand():
    identity = np.array([0, 0, 1, 1] * 3)
    near = np.array([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1]] * 3)
    alone = evaluate.embedding_metrics({"photo": near}, identity)
    assert alone == {"rank1": 1.0, "accuracy": 1.0, "auc": 1.0}
    assert evaluate.embedding_metrics({"sketch": near}, identity) == alone
    both = {"photo": near, "sketch": near}
    assert evaluate.embedding_metrics(both, identity) == {"rank1": 1.0}
    assert evaluate.embedding_metrics(both, np.arange(12)) == {}  # nobody could be found
    double = {"student": 2 * near, "teacher": near}
    found = evaluate.embedding_metrics(double, identity)
    assert found["mse"] == pytest.approx(np.square(near).mean())
    assert found["cosine"] == pytest.approx(1.0, abs=1e-6)
    assert found["student_accuracy"] == found["teacher_auc"] == 1.0
    assert set(evaluate.embedding_metrics(double, np.arange(12))) == {"mse", "cosine"}


def test_nets_without_weights_are_kept_too(tmp_path):
    places = checkpoint.open_workdir(tmp_path, keep=1)
    checkpoint.save(places.frozen, 0, {"generator": {}}, {"specs": {"generator": "-"}})
    places.wait()
    places.close()
    arrays_, meta = checkpoint.read(tmp_path, kind="frozen")
    assert arrays_ == {} and meta["specs"] == {"generator": "-"}
