"""The report as its users call it: two trained runs in, tables, JSON, plot and page out."""

import contextlib
import json
import re
import shutil
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from fsketch import evaluate, methods, prediction, restore
from fsketch.configs import kd, pix2pix
from fsketch.core import checkpoint, errors, state, trees
from fsketch.data import augment
from fsketch.frozen import teachers
from fsketch.methods import students
from fsketch.nets import convolution, layers, resnet
from fsketch.nets import students as nets
from fsketch.report import comparison, cost, distances, plots, program, runs, tables
from fsketch.scoring import text

RUNS = ("taught", "alone")


@pytest.fixture(autouse=True)
def plain_convolutions(request):
    is_quick = "full_optimization" not in request.fixturenames
    with convolution.plain() if is_quick else contextlib.nullcontext():
        yield


@pytest.fixture(scope="module")
def trained(tiny, trained_kd, tmp_path_factory):
    """taught/: KD with a teacher of another shape; alone/: L1 alone, still at step 0."""
    root = tmp_path_factory.mktemp("report")
    shutil.copytree(trained_kd, root / "taught")
    config = tiny(kd)
    for term in kd.ABLATIONS["reconstruction"]:
        config.loss_weights[term] = 0.0
    canvases = evaluate.load_canvases(config.data, "test", canvas_px=config.data.crop_px)
    fresh = prediction.initial_state(methods.create(config), {}, config, canvases)
    meta = restore.meta_data(config, step=0)
    checkpoints = checkpoint.open_workdir(root / "alone", keep=1)
    checkpoint.save(checkpoints.latest, 0, fresh, meta)
    checkpoints.wait()
    checkpoints.close()
    with convolution.plain():
        evaluate.evaluate_workdir(root / "alone")
    return root


@pytest.fixture(scope="module")
def reported(trained, tiny_teacher):
    """(JSON, root of report.svg and report.html) of both runs; timings once."""
    files = {kind: trained / f"report.{kind}" for kind in ("json", "html")}
    flags = [f"--{kind}={path}" for kind, path in files.items()]
    flags += [f"--plot={trained / 'report.svg'}", f"--teacher={tiny_teacher}", "--rounds=2"]
    with convolution.plain():
        assert errors.run(program.main, [*(str(trained / name) for name in RUNS), *flags]) == 0
    return json.loads(files["json"].read_text()), trained


@pytest.fixture
def copies(trained, tmp_path):
    """The same runs, to be damaged."""
    for name in RUNS:
        shutil.copytree(trained / name, tmp_path / name)
    return tmp_path


def refused(copies, capsys, *flags, code=1):
    """The message of a report that is refused."""
    arguments = [str(copies / name) for name in RUNS]
    assert (
        errors.run(program.main, [*arguments, "--rounds=0", f"--json={copies / 'r.json'}", *flags])
        == code
    )
    assert not (copies / "r.json").exists()
    return capsys.readouterr().err


def change(workdir, **fields):
    path = workdir / "evaluation.json"
    content = json.loads(path.read_text())
    content["metrics"] |= fields.pop("metrics", {})
    path.write_text(json.dumps(content | fields))


def row_of(content, name, direction):
    (row,) = (r for r in content["models"] if (r["name"], r["direction"]) == (name, direction))
    return row


def test_parameters_are_those_of_the_translators_without_adapters(reported):
    content, root = reported
    for name in RUNS:
        run = runs.read(name, root / name)
        for direction, role in (("to_sketch", "student_sketch"), ("to_photo", "student_photo")):
            params = run.state[role].params
            row = row_of(content, name, direction)
            assert row["parameters"] == trees.count(params["translator"])
            assert row["parameters_by_player"] == {role: row["parameters"]}
            assert sum(row["training_only"].values()) == trees.count(params) - row["parameters"]
            assert row["bytes"] > 4 * row["parameters"]
            assert row["ratios"]["parameters"] == 1.0
    assert set(row_of(content, "taught", "to_sketch")["training_only"]) == {
        f"student_sketch/adapt_{tap}" for tap in ("in", "d1", "d2", "u2", "u1", "bottle")
    }
    assert row_of(content, "alone", "to_sketch")["training_only"] == {}


def test_the_teacher_has_a_row_of_its_own(reported):
    content, root = reported
    row = row_of(content, "teacher", "")
    assert row["runs"] == ["taught"]
    assert row["quality"] is None
    (net,) = restore.frozen_nets(root / "taught").values()
    # Its maps end at fire4; what SqueezeNet has beyond is not counted.
    counted = {"conv1", "fire2", "fire3", "fire4"}
    params = net.variables["params"]["net"]
    assert row["parameters"] == sum(trees.count(params[name]) for name in counted)
    assert row["flop_per_image"] > 0


def test_quality_is_that_of_evaluation_json_with_intervals_and_differences(reported):
    content, root = reported
    for name in RUNS:
        metrics = json.loads((root / name / "evaluation.json").read_text())["metrics"]
        for full, value in metrics.items():
            direction, metric = full.split("/")
            row = row_of(content, name, direction)
            found = row["quality"][metric]
            assert found["value"] == value
            assert found["low"] <= value <= found["high"]
            if name == "taught":
                assert row["differences"] is None
                continue
            reference = row_of(content, "taught", direction)["quality"][metric]["value"]
            assert row["differences"][metric]["value"] == pytest.approx(value - reference)


def test_the_content_tells_training_and_latency(reported):
    content, _ = reported
    assert content["reference"] == "taught" and content["metric"] == "to_sketch/fsim"
    assert content["device"]["platform"] == "cpu"
    its, alone = (content["runs"][name] for name in RUNS)
    assert its["training"]["num_steps"] == 2 and its["training"]["examples"] == 16
    assert its["training"]["devices"].startswith("8 x ") and its["training"]["wall_sec"] > 0
    assert its["teachers"].keys() == {"teacher"} and alone["teachers"] == {}
    assert set(alone["training"].values()) == {0, None}
    for row in content["models"]:
        assert row["latency"].keys() == {"1", "8"}
        for value in row["latency"].values():
            assert value["num_rounds"] == 2
            assert 0 < value["low_sec"] <= value["median_sec"] <= value["high_sec"]
    assert row_of(content, "taught", "to_photo")["latency"]["1"]["ratio"] == 1.0


def test_wall_time_is_steps_over_rate(tmp_path):
    lines = [(50, 2.0), (100, 4.0), (100, None), (120, 8.0)]
    rows = [
        {"step": s, **({"images_per_sec": r} if r else {"validation/ssim": 1})} for s, r in lines
    ]
    written = "".join(json.dumps(row) + "\n" for row in rows)
    path = tmp_path / "metrics.jsonl"
    meta = {"step": 120, "position": 480, "config": {"batch_size": 4}}
    for cut in ("", '{"step": 12'):  # by a kill
        path.write_text(written + cut)
        found = runs.training(tmp_path, meta)
        assert found == runs.Training(120, 480, 100 + 50 + 10, 4.0, None)
    path.write_text('{"step": 12\n' + written)
    with pytest.raises(ValueError, match=r"metrics.jsonl line 1: not JSON"):
        runs.training(tmp_path, meta)


def test_distances_are_the_loss_terms_of_the_same_pairs(reported):
    content, root = reported
    run = runs.read("taught", root / "taught")
    canvases = runs.test_pairs(run)
    stored = canvases.decoded()
    batch = augment.scale({k: jnp.asarray(getattr(stored, k)) for k in students.DOMAINS})
    teachers = dict.fromkeys(students.DOMAINS, run.frozen["teacher"])
    params = {role: player.params for role, player in run.state.players.items()}
    keys = jax.random.split(jax.random.key(0), len(canvases))
    weights = {name: float(weight > 0) for name, weight in run.config.loss_weights.items()}
    _, (_, terms) = jax.jit(
        lambda players, params: students.loss(players, params, teachers, batch, keys, weights)
    )(run.state.players, params)
    for role in students.ROLES:
        found = row_of(content, "taught", f"to_{role.removeprefix('student_')}")["distances"]
        assert found["is_own_teacher"]
        for term in distances.TERMS:
            total = sum(tap["distance"] for tap in found[term].values())
            assert total == pytest.approx(float(terms[role][term]), rel=1e-4)


def test_without_a_teacher_only_fitted_distances_exist_where_shapes_differ(reported):
    content, _ = reported
    for direction in ("to_sketch", "to_photo"):
        found = row_of(content, "alone", direction)["distances"]
        assert not found["is_own_teacher"]
        for term in distances.TERMS:
            for tap in found[term].values():
                assert tap["distance"] is None
                assert 0 < tap["fitted"] < 1.5


class Maps(nn.Module):
    """The maps of a translator, as a teacher's net gives them."""

    translator: nn.Module

    @nn.compact
    def __call__(self, image):
        return self.translator(image)[1]


def test_a_student_equal_to_its_teacher_has_distance_0_and_fits_are_least_squares():
    rng = np.random.default_rng(0)
    photo = jnp.asarray(rng.uniform(-1, 1, (3, 16, 16, 3)), jnp.float32)
    net = resnet.Translator(features=3, width=4, num_blocks=1)
    student = jax.jit(
        lambda key: state.create_player(
            key, nets.Student(net, nets.SAME, {}), optax.sgd(0.1), photo
        )
    )(jax.random.key(0))
    variables = {
        "params": {"net": {"translator": student.params["translator"]}},
        "constants": {"rms": jnp.ones(3)},
    }
    same = state.Frozen(
        variables, teachers.Teacher(Maps(net), ("in", "d1", "d2")), lambda image: image, "{}"
    )
    batch = {"photo": photo, "sketch": photo}
    both = dict.fromkeys(students.DOMAINS, same)
    mask = np.array([True, True, False])
    found = distances.measure(student, "student_sketch", both, [(batch, mask)])
    for tap in found["mimic"].values():
        assert tap.distance < 1e-12  # squares of what one addition rounds
        assert tap.fitted < 1e-6
    # The decoder's last map against the encoder's first of the target, by an independent fit.
    _, taps, _ = jax.jit(lambda player, image: player(image))(student, photo[:2])
    own, target = (np.asarray(taps[name], np.float64).reshape(-1, 4) for name in ("u2", "in"))
    tap = found["transform"]["u2"]
    assert tap.distance == pytest.approx(np.square(own - target).mean(), rel=1e-5)
    design = np.concatenate([own, np.ones((len(own), 1))], 1)
    rest = np.linalg.lstsq(design, target, rcond=None)[1].sum() / target.size
    assert tap.fitted == pytest.approx(rest, rel=1e-4)


@pytest.mark.parametrize("padding", [0, 1])
def test_flop_of_one_convolution_is_the_hand_s(padding, full_optimization):
    """2 x taps that fall on pixels x channels; n + 2 padding - 2 outputs a side."""
    net = layers.Conv(16, kernel_size=3, padding=padding, use_bias=False)
    image = jnp.zeros((1, 20, 20, 3))
    params = net.init(jax.random.key(0), image)["params"]
    model = cost.Model(lambda v, b: net.apply(v["net"], b["photo"]), {"net": {"params": params}})
    batch = cost.batch_of(1, side_px=20, channels={"photo": 3})
    taps = sum(
        0 <= y + u - padding < 20 for y in range(20 + 2 * padding - 2) for u in range(3)
    )  # of one axis
    assert cost.flops(cost.compiled(model, batch)) == 2 * taps**2 * 3 * 16
    leaves = cost.needed(model, batch)
    assert cost.parameters(leaves) == {"net": 3 * 3 * 3 * 16}
    # Eight bytes say how long the header is, which is padded to eights.
    assert 4 * 432 + 8 < cost.num_bytes(leaves) < 4 * 432 + 200


def test_needed_is_what_the_output_depends_on():
    variables = {
        "player": {"params": {"a": jnp.ones(3), "b": jnp.ones(5)}, "stats": {"m": jnp.ones(2)}},
        "critic": {"params": {"c": jnp.ones(7)}},
    }

    def function(variables, batch):
        player, unused = variables["player"], variables["critic"]["params"]["c"].sum()
        del unused
        return (player["params"]["a"].sum() + player["stats"]["m"].sum()) * batch["photo"]

    model = cost.Model(function, variables)
    leaves = cost.needed(model, cost.batch_of(1, side_px=2, channels={"photo": 3}))
    assert set(leaves) == {"player/params/a", "player/stats/m"}
    assert cost.parameters(leaves) == {"player": 3}
    assert cost.left_out(model, leaves) == {"player/b": 5}


def test_a_run_on_sketches_in_colour_has_a_cost(tiny):
    config = tiny(pix2pix)
    with config.unlocked():
        config.direction, config.data.sketch_channels = "to_photo", 3
    canvases = evaluate.load_canvases(config.data, "test", canvas_px=config.data.crop_px)
    method = methods.create(config)
    fresh = prediction.initial_state(method, {}, config, canvases)
    evaluation = {"metrics": {"to_photo/ssim": 0.0}}
    run = runs.Run("r", None, method, config, evaluation, fresh, {}, None)
    (row,) = comparison._costs(
        list(comparison._translators({"r": run})), ("r", "to_photo"), [1], num_rounds=0
    )
    params = fresh["translator"].params
    assert row["parameters"] == sum(leaf.size for leaf in jax.tree.leaves(params))


def test_only_a_teacher_that_saw_both_domains_serves_others(tiny_teacher):
    both, half = (
        teachers.load(tiny_teacher, domains=domains) for domains in (students.DOMAINS, ("photo",))
    )

    def run(**frozen):
        return runs.Run("r", None, None, None, {}, None, frozen, None)

    found = {
        "kt": run(teacher_photo=half, teacher_sketch=half),
        "ide": run(perceptual=both),
        "half": run(teacher=half),
        "kd": run(teacher=both),
    }
    options = comparison.Options(teacher=tiny_teacher)
    given = comparison._given_teachers(found, found["kt"], options)
    assert given["photo"] is given["sketch"] is both


def test_timings_are_of_the_work_and_end(monkeypatch):
    product = jax.jit(lambda a: a @ a)
    arrays = {name: jnp.ones((side, side)) for name, side in (("small", 16), ("large", 1024))}
    calls = {name: lambda a=array: product(a) for name, array in arrays.items()}
    seconds = cost.times(calls, num_rounds=5)
    assert cost.ratio(seconds["large"], seconds["small"]) > 1
    assert {len(its) for its in seconds.values()} == {5}
    monkeypatch.setattr(cost, "MOST_SEC", 0.0)
    assert {len(its) for its in cost.times(calls, num_rounds=5).values()} == {cost.MIN_ROUNDS}


def test_tables_fit_the_terminal(reported):
    content, _ = reported
    shown = tables.terminal(content)
    assert max(map(len, shown.splitlines())) <= 120
    for word in ("SIZE", "LATENCY", "QUALITY TO_SKETCH", "MIMIC", "COST OF TRAINING", "teacher"):
        assert word in shown
    values = [row_of(content, name, "to_photo")["quality"]["psnr"]["value"] for name in RUNS]
    digits = text.decimals(values)
    for value in values:
        assert f" {value:.{digits}f} " in shown
    markdown = tables.terminal(content, is_markdown=True)
    assert "### Size" in markdown and "|-" in markdown and "<br>[" in markdown


def test_the_plot_names_every_run_in_both_directions(reported):
    _, root = reported
    tree = ElementTree.parse(root / "report.svg")
    words = ["".join(node.itertext()) for node in tree.iter("{http://www.w3.org/2000/svg}text")]
    for word in (*RUNS, "FSIM ↑"):
        assert words.count(word) == 2, word
    assert [word for word in words if word.startswith("to_")] == ["to_sketch", "to_photo"]


@pytest.mark.parametrize("spread", [0.0, 0.4])
def test_labels_do_not_cover_each_other_or_points(spread):
    rng = np.random.default_rng(0)
    rows = [
        {
            "name": f"run <{i}> $x$", "direction": "to_sketch",
            "parameters": 10 ** (4 + spread * x),
            "quality": {"ssim": {"value": y, "low": y - 0.01, "high": y + 0.01}},
        }
        for i, (x, y) in enumerate(rng.uniform(size=(8, 2)))
    ]  # fmt: skip
    content = {"metric": "to_sketch/ssim", "models": rows}
    content["runs"] = {row["name"]: {"different": [], "teachers": {}} for row in rows}
    plot = plots.quality_against("parameters", content)
    plot.draw_without_rendering()
    (axes,) = plot.axes
    boxes = [note.get_window_extent() for note in axes.texts]
    points = [
        axes.transData.transform(line.get_xydata()[0]) for c in axes.containers for line in c[:1]
    ]
    assert [note.get_text() for note in axes.texts] == [*content["runs"]] and len(points) == 8
    assert len({tuple(point) for point in points}) == 8  # side by side, where the cost is equal
    for i, box in enumerate(boxes):
        assert not box.count_overlaps(boxes[:i])
        assert not any(box.contains(*point) for point in points)


def test_the_page_shows_both_directions_before_the_numbers(reported):
    _, root = reported
    page = (root / "report.html").read_text()
    sections = re.findall('<section id="([^"]*)"', page)
    assert sections == [
        "pictures", "cost", "worst", "summary", "differences", "distributions", "tables", "details",
    ]  # fmt: skip
    first = page[: page.index('<section id="cost"')]
    for direction in ("to_sketch", "to_photo"):
        assert f"<h3>{direction}</h3>" in first
    for name in RUNS:
        assert (
            first.count(f'aria-label="{name} of f') == 2 * first.count('aria-label="input of f') / 2
        )
    tail = page[page.index('<section id="tables"') :]
    assert "Feature distances" in tail and "<h3>Quality" not in tail


def test_a_run_without_an_evaluation_is_refused_with_the_command(copies, capsys):
    (copies / "alone" / "evaluation.json").unlink()
    shutil.rmtree(copies / "taught" / "outputs")
    message = refused(copies, capsys)
    for name in RUNS:
        assert f"fsketch evaluate --workdir={copies / name}" in message
    assert "expected evaluation.json, got none" in message
    assert "expected outputs/, got none" in message
    (copies / "alone" / "evaluation.json").write_text('{"metrics"')
    shutil.rmtree(copies / "taught" / "checkpoints")
    message = refused(copies, capsys)
    assert f"{copies / 'alone' / 'evaluation.json'}: expected JSON" in message
    assert f"{copies / 'taught'}: expected the workdir of a run" in message


def test_runs_that_do_not_compare_are_refused_or_marked(copies, capsys):
    change(copies / "alone", data="cufs/cuhk", split="test[:4]")
    message = refused(copies, capsys)
    assert "alone: data set: expected paired_folder as in taught, got cufs/cuhk" in message
    assert "alone: split: expected test as in taught, got test[:4]" in message
    arguments = [str(copies / name) for name in RUNS]
    flags = ["--allow_different", "--rounds=0", "--pairs=0", f"--json={copies / 'r.json'}"]
    assert errors.run(program.main, [*arguments, *flags]) == 0
    assert f"alone to_sketch {tables.MARK}" in capsys.readouterr().out
    content = json.loads((copies / "r.json").read_text())
    assert len(content["runs"]["alone"]["different"]) == 2
    assert row_of(content, "alone", "to_sketch")["differences"] is None
    assert row_of(content, "alone", "to_sketch")["latency"] == {}


def test_other_test_images_are_noticed(copies, capsys):
    paths = sorted((copies / "alone" / "outputs" / "sketch").iterdir())
    shutil.copy(paths[0], paths[1])
    assert "alone: test images (sketch): expected SHA-256" in refused(copies, capsys)


def test_outputs_of_another_evaluation_are_refused(copies, capsys):
    change(copies / "alone", metrics={"to_photo/psnr": 1.0})
    message = refused(copies, capsys)
    assert "alone: to_photo/psnr: expected" in message
    assert "1 as in evaluation.json" in message
    change(copies / "alone", step=1)
    message = refused(copies, capsys)
    assert "expected an evaluation.json of step 0 or 0 like the checkpoints, got step 1" in message


def test_wrong_arguments_are_refused(copies, capsys):
    assert "--reference: expected one of taught, alone, got 'other'" in refused(
        copies, capsys, "--reference=other"
    )
    assert "to_sketch/ssim" in refused(copies, capsys, "--metric=to_sketch/lpips")
    assert "*.svg, *.png, *.pdf, got" in refused(
        copies, capsys, f"--plot={copies / 'plot.gif'}", code=2
    )
    assert "--rounds: expected" in refused(copies, capsys, "--cost=latency", code=2)
    assert "--pairs: expected 0 or more, got -1" in refused(copies, capsys, "--pairs=-1", code=2)


def test_distances_are_taken_over_pairs_spread_over_the_split(reported):
    _, root = reported
    canvases = runs.test_pairs(runs.read("taught", root / "taught"))
    last = len(canvases) - 1
    some = comparison._spread(canvases, 3)
    assert some.id == [canvases.id[i] for i in (0, round(last / 2), last)]
    for name, array in canvases.batch(np.array([last])).items():
        np.testing.assert_array_equal(some.batch(np.array([2]))[name], array)
    assert comparison._spread(canvases, 1).id == canvases.id[:1]
    assert comparison._spread(canvases, 99).id == canvases.id
