"""pix2pix: one translator against a critic that sees both sides of a pair.

Source     Isola et al., CVPR 2017, section 3 (losses), 6.1 (networks).
Players    translator: U-Net (nets/unet.py), the paper's G; critic: conditional PatchGAN
           (nets/patch_critic.py), its D.
Terms      translator: reconstruction, mean |G(x) - y|, and adversarial (eq. 4); critic: real, fake.

A step moves the translator against the current critic, then the critic on the same fake that
the translator made.  The published code moves the critic first, on the same fake [secondary].
Differences: the noise is dropout, as in the paper, but in training only (nets/unet.py).
"""

import jax
from ml_collections import ConfigDict

from fsketch.core import images, state, types
from fsketch.data import augment
from fsketch.losses import adversarial, reconstruction
from fsketch.methods import critics, interface, optimizers
from fsketch.nets import unet


def method(config: ConfigDict) -> interface.Method:
    """See the module's docstring; the fields are those of configs/pix2pix.py."""
    if config.direction not in images.DIRECTIONS:
        raise ValueError(
            f"direction: expected one of {sorted(images.DIRECTIONS)}, got {config.direction!r}"
        )
    source, target = images.DIRECTIONS[config.direction]
    losses = adversarial.of(config.critic.loss)

    def init(key: types.Key, frozen: interface.Frozens, batch: types.Batch) -> state.TrainState:
        del frozen
        translator_key, critic_key = jax.random.split(key)
        net = unet.UNet(
            features=batch[target].shape[-1],
            width=config.model.width,
            depth=config.model.depth,
            norm=config.model.norm,
            dropout_rate=config.model.dropout_rate,
            dtype=config.model.dtype,
        )
        translator = optimizers.player(translator_key, net, config, *augment.inputs(batch, source))
        example = critics.pair(batch, source, batch[target])
        critic = critics.create(critic_key, config, example)
        return state.create(translator=translator, critic=critic)

    def train_step(
        train_state: state.TrainState,
        frozen: interface.Frozens,
        batch: types.Batch,
        keys: types.Key,
    ) -> tuple[state.TrainState, types.Scalars]:
        del frozen
        translator, critic = train_state["translator"], train_state["critic"]

        def loss_fn(
            params: dict, batch: types.Batch, keys: types.Key
        ) -> tuple[jax.Array, tuple[dict, tuple]]:
            seen = augment.inputs(batch, source)
            fake, stats = translator(*seen, params=params["translator"], train=True, keys=keys)
            pair = critics.pair(batch, source, fake)
            formulas = {
                "reconstruction": lambda: reconstruction.l1(fake, batch[target]),
                "adversarial": critics.formula(critic, pair, losses=losses),
            }
            terms = state.compute(formulas, config.loss_weights)
            loss = state.weigh(terms, config.loss_weights)
            return loss, ({"translator": stats}, (terms, pair))

        moved, (terms, fake) = state.update(
            {"translator": translator}, loss_fn, batch, keys, num_parts=config.accumulate_steps
        )
        judge, verdicts = critics.update(
            {"critic": critic},
            {"critic": critics.pair(batch, source, batch[target])},
            {"critic": fake},
            losses=losses,
            num_parts=config.accumulate_steps,
        )
        after = train_state.put(**moved, **judge).next()
        return after, state.prefixed(translator=terms, **verdicts)

    def predict(
        train_state: state.TrainState, frozen: interface.Frozens, batch: types.Batch
    ) -> types.Predictions:
        del frozen
        return {target: train_state["translator"].averaged()(*augment.inputs(batch, source))}

    return interface.Method(interface.loads(config), init, train_step, predict)
