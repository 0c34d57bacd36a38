"""Digests that name a prepared data set after the content of its source."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from fsketch.core import names


def folder_digest(folder: Path) -> str:
    """12 hex digits of the sha256 over (relative path, size, content) of a folder's files.

    Omits debris (`names.is_debris`), which nothing reads.
    """
    files, visited = [], set()
    for place, subfolders, leaves in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in visited:  # a circular link
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = sorted(name for name in subfolders if not names.is_debris(name))
        files += [Path(place, leaf) for leaf in leaves if not names.is_debris(leaf)]
    return files_digest(sorted(files), folder)


def files_digest(files: Sequence[Path], folder: Path | None) -> str:
    """`folder_digest` of these files, named relative to the folder or by their last part."""
    digest = hashlib.sha256()
    for path in files:
        name = path.relative_to(folder).as_posix() if folder else path.name
        content = path.read_bytes() if path.is_file() else b""  # b"": a broken link
        digest.update(f"{name}\0{len(content)}\0".encode("utf-8", "surrogateescape") + content)
    return digest.hexdigest()[:12]
