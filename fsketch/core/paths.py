"""Paths as users write them: every flag and configuration field that names one goes through here.

`~` is the home folder; a final slash is dropped; "" (none) and addresses with "://" stay as is.
"""

import os
import pathlib


def expanded(text: str) -> str:
    """The path to use: "~/runs/kd/" -> "HOME/runs/kd"."""
    if not text or "://" in text:
        return text
    return str(pathlib.Path(os.path.expanduser(text)))


def labelled(text: str) -> str:
    """As `expanded`; of "LABEL=PATH" the part after the label."""
    label, equals, path = text.partition("=")
    if not equals or label.startswith("~"):
        return expanded(text)
    return f"{label}={expanded(path)}"


def listed(text: str) -> str:
    """As `expanded`, for each part of "A,B,C"; text in which no part begins with ~ stays as is."""
    parts = text.split(",")
    if not any(part.startswith("~") for part in parts):
        return text
    return ",".join(expanded(part) for part in parts)


def cache() -> pathlib.Path:
    """The folder for what can be made or fetched again: $XDG_CACHE_HOME/fsketch."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fsketch"
