"""torch's files are read without torch; those that hold anything else are refused by name."""

import pathlib
import pickle
import tarfile

import numpy as np
import pytest
import torch_writer as writer
from golden import torch_draws

from fsketch.convert import torch_weights

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
FORMATS = ("torch_zip.pth", "torch_stream.pth")


@pytest.mark.parametrize("name", FORMATS)
def test_files_that_torch_wrote(name):
    arrays = torch_weights.read(str(GOLDEN / name))
    expected = torch_draws.arrays()
    shared = expected.pop("shared")
    expected |= {"parameter": expected["float64"], "transposed": shared.T, "part": shared[1:, ::2]}
    half = arrays.pop("bfloat16")
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, expected["float32"], rtol=2**-8)
    assert (half.view(np.uint32) % 2**16 == 0).all()
    assert arrays.keys() == expected.keys()
    for key, array in expected.items():
        assert arrays[key].dtype == array.dtype, key
        np.testing.assert_array_equal(arrays[key], array, err_msg=key)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.97])
def test_truncated_files_are_refused(name, share, tmp_path):
    data = (GOLDEN / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=rf"{name}: .*(truncated|not a weights file)"):
        torch_weights.read(str(path))


class Call:
    """An object whose pickle calls a function when it is read."""

    def __reduce__(self):
        return pathlib.Path.mkdir, (pathlib.Path("made_by_a_weights_file"),)


def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(Call(), protocol=2)
    writer.write("zip.pth", pickled[2:-1], {})
    head = [torch_weights.MAGIC, 1001, {"little_endian": True}]
    head = b"".join(pickle.dumps(item, protocol=2) for item in head)
    pathlib.Path("stream.pth").write_bytes(head + pickled)
    pathlib.Path("bare.pth").write_bytes(pickled)
    for name in ("zip.pth", "stream.pth", "bare.pth"):
        with pytest.raises(ValueError, match=rf"{name}: names [a-z_]+\.getattr, .* refused"):
            torch_weights.read(name)
    assert not pathlib.Path("made_by_a_weights_file").exists()


TENSOR = writer.tensor("0", 6, (2, 3), (3, 1))


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"}", "dict with the entries none"),
        (
            writer.mapping({"w": writer.tensor("0", 6, (10**6, 500000), (0, 0))}),
            "w: 500,000,000,000 numbers from 6",
        ),
        (writer.mapping({"w": TENSOR, "epoch": b"K\x03"}), r"w \(Tensor\), epoch \(int\)"),
        (
            writer.mapping({n: writer.mapping({"w": TENSOR}) for n in ("net", "average")}),
            r"net \(dict\), average \(dict\)",
        ),
        (writer.mapping({"w": writer.tensor("0", 6, (2, 3), (3, 2))}), "w reaches outside"),
        (writer.mapping({"w": writer.tensor("0", 6, (2, 3), (-3, 1))}), "w reaches outside"),
        (writer.mapping({"w": writer.tensor("0", 7, (2, 3), (3, 1))}), "24 bytes of the 28"),
        (writer.mapping({"w": writer.tensor("1", 6, (2, 3), (3, 1))}), "damaged .KeyError.*data/1"),
        (
            writer.mapping({"w": writer.tensor("0", 6, (6,), (1,), kind="QInt8Storage")}),
            r"names torch\.QInt8Storage",
        ),
        (b"ctorch.nn.modules.linear\nLinear\n)\x81", r"names torch\.nn\.modules\.linear\.Linear"),
    ],
)
def test_other_contents_are_refused_with_the_reason(pickled, message, tmp_path):
    path = str(tmp_path / "weights.pth")
    writer.write(path, pickled, {"0": np.zeros(6, np.float32).tobytes()})
    with pytest.raises(ValueError, match=rf"weights\.pth: .*{message}"):
        torch_weights.read(path)


def test_a_checkpoint_with_one_mapping_of_tensors_is_that_mapping(tmp_path):
    path = str(tmp_path / "weights.pth")
    inner = writer.mapping({"w": writer.tensor("0", 6, (2, 2), (1, 3), offset=1)})
    writer.write(
        path,
        writer.mapping({"epoch": b"K\x03", "net": inner}),
        {"0": np.arange(6, dtype=np.float32).tobytes()},
    )
    np.testing.assert_array_equal(torch_weights.read(path)["w"], [[1, 4], [2, 5]])


def test_other_archives_are_refused(tmp_path):
    with tarfile.open(tmp_path / "tar.pth", "w") as archive:
        archive.add(__file__, "storages")
    with pytest.raises(ValueError, match=r"tar\.pth: torch's oldest format"):
        torch_weights.read(str(tmp_path / "tar.pth"))
    np.savez(tmp_path / "arrays.npz", a=np.zeros(1))
    with pytest.raises(ValueError, match=r"without torch's data\.pkl"):
        torch_weights.read(str(tmp_path / "arrays.npz"))
    with pytest.raises(FileNotFoundError):
        torch_weights.read(str(tmp_path / "missing.pth"))
