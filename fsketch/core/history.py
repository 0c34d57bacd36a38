"""Fields that versions added to configurations, so that older runs are restored as made.

A run is restored from its stored configuration alone.  Enter each new field in
ADDED with the value that gives the behaviour of the version before.
"""

import copy
from collections.abc import Mapping
from typing import Any

# version that added a field -> {"section.field": the behaviour of earlier versions}
ADDED: dict[str, dict[str, Any]] = {
    "0.3.0": dict.fromkeys(
        (f"data.{x}" for x in ("backgrounds", "exposure", "shade", "tint", "blur_px", "noise")), 0.0
    ),
    "0.4.0": dict.fromkeys((f"data.{x}" for x in ("resolution", "jpeg", "roll_degrees")), 0.0)
    | {"data.even_background": ()},
}


def before(version: str, other: str) -> bool:
    """Whether a version "1.2.3" is earlier than another."""
    one, two = ([int(part) for part in text.split(".")[:3]] for text in (version, other))
    return one < two


def completed(config: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The configuration that a run of `version` stored, plus the fields added later.

    Adds a field only if the configuration has its section.
    """
    result = copy.deepcopy(dict(config))
    for added, fields in ADDED.items():
        for name, value in fields.items() if before(version, added) else ():
            *sections, field = name.split(".")
            place: Any = result
            for section in sections:
                place = place.get(section) if isinstance(place, dict) else None
            if isinstance(place, dict):
                place.setdefault(field, value)
    return result
