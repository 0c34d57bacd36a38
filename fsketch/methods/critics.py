"""Code shared by methods with critics: creation and optimizer step."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from fsketch.core import state, types
from fsketch.losses import adversarial
from fsketch.methods import optimizers
from fsketch.nets import patch_critic


def pair(batch: types.Batch, source: str, image: jax.Array) -> jax.Array:
    """The input of a conditional critic of an image made from batch[source], or of its truth.

    [B, H, W, channels of both], and, beside a photo, a plane for each style if there are several.
    """
    planes = []
    if source == "photo" and "style" in batch:
        style = batch["style"][:, None, None]
        planes = [jnp.broadcast_to(style, (*image.shape[:3], style.shape[-1]))]
    return jnp.concatenate([batch[source], image, *planes], -1)


def create(key: types.Key, config: ConfigDict, example: jax.Array) -> state.Player:
    """A critic of images like `example`; config is the whole one, see configs/shared.py."""
    fields = {name: config.critic[name] for name in ("width", "num_layers", "norm")}
    fields["dtype"] = config.model.dtype
    net = patch_critic.PatchCritic(**fields)
    if config.critic.num_scales > 1:
        net = patch_critic.MultiScale(config.critic.num_scales, **fields)
    tx = optimizers.adam(config.optim, num_steps=config.num_steps)
    return state.create_player(key, net, tx, example)


def formula(
    critic: state.Player, fake: jax.Array, *, losses: adversarial.Adversarial
) -> Callable[[], jax.Array]:
    """A translator's adversarial term on its fake, for `state.compute`; the critic is constant."""
    return lambda: losses.translator(critic(fake, train=True)[0])


def update(
    players: Mapping[str, state.Player],
    real: Mapping[str, jax.Array],
    fake: Mapping[str, jax.Array],
    *,
    losses: adversarial.Adversarial,
    num_parts: int,
) -> tuple[dict[str, state.Player], dict[str, types.Scalars]]:
    """One optimizer step of each critic on its own real and fake images, given by role.

    Its loss is the mean of the two terms [secondary: the published pix2pix halves the sum].
    Real and fake images pass through the critic separately, as in that code, since batch
    normalisation would mix them.
    """

    def loss_fn(
        params: dict, real: dict, fake: dict
    ) -> tuple[jax.Array, tuple[dict, dict[str, types.Scalars]]]:
        terms, stats = {}, {}
        for role, critic in players.items():
            on_fake, _ = critic(fake[role], params=params[role], train=True)
            on_real, stats[role] = critic(real[role], params=params[role], train=True)
            terms[role] = {"real": losses.real(on_real), "fake": losses.fake(on_fake)}
        loss = sum((group["real"] + group["fake"]) / 2 for group in terms.values())
        return loss, (stats, terms)

    return state.update(players, loss_fn, dict(real), dict(fake), num_parts=num_parts)
