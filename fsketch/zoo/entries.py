"""Writes a run, in one direction, as a model of the zoo: its card and its weights.

Only students of KT, KD and KD+ become models; kernels, scales and biases are rounded to 16 bits,
running statistics are not.  The model is compared with the run before it is written.
"""

import datetime
import hashlib
import json
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
from etils import epath

import fsketch
from fsketch import prediction, restore, translator
from fsketch.core import checkpoint, errors, images, logs, names, trees, writers
from fsketch.data import pipeline
from fsketch.zoo import cards, nets

ROLE = {"to_sketch": "student_sketch", "to_photo": "student_photo"}
# Levels of 0..255 by which the rounded model may differ from its run: on average, in an image.
BOUND = 1.0

_RESEARCH = "research use, not commercial; the images must not be passed on"
# Data set -> what a card says of it: (training data, terms).
DATA = {
    "cufs": (
        "pairs of CUFS, photos and pencil sketches of faces (Wang and Tang, TPAMI 2009)",
        f"{_RESEARCH} (CUHK Multimedia Laboratory)",
    ),
    "cufsf": (
        "pairs of CUFSF: photos of FERET, sketches of CUHK (Zhang, Wang and Tang, CVPR 2011)",
        f"{_RESEARCH} (FERET's photos are given on request)",
    ),
    "fs2k": (
        "pairs of FS2K, photos of the web and sketches in three styles (Fan et al., 2022)",
        "photos of the web, not for commercial use; lists and annotations MIT",
    ),
    "styles": (
        "pairs of CUFS's CUHK and of FS2K, one artist and three styles",
        f"{_RESEARCH} (CUHK Multimedia Laboratory); FS2K: photos of the web, not commercial either",
    ),
    "procedural_faces": ("faces and sketches that fsketch draws; no person", "none"),
}


class Difference(NamedTuple):
    """Levels of 0..255 between a model and its run in an image."""

    what: str
    mean: float
    largest: int

    def __str__(self) -> str:
        return f"{self.what}: {self.mean:.3f} levels on average, {self.largest} at most"


def write_entry(
    workdir: str | os.PathLike,
    direction: str,
    name: str,
    out: str | os.PathLike,
    *,
    kind: str = "best",
    summary: str = "",
    training_data: str = "",
    terms: str = "",
) -> tuple[cards.Card, list[Difference]]:
    """Writes OUT/NAME.json and OUT/NAME.safetensors; (the card, differences to the run).

    Args:
      workdir: the run; its evaluation.json gives the scores.
      direction: "to_sketch" or "to_photo".
      name: a plain file name.
      out: a folder, made if needed.
      kind: of the checkpoint, "best" or "latest".
      summary: a sentence; "" describes the net.
      training_data, terms: for the card; "" takes them from DATA.

    Raises:
      FileNotFoundError: no checkpoint in the workdir.
      ValueError: a run of another method, a name that is not plain, data whose terms are unknown,
        or a model that differs from its run by more than BOUND.
    """
    names.check(name, "name")
    restored = restore.run(workdir, kind=kind)
    if ROLE[direction] not in restored.state.players:
        raise ValueError(
            f"{workdir}: expected a run of kt, kd or kd_plus, got {restored.config.method!r}"
        )
    data = restored.config.data.name
    known = DATA.get(data.partition("/")[0])
    told = (training_data or (known and f"{data}: {known[0]}"), terms or (known and known[1]))
    if not all(told):
        raise ValueError(
            "training_data, terms: expected what the data are and under which terms they may be "
            f"used, since data.name is {data!r}"
        )
    content, arrays = _weights(restored, direction)
    config = _config(restored, direction)
    params = [array for array_name, array in arrays.items() if array_name.startswith("params/")]
    card = cards.Card(
        name=name,
        direction=direction,
        summary=summary or _summary(config["model"], direction),
        parameters=trees.count(params),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        config=config,
        training_data=told[0],
        terms=told[1],
        scores=_scores(epath.Path(workdir), direction, step=restored.step),
        command=_command(epath.Path(workdir)),
        version=fsketch.__version__,
        date=f"{datetime.date.today()}",
        styles=list(prediction.styles(restored.config, direction=direction)),
        folder=epath.Path(out),
    )
    differences = []
    for style in card.styles or [""]:
        run = translator.load_translator(workdir, direction, checkpoint=kind, style=style)
        differences += _differences(run, nets.build(card, arrays, style=style), style)
    card.folder.mkdir(parents=True, exist_ok=True)
    writers.write_whole(card.weights, content)
    writers.write_whole(card.folder / f"{name}.json", card.to_json().encode())
    return card, differences


def _weights(restored: restore.Restored, direction: str) -> tuple[bytes, dict[str, np.ndarray]]:
    """(the file, its arrays) of the student of a direction, without what only training needs."""
    player = restored.state[ROLE[direction]].averaged()
    flat = trees.flatten({"params": player.params, **player.stats})
    arrays = {}
    for path, array in flat.items():
        collection, module, *rest = path.split("/")
        if module != "translator":  # an adapter to a teacher's maps
            continue
        kind = np.float16 if collection == "params" else np.float32
        arrays["/".join([collection, *rest])] = np.ascontiguousarray(array, kind)
    return safetensors.numpy.save(arrays), arrays


def _config(restored: restore.Restored, direction: str) -> dict[str, Any]:
    """All that builds the net and its canvas again; see `cards.Card`."""
    source, target = images.DIRECTIONS[direction]
    data, depths = restored.config.data, prediction.channels(restored.config)
    return {
        "model": checkpoint.to_json(restored.config.model),
        "channels": [depths[source], depths[target]],
        "fill": pipeline.fills(data)[f"fill_{source}"],
        "crop_px": data.crop_px,
    }


def _summary(model: Mapping[str, Any], direction: str) -> str:
    given, made = images.DIRECTIONS[direction]
    return f"{made} of a {given}: a {model['net']} student of width {model['width']}"


def _scores(workdir: epath.Path, direction: str, *, step: int) -> list[dict[str, Any]]:
    """The run's scores of this direction, if those of the same step are there."""
    path = workdir / "evaluation.json"
    report = json.loads(path.read_text()) if path.exists() else {"step": None}
    if report["step"] != step:
        return []

    def row(data: str, images: int, metrics: Mapping[str, Any]) -> dict[str, Any]:
        own = {
            name.partition("/")[2]: round(value, 4)
            for name, value in metrics.items()
            if name.startswith(f"{direction}/") and value is not None
        }
        return {"protocol": report["protocol"], "data": data, "images": images, **own}

    rows = [row(report["data"], report["num_images"], report["metrics"])]
    for style, scores in report.get("by_style", {}).items():
        rows.append(row(f"{report['data']}, style {style}", scores["images"], scores))
    return rows


def _command(workdir: epath.Path) -> str:
    """The command that began the training, by its log; folders keep their last name only."""
    for folder in (workdir, workdir.parent):  # a stage's log is that of its experiment
        path = folder / logs.FILE
        if path.exists() and (found := re.search(r"\$ (fsketch train .*)", path.read_text())):
            return re.sub(r"(?<==)[^ =]*/([^/ ]+)/?(?= |$)", r"\1", found[1])
    return ""


def _differences(
    run: translator.Translator, model: translator.Translator, style: str
) -> list[Difference]:
    """Between the two, on images of the field's size; ValueError above BOUND.

    No even image is among them: instance normalisation divides its rounding errors by nearly zero.
    """
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (10, 8, 3)).repeat(25, 0).repeat(25, 1)
    given = {"blocks of colour": blocks, "dark": blocks // 8, "light": 255 - blocks // 8}
    given["noise"] = rng.integers(0, 256, blocks.shape)
    result = []
    for what, image in given.items():
        image = image.astype(np.uint8)
        gap = np.abs(run(image).astype(int) - model(image))
        what = f"{style}, {what}" if style else what
        result.append(Difference(what, float(gap.mean()), int(gap.max())))
    if bad := [difference for difference in result if difference.mean > BOUND]:
        got = "; ".join(map(str, bad))
        raise ValueError(
            errors.told("the model", got=got, expected=f"its run's images within {BOUND} levels")
        )
    return result
