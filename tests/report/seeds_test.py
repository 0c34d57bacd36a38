"""Experiments over seeds, from workdirs of three numbers."""

import json
import math

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from fsketch.configs import kd
from fsketch.core import checkpoint, errors
from fsketch.report import seeds


@pytest.fixture
def workdir(tmp_path):
    """A function: name, seed, score, changes -> the argument of an evaluated run."""

    def make(name, seed, score, *, protocol="plain", others=None, **fields):
        config = kd.get_config()
        config.seed = seed
        config.data.manual_dir = f"somewhere/{seed}"
        config.update(fields)
        folder = tmp_path / f"{name}-{seed}-{len(list(tmp_path.iterdir()))}"
        checkpoints = checkpoint.open_workdir(folder, keep=1)
        meta = {"config": checkpoint.to_json(config), "step": 1}
        checkpoint.save(checkpoints.latest, 1, {"x": jnp.zeros(1)}, meta)
        checkpoints.wait()
        checkpoints.close()
        evaluation = {"data": "d", "split": "test", "protocol": protocol, "num_images": 4}
        evaluation["metrics"] = {"to_sketch/ssim": score, **(others or {})}
        (folder / "evaluation.json").write_text(json.dumps(evaluation))
        return f"{name}={folder}"

    return make


def test_means_intervals_and_differences_by_seed(workdir, tmp_path, capsys):
    arguments = [workdir("a", seed, score) for seed, score in enumerate((0.5, 0.6, 0.7))]
    arguments += [workdir("b", seed, score) for seed, score in ((2, 0.8), (0, 0.6), (5, 0.1))]
    assert errors.run(seeds.main, [*arguments, f"--json={tmp_path / 's.json'}"]) == 0
    content = json.loads((tmp_path / "s.json").read_text())
    mean = content["means"]["a"]["to_sketch/ssim"]
    # t for two degrees of freedom, deviation 0.1, three seeds.
    assert mean["mean"] == pytest.approx(0.6) and mean["seeds"] == 3
    assert mean["half_width"] == pytest.approx(0.24842, rel=1e-4)
    difference = content["differences"]["b - a"]["to_sketch/ssim"]
    assert difference["mean"] == pytest.approx(0.1) and difference["seeds"] == 2
    assert difference["half_width"] == pytest.approx(0, abs=1e-6)
    shown = capsys.readouterr().out.splitlines()
    assert shown[1].split() == ["a", "0.6000", "±", "0.2484", "3"]
    assert shown[3].split() == ["b", "-", "a", "0.1000", "±", "0.0000", "2"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_direction_that_only_some_have_is_shown_for_them(workdir, capsys, order):
    arguments = [workdir("both", 0, 0.5, others={"to_photo/ssim": 0.3}), workdir("one", 0, 0.7)]
    assert errors.run(seeds.main, arguments[::order]) == 0
    shown = capsys.readouterr().out
    blocks = dict(block.split("\n", 1) for block in shown.strip().split("\n\n"))
    heads = [head.split()[0] for head in blocks]
    assert heads[0] == "to_sketch/ssim" or order == 1
    rows = dict(zip(heads, blocks.values(), strict=True))
    assert rows["to_photo/ssim"].split() == ["both", "0.3000", "1"]
    assert len(rows["to_sketch/ssim"].splitlines()) == 3


def test_one_seed_has_no_interval_and_many_approach_the_normal():
    assert math.isinf(seeds.mean([0.5]).half) and str(seeds.mean([0.5])) == "0.5000"
    for count, t in ((12, 2.2010), (30, 2.0452), (100, 1.9842)):  # Student's tables
        half = seeds.mean([0.0, 1.0] * (count // 2)).half
        assert half == pytest.approx(t * 0.5 / math.sqrt(count - 1), rel=1e-3)


def test_a_plot_has_a_line_for_each_name_over_its_numbers(workdir, tmp_path, capsys):
    scores = {("kd", 11): (0.5, 0.7), ("kd", 44): (0.8, 0.8), ("l1", 22): (0.6,)}
    runs = [
        workdir(f"{name}@{number}", seed, score, others={"to_photo/ssim": 0.3})
        for (name, number), its in scores.items()
        for seed, score in enumerate(its)
    ]
    assert errors.run(seeds.main, [*runs, f"--plot={tmp_path / 'curve.png'}"]) == 0
    assert Image.open(tmp_path / "curve.png").width > 500
    first, second = seeds.lines(seeds.summary(seeds.read(runs))["means"]).axes
    assert (first.get_title("left"), second.get_title("left")) == (
        "to_sketch/ssim",
        "to_photo/ssim",
    )
    kd_line, l1_line = (container.lines[0] for container in first.containers)
    np.testing.assert_allclose(kd_line.get_xydata(), [(11, 0.6), (44, 0.8)], rtol=0.04)
    np.testing.assert_allclose(l1_line.get_xydata(), [(22, 0.6)], rtol=0.04)
    (bars,) = first.containers[0].lines[2]
    low, high = bars.get_segments()[0][:, 1]
    assert high - 0.6 == pytest.approx(0.6 - low) == pytest.approx(12.706 * 0.1, rel=1e-3)  # t, 1
    assert errors.run(seeds.main, [workdir("kd", 0, 0.5), f"--plot={tmp_path / 'x.png'}"]) == 1
    assert "expected labels NAME@NUMBER, such as kd@11, got kd" in capsys.readouterr().err


def test_all_that_does_not_belong_together_is_named(workdir, capsys):
    arguments = [
        workdir("a", 0, 0.5),
        workdir("a", 1, 0.5, batch_size=8),
        workdir("a", 0, 0.5),
        workdir("b", 0, 0.5, protocol="cufs"),
        "c=nowhere",
        "nowhere",
    ]
    assert errors.run(seeds.main, arguments) == 1
    message = capsys.readouterr().err
    for part in (
        "expected runs of a that differ only in the seed, got other batch_size",
        "expected each seed of a once, got 0 twice",
        "protocol: expected 'plain' as in the others, got 'cufs'",
        "c=nowhere: expected LABEL=WORKDIR",
        "\nnowhere: expected LABEL=WORKDIR",
    ):
        assert part in message
    assert message.count("\n") == 5
