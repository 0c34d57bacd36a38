import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsketch.data import checks, pipeline, sources
from fsketch.data import fs2k as annotations
from fsketch.data.checks import sets
from fsketch.tfds_builders.fs2k import fs2k_dataset_builder as fs2k

SIZE = {"photo1": (12, 12), "photo2": (10, 14), "photo3": (16, 11)}
# (image, style code): small stand-ins for the two halves.
TRAIN = [("photo1/image0110", 0), ("photo1/image0111", 1), ("photo2/image0001", 2),
         ("photo3/image0001", 2)]  # fmt: skip
TEST = [("photo1/image0002", 0), ("photo3/image0002", 1), ("photo3/image0023", 2)]


def entry(name: str, style: int, **fields) -> dict:
    """An annotation of a man with black hair, in the official form."""
    return {
        "image_name": name,
        "skin_color": [3, 4],
        "lip_color": [150.5, 80.25, 79.0],
        "eye_color": [118.0, 72.0, 69.0],
        "hair": 0, "hair_color": 1, "gender": 0, "earring": 1, "smile": 0, "frontal_face": 0,
        "style": style,
    } | fields  # fmt: skip


def file(root: Path, role: str, name: str, ext: str) -> Path:
    """photo/photo1/image0110.jpg or sketch/sketch1/sketch0110.png"""
    folder, stem = name.split("/")
    if role == "sketch":
        folder, stem = folder.replace("photo", "sketch"), stem.replace("image", "sketch")
    return root / role / folder / (stem + ext)


def draw(root: Path, name: str, number: int, *, ext: tuple[str, str] = (".jpg", ".png")) -> None:
    size = SIZE[name.split("/")[0]]
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)
    for role, image, end in (("photo", pixels, ext[0]), ("sketch", pixels[..., 0], ext[1])):
        path = file(root, role, name, end)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, "PNG" if end == ".png" else "JPEG")


def annotate(root: Path, split: str, entries) -> None:
    (root / f"anno_{split}.json").write_text(json.dumps(entries))


@pytest.fixture(autouse=True)
def small(monkeypatch) -> None:
    """Counts of the stand-ins in place of 1058 and 1046."""
    monkeypatch.setattr(annotations, "SIZES", {"train": len(TRAIN), "test": len(TEST)})


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "in"
    for number, (name, _) in enumerate(TRAIN + TEST):
        jpg = ".JPG" if name.startswith("photo3") else ".jpg"
        draw(root, name, number, ext=(jpg, ".png" if "photo2" in name else jpg))
    annotate(root, "train", [entry(*pair) for pair in TRAIN])
    annotate(root, "test", [entry(*pair) for pair in TEST])
    return root


def report_of(root: Path, config: str = "all") -> checks.Report:
    report = checks.Report(root)
    fs2k.check(root, {c.name: c for c in fs2k.Builder.BUILDER_CONFIGS}[config], report)
    return report


def problems(root: Path, config: str = "all") -> dict[str, tuple[str, str]]:
    """{file or field: (got, expected)}"""
    report = report_of(root, config)
    return {place: key for key, places in report.problems.items() for place in places}


def test_annotation_order_mixed_extensions_and_all_features(root, tmp_path, capsys):
    (root / "README.pdf").write_text("the archive's own")
    (root / "photo/photo1/.DS_Store").write_text("?")
    golden = entry(*TRAIN[0], hair_color=4, gender=1, earring=0, smile=1, frontal_face=1)
    bald = entry(*TRAIN[1], hair=1, hair_color=3, skin_color=[11, 12])
    annotate(root, "train", [golden, bald] + [entry(*pair) for pair in TRAIN[2:]])
    folders = {"data_dir": str(tmp_path / "out"), "manual_dir": str(root)}
    train = sources.load("fs2k/all", "train", **folders)
    assert train.id == [name.replace("/", "_") for name, _ in TRAIN]
    assert train.identity.tolist() == [0, 1, 2, 3]
    assert [p.shape for p in train.photo] == [(12, 12, 3), (12, 12, 3), (14, 10, 3), (11, 16, 3)]
    assert [s.shape[:2] for s in train.sketch] == [p.shape[:2] for p in train.photo]
    assert sources.load("fs2k/all", "test", **folders).identity.tolist() == [4, 5, 6]
    messages = capsys.readouterr().err
    assert "left behind by other programs (1: photo/photo1/.DS_Store)" in messages
    assert "points of skin outside their image, kept: 1" in messages

    builder = sources.prepare("fs2k/all", **folders)
    first, second = (builder.as_data_source("train")[i] for i in range(2))
    named = {f: builder.info.features[f].int2str(first[f]) for f in annotations.ATTRIBUTES}
    assert named == {
        "hair": "with", "hair_color": "golden", "gender": "female", "earring": "with",
        "smile": "without", "frontal_face": "beyond_30_degrees", "style": "1",
    }  # fmt: skip
    assert builder.info.features["hair_color"].int2str(second["hair_color"]) == "none"
    assert builder.info.features["hair"].int2str(second["hair"]) == "without"
    np.testing.assert_array_equal(first["lip_color"], np.float32([150.5, 80.25, 79.0]))
    assert first["skin_point"].tolist() == [3, 4] and second["skin_point"].tolist() == [11, 12]
    assert "FS2KToolbox" in builder.info.description and "fan2022fs2k" in builder.info.citation

    with pytest.raises(ValueError, match=r"photo3_image0001: .* use a larger data.canvas_px"):
        pipeline.place(train, canvas_px=14, fill_photo=0, fill_sketch=255)
    assert len(pipeline.place(train, canvas_px=16, fill_photo=0, fill_sketch=255)) == 4


def test_the_training_half_alone_with_and_without_the_other(root, tmp_path):
    folders = {"data_dir": str(tmp_path / "out"), "manual_dir": str(root)}
    assert (
        "the 3 pairs of the other annotation file are left out"
        in report_of(root, "train_only").notes
    )
    assert fs2k.config_for(root) == "all"
    (root / "anno_test.json").unlink()
    assert fs2k.config_for(root) == "train_only"
    assert problems(root)["anno_test.json"][0] == "no such file"
    found = problems(root, "train_only")
    assert found["photo/photo1/image0002.jpg"] == (
        "in no annotation",
        "images of anno_train.json",
    )
    for name, _ in TEST:
        for role in ("photo", "sketch"):
            next(file(root, role, name, "").parent.glob(f"*{name[-4:]}.*")).unlink()
    assert len(sources.load("fs2k/train_only", "train", **folders).id) == 4
    with pytest.raises(ValueError, match="test"):
        sources.load("fs2k/train_only", "test", **folders)


def test_files_that_are_missing_stray_doubled_or_of_another_name(root):
    file(root, "sketch", "photo1/image0110", ".jpg").unlink()
    draw(root, "photo2/image0099", 99)
    (root / "photo/photo1/image0111.png").write_bytes(b"?")
    (root / "sketch/sketch3/copy of sketch0001.jpg").write_bytes(b"?")
    (root / "sketch/notes.txt").write_text("?")
    (root / "photo/photo1/list.txt").write_text("?")
    found = problems(root)
    assert found["sketch/sketch1/sketch0110.*"][0] == "no such file, named by anno_train.json"
    for stray in ("photo/photo2/image0099.jpg", "sketch/sketch2/sketch0099.png"):
        assert found[stray][0] == "in no annotation"
    assert "has the same stem" in found["photo/photo1/image0111.png"][0]
    assert found["sketch/sketch3/copy of sketch0001.jpg"] == (
        "another name",
        "sketchNNNN in sketch3/",
    )
    assert found["sketch/notes.txt"] == ("a stray file or folder", "sketch1 to sketch3")
    assert found["photo/photo1/list.txt"][0] == "no image"
    assert len(found) == 7


def test_alpha_is_dropped_where_opaque_refused_elsewhere_and_white_below_on_demand(root, tmp_path):
    pixels = np.full((14, 10, 4), (90, 90, 90, 255), np.uint8)
    path = file(root, "sketch", "photo2/image0001", ".png")
    Image.fromarray(pixels).save(path)
    report = report_of(root)
    assert not report.problems
    note = "1 of 7 sketches with an alpha channel, which is opaque: dropped"
    assert report.places[note] == ["sketch/sketch2/sketch0001.png"]

    pixels[:2, :, 3] = 0
    pixels[2, :, 3] = 51
    Image.fromarray(pixels).save(path)
    got, expected = problems(root)["sketch/sketch2/sketch0001.png"]
    assert got == "transparency (alpha down to 0)" and "take a config ..._on_white" in expected
    train = sources.load(
        "fs2k/all_on_white", "train", data_dir=str(tmp_path / "out"), manual_dir=str(root)
    )
    column = train.sketch[2][:, 0, 0]
    # 0.2 * 90 + 0.8 * 255 = 222
    assert column[:4].tolist() == [255, 255, 222, 90]


def test_equal_images_of_the_set_are_kept_and_noted(root):
    one, other = (file(root, "photo", f"photo1/image{n}", ".jpg") for n in ("0110", "0002"))
    other.write_bytes(one.read_bytes())
    report = report_of(root)
    assert not report.problems
    assert report.places[sets.LEAKS] == ["photo/photo1/image0002.jpg = photo/photo1/image0110.jpg"]


@pytest.mark.parametrize(
    "fields, got, expected",
    [
        ({"hair_color": 5}, "hair_color 5", "hair_color 0 brown, 1 black, 2 red, 3 none, 4 golden"),
        ({"smile": -1}, "smile -1", "smile 0 with, 1 without"),
        ({"gender": True}, "gender True", "gender 0 male, 1 female"),
        ({"earring": None}, "earring None", "earring 0 with, 1 without"),
        ({"style": 3}, "style 3", "style 0 1, 1 2, 2 3"),
    ],
)
def test_codes_without_a_meaning_are_named(root, fields, got, expected):
    odd = entry(*TEST[0]) | fields
    annotate(root, "test", [odd] + [entry(*pair) for pair in TEST[1:]])
    assert problems(root)["anno_test.json photo1/image0002"] == (got, expected)


def test_names_colours_and_points_of_another_form(root):
    named = [
        entry("photo1/image0002.jpg", 0),
        entry(*TEST[1], lip_color=[1, 2]),
        entry(*TEST[2], skin_color=[-1, 2], eye_color=[1, 2, 256]),
    ]
    annotate(root, "test", named)
    found = problems(root)
    assert found["anno_test.json entry 0"][0] == "image_name 'photo1/image0002.jpg'"
    assert found["anno_test.json photo3/image0002 lip_color"][0] == "[1, 2]"
    assert found["anno_test.json photo3/image0023 skin_color"][0] == "[-1, 2]"
    assert found["anno_test.json photo3/image0023 eye_color"][0] == "[1, 2, 256]"


def test_what_the_authors_scripts_expect_is_taken_with_a_note(root, tmp_path):
    odd = [
        entry("photo1\\image0002", 0, lip_color=["nan"], eye_color=float("nan"), skin_color=[]),
        entry(*TEST[1], gender="1"),
        entry(*TEST[2]),
    ]
    odd[2]["skin_patch"] = odd[2].pop("skin_color")
    annotate(root, "test", odd)
    report = report_of(root)
    assert not report.problems
    for note in (
        "anno_test.json: 1 image names have backslashes, read as slashes",
        "anno_test.json: 2 colours are absent, stored as NaN",
        "anno_test.json: 1 points of skin are absent, stored as (-1, -1)",
        "anno_test.json: 1 codes of gender are written as text",
    ):
        assert note in report.notes
    builder = sources.prepare("fs2k/all", data_dir=str(tmp_path / "out"), manual_dir=str(root))
    first, second, third = builder.as_data_source("test")
    assert np.isnan(first["lip_color"]).all() and np.isnan(first["eye_color"]).all()
    assert first["skin_point"].tolist() == [-1, -1] and third["skin_point"].tolist() == [3, 4]
    assert second["gender"] == 1


def test_annotation_files_that_are_broken_short_or_double(root):
    (root / "anno_test.json").write_text("[{")
    (root / "anno_train.json").write_text("{}")
    found = problems(root)
    assert found["anno_test.json"][0].startswith("unreadable: ")
    assert found["anno_train.json"] == ("no list of objects", "a list of objects")
    annotate(root, "train", [entry(*pair) for pair in TRAIN])
    annotate(root, "test", [entry(*pair) for pair in (TEST[0], TEST[1], TRAIN[0])])
    found = problems(root)
    assert found["photo1/image0110"] == ("annotated twice", "each image once over all splits")
    annotate(root, "test", [entry(*pair) for pair in TEST[:2]])
    found = problems(root)
    assert found["anno_test.json"] == ("2 entries", "3, the published count")
    assert "photo/photo3/image0023.JPG" in found


def test_the_re_distribution_with_1037_test_photos_is_named(root, monkeypatch):
    hint = annotations.count_hint("test", 1037)
    assert "1037 test pairs are what one re-distribution has" in hint
    assert not annotations.count_hint("test", 1046) and not annotations.count_hint("train", 1037)
    monkeypatch.setattr(annotations, "count_hint", lambda split, count: f"; {split} {count}")
    file(root, "photo", "photo3/image0002", ".JPG").unlink()
    assert problems(root)["photo/photo3/image0002.*"] == (
        "no such file, named by anno_test.json",
        "a photo and a sketch for each entry; test 2",
    )


def test_golden_and_none_swapped_are_flagged(root):
    bald = [entry(*TEST[0], hair=1, hair_color=4), entry(*TEST[1], hair=1, hair_color=4)]
    annotate(root, "test", [*bald, entry(*TEST[2], hair_color=3)])
    got, expected = problems(root)["anno_test.json hair_color"]
    assert got == "2 of 2 faces without hair coded 4 (golden): codes 3 and 4 swapped?"
    assert expected == "hair colour 3 (none) without hair, 4 for golden"
    odd = [entry(*TEST[0], hair=1, hair_color=3), entry(*TEST[1], hair_color=3), entry(*TEST[2])]
    annotate(root, "test", odd)
    report = report_of(root)
    assert not report.problems
    note = "anno_test.json: 1 faces have no hair but a hair colour, or the reverse"
    assert report.places[note] == ["photo3/image0002"]


def test_codings_the_other_way_round_are_flagged(root, monkeypatch):
    counts = {split: dict(of) for split, of in annotations.COUNTS.items()}
    counts["test"] |= {"smile": (2, 1), "earring": (0, 3), "style": (1, 1, 1)}
    monkeypatch.setattr(annotations, "COUNTS", counts)
    annotate(root, "test", [entry(*p, smile=s) for p, s in zip(TEST, (1, 1, 0), strict=True)])
    report = report_of(root)
    [((got, expected), places)] = report.problems.items()
    assert places == ["anno_test.json smile"]
    assert got == "with 1, without 2: coded the other way round?"
    assert expected == "with 2, without 1"
    assert "anno_test.json: gender differs from the published counts (632, 414)" in report.notes
    for field in ("smile", "earring", "style"):
        assert not any(f"anno_test.json: {field}" in note for note in report.notes)


def test_the_style_of_a_training_pair_must_suit_its_source_folder(root):
    annotate(root, "train", [entry(*pair) for pair in TRAIN[:3]] + [entry(TRAIN[3][0], 0)])
    assert problems(root)["anno_train.json photo3/image0001"] == (
        "style 1 in photo3",
        "style 3 in photo3, as in the published training half",
    )


def test_source_folders_that_were_swapped_do_not_pass(root):
    for role in ("photo", "sketch"):
        (root / role / f"{role}1").rename(root / role / "kept")
        (root / role / f"{role}3").rename(root / role / f"{role}1")
        (root / role / "kept").rename(root / role / f"{role}3")
    found = problems(root)
    assert found["photo/photo1/image0110.*"][0].startswith("no such file")
    assert found["photo/photo3/image0110.jpg"][0] == "in no annotation"
    # Sketches alone: the numbers that fit by chance fall out by their sizes.
    (root / "photo/photo1").rename(root / "photo/kept")
    (root / "photo/photo3").rename(root / "photo/photo1")
    (root / "photo/kept").rename(root / "photo/photo3")
    assert "sketch/sketch1/sketch0110.*" in problems(root)
    assert "id photo1_image0002" in problems(root)


def test_the_published_counts_agree_with_each_other(monkeypatch):
    monkeypatch.undo()
    for split, size in annotations.SIZES.items():
        for field, counts in annotations.COUNTS[split].items():
            assert sum(counts) == size and len(counts) == len(annotations.ATTRIBUTES[field])
        hair, color = (annotations.COUNTS[split][f] for f in ("hair", "hair_color"))
        assert color[3] == hair[1]
