"""The five published sets in each of their layouts, made of a few drawn faces, whole and broken."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image
from scipy import io as scipy_io

from fsketch.core import errors
from fsketch.data import checks
from fsketch.data.verification import face_sets, lists

HALF = 300  # pairs of a kind in a fold; 350 for CFP-FP


def jpeg(seed, *, size=(112, 112), mode="RGB", kind="JPEG"):
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
    file = io.BytesIO()
    small.resize(size).convert(mode).save(file, kind)
    return file.getvalue()


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


FACES = [jpeg(seed) for seed in range(4)]


def flags(*, half=HALF):
    return ([True] * half + [False] * half) * 10


def save(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
    return path


def refused(name, root):
    with pytest.raises(errors.DataError) as caught:
        face_sets.load(name, root)
    return str(caught.value)


def pack(path, is_same):
    # Face 0 with 1 is one person, 0 with 2 and 3 by turns is two.
    images = []
    for i, same in enumerate(is_same):
        images += [FACES[0], FACES[1] if same else FACES[2 + i % 2]]
    save(path, pickle.dumps((images, is_same), 4))


@pytest.mark.parametrize("name", ["lfw", "cfp_fp"])
def test_packs(tmp_path, name):
    is_same = flags(half=350 if name == "cfp_fp" else HALF)
    pack(tmp_path / f"{name}.bin", is_same)
    pairs = face_sets.load(name, tmp_path)
    assert face_sets.present(tmp_path) == [name]
    assert (pairs.name, pairs.source, pairs.num_folds) == (name, f"{name}.bin", 10)
    assert pairs.faces.shape == (4, 112, 112, 3) and pairs.person is None and pairs.notes == ()
    np.testing.assert_array_equal(pairs.is_same, is_same)
    np.testing.assert_array_equal(pairs.first, 0)
    for i in (0, HALF + 100, len(is_same) - 1):
        face = FACES[1] if is_same[i] else FACES[2 + i % 2]
        np.testing.assert_array_equal(pairs.faces[pairs.second[i]], pixels(face))


def test_a_pack_keeps_its_order_and_says_what_its_folds_hold(tmp_path):
    is_same = [True] * 3000 + [False] * 3000
    pack(tmp_path / "calfw.bin", is_same)
    (pairs,) = face_sets.load_all(tmp_path)
    np.testing.assert_array_equal(pairs.is_same, is_same)
    assert pairs.notes == ("calfw: the folds of the pack hold 0 to 600 pairs of one person",)


def test_bad_packs_are_refused_with_every_bad_image(tmp_path):
    path = tmp_path / "lfw.bin"
    bad = [b"no image", jpeg(0, size=(112, 96)), jpeg(1, kind="GIF", mode="P"), FACES[0][:500]]
    bad += [jpeg(2, mode="CMYK"), b"P6 1 1 65535\n" + b"\1" * 6]
    path.write_bytes(pickle.dumps((bad + [FACES[0]] * (12000 - len(bad)), flags()), 4))
    text = refused("lfw", tmp_path)
    assert text.startswith("6 problems") and "image 6" not in text
    for number, told in enumerate(
        ("no image by its", "112x96 px", "format GIF", "unreadable", "mode CMYK", "16 bits")
    ):
        line = next(line for line in text.splitlines() if f"lfw.bin image {number}:" in line)
        assert told in line
    pack(path, flags()[1:])
    told = "expected 3000 of each, as published, got 2999 pairs of one person and 3000 of two"
    assert told in refused("lfw", tmp_path)
    path.write_bytes(b"cposix\nsystem\n.")
    assert "lfw.bin: expected a pickle of images and flags, got names posix.system" in refused(
        "lfw", tmp_path
    )


def lfw_list(folder):
    """An official list of 40 persons, 4 a fold, with two images each, the first of 250 px."""
    lines = ["10\t300"]
    for fold in range(10):
        people = [f"P_{fold}{i}" for i in range(4)]
        lines += [f"{people[i % 4]}\t1\t2" for i in range(300)]
        lines += [f"{people[i % 4]}\t1\t{people[(i + 1) % 4]}\t2" for i in range(300)]
        for i, name in enumerate(people):
            for number in (1, 2):
                size = (112, 112) if fold + i else (250, 250)
                content = jpeg(4 * fold + i or number, size=size)
                save(folder / "images" / name / f"{name}_{number:04d}.jpg", content)
    return save(folder / "pairs.txt", "\n".join(lines))


def test_lfw_and_the_rule_for_its_official_images(tmp_path):
    path = lfw_list(tmp_path / "lfw")
    pairs = face_sets.load("lfw", tmp_path)
    assert len(pairs.faces) == 80
    np.testing.assert_array_equal(pairs.is_same, flags())
    of_fold = [set(pairs.person[pairs.first[600 * k : 600 * k + 600]]) for k in range(10)]
    assert [len(people) for people in of_fold] == [4] * 10
    same = pairs.person[pairs.first] == pairs.person[pairs.second]
    np.testing.assert_array_equal(same, pairs.is_same)
    assert pairs.notes == (
        "lfw: not the official list of View 2",
        "2 images of 250x250 px: the central 128 px, not aligned",
    )
    # Rows and columns 61 to 188.
    whole = Image.open(io.BytesIO(jpeg(1, size=(250, 250))))
    expected = whole.crop((61, 61, 189, 189)).resize((112, 112), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(pairs.faces[pairs.first[0]], expected)
    (tmp_path / "lfw" / "copy").mkdir()
    (tmp_path / "lfw" / "images" / "P_00").rename(tmp_path / "lfw" / "copy" / "P_00")
    assert "P_01/P_01_0001.jpg" in refused("lfw", tmp_path)
    whole = path.read_text()
    for old, new, told in (
        ("P_00\t1\t2", "P_00\t1", "line 2: expected 'NAME I J' or 'NAME I OTHER J', got 'P_00 1'"),
        ("P_00\t1\t2", "P_00\tx\t2", "line 2: expected 'NAME I J'"),
        ("P_00\t1\t2", "P_00\t1\tP_09\t2", "2999 pairs of one person and 3001 of two"),
        ("10\t300", "300", "lfw/pairs.txt: expected '10 300' in line 1, got 300"),
    ):
        path.write_text(whole.replace(old, new, 1))
        assert told in refused("lfw", tmp_path)


def test_the_published_list_of_lfw(shared_data, tmp_path):
    path = shared_data / "lfw" / "pairs.txt"
    if not path.is_file():
        pytest.skip("no lfw/pairs.txt in ../shared/data")
    pairs = lists.lfw(path, checks.Report(path.parent))
    assert face_sets.pairs_digest(pairs) == face_sets.LFW_DIGEST
    assert [pair.fold for pair in pairs] == [fold for fold in range(1, 11) for _ in range(600)]
    assert pairs[300].file_b == "Dean_Barker/Dean_Barker_0001.jpg"


def aligned(folder):
    for person in range(8):
        for number in (1, 2):
            save(folder / f"P_{person}_{number:04d}.jpg", jpeg(2 * person + number))


@pytest.mark.parametrize("name", ["calfw", "cplfw"])
def test_calfw_and_cplfw_put_into_folds(tmp_path, name):
    labels = {  # CALFW: folds of the same, then all others; CPLFW: 1 or 0
        "calfw": [str(fold) for fold in range(1, 11) for _ in range(300)] + ["0"] * 3000,
        "cplfw": ["1", "0"] * 3000,
    }[name]
    lines = []
    for i, label in enumerate(labels):
        lines += [f"P_{i % 7}_0001.jpg {label}", f"P_{i % 7 + (label == '0')}_0002.jpg {label}"]
    path = save(tmp_path / name / f"pairs_{name.upper()}.txt", "\n".join(lines) + "\n")
    aligned(tmp_path / name / "aligned images")
    pairs = face_sets.load(name, tmp_path)
    np.testing.assert_array_equal(pairs.is_same, flags())
    # The first pair of two persons in the second fold is the 301st of them in the list.
    place = [i for i, label in enumerate(labels) if label == "0"][300]
    face = pixels(jpeg(2 * (place % 7) + 1))
    np.testing.assert_array_equal(pairs.faces[pairs.first[900]], face)
    whole = path.read_text()
    for old, new, told in (
        (f" {labels[0]}\n", " 11\n", "line 1: expected 'FILE K' in this line and the next, with"),
        ("jpg 0\n", "jpg\n", "with one K of 0 to 10, got 'P_"),
        ("P_6_0002", "P_9_0002", "P_9_0002.jpg: expected the files of the list, got no such file"),
        ("P_6_0002", "../../P_9_0002", "got a path that leads out of the folder"),
    ):
        path.write_text(whole.replace(old, new, 2))
        assert told in refused(name, tmp_path)


def test_our_own_list(tmp_path):
    aligned(tmp_path / "agedb_30" / "images")
    lines = ["file_a,file_b,same,fold"]
    for i in range(6000):
        files = (f"agedb_30/images/P_{p}_000{k}.jpg" for p, k in ((i % 7, 1), (i % 7 + i % 2, 2)))
        lines.append(",".join([*files, str(1 - i % 2), str(1 + i // 600)]))
    path = save(tmp_path / "agedb_30.csv", "\n".join(lines))
    pairs = face_sets.load("agedb_30", tmp_path)
    np.testing.assert_array_equal(pairs.is_same, [True, False] * 3000)
    assert pairs.source == "agedb_30.csv" and len(pairs.faces) == 15 and pairs.num_folds == 10
    np.testing.assert_array_equal(pairs.faces[pairs.second[1]], pixels(jpeg(2 * 2 + 2)))
    path.write_text("\n".join(lines).replace(",0,1\n", ",-1,1\n", 1))
    assert "row 3: expected 1 for one person, 0 for two, got same -1" in refused(
        "agedb_30", tmp_path
    )


def test_agedb_30(tmp_path, monkeypatch):
    monkeypatch.setitem(face_sets.SETS, "agedb_30", 400)  # SciPy takes seconds for 6000
    splits = np.empty((10, 1), object)
    for fold in range(10):
        pairs = np.empty((2, 40), object)
        for i in range(40):
            other = i % 7 + (i >= 20)
            pairs[0, i] = {"file": f"P{i % 7}_1_40_f_x", "age": 40.0}
            pairs[1, i] = {"file": f"P{other}_2_70_f_x", "age": 70.0}
        splits[fold, 0] = {"pairs": pairs}
    folder = tmp_path / "agedb_30"
    for person in range(8):
        for number, age in ((1, 40), (2, 70)):
            place = folder / "03_Protocol_Images" / f"P{person}_{number}_{age}_f_x.jpg"
            save(place, jpeg(2 * person + number))
    path = folder / "04_FINAL_protocol_30_years.mat"
    scipy_io.savemat(path, {"splits": splits}, do_compression=True)
    pairs = face_sets.load("agedb_30", tmp_path)
    np.testing.assert_array_equal(pairs.is_same, flags(half=20))
    np.testing.assert_array_equal(pairs.faces[pairs.first[42]], pixels(jpeg(2 * 2 + 1)))
    np.testing.assert_array_equal(pairs.faces[pairs.second[22]], pixels(jpeg(2 * (22 % 7 + 1) + 2)))
    for content, told in (
        ({"other": splits}, "expected the published list of AgeDB-30, got KeyError: 'splits'"),
        ({"splits": np.eye(2)}, "expected the published list of AgeDB-30"),
        ({"splits": splits[:5]}, "100 pairs of one person and 100 of two"),
    ):
        scipy_io.savemat(path, content)
        assert told in refused("agedb_30", tmp_path)
    scipy_io.savemat(path, {"splits": splits})
    path.write_bytes(path.read_bytes()[:-3000])
    assert "expected the published list of AgeDB-30" in refused("agedb_30", tmp_path)


def cfp(root):
    protocol = root / "cfp_fp" / "Protocol"
    for letter, pose, num_images in (("F", "frontal", 10), ("P", "profile", 4)):
        lines = []
        for i in range(20 * num_images):
            person, number = i // num_images + 1, i % num_images + 1
            file = f"Data/Images/{person:03d}/{pose}/{number:02d}.jpg"
            lines.append(f"{i + 1} ./../{file}")
            if number < 3:
                save(root / "cfp_fp" / file, jpeg(10 * person + number + 5 * (letter == "P")))
        save(protocol / f"Pair_list_{letter}.txt", "\n".join(lines) + "\n")
    for fold in range(10):
        one, other = 2 * fold, 2 * fold + 1  # persons of the fold
        same, diff = (f"{10 * one + 1},{4 * p + 2}\n" * 350 for p in (one, other))
        save(protocol / "Split" / "FP" / f"{fold + 1:02d}" / "same.txt", same)
        save(protocol / "Split" / "FP" / f"{fold + 1:02d}" / "diff.txt", diff)


def test_cfp_fp(tmp_path):
    cfp(tmp_path)
    pairs = face_sets.load("cfp_fp", tmp_path)
    np.testing.assert_array_equal(pairs.is_same, flags(half=350))
    same = pairs.person[pairs.first] == pairs.person[pairs.second]
    np.testing.assert_array_equal(same, pairs.is_same)
    # The second fold's first pair: frontal 01 and profile 02 of person 3.
    np.testing.assert_array_equal(pairs.faces[pairs.first[700]], pixels(jpeg(31)))
    np.testing.assert_array_equal(pairs.faces[pairs.second[700]], pixels(jpeg(37)))
    split = tmp_path / "cfp_fp" / "Protocol" / "Split" / "FP"
    (split / "02" / "same.txt").write_text("21,10\n" * 349 + "201,1\n")
    (split / "03" / "diff.txt").unlink()
    text = refused("cfp_fp", tmp_path)
    assert "02/same.txt line 350: expected 'I,J', numbers of" in text and "got '201,1'" in text
    assert "03/diff.txt: expected a UTF-8 list, got unreadable: No such file" in text


def test_a_layout_once_and_a_known_name(tmp_path):
    with pytest.raises(ValueError, match=r"expected lfw, calfw, .*, got 'ijb'"):
        face_sets.load("ijb", tmp_path)
    told = "lfw: expected one of lfw.bin, lfw.csv, lfw/pairs.txt, got "
    assert told + "none of them" in refused("lfw", tmp_path)
    save(tmp_path / "lfw.bin", b"")
    save(tmp_path / "lfw.csv", "")
    assert told + "lfw.bin, lfw.csv" in refused("lfw", tmp_path)
