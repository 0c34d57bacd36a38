"""Fields that versions added to configurations, so that older runs are restored as made.

A run is restored from its stored configuration alone.  Enter each new field in
ADDED with the value that gives the behaviour of the version before.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

# version that added a field -> {"section.field": the behaviour of earlier versions}; a field of one
# method alone is "METHOD/section.field"
ADDED: dict[str, dict[str, Any]] = {
    "0.3.0": dict.fromkeys(
        (f"data.{x}" for x in ("backgrounds", "exposure", "shade", "tint", "blur_px", "noise")), 0.0
    ),
    "0.4.0": dict.fromkeys((f"data.{x}" for x in ("resolution", "jpeg", "roll_degrees")), 0.0)
    | {
        "data.even_background": (),
        "teacher/kinds": ("photo", "sketch"),
        "ide/validation_border_px": 0,
        "portraits.num_distinct": 0,
    },
    "0.5.0": {
        "ifrp/model.up": "transposed",
        **{f"{name}/critic.num_scales": 1 for name in ("kd_plus", "pix2pix", "cyclegan")},
        **{
            f"{method}/unlabelled": dict.fromkeys(("folder", "split", "teacher", "pairs"), "")
            for method in ("kt", "kd", "kd_plus")
        },
    },
}


def before(version: str, other: str) -> bool:
    """Whether a version "1.2.3" is earlier than another."""
    one, two = ([int(part) for part in text.split(".")[:3]] for text in (version, other))
    return one < two


def completed(config: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The configuration that a run of `version` stored, plus the fields added later.

    Completes the configurations of other runs within it, too, such as its teacher's.  Adds a field
    only if the configuration has its section.
    """
    result = copy.deepcopy(dict(config))
    for added, fields in ADDED.items():
        if before(version, added):
            _add(result, fields)
            for inner in _within(result):
                _add(inner, fields)
    return result


def _within(config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The whole configurations in its sections, at any depth."""
    for section in config.values():
        if isinstance(section, dict):
            if "method" in section:
                yield section
            yield from _within(section)


def _add(stored: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        method, _, path = name.rpartition("/")
        *sections, field = path.split(".")
        place: Any = stored if method in ("", stored.get("method")) else None
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.setdefault(field, value)
