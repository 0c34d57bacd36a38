"""The nets of a page: the face finder, and translators of runs."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from fsketch import prediction, restore, translator
from fsketch.convert import files
from fsketch.core import images, trees
from fsketch.demo import pages
from fsketch.export import detector as exported
from fsketch.export import onnx_file, sources
from fsketch.faces import align, detector
from fsketch.zoo import cards, nets


def finder() -> dict[str, bytes]:
    """{file name: ONNX} of the three nets that find faces."""
    _, params = files.read(str(detector.WEIGHTS))
    return exported.serialized(params, {"source": "MTCNN, see mtcnn-LICENSE.txt"})


def of_run(workdir: str, *, checkpoint: str = "best") -> list[pages.Model]:
    """The translators of a run, one for each direction that it offers."""
    restored = restore.run(workdir, kind=checkpoint)
    name = os.path.basename(os.path.abspath(workdir))
    made = []
    for direction in translator.directions(restored):
        styles = prediction.styles(restored.config, direction=direction) or ("",)
        in_styles = {
            style: sources.of(restored, direction, name=name, style=style) for style in styles
        }
        source = in_styles[styles[0]]
        data, step = source.about["data"], int(source.about["step"])
        told = {
            "name": f"{name}-{images.DIRECTIONS[direction][1]}",
            "summary": f"Trained on {data} for {step:,} steps.",
            "terms": f"Terms: those of {data}.",
            "fill": source.fill,
        }
        own = translator.load_translator(workdir, direction, checkpoint=checkpoint)
        made.append(_model(in_styles, own, told))
    return made


def of_zoo(names: Sequence[str], zoo: str) -> list[pages.Model]:
    """Models by name, or all if none is named; zoo: a folder that comes first, "" = none."""
    found = [cards.find(name, zoo=zoo) for name in names] or cards.cards(zoo)
    if not found:
        raise ValueError(f"model: {cards.NONE}")
    return [_of_card(card) for card in found]


def _of_card(card: cards.Card) -> pages.Model:
    """A model of the zoo."""
    in_styles = {style: sources.of_card(card, style=style) for style in card.styles or [""]}
    told = {
        "name": card.name,
        "summary": f"{_capital(card.summary)}. Trained on {card.training_data}.",
        "terms": f"Terms: {card.terms}.",
        "fill": card.config["fill"],
    }
    return _model(in_styles, nets.load(card), told, half=True)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _model(
    in_styles: Mapping[str, sources.Source],
    own: translator.Translator,
    told: Mapping[str, Any],
    *,
    half: bool = False,
) -> pages.Model:
    """in_styles: a net by its styles; own: the same net; half: it has 16-bit weights already."""
    if problem := own.problem(align.FRAME):
        raise ValueError(f"--workdir: {problem}")
    canvas = own.canvas(align.FRAME)
    graphs = {
        style: onnx_file.serialized(source, size=canvas, is_uint8=True, half=half)
        for style, source in in_styles.items()
    }
    source = next(iter(in_styles.values()))
    return pages.Model(
        {
            **told,
            "direction": source.direction,
            "parameters": trees.count(source.variables["params"]),
            "channels": source.channels[0],
            "canvas": canvas,
        },
        graphs,
    )
