"""The scorer as its users call it: folders in, table, JSON and page out, bad input refused."""

import json
import shutil

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image
from skimage import metrics as skimage_metrics

from fsketch import score
from fsketch.core import errors
from fsketch.scoring import features, matching, measures, protocols

IDS = ("a", "b", "c")
SIZE = (40, 50)  # width, height


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """truth/, near/ and far/ with three drawn sketches each, and photos/."""
    root = tmp_path_factory.mktemp("folders")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    for id in IDS:
        blob = np.exp(-((x - rng.uniform(10, 30)) ** 2 + (y - rng.uniform(10, 40)) ** 2) / 90)
        truth = 240 - 200 * blob + rng.normal(0, 4, blob.shape)
        photo = blob[..., None] * rng.uniform(100, 250, 3)
        images = {
            "truth": truth,
            "near": truth + rng.normal(0, 6, truth.shape),
            "far": truth + rng.normal(0, 40, truth.shape),
            "photos": photo,
        }
        for name, image in images.items():
            (root / name).mkdir(exist_ok=True)
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(root / name / f"{id}.png")
    return root


@pytest.fixture
def copies(folders, tmp_path):
    """The same folders, to be damaged."""
    return shutil.copytree(folders, tmp_path / "copies")


def run(root, *arguments, protocol="plain", outputs=("near", "far"), truth="truth"):
    flags = [f"--protocol={protocol}", "--output", *(str(root / name) for name in outputs)]
    return errors.run(
        score.main, [*flags, *([f"--truth={root / truth}"] if truth else []), *arguments]
    )


def pixels(path):
    return np.asarray(Image.open(path))


def scores_of(root, *arguments, **more):
    path = root / "scores.json"
    assert run(root, f"--json={path}", *arguments, **more) == 0
    return json.loads(path.read_text())


def test_scores_are_those_of_scikit_image_on_the_files(copies, capsys, full_optimization):
    found = scores_of(copies)
    for label in ("near", "far"):
        for id in IDS:
            truth, output = (pixels(copies / name / f"{id}.png") for name in ("truth", label))
            row = found["outputs"][label]["images"][id]
            ssim = skimage_metrics.structural_similarity(
                truth, output,
                data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            )  # fmt: skip
            assert row["ssim"] == pytest.approx(ssim, abs=1e-5)
            psnr = skimage_metrics.peak_signal_noise_ratio(truth, output, data_range=255)
            assert row["psnr"] == pytest.approx(psnr, rel=1e-5)
        mean = np.mean([found["outputs"][label]["images"][id]["ssim"] for id in IDS])
        assert found["outputs"][label]["mean"]["ssim"]["value"] == pytest.approx(mean)
    text = capsys.readouterr().out
    assert "protocol plain: grey" in text
    assert f"{found['outputs']['near']['mean']['fsim']['value']:.4f}" in text
    assert "far" in text
    assert "mean difference from near on the same images (p)" in text


def test_every_choice_is_recorded(copies):
    found = scores_of(copies, "--seed=3")
    assert found["protocol"]["name"] == "plain"
    assert found["num_pairs"] == 3
    assert found["options"]["seed"] == 3
    assert set(found["versions"]) >= {"fsketch", "jax", "numpy", "pillow"}
    assert set(found["sha256"]) == {"truth", "near", "far"}
    # Another image, another hash; the list's hash is of the ids alone.
    Image.fromarray(pixels(copies / "far" / "a.png") // 2).save(copies / "far" / "a.png")
    again = scores_of(copies, "--seed=3")
    assert again["ids_sha256"] == found["ids_sha256"]
    assert again["sha256"]["near"] == found["sha256"]["near"]
    assert again["sha256"]["far"] != found["sha256"]["far"]


def test_an_output_equal_to_the_truth_is_perfect(copies):
    shutil.copytree(copies / "truth", copies / "same")
    scores = scores_of(copies, outputs=("same",))
    assert "psnr of same: 3 of 3 outputs equal the truth" in scores["notes"][0]
    found = scores["outputs"]["same"]["mean"]
    for name in ("ssim", "fsim", "scoot"):
        assert found[name]["value"] == pytest.approx(1.0, abs=1e-5)
    assert found["psnr"]["value"] == protocols.MOST_DB


def test_a_table_gives_order_split_stems_and_attributes(copies):
    rows = ["id,photo,sketch,split,output,hair"]
    rows += [f"{id},photos/{id}.png,truth/{id}.png,test,{3 - i},{'long' if i else 'short'}"
             for i, id in enumerate(IDS)]  # fmt: skip
    rows.append("d,photos/d.png,truth/d.png,train,4,long")
    (copies / "pairs.csv").write_text("\n".join(rows))
    for i, id in enumerate(IDS):
        (copies / "near" / f"{id}.png").rename(copies / "near" / f"{3 - i}.png")
    flags = (f"--manifest={copies / 'pairs.csv'}", "--split=test", f"--html={copies / 'p.html'}")
    found = scores_of(copies, *flags, outputs=("near",), truth="")
    assert list(found["outputs"]["near"]["images"]) == list(IDS)
    assert found["outputs"]["near"]["mean"]["ssim"]["value"] > 0.5
    page = (copies / "p.html").read_text()
    assert "hair" in page
    assert "short" in page
    assert page.count("<script") <= 2


def test_the_floor_is_the_input_itself(copies):
    flags = (f"--input={copies / 'photos'}", "--floor")
    found = scores_of(copies, *flags)["outputs"]
    assert list(found) == ["near", "far", matching.FLOOR]
    assert found[matching.FLOOR]["mean"]["ssim"]["value"] < found["near"]["mean"]["ssim"]["value"]


def test_a_partial_output_is_accepted_when_asked_for(copies, capsys):
    (copies / "far" / "b.png").unlink()
    assert run(copies) == 1
    assert "far/b" in capsys.readouterr().err
    found = scores_of(copies, "--partial")
    assert found["outputs"]["far"]["num_images"] == 2
    assert list(found["outputs"]["far"]["images"]) == ["a", "c"]
    assert found["outputs"]["near"]["num_images"] == 3


def _truncate(root):
    content = (root / "far" / "b.png").read_bytes()
    (root / "far" / "b.png").write_bytes(content[: len(content) // 2])


def _resize(root):
    for id in ("a", "c"):
        Image.open(root / "far" / f"{id}.png").resize((41, 50)).save(root / "far" / f"{id}.png")


def _transparent(root):
    image = Image.open(root / "far" / "b.png").convert("RGBA")
    image.putalpha(100)
    image.save(root / "far" / "b.png")


def _sixteen_bits(root):
    wide = pixels(root / "far" / "b.png").astype(np.uint16) * 257
    Image.fromarray(wide).save(root / "far" / "b.png")


def _empty(root):
    shutil.rmtree(root / "far")
    (root / "far").mkdir()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda root: (root / "far" / "b.png").unlink(), ("far/b", "no such output")),
        (lambda root: (root / "truth" / "b.png").unlink(), ("far/b.png", "without a truth")),
        (_truncate, ("far/b.png", "unreadable", "whole image")),
        (_resize, ("far/a.png", "far/c.png", "41x50", "40x50")),
        (_transparent, ("far/b.png", "transparency", "opaque")),
        (_sixteen_bits, ("far/b.png", "16 bits", "8 bits")),
        (_empty, ("far", "no image")),
        (lambda root: shutil.rmtree(root / "far"), ("far", "no such folder")),
        (lambda root: (root / "far" / "list.txt").write_text("x"), ("list.txt", "got no image")),
        (
            lambda root: shutil.copy(root / "far" / "b.png", root / "far" / "b.bmp"),
            ("far/b", "duplicate id"),
        ),
    ],
    ids=["missing", "surplus", "truncated", "size", "rgba", "16-bit", "empty", "absent", "text",
         "double"],
)  # fmt: skip
def test_bad_input_is_refused_with_one_message(copies, capsys, damage, words):
    damage(copies)
    path = copies / "scores.json"
    assert run(copies, f"--json={path}") == 1
    message = capsys.readouterr().err
    for word in words:
        assert word in message
    assert not path.exists()


def test_all_problems_are_named_at_once(copies, capsys):
    _truncate(copies)
    (copies / "near" / "c.png").write_bytes(b"no image")
    assert run(copies) == 1
    message = capsys.readouterr().err
    assert "far/b.png" in message
    assert "near/c.png" in message
    _resize(copies)
    assert run(copies) == 1
    message = capsys.readouterr().err
    for place in ("far/a.png", "far/b.png", "far/c.png", "near/c.png"):
        assert place in message


def test_a_flag_without_effect_is_refused(copies, capsys):
    table = copies / "pairs.csv"
    table.write_text("id,photo,sketch,split\n")
    for arguments, word in (
        ([f"--manifest={table}"], "--truth: expected no --manifest"),
        (["--split=test"], "--split: expected --manifest=FILE.csv"),
        (["--metrics=ssim,ssim"], "--metrics: expected each metric once, got ssim twice"),
    ):
        assert run(copies, *arguments) == 2
        assert word in capsys.readouterr().err
    assert run(copies, f"--input={copies / 'photos'}", truth="") == 2
    assert "--input: expected --truth" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["json", "html"])
def test_a_file_that_cannot_be_written_is_refused_before_scoring(copies, capsys, flag):
    for path in (copies, copies / "no" / "file"):
        assert run(copies, f"--{flag}={path}") == 2
        captured = capsys.readouterr()
        assert f"--{flag}: {path}: expected a file in a folder" in captured.err
        assert not captured.out


def test_what_is_not_there_is_named_once(copies, capsys):
    assert run(copies, truth="nowhere") == 1
    assert "1 problem in" in capsys.readouterr().err
    for name in ("pairs.csv", "anno_test.json", ""):
        assert run(copies, f"--manifest={copies / name}/", truth="") == 1
        assert str(copies / name) in capsys.readouterr().err
    assert run(copies, truth="") == 1
    assert (
        f"{copies / 'near'}: expected --truth, --manifest or an evaluated workdir"
        in capsys.readouterr().err
    )
    assert errors.run(score.main, ["--protocol=plain", "--output", ""]) == 1
    assert "'': expected FOLDER or LABEL=FOLDER, got no folder" in capsys.readouterr().err


def test_a_protocol_admits_its_size_only_and_knows_the_padded_canvas(copies, capsys):
    assert run(copies, protocol="cufs") == 1
    assert "40x50 px" in capsys.readouterr().err
    for name in ("truth", "near", "far"):
        for id in IDS:
            size = (200, 250) if name == "truth" else (256, 256)
            path = copies / name / f"{id}.png"
            Image.open(path).resize(size).save(path)
    assert run(copies, protocol="cufs") == 1
    message = capsys.readouterr().err
    assert "256x256 px" in message
    assert "rows 3:253, columns 28:228" in message


def test_only_fs2k_resizes_and_says_so(copies, capsys):
    _resize(copies)
    assert run(copies, protocol="fs2k") == 0
    assert "resized to the truth's size" in capsys.readouterr().out


def test_what_a_protocol_cannot_score_is_a_note_and_what_was_asked_for_an_error(copies, capsys):
    for path in copies.glob("*/*.png"):
        Image.open(path).resize((200, 250)).save(path)
    found = scores_of(copies, protocol="cufs")
    assert any("nlda_cufs" in note and "338" in note for note in found["notes"])
    assert "note: nlda_cufs" in capsys.readouterr().out
    assert run(copies, "--metrics=nlda_cufs") == 1
    assert "338" in capsys.readouterr().err
    assert run(copies, "--metrics=ssim,sim") == 1
    assert "--metrics: expected some of" in capsys.readouterr().err


def test_missing_and_damaged_weights_say_what_to_get(copies, tmp_path, capsys):
    flags = ("--metrics=lpips_alex", f"--weights={tmp_path}")
    assert run(copies, *flags) == 1
    message = capsys.readouterr().err
    assert "alexnet.safetensors" in message
    assert "fsketch convert alexnet" in message
    bad = {"conv1/bias": np.full(64, np.nan, np.float32)}
    safetensors.numpy.save_file(bad, tmp_path / "alexnet.safetensors", metadata={"net": "alexnet"})
    assert run(copies, *flags) == 1
    assert "alexnet.safetensors" in capsys.readouterr().err


def test_the_truth_is_not_scored_against_itself(copies, capsys):
    (copies / "linked").symlink_to(copies / "truth")
    assert run(copies, outputs=("near", "linked")) == 1
    assert "expected another folder, got the folder of the truth" in capsys.readouterr().err


def test_rates_that_cannot_be_missed_are_refused(copies, capsys):
    for id in IDS[1:]:
        for name in ("truth", "near"):
            (copies / name / f"{id}.png").unlink()
    flags = ("--embedder=pixels", "--metrics=rank1")
    assert run(copies, *flags, outputs=("near",)) == 1
    assert "expected more than 1 images at rank 1, got 1" in capsys.readouterr().err


def test_identity_by_pixels_and_consistency_over_styles(copies):
    flags = ("--embedder=pixels", "--metrics=rank1,identity")
    found = scores_of(copies, *flags)["outputs"]["near"]["sets"]
    assert found["rank1"]["value"] == 1.0
    identity = found["identity"]
    assert 0.5 < identity["low"] < identity["value"] < identity["high"] <= 1.0


def test_hog_sees_edges_not_brightness_and_needs_one_size():
    extract = features.embedding(measures.Options(embedder="hog")).extract
    columns, rows = np.meshgrid(np.arange(64), np.arange(48))
    upright = (columns // 8 % 2 * 100).astype(np.uint8)[..., None]
    lying = (rows // 8 % 2 * 100).astype(np.uint8)[..., None]
    found = extract([upright, upright + 100, lying])
    # 3 x 2 blocks of 2 x 2 cells of 9 orientations
    assert found.shape == (3, (64 // 16 - 1) * (48 // 16 - 1) * 4 * 9)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert np.abs(found[0] - found[2]).max() > 0.1
    with pytest.raises(ValueError, match=r"hog: expected images of one size.*\(48, 64\)"):
        extract([upright, upright[:40]])


def test_why_shows_the_shift_of_each_convention(copies, capsys, full_optimization):
    found = scores_of(copies, "--why", outputs=("far",))["outputs"]["far"]["shifts"]
    # Equal black borders around a small image raise every score of structure.
    assert found["black padding to 256x256 left in"]["ssim"] > 0.05
    assert found["values in [0, 1], constants of 0..255"]["ssim"] > 0.05
    assert found["values in [0, 1], constants of 0..255"].keys() == {"ssim", "fsim"}
    assert found["FSIM with chroma (FSIMc)"]["fsim"] == pytest.approx(0.0, abs=1e-6)  # grey
    assert "JPEG" in capsys.readouterr().out


def test_two_folders_of_one_name_keep_apart(copies, capsys):
    (copies / "x").mkdir()
    shutil.copytree(copies / "near", copies / "x" / "near")
    found = scores_of(copies, outputs=("near", "x/near"))
    assert list(found["outputs"]) == ["copies/near", "x/near"]
    named = [f"--output=one={copies / 'near'}"]
    assert list(scores_of(copies, *named, outputs=("far",))["outputs"]) == ["far", "one"]
    assert run(copies, *named, *named) == 1
    assert "label one twice" in capsys.readouterr().err
    assert run(copies, f"--output=truth={copies / 'far'}") == 1
    assert "label truth (reserved)" in capsys.readouterr().err
    shutil.copytree(copies / "near", copies / "a=b")  # a folder of this name, no label
    assert list(scores_of(copies, outputs=("a=b",))["outputs"]) == ["a=b"]


def test_a_workdir_s_numbers_are_those_of_its_images(trained_kd, tmp_path, capsys):
    workdir = shutil.copytree(trained_kd, tmp_path / "run")
    evaluated = json.loads((workdir / "evaluation.json").read_text())
    for direction in ("to_sketch", "to_photo"):
        found = scores_of(tmp_path, f"--direction={direction}", outputs=("run",), truth="")[
            "outputs"
        ]["run"]
        for metric, mean in found["mean"].items():
            assert evaluated["metrics"][f"{direction}/{metric}"] == mean["value"], metric
    shutil.copytree(workdir, tmp_path / "one_way")
    shutil.rmtree(tmp_path / "one_way" / "outputs" / "to_photo")
    capsys.readouterr()
    assert run(tmp_path, "--direction=to_photo", outputs=("one_way",), truth="") == 1
    told = "expected a direction of the run: to_sketch, got no outputs of direction to_photo"
    assert told in capsys.readouterr().err
