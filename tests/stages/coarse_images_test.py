"""Coarse images: made without their own identity, resumed, shared out, joined, or refused."""

import re
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from fsketch import evaluate
from fsketch.configs import ide, shared
from fsketch.core import images
from fsketch.data import coarse, pipeline, sources
from fsketch.patches import model
from fsketch.stages import coarse_images


@pytest.fixture(scope="module")
def made(pairs_folder, tmp_path_factory):
    """(configuration, workdir) with all coarse images of the 14 drawn pairs."""
    workdir = tmp_path_factory.mktemp("made")
    config = configuration(pairs_folder, tmp_path_factory.getbasetemp() / "prepared")
    assert coarse_images.coarse_images(config, workdir) is config
    return config, workdir


def configuration(folder, prepared, **changes):
    config = shared.get_config()
    config.method = "ide"
    shared.add_direction(config, "to_sketch")
    ide.add_patches(config)
    config.patches.update(
        {"patch_px": 8, "step_px": 4, "radius_px": 1, "num_candidates": 2, "max_iterations": 10}
    )
    config.patches.update(changes)
    config.data.name = "paired_folder"
    config.data.manual_dir, config.data.data_dir = str(folder), str(prepared)
    config.data.validation = "validation"
    return config.lock()


def load(config, split):
    data = config.data
    return sources.load(data.name, split, data_dir=data.data_dir, manual_dir=data.manual_dir)


def changed(config, **fields):
    """The configuration with other fields of `patches`."""
    config = config.copy_and_resolve_references()
    config.patches.update(fields)
    return config


def contents(workdir):
    return {path.name: path.read_bytes() for path in (workdir / "coarse/images").iterdir()}


def test_every_pair_has_one_made_from_other_identities(made):
    config, workdir = made
    assert set(contents(workdir)) == {f"f{i:02d}.png" for i in range(14)}
    index = model.load(workdir / "coarse/index.npz")
    assert len(index.id) == 8
    fitted = model.ready(index)
    program = jax.jit(lambda *arrays: model.translate(*arrays, index.settings).image)
    train = load(config, "train")
    for i in (0, 5):
        with_own, without = (
            images.to_uint8(program(fitted, images.from_uint8(train.photo[i]), admitted))
            for admitted in (index.allowed(None), index.allowed(train.identity[i]))
        )
        found = np.asarray(Image.open(workdir / f"coarse/images/{train.id[i]}.png"))
        assert np.abs(found.astype(int) - without[..., 0]).max() <= 1
        assert (np.abs(found.astype(int) - with_own[..., 0]) > 1).any()


def test_the_same_call_goes_on_after_a_kill(made, tmp_path, monkeypatch):
    config, workdir = made
    write, times = coarse.write, []

    def killed(*arguments):
        times.append(1)
        if len(times) == 5:
            raise KeyboardInterrupt
        write(*arguments)

    monkeypatch.setattr(coarse, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        coarse_images.coarse_images(config, tmp_path)
    before = contents(tmp_path)
    assert len(before) == 4
    (tmp_path / "coarse/images/.f09.png.partial").write_bytes(b"half")
    times.clear()
    monkeypatch.setattr(coarse, "write", lambda *a: (times.append(a[1].id), write(*a)))
    coarse_images.coarse_images(config, tmp_path)
    assert len(times) == 10
    assert not set(before) & {f"{id}.png" for id in times}
    assert contents(tmp_path) == contents(workdir)
    times.clear()
    monkeypatch.setattr(model, "ready", None)  # nothing is computed where all is there
    coarse_images.coarse_images(config, tmp_path)
    assert not times


def test_processes_share_the_images(made, tmp_path, monkeypatch):
    config, workdir = made
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(coarse_images.multihost_utils, "sync_global_devices", lambda name: None)
    for process in (0, 1):
        monkeypatch.setattr(jax, "process_index", lambda process=process: process)
        coarse_images.coarse_images(config, tmp_path)
        assert len(contents(tmp_path)) == 7 * (process + 1)
    assert contents(tmp_path) == contents(workdir)


def test_results_of_another_configuration_are_refused(made):
    config, workdir = made
    other = changed(config, overlap_weight=3.0, stitch="cut")
    message = r"index.npz: patches.overlap_weight: expected 3.0, got 0.25; patches.stitch: .*coarse"
    with pytest.raises(coarse.StaleError, match=message):
        coarse_images.coarse_images(other, workdir)
    with pytest.raises(coarse.StaleError, match=message):
        coarse.source(other, workdir)
    assert coarse.source(changed(config, memory_mb=7), workdir).digest
    with other.unlocked():
        other.direction = "to_photo"
        other.patches = config.patches
    with pytest.raises(coarse.StaleError, match="direction"):
        coarse_images.coarse_images(other, workdir)
    with pytest.raises(coarse.StaleError, match="direction"):
        coarse.source(other, workdir)


@pytest.mark.parametrize(
    ("id", "message"),
    [("f03", "index.npz: expected these .* training pairs"), ("f12", "f12.png: expected key")],
)
def test_results_of_other_data_are_refused(id, message, made, tmp_path):
    config, workdir = made
    folder = tmp_path / "pairs"
    shutil.copytree(config.data.manual_dir, folder)
    path = folder / f"photos/{id}.png"
    pixels = np.array(Image.open(path))
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    other = configuration(folder, tmp_path / "prepared")
    with pytest.raises(coarse.StaleError, match=message):
        coarse_images.coarse_images(changed(other, path=str(workdir / "coarse")), tmp_path)


def test_a_file_of_somebody_else_is_refused(made, tmp_path):
    config, workdir = made
    shutil.copytree(workdir / "coarse", tmp_path / "coarse")
    Image.fromarray(np.zeros((30, 24), np.uint8)).save(tmp_path / "coarse/images/f01.png")
    with pytest.raises(coarse.StaleError, match=r"f01.png: .*got None.*Delete"):
        coarse_images.coarse_images(config, tmp_path)


def test_a_photo_of_another_size_is_named(made):
    config, workdir = made
    index = model.load(workdir / "coarse/index.npz")
    source = coarse.source(config, workdir)
    request = coarse.Request("new", np.zeros((30, 25, 3), np.uint8), 9, "")
    with pytest.raises(ValueError, match=r"new: expected 24 x 30 px.* got 25 x 30 px"):
        coarse_images._make(index, source, [request])


def test_a_new_photo_is_drawn_as_a_test_pair_is(made):
    config, workdir = made
    draw = coarse_images.first_stage(workdir, config)
    test = load(config, "test")
    for image, id in zip(draw(np.stack(test.photo)), test.id, strict=True):
        expected = np.asarray(Image.open(workdir / f"coarse/images/{id}.png"))
        np.testing.assert_array_equal(image[..., 0], expected)
    with pytest.raises(ValueError, match=r"an image: expected .* got 24 x 29 px"):
        draw(np.stack(test.photo)[:, :29])


@pytest.mark.parametrize(
    ("fields", "is_warned"),
    [
        ({"max_iterations": 1, "tolerance": 1e-6}, True),
        ({"max_iterations": 1, "tolerance": 1e6}, False),
        ({"max_iterations": 1, "tolerance": 1e-6, "solver": "choice"}, False),  # knows no gap
    ],
)
def test_a_solver_stopped_before_its_tolerance_is_told(fields, is_warned, made, monkeypatch):
    config, workdir = made
    index = model.load(workdir / "coarse/index.npz")
    index = index._replace(settings=index.settings._replace(**fields))
    told = []
    monkeypatch.setattr(coarse_images.logging, "warning", lambda text, *a: told.append(text % a))
    test = load(config, "test")
    batch = np.stack(test.photo)
    coarse_images._translator(index)(batch, np.stack([index.allowed(None)] * len(batch)))
    assert len(told) == is_warned
    if is_warned:
        assert (
            "of 4 coarse images: stopped at patches.max_iterations 1, with a gap of up to"
            in told[0]
        )


def test_coarse_images_are_joined_by_id(made):
    config, workdir = made
    source = coarse.source(config, workdir)
    canvases = evaluate.load_canvases(config.data, "test", canvas_px=32, coarse_source=source)
    assert canvases.coarse.shape == (4, 32, 32, 1)
    for i, id in enumerate(canvases.id):
        expected = np.asarray(Image.open(workdir / f"coarse/images/{id}.png"))
        cut = pipeline.cut(canvases.coarse[i], canvases.box[i])
        np.testing.assert_array_equal(cut[..., 0], expected)
    assert (canvases.coarse[:, :, 0] == config.data.fill_sketch).all()
    assert len(canvases.take([0, 2, 1]).coarse) == 3
    batch = pipeline.training_batch(canvases, 0, batch_size=4, seed=0)
    for sketch, rough in zip(batch["sketch"], batch["coarse"], strict=True):
        place = next(i for i in range(4) if (canvases.sketch[i] == sketch).all())
        np.testing.assert_array_equal(rough, canvases.coarse[place])
    with config.unlocked():
        config.data.memory_mb = 0
    stored = evaluate.load_canvases(config.data, "test", canvas_px=32, coarse_source=source)
    assert stored.channels == canvases.channels
    for one in (canvases, stored):
        (batch,) = pipeline.evaluation_batches(one, 4)
        np.testing.assert_array_equal(batch["coarse"], canvases.coarse)
    config.data.memory_mb = shared.get_config().data.memory_mb
    plain = evaluate.load_canvases(config.data, "test", canvas_px=32)
    assert plain.coarse is None
    assert "coarse" not in pipeline.training_batch(plain, 0, batch_size=4, seed=0)


def test_missing_coarse_images_are_named(made, tmp_path):
    config, workdir = made
    shutil.copytree(workdir / "coarse", tmp_path / "coarse")
    (tmp_path / "coarse/images/f12.png").unlink()
    source = coarse.source(config, tmp_path)
    message = re.escape("coarse images of 4 pairs, got 3; f12 is missing; `fsketch prepare`")
    with pytest.raises(FileNotFoundError, match=message):
        coarse.read(load(config, "test"), source)
    with pytest.raises(FileNotFoundError, match=r"index.npz: expected .*fsketch prepare"):
        coarse.source(config, tmp_path / "elsewhere")
    with config.unlocked():
        without = config.copy_and_resolve_references()
    with without.unlocked():
        del without.patches
    assert coarse.source(without, tmp_path) is None
