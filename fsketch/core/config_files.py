"""--config=configs/kd.py:ARGUMENTS and --config.FIELD=VALUE: the configuration of a command line.

A file of that name in the current folder comes first, then the one installed with the package.
Its `get_config` takes `ARGUMENTS`.
"""

import ast
import difflib
import importlib
import importlib.util
import pathlib
from collections.abc import Iterable, Sequence
from importlib import resources
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from fsketch.core import errors, paths

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_NO_EXPERIMENTS = ("__init__", "base", "shared", "data")  # modules that experiments import
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", tuple: "(A, B, ...)"}


def take(arguments: Sequence[str]) -> tuple[str, dict[str, str], list[str]]:
    """(value of --config, {field: value} of --config.FIELD, all other arguments).

    Accepts `--config.FIELD=VALUE` and `--config.FIELD VALUE`; the last value of a field counts.
    """
    config, fields, rest = "", {}, []
    words = iter(arguments)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag != "--config" and not flag.startswith("--config."):
            rest.append(word)
            continue
        if not equals and (value := next(words, "--")).startswith("--"):
            raise errors.UsageError(f"{flag}: expected {flag}=VALUE, got no value")
        if flag == "--config":
            config = value
        else:
            fields[flag.removeprefix("--config.")] = value
    return config, fields, rest


def load(config: str, fields: dict[str, str]) -> ConfigDict:
    """The configuration of a file with its arguments and with the given fields set.

    Expands "~" in the paths of all fields.  Raises UsageError that names
    the file or field.
    """
    name, colon, argument = config.partition(":")
    module = _module(name)
    try:
        result = module.get_config(argument) if colon else module.get_config()
    except ValueError as error:
        raise errors.UsageError(f"--config={config}: {error}") from error
    for field, text in fields.items():
        _set(result, field, text)
    _expand(result)
    return result


def names() -> list[str]:
    """The installed experiments: "configs/kd.py", ..."""
    return [f"configs/{name}.py" for name in sorted(_installed())]


def _installed() -> Iterable[str]:
    root = resources.files("fsketch.configs")
    for folder, prefix in ((root, ""), (root / "experiments", "experiments/")):
        for file in folder.iterdir() if folder.is_dir() else ():
            name, _, suffix = file.name.rpartition(".")
            if suffix == "py" and name not in _NO_EXPERIMENTS:
                yield prefix + name


def _module(name: str) -> ModuleType:
    """The module of a configuration file."""
    if not name:
        raise errors.UsageError(f"--config: expected one of {', '.join(names())}, or a file")
    path = pathlib.Path(paths.expanded(name))
    if path.is_file():
        spec = importlib.util.spec_from_file_location("_config_of_the_command_line", path)
        if spec is None:
            raise errors.UsageError(f"--config: expected a file *.py, got {name}")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except (ImportError, SyntaxError) as error:
            raise errors.UsageError(f"--config: {name}: {error}") from error
        return module
    if path.as_posix() not in names():
        close = difflib.get_close_matches(path.as_posix(), names(), n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise errors.UsageError(
            f"--config: expected a file, or one of {', '.join(names())}, got {name}{hint}"
        )
    return importlib.import_module("fsketch." + ".".join(path.with_suffix("").parts))


def _set(config: ConfigDict, field: str, text: str) -> None:
    """Sets "section.field" to the text, parsed as the field's type."""
    *sections, last = field.split(".")
    section, place = config, ""
    for name in (*sections, last):
        if not isinstance(section, ConfigDict) or name not in section:
            raise errors.UsageError(_unknown(config, field, section, place, name))
        if name is not last:
            section, place = section[name], f"{place}{name}."
    kind = section.get_type(last)
    try:
        value = _value(text, kind)
    except (ValueError, SyntaxError):
        expected = _KINDS.get(kind, kind.__name__)
        raise errors.UsageError(f"--config.{field}: expected {expected}, got {text!r}") from None
    section[last] = value


def _value(text: str, kind: type) -> Any:
    """The text parsed as a type; ValueError or SyntaxError if it is not of that type."""
    if kind is bool:
        if text.lower() not in _BOOLEANS:
            raise ValueError(text)
        return _BOOLEANS[text.lower()]
    if kind in (int, float, str):
        return kind(text)
    if issubclass(kind, (tuple, list)):
        value = ast.literal_eval(text)
        return kind(value) if isinstance(value, (tuple, list)) else kind([value])
    raise ValueError(text)


def _unknown(config: ConfigDict, field: str, section: Any, place: str, name: str) -> str:
    """The message for an unknown field."""
    if not isinstance(section, ConfigDict):
        return f"--config.{field}: expected a section, got {place.rstrip('.')}"
    everywhere = list(_flat(config))
    close = difflib.get_close_matches(field, everywhere, n=1) or [
        other for other in everywhere if other.rpartition(".")[2] == name
    ]
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"--config.{field}: expected one of {', '.join(sorted(section))}, got {name}{hint}"


def _flat(config: ConfigDict, prefix: str = "") -> Iterable[str]:
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def _expand(config: ConfigDict) -> None:
    """Expands ~ in all strings, also in lists of them."""
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            _expand(value)
        elif isinstance(value, str) and "~" in value:
            config[name] = paths.listed(value)
        elif isinstance(value, tuple):
            config[name] = tuple(paths.listed(v) if isinstance(v, str) else v for v in value)
