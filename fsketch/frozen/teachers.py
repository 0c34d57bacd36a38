"""Frozen nets seen through their feature maps: teachers of distillation, nets of perceptual losses.

Kind "teacher": three maps t1, t2, t3, each of unit mean square.  Kind "maps": any maps, by their
own names and unchanged.

KT and KD compare student maps with teacher maps of very different magnitude; dividing each
teacher map by its root mean square over training pairs puts the terms on one scale
[inferred: methods leave the normalisation open; raw ImageNet maps would dominate].
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from fsketch.core import state, types
from fsketch.frozen import architectures, sources

NAMES = ("t1", "t2", "t3")


class Maps(nn.Module):
    """`net`'s maps `taps`, {tap: B x H x W x C}; nothing else is computed."""

    net: nn.Module
    taps: Sequence[str]

    @nn.compact
    def __call__(self, image: jax.Array) -> types.Taps:
        return _chosen(self.net(image), self.taps, len(self.taps) or 1)


class Teacher(nn.Module):
    """`net`'s maps `taps`, renamed t1..t3 and divided by the stored constants `rms`."""

    net: nn.Module
    taps: Sequence[str]

    @nn.compact
    def __call__(self, image: jax.Array) -> types.Taps:
        maps = _chosen(self.net(image), self.taps, len(NAMES))
        rms = self.variable("constants", "rms", jnp.ones, (len(NAMES),))
        return {
            name: (maps[tap] / rms.value[i]).astype(maps[tap].dtype)
            for i, (name, tap) in enumerate(zip(NAMES, self.taps, strict=True))
        }


def _chosen(found: types.Taps, taps: Sequence[str], count: int) -> types.Taps:
    maps = {tap: x for tap, x in found.items() if x.ndim == 4}  # no embeddings, no logits
    if len(taps) != count or not maps.keys() >= set(taps):
        raise ValueError(f"taps: expected {count} of {sorted(maps)}, got {tuple(taps)}")
    return {tap: maps[tap] for tap in taps}


def build(spec: str, variables: types.PyTree) -> state.Frozen:
    """The net of a specification of kind "teacher" or "maps" with these variables."""
    fields = json.loads(spec)
    architecture = architectures.ARCHITECTURES[fields["net"]]
    net = architecture.maps(**fields["arguments"])
    if fields["kind"] == "teacher":
        seen = Teacher(net, tuple(fields["taps"]))
    else:
        seen = Maps(net, tuple(dict.fromkeys((*fields["taps"], *fields["also"]))))
    return state.Frozen(variables, seen, architecture.adapt, spec)


def load(
    path: str, *, taps: Sequence[str] = (), domains: Sequence[str] = ("photo", "sketch")
) -> state.Frozen:
    """The teacher at `path`, see `sources.read`; its maps are not normalised yet, see `calibrate`.

    taps: the names of three of its maps, () for the net's default.  domains: of the images it will
    see.
    """
    spec, variables = _read(path, taps, kind="teacher", domains=domains)
    return build(spec, {**variables, "constants": {"rms": np.ones(len(NAMES), np.float32)}})


def load_maps(path: str, *, taps: Sequence[str] = (), also: Sequence[str] = ()) -> state.Frozen:
    """The net at `path`, see `sources.read`: image -> {tap: its unchanged map}.

    taps: names of maps, () for the net's three default ones; "" is the last map before the net's
    last ReLU: conv5_4 of VGG-19 [code: IDE].  also: names of further maps.
    """
    return build(*_read(path, taps, kind="maps", also=also))


def _read(path: str, taps: Sequence[str], **fields: Any) -> tuple[str, dict[str, types.PyTree]]:
    """(specification, variables of a module around the net)."""
    source = sources.read(path, "maps")
    architecture = architectures.ARCHITECTURES[source.fields["net"]]
    if "" in taps:
        deepest = architecture.deepest(architecture.maps(**source.fields["arguments"]))
        taps = [tap or deepest for tap in taps]
    spec = {**source.fields, **fields, "taps": tuple(taps) or architecture.taps}
    return json.dumps(spec), {kind: {"net": tree} for kind, tree in source.variables.items()}


def calibrate(teacher: state.Frozen, batches: Iterable[types.Batch]) -> state.Frozen:
    """The teacher with each tap divided by its root mean square over images of its domains.

    Each batch is a photo and a sketch, float32[1, S, S, C] in [-1, 1], on their canvas.
    """
    domains = json.loads(teacher.spec)["domains"]

    @jax.jit
    def mean_squares(variables: types.PyTree, batch: types.Batch) -> jax.Array:
        maps = [teacher.replace(variables=variables)(batch[domain]) for domain in domains]
        return jnp.stack(
            [sum(jnp.square(m[name]).mean() for m in maps) / len(maps) for name in NAMES]
        )

    means = [mean_squares(teacher.variables, batch) for batch in batches]
    if not means:
        raise ValueError("teacher: expected training pairs to calibrate it on, got none")
    rms = np.sqrt(np.mean(np.stack(means), axis=0)) * teacher.variables["constants"]["rms"]
    if not (np.isfinite(rms).all() and (rms > 0).all()):
        raise ValueError(
            f"teacher: expected finite taps other than 0, got root mean squares {rms}: unusable"
        )
    variables = {**teacher.variables, "constants": {"rms": rms.astype(np.float32)}}
    return teacher.replace(variables=variables)


def map_shapes(teacher: state.Frozen, image: jax.Array) -> dict[str, tuple[int, int, int]]:
    """(height, width, channels) of each of the teacher's maps of such an image."""
    return {name: m.shape[1:] for name, m in jax.eval_shape(teacher, image).items()}
