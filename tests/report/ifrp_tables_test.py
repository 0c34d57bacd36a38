"""Tables of IFRP's paper, from configurations and from outputs of a few pixels."""

import json
import sys
import types

import numpy as np
import pytest
from absl import flags
from ml_collections import config_flags

from fsketch.configs import data as data_sets
from fsketch.configs import ifrp
from fsketch.core import errors, writers
from fsketch.report import ifrp_tables

ROWS = [row for table in ifrp_tables.TABLES.values() for row in table.rows if row.config]


@pytest.mark.parametrize("data", list(data_sets.PORTRAITS)[1:])
def test_every_row_is_a_configuration(data, tmp_path, monkeypatch):
    for row in ROWS:
        command, *_ = ifrp_tables.commands(row, data=data, parent=tmp_path, flags=())
        monkeypatch.setattr(sys, "argv", command[2:])  # where overrides are looked for
        values = flags.FlagValues()
        holder = config_flags.DEFINE_config_file("config", flag_values=values)
        flags.DEFINE_string("workdir", None, "", flag_values=values)
        values(command[2:])
        config = holder.value
        assert config.portraits.faces and config.data.test == ifrp_tables.SETS[0]
        if row.name.endswith("styles"):
            seen, unseen = config.portraits.train_styles, config.portraits.test_styles
            assert len(seen) == int(row.label) and len({*seen, *unseen}) == 10
            assert not set(seen) & set(unseen)
            source = data_sets.PORTRAITS[data]
            portraits = source.num_portraits // 3 * len(seen)
            assert config.optim.steps_per_epoch == portraits // source.batch_size
            assert config.num_steps == source.num_epochs * config.optim.steps_per_epoch
        if row.name.endswith("angles"):
            assert str(config.portraits.num_angles) == row.label.split()[0]
            assert config.model.has_transformers == ("no transformers" not in row.label)


def test_one_folder_is_one_experiment():
    experiments = {}
    for row in ROWS:
        experiments.setdefault(row.workdir, set()).add((row.config, row.flags))
    assert all(len(different) == 1 for different in experiments.values())
    assert len(ROWS) == 19 and len(experiments) == 16  # four rows are the whole method


def test_numbers_of_the_paper_stand_in_their_columns():
    (row,) = [row for row in ifrp_tables.TABLES["comparison"].rows if row.label == "pix2pix"]
    assert row.paper["test_unseen/psnr"] == 18.90 and row.paper["test_seen/fsim"] == 0.80
    assert row.paper["test_sketches/frr"] == 66.63 and row.paper["fcr"] == 87.73
    for table in ifrp_tables.TABLES.values():
        assert all(set(row.paper) == set(table.columns) for row in table.rows)


def test_only_what_is_missing_is_run(tmp_path):
    row = ifrp_tables.TABLES["losses"].rows[0]
    whole = ifrp_tables.commands(row, data="orl", parent=tmp_path, flags=["--config.seed=3"])
    assert [part for part in whole[0] if part.startswith("--")] == [
        f"--config={ifrp.__file__}:portraits=orl,ablation=pixel_only",
        f"--workdir={tmp_path}/ifrp-ablation-pixel_only",
        "--config.seed=3",
    ]
    assert [c[-1] for c in whole[1:]] == ["--split=test_unseen"]  # ORL has no drawn sketches
    workdir = tmp_path / row.workdir
    for folder in (workdir, workdir / "splits" / "test_unseen"):
        folder.mkdir(parents=True)
        (folder / "evaluation.json").write_text("{}")
    assert not ifrp_tables.commands(row, data="orl", parent=tmp_path, flags=[])
    (rest,) = ifrp_tables.commands(row, data="fs2k", parent=tmp_path, flags=[])
    assert rest[-1] == "--split=test_sketches" and "--mode=evaluate" in rest


@pytest.fixture
def outputs(tmp_path):
    """A function: set, {style: order of the persons shown} -> its folder; a person is a colour."""
    colours = np.random.default_rng(0).integers(0, 256, (8, 1, 1, 3)).astype(np.uint8)

    def make(name, styles):
        folder = tmp_path / name
        for kind in ("photo", "to_photo"):
            (folder / "outputs" / kind).mkdir(parents=True)
        for style, order in styles.items():
            for person, shown in enumerate(order):
                for kind, colour in (("photo", colours[person]), ("to_photo", colours[shown])):
                    path = folder / "outputs" / kind / f"{person}@{style}.png"
                    writers.write_png(path, np.broadcast_to(colour, (4, 4, 3)))
        return folder

    return make


def _colour(batch):
    """An embedding in which all persons are apart."""
    return np.stack([image[0, 0].astype(np.float32) - 128 for image in batch])


def test_identity_rates_by_hand(outputs):
    same, mirrored = list(range(8)), list(range(7, -1, -1))
    colours = _colour([np.random.default_rng(0).integers(0, 256, (8, 1, 1, 3))[i] for i in same])
    unit = colours / np.linalg.norm(colours, axis=1, keepdims=True)
    near = np.argsort(((unit[:, None] - unit[None]) ** 2).sum(-1), axis=1)[:, :5]
    hits = np.mean([person in near[7 - person] for person in same])
    shown = {
        "test_seen": {"a": same, "b": mirrored},
        "test_unseen": {"c": same},
        "test_sketches": {"drawn": mirrored},
    }
    folders = {name: outputs(name, styles) for name, styles in shown.items()}
    rates = ifrp_tables.identity_rates(folders, _colour)
    assert rates["test_unseen/frr"] == 100
    assert rates["test_sketches/frr"] == pytest.approx(100 * hits)
    assert rates["test_seen/frr"] == pytest.approx(50 + 50 * hits)
    assert rates["fcr"] > 100 * 2 / 3 - 1e-4  # a and c find each other at once


def test_a_style_that_shows_others_and_a_missing_truth_are_refused(outputs):
    whole = outputs("test_seen", {"a": range(8)})
    others = outputs("test_unseen", {"b": range(8), "c": range(6)})
    with pytest.raises(ValueError, match="'c': expected the faces of 'b'"):
        ifrp_tables.identity_rates({"test_seen": whole, "test_unseen": others}, _colour)
    (whole / "outputs" / "photo" / "3@a.png").unlink()
    with pytest.raises(errors.DataError, match=r"3@a\.png"):
        ifrp_tables.identity_rates({"test_seen": whole}, _colour)


@pytest.mark.parametrize(
    ("table", "flag"),
    [
        ("losses", "--config.loss_weights.identity=0.1"),
        ("styles", "--config.portraits.num_distinct=3"),
        ("rotations", "--config.portraits.num_angles=5"),
    ],
)
def test_flags_that_would_overrule_the_rows_are_refused(table, flag, tmp_path, capsys):
    arguments = [table, f"--parent={tmp_path}", "--dry_run", "--", flag]
    assert errors.run(ifrp_tables.main, arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("flags after --: expected no --config.") and "the rows" in told


def test_the_program_trains_evaluates_and_prints(tmp_path, monkeypatch, capsys):
    ran = []

    def run(command, *, check, stdout):
        assert not check and stdout is sys.stderr
        ran.append(command)
        (workdir,) = (part.split("=")[1] for part in command if part.startswith("--workdir"))
        split = [part.split("=")[1] for part in command if part.startswith("--split")]
        folder = tmp_path.joinpath(workdir, *(["splits", *split] if split else []))
        folder.mkdir(parents=True, exist_ok=True)
        metrics = {"to_photo/ssim": 0.5 + 0.01 * len(ran), "to_photo/fsim": 0.25}
        (folder / "evaluation.json").write_text(json.dumps({"metrics": metrics}))
        return types.SimpleNamespace(returncode=7 if len(ran) == 8 else 0)

    monkeypatch.setattr(ifrp_tables.subprocess, "run", run)
    arguments = ["losses", f"--parent={tmp_path}", f"--json={tmp_path / 't.json'}", "--", "--x=1"]
    assert errors.run(ifrp_tables.main, [*arguments]) == 7  # the eighth of nine commands failed
    assert (
        errors.run(ifrp_tables.main, arguments) == 0 and len(ran) == 9
    )  # and is not run again: it had written
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["test_seen/ssim", "test_seen/fsim", "test_unseen/ssim",
                                "test_unseen/fsim"]  # fmt: skip
    assert lines[1].split() == ["pixel", "0.510", "(0.60)", "0.250", "(0.72)", "0.520", "(0.54)",
                                "0.250", "(0.65)"]  # fmt: skip
    content = json.loads((tmp_path / "t.json").read_text())
    assert content["all"]["ours"]["test_seen/ssim"] == pytest.approx(0.57)
    assert [command for command in ran if "--x=1" in command] == ran[::3]
