from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsketch.core import errors
from fsketch.data import faces, shards, warp

OPTIONS = {"data_dir": "", "prefix": "", "test_share": 0.25, "validation_share": 0.25}


def find(source, folder, **changes):
    options = {**OPTIONS, "limits": (0, 0, 0), "manual_dir": str(folder), **changes}
    return faces.find(source, **options)


def draw(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((10, 8, 3), number, np.uint8)).save(path)


@pytest.fixture
def orl(tmp_path):
    for person in range(8):
        for view in range(3):
            draw(tmp_path / f"s{person}/{view}.png", 10 * person + view)
    (tmp_path / "pairs.csv").write_text("beside the persons; not read")
    return tmp_path


@pytest.fixture
def celeba(tmp_path):
    """Images 0..9: partitions 0 x 6, 1 x 2, 2 x 2; two images a person."""
    partition, identity = [], []
    for i in range(10):
        draw(tmp_path / f"img_align_celeba/{i:06d}.jpg", 20 * i)
        partition.append(f"{i:06d}.jpg {0 if i < 6 else 1 if i < 8 else 2}")
        identity.append(f"{i:06d}.jpg {100 + i // 2}")
    (tmp_path / "list_eval_partition.txt").write_text("\n".join(partition) + "\n")
    (tmp_path / "identity_CelebA.txt").write_text("\n".join(identity) + "\n")
    return tmp_path


def test_persons_are_never_in_two_splits(orl):
    found = find("folders", orl)
    split_of = {}
    for row in found.rows:
        assert split_of.setdefault(row.identity, row.split) == row.split
    counts = [list(split_of.values()).count(split) for split in shards.FACE_SPLITS]
    assert counts == [4, 2, 2]
    assert [row.split for row in found.rows] == sorted(
        (row.split for row in found.rows), key=shards.FACE_SPLITS.index
    )
    for i, row in enumerate(found.rows):
        person, view = row.id.split("_")
        assert person == row.identity
        assert (found.photo(i) == 10 * int(person[1:]) + int(view)).all()
    assert found.sketch is None


def test_limits_take_the_first_and_another_content_another_digest(orl):
    whole, cut = find("folders", orl), find("folders", orl, limits=(5, 0, 1))
    counts = [[row.split for row in cut.rows].count(split) for split in shards.FACE_SPLITS]
    assert counts == [5, 6, 1]
    assert [row for row in whole.rows if row.split == "train"][:5] == cut.rows[:5]
    assert whole.digest == cut.digest
    draw(orl / "s0/0.png", 99)
    assert find("folders", orl).digest != whole.digest


def test_too_few_persons_are_refused(orl):
    with pytest.raises(errors.DataError, match="8 persons"):
        find("folders", orl, test_share=0.6, validation_share=0.5)


def test_celeba_by_the_rule_of_list_order(celeba):
    found = find("celeba", celeba, limits=(4, 1, 0))
    assert [row.id for row in found.rows] == [
        "000000", "000001", "000002", "000003", "000006", "000008", "000009",
    ]  # fmt: skip
    assert [row.split for row in found.rows] == ["train"] * 4 + ["validation"] + ["test"] * 2
    assert found.rows[0].identity == "100"
    assert found.photo(5).mean() == pytest.approx(160, abs=2)


def test_celeba_s_problems_are_told_together(celeba):
    (celeba / "img_align_celeba/000002.jpg").unlink()
    (celeba / "identity_CelebA.txt").write_text("000000.jpg 1\n000008.jpg 1\n?\n")
    with pytest.raises(errors.DataError) as caught:
        find("celeba", celeba)
    for text in (
        "img_align_celeba/000002.jpg: expected all listed images, got no such file",
        "identity_CelebA.txt line 3: expected 'NNNNNN.jpg NUMBER', got '?'",
        "not in identity_CelebA.txt",
        "person 1: expected a person in one partition, got in train and test",
    ):
        assert text in str(caught.value)


def test_pairs_keep_their_test_split_and_their_sketches(pairs_folder, tmp_path):
    found = find("paired_folder", pairs_folder, data_dir=str(tmp_path))
    assert [row.id for row in found.rows] == [f"f{i:02d}" for i in range(14)]
    assert [row.split for row in found.rows].count("test") == 4
    sketch = np.asarray(Image.open(pairs_folder / "sketches/f12.png"))[..., None]
    np.testing.assert_array_equal(found.sketch(12), sketch)
    only = find("paired_folder", pairs_folder, data_dir=str(tmp_path), prefix="f1")
    assert [row.id for row in only.rows] == [f"f{i}" for i in range(10, 14)]
    with pytest.raises(errors.DataError, match=r"portraits\.prefix: expected .*, got 'g'"):
        find("paired_folder", pairs_folder, data_dir=str(tmp_path), prefix="g")


def test_a_set_without_sketches_has_faces_alone(orl, tmp_path_factory):
    data_dir = str(tmp_path_factory.mktemp("prepared"))
    found = find("identity_folder", orl, data_dir=data_dir)
    assert found.sketch is None
    assert found.photo(0).shape[-1] == 3
    assert len({row.identity for row in found.rows}) > 1


@pytest.mark.parametrize("source", ["folders", "celeba"])
def test_no_folder_is_refused(source):
    with pytest.raises(errors.DataError, match=r"portraits\.manual_dir: .*, got ''"):
        find(source, "")


def test_a_damaged_face_is_named_when_it_is_seen(orl):
    (orl / "s0/0.png").write_bytes(b"?")
    found = find("folders", orl)
    place = [row.id for row in found.rows].index("s0_0")
    with pytest.raises(errors.DataError, match=r"s0/0\.png: expected a whole image file"):
        found.photo(place)


def test_squares_are_centred():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    np.testing.assert_array_equal(
        warp.square(image, share=1.0, size_px=3)[..., 0], [[0, 1, 2], [4, 5, 6], [8, 9, 10]]
    )
    assert warp.square(image, share=0.34, size_px=1).tolist() == [[[5]]]
    assert warp.square(np.full((7, 9, 3), 5, np.uint8), share=0.9, size_px=20).shape == (20, 20, 3)


def test_the_real_orl_set(shared_data):
    found = find("folders", shared_data / "orl", test_share=0.2, validation_share=0.1)
    counts = [[row.split for row in found.rows].count(split) for split in shards.FACE_SPLITS]
    assert counts == [280, 40, 80]
    assert found.photo(0).shape == (112, 92, 3)
