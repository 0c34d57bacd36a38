"""Adversarial losses: a critic's and a translator's, from the critic's verdicts.

Verdicts are the critic's plain outputs, float[B, h, w, 1], one for each patch, or a list of them,
one for each scale.  Every function returns the loss averaged over patches and batch, and then over
scales, in float32.  With r a verdict on a real image and f one on a fake:

    kind            critic: real     critic: fake     translator     source
    lsgan           (r - 1)^2        f^2              (f - 1)^2      Mao et al., ICCV 2017
    non_saturating  softplus(-r)     softplus(f)      softplus(-f)   Goodfellow et al., NIPS 2014
    hinge           max(0, 1 - r)    max(0, 1 + f)    -f             Miyato et al., ICLR 2018

lsgan takes the targets a = 0, b = c = 1; softplus(-r) = -log sigmoid(r).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

Verdicts = jax.Array | list[jax.Array]


class Adversarial(NamedTuple):
    """The three losses of one kind, each a function of verdicts."""

    real: Callable[[Verdicts], jax.Array]
    fake: Callable[[Verdicts], jax.Array]
    translator: Callable[[Verdicts], jax.Array]


def _mean_of(function: Callable[[jax.Array], jax.Array]) -> Callable[[Verdicts], jax.Array]:
    def mean(verdicts: Verdicts) -> jax.Array:
        scales = [function(v.astype(jnp.float32)).mean() for v in jax.tree.leaves(verdicts)]
        return sum(scales) / len(scales)

    return mean


KINDS: dict[str, Adversarial] = {
    "lsgan": Adversarial(
        real=_mean_of(lambda r: jnp.square(r - 1)),
        fake=_mean_of(jnp.square),
        translator=_mean_of(lambda f: jnp.square(f - 1)),
    ),
    "non_saturating": Adversarial(
        real=_mean_of(lambda r: jax.nn.softplus(-r)),
        fake=_mean_of(jax.nn.softplus),
        translator=_mean_of(lambda f: jax.nn.softplus(-f)),
    ),
    "hinge": Adversarial(
        real=_mean_of(lambda r: jax.nn.relu(1 - r)),
        fake=_mean_of(lambda f: jax.nn.relu(1 + f)),
        translator=_mean_of(lambda f: -f),
    ),
}


def of(kind: str) -> Adversarial:
    """The losses that `config.critic.loss` names."""
    if kind not in KINDS:
        raise ValueError(f"critic.loss: expected one of {sorted(KINDS)}, got {kind!r}")
    return KINDS[kind]
