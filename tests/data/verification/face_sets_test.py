"""The five published sets in each of their layouts, made of a few drawn faces, whole and broken."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from fsketch.core import errors
from fsketch.data import checks
from fsketch.data.verification import face_sets, lfw

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


def flags(*, half=HALF, order="folds"):
    if order == "folds":
        return ([True] * half + [False] * half) * 10
    return [True] * 10 * half + [False] * 10 * half


def save(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
    return path


def pack(path, is_same):
    # Face 0 with 1 is one person, 0 with 2 and 3 by turns is two.
    images = []
    for i, same in enumerate(is_same):
        images += [FACES[0], FACES[1] if same else FACES[2 + i % 2]]
    save(path, pickle.dumps((images, is_same), 4))


@pytest.mark.parametrize("name", face_sets.SETS)
def test_packs(tmp_path, name):
    is_same = flags(half=350 if name == "cfp_fp" else HALF)
    pack(tmp_path / f"{name}.bin", is_same)
    pairs = face_sets.load(name, tmp_path)
    assert face_sets.present(tmp_path) == [name]
    assert (pairs.name, pairs.source, pairs.num_folds) == (name, f"{name}.bin", 10)
    assert pairs.faces.shape == (4, 112, 112, 3) and pairs.person is None and pairs.notes == ()
    np.testing.assert_array_equal(pairs.is_same, is_same)
    np.testing.assert_array_equal(pairs.first, 0)
    assert pairs.second[0] == 1
    for i in (0, HALF + 100, len(is_same) - 1):
        face = FACES[1] if is_same[i] else FACES[2 + i % 2]
        np.testing.assert_array_equal(pairs.faces[pairs.second[i]], pixels(face))


def test_a_pack_keeps_its_order_and_says_what_its_folds_hold(tmp_path):
    is_same = flags(order="kinds")
    pack(tmp_path / "calfw.bin", is_same)
    (pairs,) = face_sets.load_all(tmp_path)
    np.testing.assert_array_equal(pairs.is_same, is_same)
    assert pairs.notes == ("calfw: the folds of the pack hold 0 to 600 pairs of one person",)


def test_bad_packs_are_refused_with_every_bad_image(tmp_path):
    path = tmp_path / "lfw.bin"
    bad = [b"no image", jpeg(0, size=(112, 96)), jpeg(1, kind="GIF", mode="P"), FACES[0][:500]]
    bad += [jpeg(2, mode="CMYK")]
    path.write_bytes(pickle.dumps((bad + [FACES[0]] * (12000 - len(bad)), flags()), 4))
    with pytest.raises(errors.DataError) as caught:
        face_sets.load("lfw", tmp_path)
    text = str(caught.value)
    assert text.startswith("5 problems")
    assert all(f"lfw.bin image {i}" in text for i in range(5)) and "image 5" not in text
    assert "112x96 px; admitted 112x112 px" in text and "colour mode CMYK" in text
    pack(path, flags()[1:])
    with pytest.raises(errors.DataError, match="2999 pairs of one person and 3000 of two; admitt"):
        face_sets.load("lfw", tmp_path)
    path.write_bytes(b"cposix\nsystem\n.")
    with pytest.raises(errors.DataError, match=r"lfw.bin: found names posix\.system"):
        face_sets.load("lfw", tmp_path)


def lfw_list(folder, *, num_persons=40, image=lambda person, number: jpeg(person)):
    """An official list of 40 persons, 4 a fold, with two images each."""
    lines = ["10\t300"]
    for fold in range(10):
        people = [f"P_{fold}{i}" for i in range(4)]
        lines += [f"{people[i % 4]}\t1\t2" for i in range(300)]
        lines += [f"{people[i % 4]}\t1\t{people[(i + 1) % 4]}\t2" for i in range(300)]
        for i, name in enumerate(people):
            for number in (1, 2):
                content = image(4 * fold + i, number)
                save(folder / "images" / name / f"{name}_{number:04d}.jpg", content)
    save(folder / "pairs.txt", "\n".join(lines))


def test_lfw_and_the_rule_for_its_official_images(tmp_path):
    def image(person, number):
        return jpeg(person) if person else jpeg(number, size=(250, 250))

    lfw_list(tmp_path / "lfw", image=image)
    pairs = face_sets.load("lfw", tmp_path)
    assert len(pairs.faces) == 80 and len(pairs.is_same) == 6000
    assert [len(set(pairs.person[pairs.first[600 * k : 600 * k + 600]])) for k in range(10)] == [
        4
    ] * 10
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
    with pytest.raises(errors.DataError, match=r"no such file(.|\n)*P_01/P_01_0001\.jpg"):
        face_sets.load("lfw", tmp_path)


def two_lines(labels, *, person=lambda i: i % 7):
    lines = []
    for i, label in enumerate(labels):
        other = person(i) if label != "0" else person(i) + 1
        lines += [f"P_{person(i)}_0001.jpg {label}", f"P_{other}_0002.jpg {label}"]
    return "\n".join(lines) + "\n"


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
    path = save(tmp_path / name / f"pairs_{name.upper()}.txt", two_lines(labels))
    aligned(tmp_path / name / "aligned images")
    pairs = face_sets.load(name, tmp_path)
    np.testing.assert_array_equal(pairs.is_same, flags())
    # The first pair of two persons in the second fold is the 301st of them in the list.
    place = [i for i, label in enumerate(labels) if label == "0"][300]
    face = pixels(jpeg(2 * (place % 7) + 1))
    np.testing.assert_array_equal(pairs.faces[pairs.first[900]], face)
    for old, new, message in (
        (f" {labels[0]}\n", " 11\n", "line 1: expected the same number, got '11', then '11'"),
        ("jpg 0\n", "jpg\n", "expected 2 words a line, got 1 words"),
        ("P_6_0002", "P_9_0002", "P_9_0002.jpg: found no such file"),
        ("P_6_0002", "../../P_9_0002", "a path that leads out of the folder"),
    ):
        path.write_text(two_lines(labels).replace(old, new, 2))
        with pytest.raises(errors.DataError, match=message):
            face_sets.load(name, tmp_path)
    path.write_text(two_lines(["2"] * 3000 + ["0"] * 3000))
    with pytest.raises(errors.DataError, match="the folds 1 to 10 in order, 300 each"):
        face_sets.load(name, tmp_path)


@pytest.mark.parametrize("layout", ["first", "last"])
def test_lists_with_labels(tmp_path, layout):
    folder = tmp_path / "agedb_30" / "images"
    aligned(folder)
    lines = []
    for i in range(6000):
        files = [f"P_{i % 7}_0001.jpg", f"P_{i % 7 + i % 2}_0002.jpg"]
        if layout == "first":
            lines.append(f"{1 - i % 2} agedb_30/images/{files[0]} agedb_30/images/{files[1]}")
        else:
            lines.append(f"{files[0]} {files[1]} {1 if i % 2 == 0 else -1}")
    place = "agedb_30_ann.txt" if layout == "first" else "agedb_30/agedb_30_pair.txt"
    path = save(tmp_path / place, "\n".join(lines))
    pairs = face_sets.load("agedb_30", tmp_path)
    np.testing.assert_array_equal(pairs.is_same, flags())
    assert pairs.source == place and len(pairs.faces) == 15
    np.testing.assert_array_equal(pairs.faces[pairs.second[1]], pixels(jpeg(2 * 2 + 2)))
    lines[3] = lines[3].replace("0 ", "2 ", 1) if layout == "first" else lines[3][:-2] + "2"
    path.write_text("\n".join(lines))
    with pytest.raises(errors.DataError, match="line 4: found label '2'"):
        face_sets.load("agedb_30", tmp_path)


def test_agedb_30(tmp_path, monkeypatch):
    monkeypatch.setitem(face_sets.SETS, "agedb_30", 400)  # SciPy takes seconds for 6000
    io_ = pytest.importorskip("scipy.io", reason="SciPy comes with scikit-image, for tests")
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
    io_.savemat(path, {"splits": splits}, do_compression=True)
    pairs = face_sets.load("agedb_30", tmp_path)
    np.testing.assert_array_equal(pairs.is_same, flags(half=20))
    np.testing.assert_array_equal(pairs.faces[pairs.first[42]], pixels(jpeg(2 * 2 + 1)))
    np.testing.assert_array_equal(pairs.faces[pairs.second[22]], pixels(jpeg(2 * (22 % 7 + 1) + 2)))
    for content, message in (
        ({"other": splits}, r"another structure \('splits'\); admitted the published list"),
        ({"splits": np.eye(2)}, "another structure"),
        ({"splits": splits[:1]}, "20 pairs of one person and 20 of two"),
    ):
        io_.savemat(path, content)
        with pytest.raises(errors.DataError, match=message):
            face_sets.load("agedb_30", tmp_path)
    path.write_bytes(b"MATLAB")
    with pytest.raises(errors.DataError, match="not a little-endian MATLAB file of level 5"):
        face_sets.load("agedb_30", tmp_path)


def cfp(root, *, folds=10):
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
    for fold in range(folds):
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
    with pytest.raises(errors.DataError) as caught:
        face_sets.load("cfp_fp", tmp_path)
    text = str(caught.value)
    assert "02/same.txt line 350: found '201,1'" in text
    assert "03/diff.txt: found unreadable: No such file or directory" in text
    assert "3499 pairs of one person and 3150 of two; admitted 3500 of each" in text


def test_a_layout_once_and_a_known_name(tmp_path):
    with pytest.raises(ValueError, match="found 'ijb', admitted lfw, calfw"):
        face_sets.load("ijb", tmp_path)
    with pytest.raises(errors.DataError, match=r"none of its layouts; admitted one of lfw\.bin"):
        face_sets.load("lfw", tmp_path)
    save(tmp_path / "lfw.bin", b"")
    save(tmp_path / "lfw_ann.txt", "")
    with pytest.raises(errors.DataError, match=r"lfw: expected one, got lfw\.bin, lfw_ann\.txt"):
        face_sets.load("lfw", tmp_path)


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (Image.fromarray(np.zeros((4, 4), np.uint16)), "PNG"),
        (Image.fromarray(np.zeros((4, 4), np.uint16)), "PPM"),
        (Image.new("RGBA", (4, 4)), "PNG"),
        (Image.new("P", (4, 4)), "PNG"),
        (Image.new("1", (4, 4)), "PPM"),
    ],
)
def test_images_that_are_not_taken_as_they_are(tmp_path, image, kind):
    file, report = io.BytesIO(), checks.Report(tmp_path)
    image.save(file, kind)
    assert face_sets.decode(file.getvalue(), "x", report) is None
    assert len(report.problems) == 1


def test_16_bit_colours_are_refused(tmp_path):
    for content in (
        b"P6 1 1 65535\n" + b"\1" * 6,
        b"P6 1 1 31\n" + b"\1" * 3,
        b"P3 1 1 255\n1 2 3",
    ):
        report = checks.Report(tmp_path)
        assert face_sets.decode(content, "x", report) is None
        assert len(report.problems) == 1
    assert face_sets.decode(b"P5 1 1 255\n\7", "x", report).getpixel((0, 0)) == 7


def test_the_published_list_of_lfw(shared_data):
    path = shared_data / "lfw" / "pairs.txt"
    if not path.is_file():
        pytest.skip("no lfw/pairs.txt in ../shared/data")
    assert face_sets.pairs_digest(lfw.read_pairs(path)) == face_sets.LFW_DIGEST
