"""fsketch models [NAME]: the models of the zoo, or all that is known of one."""

import json
from collections.abc import Sequence

import tabulate

from fsketch.core import arguments
from fsketch.zoo import cards

_WIDTHS = [None, None, None, None, 34, 34, 34]  # of the table's columns, in characters


def parser() -> arguments.Parser:
    """The command line."""
    result = arguments.Parser("models", description="List the models, or print a model's card.")
    result.add_argument("name", nargs="?", metavar="NAME", help="of the model whose card to print")
    result.path("--zoo", default="", metavar="DIR", help="a folder of more models")
    return result


def main(words: Sequence[str]) -> None:
    """Prints the table or the card."""
    flags = parser().parse_args(words)
    if flags.name is not None:
        print(card_text(cards.find(flags.name, zoo=flags.zoo)))
        return
    known = cards.cards(flags.zoo)
    if not known:
        raise ValueError(f"models: expected some, got {cards.NONE}")
    heads = ("name", "direction", "parameters", "bytes", "training data", "terms", "scores")
    rows = [
        (
            card.name,
            card.direction,
            f"{card.parameters:,}",
            f"{card.bytes:,}",
            card.training_data,
            card.terms,
            "; ".join(map(score_text, card.scores)) or "-",
        )
        for card in known
    ]
    print(tabulate.tabulate(rows, heads, maxcolwidths=_WIDTHS, disable_numparse=True))


def card_text(card: cards.Card) -> str:
    """All fields of a card, one a line."""
    told = json.loads(card.to_json())
    told["config"] = json.dumps(told["config"])
    told["scores"] = "; ".join(map(score_text, card.scores)) or "-"
    told["styles"] = ", ".join(card.styles) or "one"
    told["file"] = card.weights
    width = max(map(len, told)) + 2
    return "\n".join(f"{name.replace('_', ' '):<{width}}{value}" for name, value in told.items())


def score_text(score: dict) -> str:
    """ "ssim 0.649, fsim 0.735 (cufs, 100 images of cufs/cuhk)"."""
    where = ("protocol", "data", "images")
    metrics = ", ".join(f"{name} {value:g}" for name, value in score.items() if name not in where)
    return f"{metrics} ({score['protocol']}, {score['images']} images of {score['data']})"
