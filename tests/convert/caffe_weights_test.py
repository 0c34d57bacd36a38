"""Caffe's files are read without Caffe, in both layouts; others are refused with the reason."""

import caffe_writer as writer
import numpy as np
import pytest

from fsketch.convert import caffe_weights, files, program, published, tables
from fsketch.core import errors

RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(4, 3, 2, 2)).astype(np.float32)
MATRIX = RNG.normal(size=(5, 4)).astype(np.float32)
BIAS = RNG.normal(size=4).astype(np.float32)
SHAPE = writer.field(7, writer.field(1, b"\x04"))  # of BIAS
DATA = writer.field(5, BIAS.tobytes())


def read(tmp_path, data):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(data)
    return caffe_weights.read(str(path))


@pytest.mark.parametrize("v1", [False, True], ids=["layer", "layers"])
@pytest.mark.parametrize("legacy", [False, True], ids=["shape", "num_channels_height_width"])
def test_blobs_of_both_layouts(v1, legacy, tmp_path):
    data = writer.net(
        writer.layer("data", v1=v1),
        writer.layer("conv1", *(writer.blob(x, legacy=legacy) for x in (KERNEL, BIAS)), v1=v1),
        writer.layer("relu1", v1=v1),
        writer.layer("fire2/fc", writer.blob(MATRIX, legacy=legacy), v1=v1),
    )
    arrays = read(tmp_path, data)
    expected = {"conv1/0": KERNEL, "conv1/1": BIAS, "fire2/fc/0": MATRIX}
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        assert arrays[name].dtype == np.float32
        np.testing.assert_array_equal(arrays[name], array)


def test_doubles_single_numbers_and_unknown_fields(tmp_path):
    diff = writer.field(6, np.ones(4, np.float32).tobytes())
    data = writer.net(
        writer.layer("double", writer.blob(KERNEL, dtype=np.float64)),
        writer.layer("single", writer.blob(BIAS, packed=False) + diff),
        writer.layer("dims", writer.field(7, writer.field(1, 4)) + DATA),
        writer.field(1000, 7),
    )
    arrays = read(tmp_path, data)
    assert arrays["double/0"].dtype == np.float64
    np.testing.assert_array_equal(arrays["double/0"], KERNEL)
    np.testing.assert_array_equal(arrays["single/0"], BIAS)
    np.testing.assert_array_equal(arrays["dims/0"], BIAS)


GOOD = writer.layer("conv1", SHAPE + DATA)
NO_NETS = {
    "empty": (b"", "cannot mmap an empty file"),
    "text": (b"neither an archive nor a pickle", "field 13 of wire type 6"),
    "cut": (writer.net(GOOD)[:-3], r"truncated: field 100 has \d+ of \d+ bytes"),
    "twice": (writer.net(GOOD, GOOD), "two layers 'conv1' with weights"),
    "few": (
        writer.net(writer.layer("c", SHAPE + writer.field(5, b"1234"))),
        r"c/0 has 1 numbers for the shape \(4,\)",
    ),
    "no message": (writer.net(writer.layer("c", 4)), "a number where a message should be"),
    "first format": (writer.net(writer.field(2, writer.field(1, b"old"))), "first format"),
}


@pytest.mark.parametrize("name", NO_NETS)
def test_other_and_damaged_files_are_refused_with_the_reason(name, tmp_path):
    data, message = NO_NETS[name]
    with pytest.raises(
        ValueError, match=rf"net\.caffemodel: expected a whole caffemodel, got .*{message}"
    ):
        read(tmp_path, data)


def arrays_of(name, table):
    """Arrays under the keys of a file of the weights `name`: all numbers are the key's place."""
    shapes = published.WEIGHTS[name].shapes()
    arrays = {}
    for place, (ours, (key, axes)) in enumerate(table.items()):
        shape = np.take(shapes[ours], np.argsort(axes)) if axes else shapes[ours]
        arrays[key] = np.broadcast_to(np.float32(place), shape)
    return arrays


def write_net(path, arrays, *, v1):
    """A *.caffemodel of arrays "LAYER/INDEX"."""
    blobs = {}
    for key, array in arrays.items():
        blobs.setdefault(key.rpartition("/")[0], []).append(writer.blob(array, legacy=v1))
    path.write_bytes(writer.net(*(writer.layer(n, *b, v1=v1) for n, b in blobs.items())))


def test_vgg_face_takes_rgb_whichever_file_it_is_from():
    port = published.WEIGHTS["vgg_face"]
    (caffe,) = port.others
    kernel = np.random.default_rng(0).normal(size=(64, 3, 3, 3)).astype(np.float32)
    firsts = {"conv1_1.weight": kernel[:, ::-1]}, {"conv1_1/0": kernel}
    for form, first in zip((port, caffe), firsts, strict=True):
        classifier = {key: np.zeros(1) for key in form.unused}
        arrays = arrays_of("vgg_face", form.table()) | first | classifier
        params = published.convert("vgg_face", arrays)
        turned = kernel.transpose(2, 3, 1, 0)[:, :, ::-1]
        np.testing.assert_array_equal(params.pop("conv1_1/kernel"), turned)
        places = {name: place for place, name in enumerate(form.table())}
        assert len(params) == 25
        assert all(array.flat[0] == places[name] for name, array in params.items())
    del arrays["conv3_2/0"]
    with pytest.raises(ValueError, match=r"^missing in the file: conv3_2/0$"):
        published.convert("vgg_face", arrays)


def test_squeezenet_from_caffe(tmp_path):
    arrays = arrays_of("squeezenet_v1.0", tables.squeezenet_v1_0_caffe())
    arrays["fire4/expand3x3/0"] = (
        np.random.default_rng(0).normal(size=arrays["fire4/expand3x3/0"].shape).astype(np.float32)
    )
    write_net(tmp_path / "s.caffemodel", arrays, v1=False)
    out = str(tmp_path / "s.safetensors")
    assert errors.run(program.main, ["squeezenet_v1.0", str(tmp_path / "s.caffemodel"), out]) == 0
    _, params = files.read(out)
    np.testing.assert_array_equal(
        params["fire4"]["expand3"]["kernel"], arrays["fire4/expand3x3/0"].transpose(2, 3, 1, 0)
    )
    np.testing.assert_array_equal(params["conv10"]["bias"], arrays["conv10/1"])
