"""The nets of a page: the face finder, and translators of runs."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from flax import traverse_util

from fsketch import restore, translator
from fsketch.convert import files
from fsketch.core import trees
from fsketch.demo import pages
from fsketch.export import detector as exported
from fsketch.export import onnx_file, sources
from fsketch.faces import align, detector
from fsketch.zoo import cards, nets

# Of the face finder: file of export/detector.py -> net of nets/mtcnn.py, and what that file calls
# its dense layer, a convolution over a map of 3 x 3.
_FINDER = {"pnet": ("proposal", ""), "rnet": ("refinement", "conv4"), "onet": ("output", "conv5")}


def finder() -> dict[str, bytes]:
    """{file name: ONNX} of the three nets that find faces."""
    _, params = files.read(str(detector.WEIGHTS))
    weights = {
        file: {
            dense if name == "dense" else name: _convolution(layer, 3 if name == "dense" else 1)
            for name, layer in params[net].items()
        }
        for file, (net, dense) in _FINDER.items()
    }
    return exported.serialized(weights, {"source": "MTCNN, see mtcnn-LICENSE.txt"})


def _convolution(layer: dict[str, np.ndarray], side: int) -> dict[str, np.ndarray]:
    """A layer in float32; a dense kernel as that of a convolution over a map of `side`."""
    arrays = {name: np.asarray(array, np.float32) for name, array in layer.items()}
    if "kernel" in arrays and arrays["kernel"].ndim == 2:
        num_outputs = arrays["kernel"].shape[1]
        arrays["kernel"] = arrays["kernel"].reshape(side, side, -1, num_outputs)
    return arrays


def of_run(workdir: str, *, checkpoint: str = "best") -> list[pages.Model]:
    """The translators of a run, one for each direction that it offers."""
    restored = restore.run(workdir, kind=checkpoint)
    name = os.path.basename(os.path.abspath(workdir))
    made = []
    for direction in translator.directions(restored):
        source = sources.of(restored, direction, name=name)
        data, step = source.about["data"], int(source.about["step"])
        told = {
            "name": f"{name}-{sources.DIRECTIONS[direction][1]}",
            "summary": f"Trained on {data} for {step:,} steps.",
            "terms": f"Terms: those of {data}.",
            "fill": source.fill,
        }
        own = translator.load_translator(workdir, direction, checkpoint=checkpoint)
        made.append(_model(source, own, told))
    return made


def of_zoo(names: Sequence[str], zoo: str) -> list[pages.Model]:
    """Models by name, or all if none is named; zoo: a folder that comes first, "" = none."""
    found = [cards.find(name, zoo=zoo) for name in names] or cards.cards(zoo)
    if not found:
        raise ValueError(f"model: {cards.NONE}")
    return [_of_card(card) for card in found]


def _of_card(card: cards.Card) -> pages.Model:
    """A model of the zoo."""
    arrays = nets.weights(card)
    flat = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    source = sources.Source(
        restored=None,
        direction=card.direction,
        net=nets.module(card),
        variables=traverse_util.unflatten_dict(flat, sep="/"),
        translate=None,
        channels=tuple(card.config["channels"]),
        about={"run": card.name, "terms": card.terms},
    )
    summary = f"{card.summary[:1].upper()}{card.summary[1:]}"
    told = {
        "name": card.name,
        "summary": f"{summary}. Trained on {card.training_data}.",
        "terms": f"Terms: {card.terms}.",
        "fill": card.config["fill"],
    }
    return _model(source, nets.build(card, arrays), told, half=True)


def _model(
    source: sources.Source,
    own: translator.Translator,
    told: Mapping[str, Any],
    *,
    half: bool = False,
) -> pages.Model:
    """own: the same net; half: its weights are 16-bit numbers already."""
    if problem := own.problem(align.FRAME):
        raise ValueError(f"--workdir: {problem}")
    canvas = own.canvas(align.FRAME)
    graph = onnx_file.serialized(source, size=canvas, is_uint8=True, half=half)
    return pages.Model(
        {
            **told,
            "direction": source.direction,
            "parameters": trees.count(source.variables["params"]),
            "channels": source.channels[0],
            "canvas": canvas,
        },
        {"": graph},
    )
