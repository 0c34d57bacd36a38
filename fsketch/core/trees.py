"""Small helpers over pytrees: flat names, differences, counts."""

import hashlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import serialization, traverse_util

from fsketch.core import types


def flatten(tree: types.PyTree) -> dict[str, np.ndarray]:
    """A pytree of structs, tuples and dicts -> {"a/b/0": leaf}; empty branches vanish."""
    nested = serialization.to_state_dict(tree)
    return traverse_util.flatten_dict(nested, sep="/") if nested else {}


def unflatten(like: types.PyTree, flat: Mapping[str, np.ndarray]) -> types.PyTree:
    """The inverse of `flatten`: a tree of the structure and dtypes of `like`.

    Raises ValueError listing every name or shape in which `flat` differs from `like`.
    """
    wanted = flatten(like)
    problems = differences(wanted, flat)
    if problems:
        raise ValueError("\n".join(problems))
    cast = {name: np.asarray(flat[name], dtype=leaf.dtype) for name, leaf in wanted.items()}
    nested = serialization.to_state_dict(like)
    filled = traverse_util.flatten_dict(nested, sep="/", keep_empty_nodes=True) if nested else {}
    filled.update(cast)
    return serialization.from_state_dict(like, traverse_util.unflatten_dict(filled, sep="/"))


def differences(wanted: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> list[str]:
    """One line per leaf that is missing, unknown, or of another shape; [] if none."""
    lines = [f"missing: {name} {np.shape(wanted[name])}" for name in wanted if name not in found]
    lines += [f"unknown: {name} {np.shape(found[name])}" for name in found if name not in wanted]
    lines += [
        f"shape:   {name}: expected {np.shape(leaf)}, got {np.shape(found[name])}"
        for name, leaf in wanted.items()
        if name in found and np.shape(found[name]) != np.shape(leaf)
    ]
    return lines


def where(flag: jax.Array, one: types.PyTree, other: types.PyTree) -> types.PyTree:
    """`one` if the flag bool[] is set, else `other`, a tree of the same structure."""
    return jax.tree.map(lambda a, b: jnp.where(flag, a, b), one, other)


def digest(tree: types.PyTree) -> str:
    """The first 16 digits of the SHA-256 of all names, types, shapes and numbers."""
    result = hashlib.sha256()
    for name, leaf in sorted(flatten(tree).items()):
        array = np.asarray(leaf)
        result.update(f"{name} {array.dtype} {array.shape}\n".encode())
        result.update(array.tobytes())
    return result.hexdigest()[:16]


def count(tree: types.PyTree) -> int:
    """Number of scalars in all leaves."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))
