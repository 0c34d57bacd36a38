"""Names and locks of the folders that stages make and runs share."""

import contextlib
import hashlib
import json
from collections.abc import Iterator

import jax
from etils import epath
from ml_collections import ConfigDict

from fsketch.core import checkpoint, locks


def hashed(config: ConfigDict, parent: epath.Path, name: str, *, of: str = "") -> epath.Path:
    """parent/name-HASH, a hash of the configuration and of `of`, any other input."""
    content = json.dumps(checkpoint.to_json(config), sort_keys=True) + of
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return parent / f"{name}-{digest}"


@contextlib.contextmanager
def turn(path: epath.Path) -> Iterator[None]:
    """Lets one run at a time make the content of `path`; other runs wait.

    The processes of one run work together, so only the first of them takes the lock.
    """
    if jax.process_index():
        yield
        return
    with locks.turn(path.parent / f".{path.name}.lock", f"making {path}"):
        yield
