"""The platform that a program is traced for, where its form depends on it."""

import contextlib
import contextvars
from collections.abc import Iterator

import jax

_asked = contextvars.ContextVar("platform", default="")


def is_cpu() -> bool:
    """Whether what is traced now will run on CPU."""
    return (_asked.get() or jax.default_backend()) == "cpu"


@contextlib.contextmanager
def tracing_for(platform: str) -> Iterator[None]:
    """A context that traces for "tpu", say, on a machine without one; it acts while tracing."""
    token = _asked.set(platform)
    try:
        yield
    finally:
        _asked.reset(token)
