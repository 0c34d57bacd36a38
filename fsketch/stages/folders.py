"""Folders that stages make and runs share: how they are named, and whose turn it is to make one."""

import contextlib
import hashlib
import json
from collections.abc import Iterator

import jax
from etils import epath
from ml_collections import ConfigDict

from fsketch.core import checkpoint, locks


def hashed(config: ConfigDict, parent: epath.Path, name: str, *, of: str = "") -> epath.Path:
    """parent/name-HASH, by the configuration and by whatever else decides, `of`."""
    content = json.dumps(checkpoint.to_json(config), sort_keys=True) + of
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return parent / f"{name}-{digest}"


@contextlib.contextmanager
def turn(path: epath.Path) -> Iterator[None]:
    """One run at a time makes what lies in `path`; another run waits for it.

    The processes of one run work on it together, so only the first of them takes the turn.
    """
    if jax.process_index():
        yield
        return
    with locks.turn(path.parent / f".{path.name}.lock", f"making {path}"):
        yield
