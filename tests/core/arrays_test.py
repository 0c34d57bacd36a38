"""Archives of arrays: what numpy writes, and headers that claim more than the file holds."""

import io
import zipfile

import numpy as np
import pytest

from fsketch.core import arrays


def archive(content, *, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as whole:
        whole.writestr("x.npy", content)
    return file.getvalue()


def npy(*, shape, dtype="<f8", body=b""):
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + body


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes(tmp_path, save):
    content = {
        "zeros": np.zeros((300, 300)), "text": np.asarray(["a", "bcd"]), "one": np.float32(2),
        "none": np.zeros((0, 3)), "turned": np.asfortranarray(np.arange(6).reshape(2, 3)),
    }  # fmt: skip
    save(tmp_path / "x.npz", **content)
    for source in (tmp_path / "x.npz", (tmp_path / "x.npz").read_bytes()):
        read = arrays.read_npz(source)
        assert read.keys() == content.keys()
        for name, array in content.items():
            np.testing.assert_array_equal(read[name], array)
            assert read[name].dtype == array.dtype


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive(npy(shape=(10**6, 500000))), r"expected 0 bytes, .* 4,000,000,000,000 bytes"),
        (archive(npy(shape=(2,), body=b"x" * 8)), "expected 8 bytes, .* 16 bytes"),
        (archive(npy(shape=(1,), dtype="|O", body=b"x" * 8)), "expected numbers or text"),
        (archive(b"no array"), "magic string"),
        (archive(npy(shape=(1,), body=b"x" * 8))[:-5], r"\(\*.npz\), got"),
        (b"PK", r"\(\*.npz\), got"),
    ],
)
def test_what_is_no_archive_of_numbers_is_refused_before_anything_is_allocated(content, message):
    with pytest.raises(ValueError, match=message):
        arrays.read_npz(content)


def test_a_length_in_the_archive_is_not_believed_either():
    body = npy(shape=(4 * 10**8,))
    content = bytearray(archive(body))
    place = content.rindex(b"PK\x01\x02") + 24  # in the directory, the length once unpacked
    content[place : place + 4] = (len(body) + 32 * 10**8).to_bytes(4, "little")
    with pytest.raises(ValueError, match=r"expected .* bytes, as the file holds"):
        arrays.read_npz(bytes(content))
