"""The training step and the prediction of `configs/kd.py:ablation=reconstruction`, timed.

The pmapped step of the program, with L1 alone, as rival_torch.py has it; prints one line of JSON.
"""

import json

import sampling


def main() -> None:
    args = sampling.parser(__doc__)
    args.add_argument("--bfloat16", action="store_true", help="compute in bfloat16")
    args = args.parse_args()
    from fsketch.core import startup

    startup.prepare()
    import jax
    import jax.numpy as jnp

    from fsketch import methods, train
    from fsketch.configs import kd
    from fsketch.core import parallel, trees

    config = kd.get_config("data=cuhk,ablation=reconstruction")
    with config.unlocked():
        config.batch_size, config.model.width = args.batch, args.width
        config.model.num_blocks = args.blocks
        config.data.canvas_px = config.data.crop_px = args.size
        config.data.flip = False
        config.model.dtype = "bfloat16" if args.bfloat16 else "float32"
    method = methods.create(config)
    shape = (args.batch, args.size, args.size)
    photo = jax.random.randint(jax.random.key(1), (*shape, 3), 0, 256).astype(jnp.uint8)
    sketch = jax.random.randint(jax.random.key(2), (*shape, 1), 0, 256).astype(jnp.uint8)
    one = {"photo": jnp.zeros((1, *shape[1:], 3)), "sketch": jnp.zeros((1, *shape[1:], 1))}
    fresh = jax.jit(method.init)(jax.random.key(0), {}, one)
    parameters = sum(trees.count(player.params) for player in fresh.players.values())
    if args.work == "predict":
        given = {"photo": jnp.zeros((*shape, 3)), "sketch": jnp.zeros((*shape, 1))}
        draw = jax.jit(lambda state, given: method.predict(state, {}, given)["sketch"])

        def work() -> None:
            jax.block_until_ready(draw(fresh, given))
    else:
        step = parallel.pmap(train.one_device(method, config.data), donate=(0,))
        holder = [parallel.replicate(jax.device_get(fresh))]
        nets = parallel.replicate({})
        keys = parallel.step_keys(0, 1, global_batch=args.batch)
        parts = parallel.split(jax.device_get({"photo": photo, "sketch": sketch}))

        def work() -> None:
            holder[0], scalars = step(holder[0], nets, parts, keys)
            jax.block_until_ready(scalars)

    print(json.dumps({"parameters": parameters, **sampling.measured(work, args.seconds)}))


if __name__ == "__main__":
    main()
