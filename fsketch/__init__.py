"""Face photo-sketch synthesis with knowledge distillation, in JAX and Flax.

Importing the package starts nothing: no jax, no device, no flag.  The programs
(`fsketch/__main__.py`) call `fsketch.core.startup` first.

`fsketch.load` gives a model for photos of faces; see fsketch/studio.py.
"""

from typing import Any

__version__ = "0.5.0"


def __getattr__(name: str) -> Any:
    if name != "load":
        raise AttributeError(f"module 'fsketch' has no attribute {name!r}")
    from fsketch import studio  # imports jax

    return studio.load
