"""Cards of the zoo: which models there are, and all that is known of each."""

import dataclasses
import difflib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from fsketch.core import errors, images, names, paths

PACKAGE = pathlib.Path(__file__).parent
VARIABLE = "FSKETCH_MODELS"  # of the environment: a folder of more entries
NONE = (
    f"none: name a run by --workdir, or a folder of models by --zoo or ${VARIABLE} "
    "(`fsketch export --format=zoo` makes a model of a run)"
)


@dataclasses.dataclass(frozen=True)
class Card:
    """A model of one direction.

    Attributes:
      name: a plain file name.
      direction: "to_sketch" or "to_photo".
      summary: a sentence.
      parameters: their number.
      bytes, sha256: of the file of weights.
      config: how to build the net: model (the section of a run's configuration), channels (of its
        images, in and out), fill (of the canvas around an image: 0..255, or None for mirror
        images), crop_px (the canvas's side).
      training_data: what it learnt from.
      terms: of the training data, which whoever uses the model must know.
      scores: list of {"protocol": ..., "data": ..., "images": ..., METRIC: number}.
      command: that trained it.
      version: of fsketch that wrote it.
      date: of that day, YYYY-MM-DD.
      styles: names, where the model has several.
      folder: where the entry lies; not in the file.
    """

    name: str
    direction: str
    summary: str
    parameters: int
    bytes: int
    sha256: str
    config: dict[str, Any]
    training_data: str
    terms: str
    scores: list[dict[str, Any]]
    command: str
    version: str
    date: str
    styles: list[str]
    folder: pathlib.Path

    @property
    def weights(self) -> pathlib.Path:
        """The file of weights."""
        return self.folder / f"{self.name}.safetensors"

    def to_json(self) -> str:
        """The content of the card's file."""
        told = {name: value for name, value in vars(self).items() if name != "folder"}
        return json.dumps(told, indent=2) + "\n"


_FIELDS = {field.name for field in dataclasses.fields(Card)} - {"folder"}


def cards(zoo: str) -> list[Card]:
    """All models, those of one folder by name; of two of one name, the nearer.

    zoo: a folder that comes before all others; "" = none.  ValueError: a folder that is not there,
    or a card that cannot be read.
    """
    found: dict[str, Card] = {}
    for folder in _folders(zoo):
        for path in sorted(folder.glob("*.json")):
            card = _read(path)
            found.setdefault(card.name, card)
    return list(found.values())


def find(name: str, *, zoo: str = "") -> Card:
    """The model of this name; ValueError lists the names there are."""
    known = {card.name: card for card in cards(zoo)}
    if name in known:
        return known[name]
    if not known:
        raise ValueError(f"model: expected {names.quoted(name)}, got {NONE}")
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise ValueError(f"model: expected one of {', '.join(known)}, got {names.quoted(name)}{hint}")


def default(direction: str, *, zoo: str = "") -> Card:
    """The first model of this direction; ValueError if there is none."""
    known = cards(zoo)
    for card in known:
        if card.direction == direction:
            return card
    there = ", ".join(f"{card.name} ({card.direction})" for card in known)
    raise ValueError(f"model: expected one of direction {direction}, got {there or NONE}")


def _folders(zoo: str) -> Iterator[pathlib.Path]:
    for given in (zoo, paths.expanded(os.environ.get(VARIABLE, ""))):
        if given and not os.path.isdir(given):
            raise ValueError(f"--zoo or ${VARIABLE}: expected a folder of models, got {given}")
        if given:
            yield pathlib.Path(given)
    yield PACKAGE


def _read(path: pathlib.Path) -> Card:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected a model's card, got no JSON ({error})") from None
    if not isinstance(told, dict) or told.keys() != _FIELDS:
        wrong = sorted(told.keys() ^ _FIELDS) if isinstance(told, dict) else type(told).__name__
        raise ValueError(
            f"{path}: expected a model's card with the fields {', '.join(sorted(_FIELDS))}, got a "
            f"difference in {wrong}"
        )
    if told["name"] != path.stem:
        raise ValueError(errors.told(f"{path}: name", got=repr(told["name"]), expected=path.stem))
    if told["direction"] not in images.DIRECTIONS:
        expected = " or ".join(images.DIRECTIONS)
        got = repr(told["direction"])
        raise ValueError(errors.told(f"{path}: direction", got=got, expected=expected))
    return Card(**told, folder=path.parent)
