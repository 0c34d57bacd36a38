"""InsightFace's packs as Pythons and numpy write them, and packs that want to do something else."""

import os
import pickle

import numpy as np
import pytest

from fsketch.data.verification import packed

IMAGES = [b"\xff\xd8 one", b"\xff\xd8 two" * 60, b"\xff\xd8 three", b"\xff\xd8 one"]
FLAGS = [True, False]


def write(tmp_path, content, *, protocol=4):
    path = tmp_path / "lfw.bin"
    if not isinstance(content, bytes):
        content = pickle.dumps(content, protocol)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["bytes", "row", "column", "read-only"])
@pytest.mark.parametrize("flags", [list, tuple, np.array])
def test_strings_and_arrays_of_every_protocol(tmp_path, protocol, kind, flags):
    shapes = {"row": (-1,), "column": (-1, 1), "read-only": (-1,)}
    images = IMAGES
    if kind != "bytes":
        images = [np.frombuffer(image, np.uint8).reshape(shapes[kind]) for image in IMAGES]
        images = images if kind == "read-only" else [image.copy() for image in images]
    path = write(tmp_path, (images, flags(FLAGS)), protocol=protocol)
    assert packed.read(path) == (IMAGES, FLAGS)


def test_a_pack_of_python_2(tmp_path):
    # ["\xff one", ("x" * 300)], [True], each put into the memo, as cPickle's protocol 2 does.
    content = (
        b"\x80\x02]q\x01(U\x05\xff oneq\x02T\x2c\x01\x00\x00" + b"x" * 300 + b"q\x03e"
        b"]q\x04\x88a\x86q\x05."
    )
    assert packed.read(write(tmp_path, content)) == ([b"\xff one", b"x" * 300], [True])
    # An array of numpy for Python 2, of shape [2, 1].
    content = (
        b"\x80\x02](cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85"
        b"U\x01bq\x03\x87R(K\x01K\x02K\x01\x86cnumpy\ndtype\nq\x04U\x02u1q\x05K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x02\xff\xd8tb"
        b"U\x01ye]\x89a\x86."
    )
    assert packed.read(write(tmp_path, content)) == ([b"\xff\xd8", b"y"], [False])


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class WithState:
    def __reduce__(self):
        return np.dtype, ("u1",), {"a": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Calls(os.mkdir, "made"), "names posix.mkdir, which no pack needs; refused"),
        (([Calls(os.mkdir, "made"), b""], [True]), "names posix.mkdir"),
        (Calls(eval, "1"), "names builtins.eval"),
        (b"\x80\x02c__builtin__\neval\nU\x011\x85R.", "names __builtin__.eval"),
        (b"\x80\x02cnumpy.core.multiarray\nfromfile\n.", "names numpy.core.multiarray.fromfile"),
        (b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.", "in a way"),
        (b"\x80\x02cnumpy\nndarray\n)R.", "calls numpy.ndarray in a way that no pack needs"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "pickle opcode NEWOBJ, which no pack needs"),
        (b"\x80\x02(cnumpy\nndarray\no.", "opcode OBJ"),
        (b"(iposix\nsystem\n.", "opcode INST"),
        (b"\x80\x02\x82\x01.", "opcode EXT1"),
        (b"\x80\x02Pname\n.", "opcode PERSID"),
        (b"\x80\x02}.", "opcode EMPTY_DICT"),
        (b"\x80\x00]]\x86.", "pickle protocol 0; expected 2 to 5"),
        ((WithState(), [True]), "opcode EMPTY_DICT"),
        (b"\x80\x02]]b.", "sets the state of what is no array"),
        (b"\x80\x02)Na.", "appended to what is no list"),
        (b"\x80\x02N\x87.", "a tuple of more items than there are"),
        (([np.array([1.0]), b""], [True]), "an array of 'f8'"),
        (([np.zeros((2, 2), np.uint8), b""], [True]), r"an array of shape \(2, 2\)"),
        (([np.array([None]), b""], [True]), "an array of 'O8'"),
        (IMAGES, "not a pair of images and flags"),
        ((IMAGES, FLAGS, FLAGS), "not a pair of images and flags"),
        ((IMAGES, [True]), "4 images for 1 pairs"),
        ((IMAGES, [True, None]), "flag 1: neither true nor false"),
        ((IMAGES, [True, 2]), "flag 1: neither true nor false"),
        ((IMAGES, np.array([1, 0], np.uint8)), "flag 0: neither true nor false"),
        ((["a", b"b"], [True]), "image 0: neither a string nor an array of bytes"),
        (([b"", np.array([True])], [True]), "image 1: neither"),
        (b"", "truncated or damaged"),
        (b"\xff\xd8\xff\xe0", "truncated or damaged"),
        (b"\x80\x02\x86.", "a tuple of more items"),
        (b"\x80\x02e.", "truncated or damaged"),
        (b"\x80\x02h\x07.", "truncated or damaged"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "truncated or damaged"),
    ],
)
def test_what_a_pack_does_not_need_is_refused(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as caught:
        packed.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert os.listdir(tmp_path) == ["lfw.bin"]


def test_a_memo_of_any_number_takes_no_memory(tmp_path):
    # pickle's own table would be enlarged to 2^31 entries.
    content = b"\x80\x02](U\x01aU\x01be]r\xff\xff\xff\x7f\x88a\x86."
    assert packed.read(write(tmp_path, content)) == ([b"a", b"b"], [True])


def test_damage_is_never_anything_but_a_refusal(tmp_path):
    arrays = [np.frombuffer(image, np.uint8).copy() for image in IMAGES]
    rng = np.random.default_rng(0)
    for whole in (pickle.dumps((IMAGES, FLAGS), 2), pickle.dumps((arrays, FLAGS), 5)):
        for length in range(0, len(whole), 11):
            with pytest.raises(ValueError, match="truncated or damaged"):
                packed.read(write(tmp_path, whole[:length]))
        for place in rng.integers(0, len(whole), 150):
            damaged = bytearray(whole)
            damaged[place] = rng.integers(256)
            try:
                packed.read(write(tmp_path, bytes(damaged)))
            except ValueError as error:
                assert "lfw.bin: " in str(error)
