"""The content of a report as one dictionary of plain data, and the scores behind it."""

import json
import os
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from fsketch import evaluate, prediction
from fsketch.core import checkpoint, images, progress, state, types
from fsketch.data import augment, pipeline
from fsketch.frozen import registry, teachers
from fsketch.methods import students
from fsketch.nets import students as nets
from fsketch.report import cost, distances, quality, runs
from fsketch.scoring import results

PACKAGES = ("fsketch", "jax", "jaxlib", "flax", "numpy")
NUM_CALIBRATION = 64  # training pairs for a teacher that no run has; the default of configs/
COUNTED = (
    "Parameters: those that a prediction depends on, found in its program. Left out: other "
    "parameters of the same players and nets, such as adapters to a teacher's shapes; critics and "
    "optimizers are not counted. kB: a safetensors file of the counted parameters in float32. "
    "FLOP: XLA's count for one image on its canvas, compiled for this device; a multiply-add is "
    "two. Latency: from a batch on the device to its images there, on one device."
)


class Options(NamedTuple):
    """reference: a label, "" = the first run.  metric: for the plot, "" = FSIM if available.

    teacher: a path, for runs without a teacher of their own.  num_rounds: largest number of timing
    rounds, 0 = no timings.  num_pairs: test pairs for the feature distances, spread over the split,
    0 = no distances.  data_dir, manual_dir: where the reference's training pairs are now, needed
    only to scale the maps of a teacher that no run has to unit mean square.
    """

    reference: str = ""
    metric: str = ""
    teacher: str = ""
    num_rounds: int = 7
    num_pairs: int = 16
    is_different_allowed: bool = False
    seed: int = 0
    data_dir: str = ""
    manual_dir: str = ""


class Comparison(NamedTuple):
    """content: plain data for JSON.  scores: direction -> scores of the comparable runs."""

    content: dict[str, Any]
    scores: dict[str, results.Result]


class _Model(NamedTuple):
    """A row: a translator of a run, or a teacher of one or more runs (direction "")."""

    name: str
    direction: str
    labels: list[str]
    config: ConfigDict  # of the (first) run, whose images it sees
    model: cost.Model

    def batch(self, size: int) -> types.Batch:
        """Noise in the shape of `size` of its images."""
        channels, side_px = prediction.channels(self.config), self.config.data.crop_px
        return cost.batch_of(size, side_px=side_px, channels=channels)


def compare(folders: Mapping[str, Path], options: Options) -> Comparison:
    """Compares all runs with the reference; ValueError if something is missing or differs."""
    label = options.reference or next(iter(folders))
    if label not in folders:
        raise ValueError(f"--reference: expected one of {', '.join(folders)}, got {label!r}")
    found = runs.read_all(folders)
    reference = found[label]
    found = {label: reference, **found}
    different = {name: runs.differences(run, reference) for name, run in found.items()}
    if any(different.values()) and not options.is_different_allowed:
        lines = [f"    {name}: {line}" for name, its in different.items() for line in its]
        raise ValueError(
            "these runs cannot be compared (--allow_different reports them with marked rows):\n"
            + "\n".join(lines)
        )
    metric = options.metric or _default_metric(reference)
    known = [name for name in reference.evaluation["metrics"] if "/" in name]
    if metric not in known:
        raise ValueError(f"--metric: expected one of {', '.join(known)} of {label}, got {metric!r}")
    main = (label, metric.split("/")[0])

    scored, scores = quality.measure(list(found.values()), different, seed=options.seed)
    models = [*_translators(found), *_teachers(found)]
    sizes = sorted({1, reference.config.eval_batch_size})
    costs = _costs(models, main, sizes, num_rounds=options.num_rounds)
    apart = _distances(found, reference, options)
    rows = []
    for model, its_cost in zip(models, costs, strict=True):
        key = (model.name, model.direction)
        rows.append(
            {"name": model.name, "direction": model.direction, "runs": model.labels}
            | its_cost
            | scored.get(key, {"quality": None, "differences": None})
            | {"distances": apart.get(key)}
        )
    content = {
        "reference": label,
        "metric": metric,
        "protocol": reference.evaluation["protocol"],
        "convention": reference.evaluation["convention"],
        "data": reference.evaluation["data"],
        "split": reference.evaluation["split"],
        "num_images": reference.evaluation["num_images"],
        "canvas_px": reference.config.data.crop_px,
        "counted": COUNTED,
        "interval": results.INTERVAL,
        "versions": {package: metadata.version(package) for package in PACKAGES},
        "device": _device(),
        "num_rounds": options.num_rounds,
        "num_pairs": min(options.num_pairs, reference.evaluation["num_images"]),
        "batch_sizes": sizes,
        "runs": {name: _facts(run, different[name]) for name, run in found.items()},
        "models": rows,
        "notes": list(dict.fromkeys(n for result in scores.values() for n in result.notes)),
    }
    return Comparison(content, scores)


def _default_metric(run: runs.Run) -> str:
    names = [name for name in run.evaluation["metrics"] if "/" in name]
    return next((name for name in names if name.endswith("/fsim")), names[0])


def _facts(run: runs.Run, different: list[str]) -> dict[str, Any]:
    return {
        "workdir": str(run.workdir),
        "method": run.config.method,
        "evaluated_step": run.evaluation["step"],
        "teachers": {role: registry.path_of(net) for role, net in run.frozen.items()},
        "different": different,
        "training": run.training._asdict(),
        "config": checkpoint.to_json(run.config),
    }


def _device() -> dict[str, Any]:
    device = jax.devices()[0]
    return {
        "platform": device.platform,
        "kind": device.device_kind,
        "num_cpu_cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
    }


def _translators(found: Mapping[str, runs.Run]) -> Iterator[_Model]:
    for label, run in found.items():
        for direction in run.directions:
            _, kind = images.DIRECTIONS[direction]

            def function(
                variables: types.PyTree, batch: types.Batch, run: runs.Run = run, kind: str = kind
            ) -> jax.Array:
                frozen = {
                    role: net.replace(variables=variables["frozen"][role])
                    for role, net in run.frozen.items()
                }
                return run.method.predict(variables["state"], frozen, batch)[kind]

            players = {k: p.replace(opt_state={}) for k, p in run.state.players.items()}
            variables = {
                "state": run.state.replace(players=players, memory={}),
                "frozen": {role: net.variables for role, net in run.frozen.items()},
            }
            yield _Model(label, direction, [label], run.config, cost.Model(function, variables))


def _teachers(found: Mapping[str, runs.Run]) -> Iterator[_Model]:
    """One row for each teacher net: it computes its maps of a photo."""
    nets: dict[tuple[str, int], tuple[state.Frozen, ConfigDict, list[str]]] = {}
    for label, run in found.items():
        for role, net in run.frozen.items():
            if role.startswith("teacher"):
                place = (net.spec, run.config.data.crop_px)
                *_, labels = nets.setdefault(place, (net, run.config, []))
                if label not in labels:
                    labels.append(label)
    for net, config, labels in nets.values():

        def function(
            variables: types.PyTree, batch: types.Batch, net: state.Frozen = net
        ) -> types.Taps:
            return net.replace(variables=variables["teacher"])(batch["photo"])

        name = "teacher" if len(nets) == 1 else f"teacher of {', '.join(labels)}"
        yield _Model(name, "", labels, config, cost.Model(function, {"teacher": net.variables}))


def _costs(
    models: list[_Model], main: tuple[str, str], sizes: list[int], *, num_rounds: int
) -> list[dict[str, Any]]:
    """Parameters, bytes, FLOP and latency of each model, and their ratios to the reference.

    The reference is its translator of the same direction or, without one, `main`.
    """
    rows, calls = [], {size: {} for size in sizes}
    for i, row in enumerate(progress.track(models, "compiling models", len(models))):
        leaves = cost.needed(row.model, row.batch(1))
        by_player = cost.parameters(leaves)
        variables = jax.device_put(row.model.variables, jax.devices()[0])
        flop = None
        for size in sizes:
            batch = jax.device_put(row.batch(size), jax.devices()[0])
            program = cost.compiled(row.model._replace(variables=variables), batch)
            if size == 1:
                flop = cost.flops(program)
            calls[size][i] = lambda p=program, v=variables, b=batch: p(v, b)
        rows.append(
            {
                "parameters": sum(by_player.values()),
                "parameters_by_player": by_player,
                "training_only": cost.left_out(row.model, leaves),
                "bytes": cost.num_bytes(leaves),
                "flop_per_image": flop,
            }
        )
    seconds = {
        size: cost.times(its, num_rounds=num_rounds) if num_rounds else {}
        for size, its in calls.items()
    }
    places = {(model.name, model.direction): i for i, model in enumerate(models)}
    for i, (model, row) in enumerate(zip(models, rows, strict=True)):
        other = places.get((main[0], model.direction), places[main])
        row["latency"] = {
            str(size): {
                "num_rounds": len(its[i]),
                **cost.spread(its[i]),
                "ratio": cost.ratio(its[i], its[other]),
            }
            for size, its in seconds.items()
            if its
        }
        row["ratios"] = {
            name: row[name] / rows[other][name] if row[name] and rows[other][name] else None
            for name in ("parameters", "bytes", "flop_per_image")
        }
    return rows


def _distances(
    found: Mapping[str, runs.Run], reference: runs.Run, options: Options
) -> dict[tuple[str, str], dict[str, Any]]:
    """(label, direction) -> distances of each student to its own or to the given teacher."""
    result: dict[tuple[str, str], dict[str, Any]] = {}
    given: students.Teachers = {}
    if not options.num_pairs:
        return result
    for label, run in found.items():
        roles = [
            role
            for role in students.ROLES
            if role in run.state.players and isinstance(run.state[role].net, nets.Student)
        ]
        teachers = _own_teachers(run)
        if roles and not teachers and options.teacher:
            given = given or _given_teachers(found, reference, options)
            teachers = given
        if not teachers or not roles:
            continue
        canvases = _spread(runs.test_pairs(run), options.num_pairs)
        for role in roles:
            size = run.config.eval_batch_size
            batches = (
                (augment.scale({k: jnp.asarray(b[k]) for k in students.DOMAINS}), b["mask"])
                for b in progress.track(
                    pipeline.evaluation_batches(canvases, size),
                    f"feature distances of {label}, {role}, batches of test pairs",
                    -(-len(canvases) // size),
                )
            )
            terms = distances.measure(run.state[role], role, teachers, batches)
            result[label, f"to_{students.ROLES[role][1]}"] = {
                "teachers": {d: registry.path_of(net) for d, net in teachers.items()},
                "is_own_teacher": bool(_own_teachers(run)),
                **{
                    term: {tap: value._asdict() for tap, value in taps.items()}
                    for term, taps in terms.items()
                },
            }
    return result


def _spread(canvases: pipeline.AnyCanvases, count: int) -> pipeline.AnyCanvases:
    """`count` pairs, evenly spaced in their order; all pairs if there are fewer."""
    count = min(count, len(canvases))
    return canvases.take(np.linspace(0, len(canvases) - 1, count).round().astype(int))


def _own_teachers(run: runs.Run) -> students.Teachers:
    """The run's teachers by domain: one for each domain, or one for both."""
    both = run.frozen.get("teacher")
    found = {domain: run.frozen.get(f"teacher_{domain}", both) for domain in students.DOMAINS}
    return {domain: net for domain, net in found.items() if net is not None}


def _given_teachers(
    found: Mapping[str, runs.Run], reference: runs.Run, options: Options
) -> students.Teachers:
    """The teacher of --teacher: taken from a run that has it, or calibrated here.

    A run's teacher is used only if its method scaled it to unit mean square on both domains.
    """
    teacher = registry.load("teacher", options.teacher)
    for run in found.values():
        net = run.frozen.get("teacher")
        if net is None:
            continue
        different = registry.differences(json.loads(net.spec), json.loads(teacher.spec))
        if set(different) <= {"taps"}:  # the run's own taps serve as well
            return dict.fromkeys(students.DOMAINS, net)
    data = reference.config.data.copy_and_resolve_references()
    with data.unlocked():
        data.data_dir = options.data_dir or data.data_dir
        data.manual_dir = options.manual_dir or data.manual_dir
    canvases = evaluate.load_canvases(data, data.train, canvas_px=data.canvas_px)
    canvases = _spread(canvases, NUM_CALIBRATION)
    pairs = (
        augment.scale({k: jnp.asarray(batch[k]) for k in students.DOMAINS})
        for batch in pipeline.evaluation_batches(canvases, 1)
    )
    return dict.fromkeys(students.DOMAINS, teachers.calibrate(teacher, pairs))
