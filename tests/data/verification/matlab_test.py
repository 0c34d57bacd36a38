"""MATLAB's files against SciPy's writer."""

import numpy as np
import pytest

from fsketch.data.verification import matlab

io = pytest.importorskip("scipy.io", reason="SciPy comes with scikit-image, for tests")


def cell(*items):
    array = np.empty(len(items), object)
    for i, item in enumerate(items):
        array[i] = item
    return array


@pytest.fixture(params=[False, True], ids=["plain", "compressed"])
def path(request, tmp_path):
    table = np.empty((2, 3), object)
    for i in np.ndindex(2, 3):
        table[i] = {"file": f"A_{i[0]}_{i[1]}", "age": 10.0 * i[0] + i[1]}
    variables = {
        "numbers": np.arange(6, dtype=np.int16).reshape(2, 3),
        "small": np.array([[1.5]]),
        "text": "name",
        "names": cell("a", "longer than eight", np.eye(2)),
        "record": {"inner": {"table": table}, "x": np.float32([1, 2])},
    }
    path = tmp_path / "x.mat"
    io.savemat(path, variables, do_compression=request.param)
    return path


def test_what_scipy_writes(path):
    found = matlab.read(path)
    assert set(found) == {"numbers", "small", "text", "names", "record"}
    np.testing.assert_array_equal(found["numbers"], [[0, 1, 2], [3, 4, 5]])
    assert found["small"] == 1.5 and found["text"] == "name"
    assert found["names"].ravel()[:2].tolist() == ["a", "longer than eight"]
    np.testing.assert_array_equal(found["names"].ravel()[2], np.eye(2))
    table = found["record"]["inner"][0, 0]["table"][0, 0]
    assert table.shape == (2, 3)
    for i in np.ndindex(2, 3):
        assert table[i]["file"][0, 0] == f"A_{i[0]}_{i[1]}"
        assert table[i]["age"][0, 0] == 10 * i[0] + i[1]


def test_damage_is_refused(path):
    whole = path.read_bytes()
    with pytest.raises(ValueError, match=r"x\.mat: not a little-endian MATLAB file"):
        path.write_bytes(whole[:100])
        matlab.read(path)
    with pytest.raises(ValueError, match=r"x\.mat: "):
        path.write_bytes(whole[: len(whole) * 3 // 4])
        matlab.read(path)
    rng = np.random.default_rng(0)
    for place in rng.integers(128, len(whole), 300):
        damaged = bytearray(whole)
        damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            matlab.read(path)
        except ValueError as error:
            assert "x.mat: " in str(error)


def test_classes_that_are_not_read(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    io.savemat(tmp_path / "x.mat", {"s": sparse.eye(3)})
    with pytest.raises(ValueError, match="'s': a matrix of class 5, which is not read"):
        matlab.read(tmp_path / "x.mat")
