"""What later versions added to configurations, so that runs of earlier ones are restored as made.

A run is restored from its stored configuration alone.  A field that a later version reads has to be
entered in ADDED, with the value by which the version before behaved.
"""

import copy
from collections.abc import Mapping
from typing import Any

# version that added a field -> {"section.field": what runs of earlier versions did}
ADDED: dict[str, dict[str, Any]] = {}


def before(version: str, other: str) -> bool:
    """Whether a version "1.2.3" is earlier than another."""
    one, two = ([int(part) for part in text.split(".")[:3]] for text in (version, other))
    return one < two


def completed(config: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The configuration that a run of `version` stored, with the fields that were added later.

    A field goes only into a section that the configuration has.
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
