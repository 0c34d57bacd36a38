"""A model of the zoo as a translator."""

import hashlib
from collections.abc import Mapping

import numpy as np
import safetensors.numpy
from flax import linen as nn
from flax import traverse_util
from ml_collections import ConfigDict

from fsketch import translator
from fsketch.core import drawing_styles, history, images, types
from fsketch.nets import students
from fsketch.zoo import cards


def load(card: cards.Card, *, style: str = "") -> translator.Translator:
    """The translator of a card; style: one of the card's, "": the first.

    Raises ValueError for weights that are not the card's, and for a style that the model does not
    have, and as `build`.
    """
    style = drawing_styles.chosen(style, card.styles, of=card.name)
    return build(card, weights(card), style=style)


def build(
    card: cards.Card, arrays: Mapping[str, np.ndarray], *, style: str
) -> translator.Translator:
    """The translator of a card with weights by flat name; they are computed with in 32 bits.

    style: one of the card's, "" where it has none.  Raises ValueError for a card that this version
    cannot build.
    """
    source, target = images.DIRECTIONS[card.direction]
    net, channels = module(card), dict(zip((source, target), card.config["channels"], strict=True))
    shares = drawing_styles.shares(style, card.styles)
    floats = {name: array.astype(np.float32) for name, array in arrays.items()}

    def predict(weights: types.PyTree, batch: types.Batch) -> types.Predictions:
        return {target: net.apply(weights, batch[source], *shares.values(), train=False)[0]}

    return translator.Translator(
        translator.Net(
            direction=card.direction,
            predict=predict,
            weights=traverse_util.unflatten_dict(floats, sep="/"),
            channels=channels,
            fills={source: card.config["fill"]},
            crop_px=card.config["crop_px"],
            image_px=(),
            origin=f"fsketch {card.direction} by {card.name}, weights {card.sha256[:16]}"
            + f", style {style}" * bool(style),
        )
    )


def module(card: cards.Card) -> nn.Module:
    """The net of a card; ValueError for a card that this version cannot build."""
    try:
        config = history.completed(card.config, card.version)
        if not {"channels", "fill", "crop_px"} <= config.keys():
            raise KeyError("channels, fill or crop_px is missing")
        return students.translator(ConfigDict(config["model"]), features=config["channels"][1])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{card.folder / card.name}.json: expected a card of fsketch {card.version}, got one "
            f"that cannot be built ({error})"
        ) from error


def weights(card: cards.Card) -> dict[str, np.ndarray]:
    """The weights by flat name; ValueError if the file is not the card's."""
    content = card.weights.read_bytes() if card.weights.is_file() else b""
    got = hashlib.sha256(content).hexdigest() if content else "no file"
    if got != card.sha256:
        raise ValueError(
            f"{card.weights}: expected the SHA-256 {card.sha256} of its card, got {got}; install "
            "or copy the model again"
        )
    return safetensors.numpy.load(content)
