"""IFRP: an aligned real face from an unaligned stylised portrait of it.

Source     Shiri et al., "Identity-preserving Face Recovery from Stylized Portraits", IJCV 2019;
           its released code for what training needs [code].
Players    remover: the style-removal net with its spatial transformers, the paper's SRN; critic:
           its DN (both nets/remover.py).  RMSprop moves them.  Without an adversarial term there
           is no critic.
Frozen     face: one unchanged map of a face recogniser; none without an identity term.
Batch      sketch: the portrait, grey or in colour; photo: the aligned face of the same person.
Terms      remover: pixel, mean (R(x) - y)^2; identity, the same of face's maps; adversarial,
           -log D(R(x)), D the probability that the critic's verdict gives.  Weights of the last two
           fall from epoch to epoch, w max(rate^epoch, least).
           critic: real, -log D(y), and fake, -log(1 - D(R(x))), each averaged over its half.

The critic sees real and generated faces of different persons in one batch, which batch
normalisation takes together [code].  Here each example of the batch shows one or the other.

Margin gate [code]: if the critic's real or fake loss is below the margin m, the critic stays; if
either is above 1 - m, the remover stays; if both would stay, both move.  A player that stays also
keeps its statistics, but its rate continues with the steps of the run, as in the code.

A step moves the remover against the current critic, then the critic on the same faces that the
remover made.  The code moves the critic first, on the same faces [code]; so the remover's gradient
sees it one step earlier here, and the remover runs once.  Both losses of the gate are those of the
critic before it moves, as there.
"""

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from fsketch.core import images, state, trees, types
from fsketch.data import augment
from fsketch.frozen import registry
from fsketch.losses import adversarial, identity, reconstruction
from fsketch.methods import interface, optimizers
from fsketch.nets import remover as nets

VARIANTS = ("journal", "released")


def needs(config: ConfigDict) -> registry.Needs:
    """The face recogniser of the identity term, if its weight is not 0."""
    if not config.loss_weights.identity:
        return {}
    return {"face": registry.Need("maps", "face", {"taps": config.face.taps})}


def method(config: ConfigDict) -> interface.Method:
    """See the module's docstring; the fields are those of configs/ifrp.py."""
    losses = adversarial.of("non_saturating")  # binary cross-entropy; the margin is in its units
    has_critic = bool(config.loss_weights.adversarial)
    if config.model.variant not in VARIANTS:
        raise ValueError(f"model.variant: expected one of {VARIANTS}, got {config.model.variant!r}")
    if has_critic and config.batch_size < 2:
        raise ValueError(
            f"batch_size: expected at least 2 persons for a critic, got {config.batch_size}"
        )
    augment.check_unlit(config.data)

    def init(key: types.Key, frozen: interface.Frozens, batch: types.Batch) -> state.TrainState:
        del frozen
        remover_key, critic_key = jax.random.split(key)
        players = {
            "remover": state.create_player(
                remover_key,
                _remover(config.model, features=batch["photo"].shape[-1]),
                optimizers.rmsprop(config.optim),
                images.to_rgb(batch["sketch"]),
                ema_rate=config.optim.ema_rate,
            )
        }
        if has_critic:
            net = nets.FaceCritic(config.critic.width, config.critic.norm, config.model.dtype)
            players["critic"] = state.create_player(
                critic_key, net, optimizers.rmsprop(config.optim), batch["photo"]
            )
        return state.create(**players)

    def train_step(
        train_state: state.TrainState,
        frozen: interface.Frozens,
        batch: types.Batch,
        keys: types.Key,
    ) -> tuple[state.TrainState, types.Scalars]:
        remover = train_state["remover"]
        fade = faded(train_state.step // config.optim.steps_per_epoch, config.decay)

        def remover_loss(params: dict, batch: types.Batch) -> tuple[jax.Array, tuple[dict, tuple]]:
            portrait = images.to_rgb(batch["sketch"])
            fake, stats = remover(portrait, params=params["remover"], train=True)
            formulas = {
                "pixel": lambda: reconstruction.squared(fake, batch["photo"]),
                "identity": lambda: identity.identity(frozen["face"], fake, batch["photo"]),
                "adversarial": lambda: losses.translator(
                    train_state["critic"](fake, train=True)[0]
                ),
            }
            terms = state.compute(formulas, config.loss_weights)
            now = {name: fade.get(name, 1.0) * term for name, term in terms.items()}
            loss = state.weigh(now, config.loss_weights)
            return loss, ({"remover": stats}, (terms, fake))

        moved, (terms, fake) = state.update(
            {"remover": remover}, remover_loss, batch, num_parts=config.accumulate_steps
        )
        if not has_critic:
            return train_state.put(**moved).next(), state.prefixed(remover=terms)

        is_real = real_half(batch["identity"], keys)
        share = state.device_mean(is_real.mean())
        faces = {
            "seen": jnp.where(is_real[:, None, None, None], batch["photo"], fake),
            # Means over the examples of each kind; a batch may hold one person alone.
            "real": is_real / jnp.maximum(share, 1e-6),
            "fake": (1 - is_real) / jnp.maximum(1 - share, 1e-6),
        }

        def critic_loss(params: dict, faces: types.Batch) -> tuple[jax.Array, tuple[dict, dict]]:
            verdicts, stats = train_state["critic"](
                faces["seen"], params=params["critic"], train=True
            )
            halves = {
                kind: (jax.vmap(getattr(losses, kind))(verdicts) * faces[kind]).mean()
                for kind in ("real", "fake")
            }
            return halves["real"] + halves["fake"], ({"critic": stats}, halves)

        judge, verdicts = state.update(
            {"critic": train_state["critic"]},
            critic_loss,
            faces,
            num_parts=config.accumulate_steps,
        )
        # By the losses of all devices, so that all decide alike.
        moves = gate(**state.device_mean(verdicts), margin=config.gate_margin)
        players = {}
        for role, player in {**moved, **judge}.items():
            kept = trees.where(moves[role], player, train_state[role])
            opt_state = optimizers.at_step(kept.opt_state, train_state.step + 1)
            players[role] = kept.replace(opt_state=opt_state)
        terms["moved"], verdicts["moved"] = (
            moves[role].astype(jnp.float32) for role in ("remover", "critic")
        )
        after = train_state.put(**players).next()
        return after, state.prefixed(remover=terms, critic=verdicts)

    def predict(
        train_state: state.TrainState, frozen: interface.Frozens, batch: types.Batch
    ) -> types.Predictions:
        del frozen
        made = train_state["remover"].averaged()(images.to_rgb(batch["sketch"]))
        return {"photo": jnp.clip(made, -1.0, 1.0)}  # [code: only at test time]

    return interface.Method(interface.loads(config, needs=needs), init, train_step, predict)


def _remover(model: ConfigDict, *, features: int) -> nets.Remover | nets.ReleasedRemover:
    shared = {
        "features": features,
        "width": model.width,
        "has_transformers": model.has_transformers,
        "one_radian_start": model.one_radian_start,
        "norm": model.norm,
        "dtype": model.dtype,
    }
    if model.variant == "released":
        return nets.ReleasedRemover(**shared)
    return nets.Remover(skips=model.skips, join=model.join, up=model.up, **shared)


def faded(epoch: jax.Array, config: ConfigDict) -> types.Scalars:
    """The factor of each falling weight, by term: max(rate^epoch, least)."""
    rates = {"adversarial": config.adversarial, "identity": config.identity}
    return {name: jnp.maximum(rate**epoch, config.least) for name, rate in rates.items()}


def gate(*, real: jax.Array, fake: jax.Array, margin: float) -> dict[str, jax.Array]:
    """Whether each player moves, bool[], by the critic's two losses; with margin 0 always."""
    critic = jnp.minimum(real, fake) >= margin
    remover = (jnp.maximum(real, fake) <= 1 - margin) | (margin == 0)
    neither = ~(critic | remover)
    return {"critic": critic | neither, "remover": remover | neither}


def real_half(person: jax.Array, keys: types.Key) -> jax.Array:
    """Which examples show the critic their real face, float32[B] of zeros and ones.

    Half of the global batch, at random; all examples of a person alike, so the halves differ by at
    most the examples of one person, and of two persons or more neither is empty.  person int32[B],
    keys Key[B], both this device's.
    """
    draws, persons = state.gather((jax.vmap(jax.random.uniform)(keys), person))
    same = persons[:, None] == persons  # N x N, N examples of the global batch
    draws = draws[jnp.argmax(same, 1)]  # one draw a person: of their first example
    before = (draws < draws[:, None]).sum(1)
    middle = before + same.sum(1) / 2  # of the person's examples, in the order of draws
    return state.own_part((middle < len(persons) / 2).astype(jnp.float32))
