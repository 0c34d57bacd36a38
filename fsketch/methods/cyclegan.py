"""CycleGAN: two translators, each undoing the other, against two critics.

Source     Zhu et al., ICCV 2017, section 3 (losses), 4 and 7 (training, networks).
Players    translator_sketch (photo -> sketch) and translator_photo, the paper's G and F: the
           residual net without ReLU after the addition (nets/students.py).  critic_sketch and
           critic_photo, its D_Y and D_X: PatchGAN without condition.  Adam moves each number on
           its own, so an optimizer each is the paper's one for both translators.
Memory     a pool of earlier fakes for each critic (fsketch/core/image_pool.py).
Terms, for the translator G of photo -> sketch, F its peer, x a photo, y a sketch:
    adversarial   critic_sketch's verdict on G(x)
    cycle         mean |F(G(x)) - x|
    identity      mean |G(y) - y|
           and for each critic real and fake.  No term uses the pairing of a batch.

Every translator takes three channels (grey images are repeated), since identity shows it both
domains; it outputs grey sketches.  A step moves the translators, then the critics, as in the
paper's code [secondary].
"""

from collections.abc import Callable

import jax
from ml_collections import ConfigDict

from fsketch.core import image_pool, images, state, types
from fsketch.data import augment
from fsketch.losses import adversarial, reconstruction
from fsketch.methods import critics, interface, optimizers
from fsketch.nets import students

# target domain -> source domain
SOURCES = {"sketch": "photo", "photo": "sketch"}


def method(config: ConfigDict) -> interface.Method:
    """See the module's docstring; the fields are those of configs/cyclegan.py."""
    losses = adversarial.of(config.critic.loss)

    def init(key: types.Key, frozen: interface.Frozens, batch: types.Batch) -> state.TrainState:
        del frozen
        players, pools = {}, {}
        keys = iter(jax.random.split(key, 4))
        for target, source in SOURCES.items():
            channels = batch[target].shape[-1]
            net = students.translator(config.model, features=channels, relu_after_add=False)
            players[f"translator_{target}"] = optimizers.player(
                next(keys), net, config, images.to_rgb(batch[source])
            )
            players[f"critic_{target}"] = critics.create(next(keys), config, batch[target])
            pools[target] = image_pool.create(config.pool_size, batch[target].shape[1:])
        return state.create(**players).replace(memory=pools)

    def train_step(
        train_state: state.TrainState,
        frozen: interface.Frozens,
        batch: types.Batch,
        keys: types.Key,
    ) -> tuple[state.TrainState, types.Scalars]:
        del frozen

        def loss_fn(params: dict, batch: types.Batch) -> tuple[jax.Array, tuple[dict, tuple]]:
            def translate(image: jax.Array, target: str) -> tuple[jax.Array, dict]:
                role = f"translator_{target}"
                (out, _), stats = train_state[role](
                    images.to_rgb(image), params=params[role], train=True
                )
                return out, stats

            fakes, stats, terms = {}, {}, {}
            for target, source in SOURCES.items():
                seen = augment.shown(batch, source)
                fakes[target], stats[f"translator_{target}"] = translate(seen, target)
            for target, source in SOURCES.items():
                formulas = {
                    "adversarial": critics.formula(
                        train_state[f"critic_{target}"], fakes[target], losses=losses
                    ),
                    "cycle": _distance(translate, fakes[target], batch[source], source),
                    "identity": _distance(translate, batch[target], batch[target], target),
                }
                terms[f"translator_{target}"] = state.compute(formulas, config.loss_weights)
            loss = sum(state.weigh(group, config.loss_weights) for group in terms.values())
            return loss, (stats, (terms, fakes))

        moved, (terms, fakes) = state.update(
            {role: train_state[role] for role in (f"translator_{t}" for t in SOURCES)},
            loss_fn,
            batch,
            num_parts=config.accumulate_steps,
        )
        pools, shown = _exchange(train_state.memory, fakes, keys)
        judges, verdicts = critics.update(
            {role: train_state[role] for role in (f"critic_{t}" for t in SOURCES)},
            {f"critic_{target}": batch[target] for target in SOURCES},
            {f"critic_{target}": shown[target] for target in SOURCES},
            losses=losses,
            num_parts=config.accumulate_steps,
        )
        after = train_state.put(**moved, **judges).replace(memory=pools).next()
        return after, state.prefixed(**terms, **verdicts)

    def predict(
        train_state: state.TrainState, frozen: interface.Frozens, batch: types.Batch
    ) -> types.Predictions:
        del frozen
        return {
            target: train_state[f"translator_{target}"].averaged()(images.to_rgb(batch[source]))[0]
            for target, source in SOURCES.items()
        }

    return interface.Method(interface.loads(config), init, train_step, predict)


def _distance(translate: Callable, image: jax.Array, target: jax.Array, domain: str) -> Callable:
    """The term mean |translated image - target|, for `state.compute`."""
    return lambda: reconstruction.l1(translate(image, domain)[0], target)


def _exchange(
    pools: dict[str, image_pool.ImagePool], fakes: dict[str, jax.Array], keys: types.Key
) -> tuple[dict[str, image_pool.ImagePool], dict[str, jax.Array]]:
    """(pools after the fakes of all devices, the images to show on this device), by domain."""
    after, shown = {}, {}
    for number, (domain, pool) in enumerate(pools.items()):
        here = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
        draws = image_pool.draw(here, size=max(pool.images.shape[0], 1))
        after[domain], all_shown = image_pool.exchange(pool, *state.gather((fakes[domain], *draws)))
        shown[domain] = state.own_part(all_shown)
    return after, shown
