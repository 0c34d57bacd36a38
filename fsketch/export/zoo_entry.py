"""A run as a model of the zoo."""

import argparse

from fsketch.core import errors

FIELDS = {
    "name": "the model's name",
    "summary": "a sentence about it",
    "training_data": "what it learnt from; the data sets of this package are known",
    "terms": "under which the training data may be used; known likewise",
}


def run(flags: argparse.Namespace) -> None:
    """Writes OUT/NAME.json and OUT/NAME.safetensors and prints how far they are from the run."""
    from fsketch.zoo import entries  # takes a second

    for name in ("workdir", "direction", "name"):
        if not getattr(flags, name):
            raise errors.UsageError(f"--{name}: expected it for a model of the zoo, got none")
    fields = {name: getattr(flags, name) for name in FIELDS}
    card, differences = entries.write_entry(
        flags.workdir,
        flags.direction,
        fields.pop("name"),
        flags.out,
        kind=flags.checkpoint,
        **fields,
    )
    print(*differences, sep="\n")
    print(f"{card.weights}: {card.parameters:,} parameters, {card.bytes:,} bytes")
