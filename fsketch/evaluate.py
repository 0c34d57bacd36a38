"""Evaluation of a method's predictions on a split, by a named protocol (scoring/protocols.py).

Outputs are cut out of their padding and rounded to 8 bits, then scored as `fsketch score` scores
folders: the numbers of a workdir are those of the images that it writes.  Predictions that are
embeddings are compared as `embedding_metrics` says.  No image's output depends on its neighbours;
on CPU nor on the batch size or the number of devices, to the bit (prediction.py).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from fsketch import prediction, restore
from fsketch.core import (
    errors,
    exchange,
    images,
    mapping,
    parallel,
    progress,
    state,
    types,
    writers,
)
from fsketch.data import augment, coarse, pipeline, records, sources
from fsketch.methods import interface
from fsketch.metrics import retrieval, verification
from fsketch.scoring import matching, measures, protocols

# What stands for a protocol where no images are compared -> the convention.
EMBEDDINGS = {
    "embeddings": "rank1: the nearest other picture, by cosine; accuracy, auc: verification of all "
    "pairs of one person and as many of two, by squared Euclidean distance at length 1, accuracy "
    "in ten folds with the threshold of the other nine; mse, cosine: student and teacher"
}
UNSCORED = {"none": "images are not scored: no metric here judges a style"}


def predictions(
    predict: mapping.Predict, canvases: pipeline.AnyCanvases, *, batch_size: int
) -> Iterator[tuple[types.Batch, types.Predictions]]:
    """(example, predictions) of each pair once, in order, as numpy; padding examples are dropped.

    An example has the images uint8, identity, box and index of `pipeline.evaluation_batches`.
    """
    for batch in pipeline.evaluation_batches(canvases, batch_size):
        outputs = predict(pipeline.for_method(batch))
        for i in np.flatnonzero(batch["mask"]):
            yield tuple({n: array[i] for n, array in part.items()} for part in (batch, outputs))


class Scores(NamedTuple):
    """images: direction -> metric -> float64[N], of each pair; others: what sets give, by name."""

    images: dict[str, dict[str, np.ndarray]]
    others: dict[str, float]

    def means(self, places: Sequence[int] | None = None) -> dict[str, float]:
        """Means over pairs, all or these: "to_sketch/ssim", "to_photo/..."."""
        return {
            f"{direction}/{metric}": float(np.mean(values if places is None else values[places]))
            for direction, scores in self.images.items()
            for metric, values in scores.items()
        }


def evaluate(
    predict: mapping.Predict, canvases: pipeline.AnyCanvases, **options: Any
) -> dict[str, float]:
    """Mean metrics over a split: "to_sketch/ssim", "to_photo/...", or those of embeddings.

    options: those of `score`.
    """
    scored = score(predict, canvases, **options)
    return {**scored.means(), **scored.others}


def score(
    predict: mapping.Predict,
    canvases: pipeline.AnyCanvases,
    *,
    batch_size: int,
    protocol: str | None,
    folder: epath.Path | None = None,
    border_px: int = 0,
) -> Scores:
    """The scores of a split.

    protocol: a key of `protocols.PROTOCOLS`; ValueError for images of a size it does not admit.
      None: no images are compared.
    folder: where given, the images that are compared go there, for `fsketch score`.
    border_px: pixels at every side that are not compared.
    """
    names = protocols.get(protocol).image_metrics if protocol else ()
    scorers: dict[str, protocols.ImageScorer] = {}
    embeddings: dict[str, list[np.ndarray]] = {}
    made = predictions(predict, canvases, batch_size=batch_size)
    for example, outputs in progress.track(made, "evaluating", len(canvases)):
        for name, value in outputs.items():
            if name.startswith("embedding"):
                embeddings.setdefault(name, []).append(value)
        id, box = canvases.id[example["index"]], example["box"]
        for direction, (_, kind) in images.DIRECTIONS.items():
            if kind not in outputs:
                continue
            if not np.isfinite(outputs[kind]).all():
                raise FloatingPointError(f"{id}: fake {kind} is not finite")
            truth = pipeline.cut(example[kind], box)
            output = images.to_uint8(pipeline.cut(outputs[kind], box))
            if protocol:
                check_size(protocol, id, truth.shape[:2])
            if direction not in scorers:
                ready = measures.ready(names, measures.Options())
                scorers[direction] = protocols.ImageScorer(ready)
            inner = tuple(slice(border_px, side - border_px) for side in truth.shape[:2])
            scorers[direction].add(truth[inner], output[inner])
            if folder is not None:
                for name, image in ((kind, truth), (direction, output)):
                    (folder / name).mkdir(exist_ok=True)
                    writers.write_png(folder / name / f"{id}.png", image)
    others = {}
    if embeddings:
        if len(np.unique(canvases.identity)) == len(canvases):
            progress.say("note: no person has two pictures, so rank1 is not scored")
        arrays = {name.removeprefix("embedding_"): np.stack(e) for name, e in embeddings.items()}
        others = embedding_metrics(arrays, canvases.identity)
    return Scores({name: scorer.scores() for name, scorer in scorers.items()}, others)


def by_style(scored: Scores, drawn_in: Sequence[str]) -> dict[str, dict[str, float]]:
    """{style: its "images" and means}, for images drawn in these styles; {} of fewer than two."""
    styles = np.asarray(drawn_in)
    found = {}
    for style in dict.fromkeys(drawn_in):
        places = np.flatnonzero(styles == style)
        found[style] = {"images": len(places), **scored.means(places)}
    return found if len(found) > 1 else {}


def check_size(protocol: str, id: str, size: tuple[int, int]) -> None:
    """Raises ValueError unless the protocol takes an image of this (height, width)."""
    if problem := protocols.size_problem(size[::-1], protocols.get(protocol).size_px):
        got, expected = problem
        raise ValueError(
            errors.told(f"protocol {protocol}, image {id}", got=got, expected=expected)
        )


def check_metric(
    config: ConfigDict,
    method: interface.Method,
    train_state: state.TrainState,
    frozen: interface.Frozens,
    canvases: pipeline.AnyCanvases,
) -> None:
    """Raises ValueError unless best_metric is "" or one of `metric_names`."""
    if not config.best_metric:
        return
    known = metric_names(method, train_state, frozen, canvases, protocol=config.protocol)
    if config.best_metric not in known:
        got = repr(config.best_metric)
        expected = f"one of {', '.join(known)}" if known else "'', as this split gives no metric"
        raise ValueError(errors.told("best_metric", got=got, expected=expected))


def metric_names(
    method: interface.Method,
    train_state: state.TrainState,
    frozen: interface.Frozens,
    canvases: pipeline.AnyCanvases,
    *,
    protocol: str,
) -> list[str]:
    """What `evaluate` will return for this split, without predicting anything, by shapes alone."""
    outputs = jax.eval_shape(
        lambda *states, batch: method.predict(*states, augment.scale(batch)),
        train_state,
        frozen,
        batch=pipeline.for_method(next(pipeline.evaluation_batches(canvases, 1))),
    )
    metrics = protocols.get(protocol).image_metrics
    names = [
        f"{direction}/{metric}"
        for direction, (_, kind) in images.DIRECTIONS.items()
        if kind in outputs
        for metric in metrics
    ]
    embeddings = {
        name.removeprefix("embedding_"): np.ones((len(canvases), output.shape[-1]))
        for name, output in outputs.items()
        if name.startswith("embedding")
    }
    if embeddings:
        names.extend(embedding_metrics(embeddings, canvases.identity))
    return sorted(names)


def embedding_metrics(embeddings: dict[str, np.ndarray], identity: np.ndarray) -> dict[str, float]:
    """What embeddings float[N, D] of N pictures say; identity int32[N].

    photo and sketch: "rank1", sketches looking for another photo of their person; {} where no
    person has two pictures.
    one of them: "rank1" among these, "accuracy" and "auc" of verification (`pairs_within`).
    student and teacher: "mse" and "cosine" between them, means over pictures; where persons have
    several pictures, also "student_accuracy", "teacher_auc" and so on.
    """
    result = {}
    if embeddings.keys() == {"student", "teacher"}:
        student, teacher = embeddings["student"], embeddings["teacher"]
        result["mse"] = float(np.square(student - teacher).mean())
        result["cosine"] = float(np.mean(verification.cosine(student, teacher)))
        if len(np.unique(identity)) == len(identity):
            return result
        verified = {f"{name}_": array for name, array in embeddings.items()}
    else:
        kinds = [kind for kind in ("photo", "sketch") if kind in embeddings]
        gallery, probe = embeddings[kinds[0]], embeddings[kinds[-1]]
        if len(np.unique(identity)) < len(identity):
            result["rank1"] = float(retrieval.rank1(probe, gallery, identity))
        verified = {} if len(kinds) == 2 else {"": gallery}
    first, second, is_same = verification.pairs_within(identity) if verified else ((),) * 3
    for prefix, array in verified.items():
        distance = verification.squared_distance(array[first], array[second])
        result[f"{prefix}accuracy"] = verification.accuracy(distance, is_same).mean
        result[f"{prefix}auc"] = verification.auc(distance, is_same)
    return result


def load_canvases(
    data: ConfigDict,
    split: str,
    *,
    canvas_px: int,
    coarse_source: coarse.Source | None = None,
    keyed: bool = False,
    styles: Sequence[str] = (),
    drawn: records.Pairs | None = None,
) -> pipeline.AnyCanvases:
    """A split of `config.data` on canvases of this side, or only numbered.

    In memory, or decoded when needed, as data.memory_mb says.  With `coarse_source` the coarse
    image of each pair is joined; keyed and styles: as in `pipeline.place`, which raises if pairs
    do not fit.  drawn: further pairs, with sketches that a teacher drew.
    """
    if data.name == pipeline.DRAWN:
        return pipeline.drawn(split)
    pairs = sources.load(data.name, split, data_dir=data.data_dir, manual_dir=data.manual_dir)
    if drawn is not None:
        pairs = records.joined(pairs, drawn)
    return pipeline.place(
        pairs,
        canvas_px=canvas_px,
        **pipeline.fills(data),
        sketch_channels=data.sketch_channels,
        image_px=tuple(data.image_px),
        coarse=coarse.read(pairs, coarse_source) if coarse_source else None,
        memory_mb=data.memory_mb,
        keyed=keyed,
        styles=styles,
        num_drawn=len(drawn) if drawn is not None else 0,
    )


def report(config: ConfigDict, metrics: dict[str, float], *, step: int, num_images: int) -> dict:
    """Metrics with everything needed to compare them: protocol, N, data, versions."""
    packages = ("fsketch", "jax", "jaxlib", "flax", "numpy")
    ((protocol, convention),) = _convention(config, metrics).items()
    return {
        "metrics": metrics,
        "protocol": protocol,
        "convention": convention,
        "num_images": num_images,
        "data": config.data.name,
        "prepared": prepared_name(config.data),
        "split": config.data.test,
        "method": config.method,
        "step": step,
        "versions": {name: metadata.version(name) for name in packages},
    }


def _convention(config: ConfigDict, metrics: Mapping[str, float]) -> dict[str, str]:
    """The protocol's name and what it says."""
    if "style" in config:
        return UNSCORED
    if not any("/" in name for name in metrics):
        return EMBEDDINGS
    return {config.protocol: protocols.get(config.protocol).about}


def prepared_name(data: ConfigDict) -> str:
    """`sources.prepared_name` of `config.data`; the source itself for faces drawn on the device."""
    if data.name == pipeline.DRAWN:
        return pipeline.DRAWN
    return sources.prepared_name(data.name, data_dir=data.data_dir, manual_dir=data.manual_dir)


def evaluate_workdir(
    workdir: str | epath.Path,
    *,
    kind: str = "best",
    split: str = "",
    data_dir: str = "",
    manual_dir: str = "",
) -> dict:
    """Scores a run's checkpoint on its test split; writes WORKDIR/evaluation.json and outputs/.

    Where the data set names styles, "by_style" in the JSON has the scores of each.
    Those of an earlier evaluation stay until all is there, and go together (core/exchange.py).
    Needs nothing but the workdir and the data; `kind` is "best" or "latest".  With another `split`
    of the data both are written to WORKDIR/splits/SPLIT.  data_dir and manual_dir say where the
    data lies now, if it moved since.
    """
    restored = restore.run(workdir, kind=kind)
    config = restored.config
    with config.unlocked():
        config.data.test = split or config.data.test
        config.data.data_dir = data_dir or config.data.data_dir
        config.data.manual_dir = manual_dir or config.data.manual_dir
    canvases = load_canvases(
        config.data,
        config.data.test,
        canvas_px=config.data.crop_px,
        coarse_source=coarse.source(config, workdir),
        styles=prediction.styles(config),
    )
    predict = prediction.predictor(restored.method)(
        parallel.replicate(restored.state), parallel.replicate(restored.frozen)
    )
    is_first = jax.process_index() == 0
    folder = matching.split_of(workdir, split) if split else epath.Path(workdir)
    scored = score(
        predict,
        canvases,
        batch_size=mapping.local_batch(config.eval_batch_size),
        protocol=None if "style" in config else config.protocol,
        folder=exchange.begin(folder) if is_first else None,
    )
    metrics = {**scored.means(), **scored.others}
    result = report(config, metrics, step=restored.step, num_images=len(canvases))
    result["by_style"] = by_style(scored, canvases.drawn_in)
    if is_first:
        content = json.dumps(result, indent=2, allow_nan=False) + "\n"
        exchange.end(folder, content.encode())
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("evaluation written")
    return result
