"""Training state: players that learn, nets that are frozen, and how a player takes a step.

The only file that averages over devices.  It does not depend on nets, losses or methods.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax import struct

from fsketch.core import platforms, types

Aux = Any


class Player(struct.PyTreeNode):
    """The parameters one optimizer moves, with what belongs to them.

    params, stats (batch statistics, {} without), opt_state and ema (a copy of the
    parameters averaged over steps, {} without) are arrays; net, tx and ema_rate are static.
    """

    params: types.PyTree
    stats: types.PyTree
    opt_state: types.PyTree
    ema: types.PyTree
    net: nn.Module = struct.field(pytree_node=False)
    tx: optax.GradientTransformation = struct.field(pytree_node=False)
    ema_rate: float = struct.field(pytree_node=False, default=0.0)

    def __call__(
        self,
        *inputs: jax.Array,
        params: types.PyTree = None,
        train: bool = False,
        keys: types.Key | None = None,
    ) -> Any:
        """Applies the net: `out`, or `(out, new_stats)` if `train`.

        `params` replaces the player's own, which is how a loss differentiates; `keys`, one per
        example, go to a net that draws random numbers (dropout).
        """
        variables = {"params": self.params if params is None else params, **self.stats}
        if not train:
            return self.net.apply(variables, *inputs, train=False)
        options = {} if keys is None else {"keys": keys}
        return self.net.apply(variables, *inputs, train=True, mutable=list(self.stats), **options)

    def averaged(self) -> "Player":
        """The player to predict with: with its averaged parameters if it keeps them."""
        return self.replace(params=self.ema) if self.ema_rate else self


class Frozen(struct.PyTreeNode):
    """A net whose weights never change while a method trains; called like a player.

    `adapt` maps images in [-1, 1] to what the net expects (range, channels, normalisation);
    `spec` says in JSON how to build the net again, for a checkpoint (frozen/registry.py).
    """

    variables: types.PyTree
    net: nn.Module = struct.field(pytree_node=False)
    adapt: Callable[[jax.Array], jax.Array] = struct.field(pytree_node=False)
    spec: str = struct.field(pytree_node=False)

    def __call__(self, image: jax.Array) -> Any:
        return self.net.apply(self.variables, self.adapt(image))

    def computing_in(self, dtype: str) -> "Frozen":
        """The net with parameters and images rounded to this type; itself for float32."""
        if dtype == "float32":
            return self
        rounded = jax.tree.map(lambda x: x.astype(dtype), self.variables["params"])
        return self.replace(
            variables={**self.variables, "params": rounded},
            adapt=lambda image: self.adapt(image).astype(dtype),
        )


class TrainState(struct.PyTreeNode):
    """All that changes while training: step int32[], players by role, memory (image pools)."""

    step: jax.Array
    players: dict[str, Player]
    memory: types.PyTree

    def __getitem__(self, name: str) -> Player:
        return self.players[name]

    def put(self, **players: Player) -> "TrainState":
        """The state with these players replaced; an unknown role raises."""
        unknown = players.keys() - self.players.keys()
        if unknown:
            raise KeyError(f"player: expected one of {sorted(self.players)}, got {sorted(unknown)}")
        return self.replace(players={**self.players, **players})

    def next(self) -> "TrainState":
        """The state one step later."""
        return self.replace(step=self.step + 1)


def create(**players: Player) -> TrainState:
    """The state at step 0."""
    return TrainState(step=jnp.zeros((), jnp.int32), players=players, memory={})


def create_player(
    key: types.Key,
    net: nn.Module,
    tx: optax.GradientTransformation,
    *inputs: jax.Array,
    ema_rate: float = 0.0,
) -> Player:
    """A player with freshly drawn parameters for inputs of these shapes."""
    variables = dict(net.init(key, *inputs, train=False))
    params = variables.pop("params")
    # A copy: a donated state must not hold the same buffer twice.
    ema = jax.tree.map(jnp.copy, params) if ema_rate else {}
    return Player(params, variables, tx.init(params), ema, net, tx, ema_rate)


def update(
    players: Mapping[str, Player],
    loss_fn: Callable[..., tuple[jax.Array, tuple[dict, Aux]]],
    *inputs: types.PyTree,
    num_parts: int = 1,
) -> tuple[dict[str, Player], Aux]:
    """One optimizer step of each of `players` on one loss; call it inside a pmapped function.

    `loss_fn` takes {role: params} and the `inputs`, arrays with a batch axis, and returns
    (scalar, ({role: new_stats}, aux)).  Gradients and statistics are averaged over devices; aux
    is returned as this device computed it.

    With num_parts > 1 the inputs are cut into that many parts, taken one after the other, on
    accelerators in the memory of one.  Gradients, statistics and aux's scalars are averaged over
    the parts; aux's arrays are joined.  This equals the step on the whole if the loss is a mean
    over examples and no net mixes examples.
    """
    params = {role: player.params for role, player in players.items()}
    gradient = jax.grad(loss_fn, has_aux=True)
    grads, (stats, aux) = _in_parts(gradient, params, inputs, num_parts=num_parts)
    grads, stats = jax.lax.pmean((grads, stats), types.AXIS)
    return {role: _move(players[role], grads[role], stats[role]) for role in players}, aux


def _in_parts(
    gradient: Callable, params: types.PyTree, inputs: types.PyTree, *, num_parts: int
) -> tuple[types.PyTree, tuple[types.PyTree, Aux]]:
    """(gradients, (stats, aux)) of all parts, in a loop.

    Unrolled on CPU, where XLA runs convolutions slowly in a loop; that saves no memory there.
    """
    if num_parts == 1:
        return gradient(params, *inputs)
    sizes = {leaf.shape[0] for leaf in jax.tree.leaves(inputs)}
    if len(sizes) != 1 or min(sizes) % num_parts:
        raise ValueError(
            f"accumulate_steps: expected a divisor of {sorted(sizes)} (examples a device), "
            f"got {num_parts}"
        )
    parts = jax.tree.map(lambda x: x.reshape(num_parts, -1, *x.shape[1:]), inputs)

    def one(total: types.PyTree, part: types.PyTree) -> tuple[types.PyTree, Aux]:
        grads, (stats, aux) = gradient(params, *part)
        return jax.tree.map(jnp.add, total, (grads, stats)), aux

    grads, (stats, _) = jax.eval_shape(gradient, params, *jax.tree.map(lambda x: x[0], parts))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), (grads, stats))
    unroll = num_parts if platforms.is_cpu() else 1
    total, aux = jax.lax.scan(one, zeros, parts, unroll=unroll)
    grads, stats = jax.tree.map(lambda leaf: leaf / num_parts, total)
    aux = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]) if x.ndim > 1 else x.mean(), aux)
    return grads, (stats, aux)


def _move(player: Player, grads: types.PyTree, stats: types.PyTree) -> Player:
    updates, opt_state = player.tx.update(grads, player.opt_state, player.params)
    params = optax.apply_updates(player.params, updates)
    ema = player.ema
    if player.ema_rate:
        ema = optax.incremental_update(params, ema, 1.0 - player.ema_rate)
    return player.replace(params=params, stats=stats, opt_state=opt_state, ema=ema)


def device_mean(scalars: types.Scalars) -> types.Scalars:
    """Averages over the devices of the pmapped function this is called in."""
    return jax.lax.pmean(scalars, types.AXIS)


def gather(tree: types.PyTree) -> types.PyTree:
    """Arrays of all devices joined along the batch axis, in the order of the global batch."""
    return jax.lax.all_gather(tree, types.AXIS, tiled=True)


def own_part(tree: types.PyTree) -> types.PyTree:
    """This device's part of arrays over the global batch: the inverse of `gather`."""
    devices, place = jax.lax.psum(1, types.AXIS), jax.lax.axis_index(types.AXIS)

    def cut(array: jax.Array) -> jax.Array:
        size = array.shape[0] // devices
        return jax.lax.dynamic_slice_in_dim(array, place * size, size)

    return jax.tree.map(cut, tree)


def compute(
    formulas: Mapping[str, Callable[[], jax.Array]], weights: Mapping[str, float]
) -> types.Scalars:
    """The terms whose weight is not 0; the others are not computed, hence not logged.

    Raises ValueError if the names differ.
    """
    if set(formulas) != set(weights):
        raise ValueError(f"loss_weights: expected {sorted(formulas)}, got {sorted(weights)}")
    return {name: formulas[name]() for name in sorted(weights) if weights[name]}


def weigh(terms: types.Scalars, weights: Mapping[str, float]) -> jax.Array:
    """Sum of weights[name] * terms[name].

    Raises ValueError unless the terms are exactly those whose weight is not 0.
    """
    active = {name for name in weights if weights[name]}
    if set(terms) != active:
        raise ValueError(
            f"loss terms: expected {sorted(active)}, as in loss_weights, got {sorted(terms)}"
        )
    return sum((weights[name] * terms[name] for name in sorted(terms)), jnp.zeros(()))


def prefixed(**terms: types.Scalars) -> types.Scalars:
    """prefixed(student={"pixel": x}) -> {"student/pixel": x}."""
    return {
        f"{role}/{name}": value for role, group in terms.items() for name, value in group.items()
    }
