"""Keras' HDF5 files: HED's layers find their places; other files are refused."""

import sys

import numpy as np
import pytest

from fsketch.convert import files, keras_weights, program, published, tables

h5py = pytest.importorskip("h5py", reason="the package h5py is not installed")


def test_hed_s_trunk_is_taken_and_its_edge_maps_are_left(tmp_path):
    weights = published.WEIGHTS["vgg16_hed"]
    with h5py.File(tmp_path / "in.h5", "w") as file:
        for ours, (key, _) in weights.table().items():
            file[key] = np.zeros(weights.shapes()[ours], np.float32)
        for key in tables.VGG_HED_UNUSED:
            file[key] = np.ones(1)
        file["block3/layers/conv2d_2/vars/1"][...] = np.arange(256)
    out = str(tmp_path / "out.safetensors")
    assert program.main(["vgg16_hed", str(tmp_path / "in.h5"), out]) == 0
    net, params = files.read(out)
    assert net == "vgg16_hed" and len(params) == 13
    np.testing.assert_array_equal(params["conv3_3"]["bias"], np.arange(256))
    assert files.header(out)["licence"] == "MIT"


def test_files_that_hold_no_numbers_are_refused(tmp_path):
    with h5py.File(tmp_path / "text.h5", "w") as file:
        file["name"] = "HED"
    with h5py.File(tmp_path / "elsewhere.h5", "w") as file:
        file.create_dataset("a", (4,), "f4", external=[(str(tmp_path / "secret"), 0, 16)])
    (tmp_path / "no.h5").write_bytes(b"no archive")
    for name, message in (
        ("text", "name: expected stored numbers"),
        ("elsewhere", "a: expected stored numbers"),
        ("no", "expected a whole HDF5 file"),
    ):
        with pytest.raises(ValueError, match=rf"{name}\.h5: {message}"):
            keras_weights.read(str(tmp_path / f"{name}.h5"))
    assert not (tmp_path / "secret").exists()


def test_without_h5py_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match=r"pip install 'fsketch\[h5\]'"):
        keras_weights.read("m.h5")
