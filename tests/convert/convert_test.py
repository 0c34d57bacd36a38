"""Conversion: every key used once, every leaf filled; real weights recognise a real cat."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from flax import traverse_util
from skimage import data, transform

from fsketch.convert import __main__ as program
from fsketch.convert import files, tables
from fsketch.nets import squeezenet


@pytest.fixture(scope="module")
def published():
    """Arrays under the published keys, with random numbers."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(
        squeezenet.SqueezeNet().init, jax.random.key(0), jnp.zeros((1, 64, 64, 3))
    )
    flat = traverse_util.flatten_dict(shapes["params"], sep="/")
    arrays = {}
    for ours, (theirs, axes) in tables.squeezenet_v1_0().items():
        array = rng.normal(size=flat[ours].shape).astype(np.float32)
        arrays[theirs] = array.transpose(np.argsort(axes)) if axes else array
    return arrays


def converted(arrays, tmp_path):
    np.savez(tmp_path / "in.npz", **arrays)
    out = str(tmp_path / "out.safetensors")
    code = program.main(["squeezenet_v1.0", str(tmp_path / "in.npz"), out])
    return code, out


def test_arrays_arrive_in_their_places(published, tmp_path):
    code, out = converted(published, tmp_path)
    assert code == 0
    net, params = files.read(out)
    assert net == "squeezenet_v1.0"
    theirs = published["fire4/conv3x3_2/w"]  # OIHW
    np.testing.assert_array_equal(
        params["fire4"]["expand3"]["kernel"], theirs.transpose(2, 3, 1, 0)
    )
    np.testing.assert_array_equal(params["conv10"]["bias"], published["conv_final/b"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("conv1/w"), "missing in the file: conv1/w"),
        (lambda a: a.update(extra=np.zeros(1)), "unknown in the file: extra"),
        (lambda a: a.update({"conv1/b": np.zeros(5)}), r"shape: conv1/b gives \(5,\)"),
        (lambda a: a.update({"conv1/b": np.full(96, np.nan)}), "not finite: conv1/b"),
    ],
)
def test_bad_files_are_refused_with_the_reason(published, tmp_path, change, message, capsys):
    arrays = dict(published)
    change(arrays)
    code, out = converted(arrays, tmp_path)
    assert code == 1
    assert re.search(message, capsys.readouterr().err)
    with pytest.raises(FileNotFoundError):
        files.read(out)


def test_a_file_that_is_no_archive_is_refused(tmp_path, capsys):
    (tmp_path / "x.npz").write_bytes(b"not an archive")
    assert program.main(["squeezenet_v1.0", str(tmp_path / "x.npz"), str(tmp_path / "y")]) == 1
    assert "x.npz" in capsys.readouterr().err


def test_foreign_safetensors_are_refused(tmp_path):
    path = str(tmp_path / "foreign.safetensors")
    safetensors.numpy.save_file({"a": np.zeros(1, np.float32)}, path)
    with pytest.raises(ValueError, match=r"fsketch\.convert"):
        files.read(path)
    (tmp_path / "broken.safetensors").write_bytes(b"12345678901234567890")
    with pytest.raises(ValueError, match="not a safetensors file"):
        files.read(str(tmp_path / "broken.safetensors"))


def test_the_real_squeezenet_recognises_a_cat(shared_data, tmp_path):
    weights = shared_data / "weights" / "squeezenet_v1.0" / "squeezenet_v1.0.npz"
    if not weights.is_file():
        pytest.skip("no SqueezeNet weights in ../shared/data/weights")
    out = str(tmp_path / "squeezenet.safetensors")
    assert program.main(["squeezenet_v1.0", str(weights), out]) == 0
    _, params = files.read(out)
    image = data.chelsea()[:, 75:375]  # 300 x 300 px of a cat
    image = transform.resize(image, (227, 227), anti_aliasing=True) * 2 - 1
    adapted = squeezenet.adapt(jnp.asarray(image, jnp.float32)[None])
    maps = squeezenet.SqueezeNet().apply({"params": params}, adapted)
    best = np.argsort(-np.asarray(maps["logits"][0]))[:3]
    assert set(best) <= {281, 282, 283, 284, 285, 287}  # ImageNet's cats and the lynx
