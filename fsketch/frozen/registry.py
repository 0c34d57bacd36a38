"""All kinds of frozen nets: loading, storage in a run, and comparison with it.

The specification of a net is a JSON string that is stored beside its weights.  It has

    kind     a key of KINDS
    net      the name of its architecture (frozen/architectures.py, or the kind's own)
    path     its source

and the fields of its kind; kinds that resume with a run add a digest of the weights as read.
"""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util
from ml_collections import ConfigDict

from fsketch.core import state, types
from fsketch.frozen import embedders, generators, metric_nets, teachers


class Kind(NamedTuple):
    """build: (specification, variables) -> net.  load: (path, its options) -> net."""

    build: Callable[[str, types.PyTree], Any]
    load: Callable[..., Any]


KINDS: dict[str, Kind] = {
    "teacher": Kind(teachers.build, teachers.load),
    "maps": Kind(teachers.build, teachers.load_maps),
    "embedder": Kind(embedders.build, embedders.load),
    "generator": Kind(generators.build, generators.load),
    "metric": Kind(metric_nets.build, metric_nets.load),
}


class Need(NamedTuple):
    """A frozen net that a run needs.

    kind: a key of KINDS.  section: of the configuration; its `path` is the net's source.  If that
    is "", its `config`, if it has one, configures the run that trains the net first.
    options: of the kind's `load`.
    """

    kind: str
    section: str
    options: Mapping[str, Any] = {}


Needs = dict[str, Need]  # by role


def build(spec: str, variables: types.PyTree) -> Any:
    """The net of a specification with these variables."""
    return KINDS[json.loads(spec)["kind"]].build(spec, variables)


def load(kind: str, path: str, **options: Any) -> Any:
    """The net of this kind at `path`; options and errors: those of the kind's `load`."""
    return KINDS[kind].load(path, **options)


def load_all(config: ConfigDict, needs: Needs) -> dict[str, state.Frozen]:
    """The nets that a run needs, by role."""
    return {
        role: load(need.kind, config[need.section].path, **need.options)
        for role, need in needs.items()
    }


def rebuild(specs: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> dict[str, state.Frozen]:
    """Nets by role, from their specifications and flat arrays "role/params/..."."""
    nested = traverse_util.unflatten_dict(dict(arrays), sep="/")
    return {role: build(spec, nested.get(role, {})) for role, spec in specs.items()}


def path_of(net: Any) -> str:
    """The path that a net was read from."""
    return json.loads(net.spec)["path"]


def to_train(config: ConfigDict, needs: Needs) -> list[str]:
    """The sections of needed nets that must be trained first, because they have no path."""
    sections = dict.fromkeys(need.section for need in needs.values())
    return [name for name in sections if "config" in config[name] and not config[name].path]


def check(config: ConfigDict, needs: Needs, kept: Mapping[str, state.Frozen]) -> None:
    """Raises ValueError if a run asks for nets that differ in content from its workdir's.

    Without a path, or with one that no longer exists, it means the kept net.
    """
    untrained = to_train(config, needs)
    for role, need in needs.items():
        if need.section in untrained:
            continue
        if role not in kept:
            raise ValueError(
                f"{need.section}: expected a run that was started with this net, got one without; "
                "use another workdir"
            )
        path, spec = config[need.section].path, json.loads(kept[role].spec)
        try:
            asked = json.loads(load(need.kind, path, **need.options).spec)
        except FileNotFoundError:
            if _place(path) != _place(spec["path"]):
                raise
            asked = {name: value for name, value in need.options.items() if any(value)}
        if different := differences(spec, asked):
            got = {name: asked[name] for name in different}
            expected = {name: spec.get(name) for name in different}
            trainable = "config" in config[need.section]
            hint = f", or no {need.section}.path to go on with this one" if trainable else ""
            raise ValueError(
                f"{need.section}.path: {path!r} is {got}, but this workdir was started with "
                f"{expected} of {spec['path']!r}; use another workdir for another net{hint}"
            )


def differences(spec: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The fields of `other` in which two nets differ, apart from their sources."""
    other = json.loads(json.dumps(other))
    return sorted(n for n in other if n not in ("path", "step") and other[n] != spec.get(n))


def _place(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))
