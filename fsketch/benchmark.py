"""fsketch benchmark: time and memory of a training step on this machine.

Measures a KD step and, in turn, the same step with plain lax convolutions, and compares them with
the machine's matrix product.  Each form runs in its own process, because XLA's flags cannot change
once it has started.

With --synthdistill, measures the published SynthDistill (configs/synthdistill.py:faces=stylegan2)
with random weights of StyleGAN2 and of the teacher, so no weight files are needed.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from fsketch import methods, train
from fsketch.configs import kd, synthdistill
from fsketch.core import arguments, parallel, state, trees, types
from fsketch.data import augment
from fsketch.frozen import architectures, embedders, generators, registry
from fsketch.methods import interface
from fsketch.nets import convolution, vgg

# form -> (plain convolutions?, environment)
FORMS = {
    "rewritten": (False, {}),
    "plain": (True, {"FSKETCH_STARTUP": "0"}),
}


def seconds(function: Callable[[], object], *, repeats: int) -> list[float]:
    """Wall times of `repeats` calls, after one call that is not counted."""
    jax.block_until_ready(function())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - start)
    return times


def matrix_product(size: int, *, repeats: int) -> float:
    """Speed of a float32 matrix product on the first device, in FLOP/s (best of `repeats`)."""
    a = jax.random.normal(jax.random.key(0), (size, size))
    product = jax.jit(jnp.matmul)
    return 2 * size**3 / min(seconds(lambda: product(a, a), repeats=repeats))


def measure(args: argparse.Namespace) -> dict[str, float]:
    """Measures one form in this process: step_ms and its spread, gflop, share of sgemm, memory."""
    config = kd.get_config("data=cuhk")
    with config.unlocked():
        config.batch_size = args.batch
        config.model.width, config.model.num_blocks = args.width, args.blocks
        config.data.canvas_px = config.data.crop_px = args.size
    method = methods.create(config)
    frozen = {"teacher": random_vgg19(args.size)}
    shape = (args.batch, args.size, args.size)
    batch = {
        "photo": jax.random.randint(jax.random.key(1), (*shape, 3), 0, 256).astype(jnp.uint8),
        "sketch": jax.random.randint(jax.random.key(2), (*shape, 1), 0, 256).astype(jnp.uint8),
    }
    plain, _ = FORMS[args.form]
    with convolution.plain() if plain else contextlib.nullcontext():
        one = {k: jnp.zeros((1, args.size, args.size, x.shape[-1])) for k, x in batch.items()}
        fresh = jax.jit(method.init)(jax.random.key(0), frozen, one)
        compile_sec, times = timed(config, fresh, frozen, batch, repeats=args.repeats)
    gflop = flop(method, frozen, fresh, batch) / 1e9
    peak = matrix_product(2048, repeats=5) / 1e9
    median = statistics.median(times)
    return {
        "step_ms": 1e3 * median,
        "fastest_ms": 1e3 * min(times),
        "compile_sec": compile_sec,
        "gflop": gflop,
        "gflop_per_sec": gflop / median,
        "sgemm_gflop_per_sec": peak,
        "share_of_sgemm": gflop / median / peak,
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def measure_synthdistill(batch_size: int, *, repeats: int) -> dict[str, float]:
    """Measures the published step in this process: two updates of `batch_size` new faces each."""
    config = synthdistill.get_config("faces=stylegan2")
    num_faces = 2 * config.batch_size * config.num_steps  # of the published run
    with config.unlocked():
        config.batch_size = batch_size
    frozen = {
        "teacher": random_embedder("iresnet100"),
        "generator": random_generator("stylegan2_ffhq256"),
    }
    init = methods.create(config).init
    fresh = jax.jit(lambda key: init(key, frozen, {}))(jax.random.key(0))
    batch = {"identity": jnp.zeros(batch_size, jnp.int32)}
    compile_sec, times = timed(config, fresh, frozen, batch, repeats=repeats)
    median = statistics.median(times)
    return {
        "parameters": trees.count(fresh["student"].params),
        "step_ms": 1e3 * median,
        "fastest_ms": 1e3 * min(times),
        "compile_sec": compile_sec,
        "faces_per_sec": 2 * batch_size / median,
        "hours_of_the_run": num_faces / (2 * batch_size / median) / 3600,
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def timed(
    config: ConfigDict,
    fresh: state.TrainState,
    frozen: interface.Frozens,
    batch: types.Batch,
    *,
    repeats: int,
) -> tuple[float, list[float]]:
    """(seconds of the first step with compilation, seconds of each of `repeats` later steps)."""
    step = parallel.pmap(train.one_device(methods.create(config), config.data), donate=(0,))
    holder = [parallel.replicate(jax.device_get(fresh))]
    nets = parallel.replicate(frozen)
    keys = parallel.step_keys(0, 1, global_batch=config.batch_size)
    parts = parallel.split({k: jax.device_get(x) for k, x in batch.items()})

    def advance() -> dict:
        holder[0], scalars = step(holder[0], nets, parts, keys)
        return scalars

    start = time.perf_counter()
    jax.block_until_ready(advance())
    return time.perf_counter() - start, seconds(advance, repeats=repeats)


def flop(
    method: interface.Method,
    frozen: interface.Frozens,
    fresh: state.TrainState,
    batch: dict[str, jax.Array],
) -> float:
    """Multiplications and additions of the convolutions in one step, counted in its jaxpr."""

    def one_device(train_state: state.TrainState, frozen: dict, batch: dict) -> tuple:
        return method.train_step(train_state, frozen, augment.scale(batch), jax.random.key(0))

    with convolution.plain():
        jaxpr = jax.make_jaxpr(one_device, axis_env=[("device", 1)])(fresh, frozen, batch)
    return _convolution_flop(jaxpr.jaxpr)


def _convolution_flop(jaxpr: "jax.extend.core.Jaxpr") -> float:
    """2 x multiply-adds; zeros that dilation inserts between pixels are not counted."""
    total = 0.0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval
            (out,) = (v.aval for v in equation.outvars)
            numbers = equation.params["dimension_numbers"]
            taps = kernel.size / kernel.shape[numbers.rhs_spec[0]]
            work = 2.0 * out.size * taps
            for dilation in equation.params["lhs_dilation"]:
                work /= dilation
            total += work
        for value in jax.tree.leaves(tuple(equation.params.values())):
            inner = getattr(value, "jaxpr", value)  # open or closed
            if hasattr(inner, "eqns"):
                total += _convolution_flop(inner)
    return total


def random_vgg19(size: int) -> state.Frozen:
    """A VGG-19 teacher with random weights, so that no file is needed."""
    params = jax.jit(vgg.VGG().init)(jax.random.key(3), jnp.zeros((1, size, size, 3)))["params"]
    taps = architectures.ARCHITECTURES["vgg"].taps
    spec = {"kind": "teacher", "net": "vgg", "arguments": {}, "taps": taps, "path": ""}
    variables = {"params": {"net": params}, "constants": {"rms": jnp.ones(3)}}
    return registry.build(json.dumps(spec), variables)


def random_embedder(net: str) -> state.Frozen:
    """A published embedder with random weights."""
    side = architectures.ARCHITECTURES[net].size_px
    init = jax.jit(embedders.create(net, {}).init)
    variables = init(jax.random.key(4), jnp.zeros((1, side, side, 3)))
    spec = {"kind": "embedder", "net": net, "arguments": {}, "side_px": side, "frame": "face"}
    return registry.build(json.dumps({**spec, "path": ""}), variables)


def random_generator(name: str) -> generators.StyleGAN2:
    """A published StyleGAN2 with random weights."""
    net = architectures.ARCHITECTURES[name].generator()
    variables = jax.jit(net.init)(jax.random.key(5), jnp.zeros((1, net.width)))
    return generators.StyleGAN2(variables, net, json.dumps({"net": name, "path": ""}))


def main(words: Sequence[str]) -> int:
    """Measures all forms in turn, or one in this process; prints JSON."""
    parser = arguments.Parser("benchmark", description=__doc__)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5, help="steps per process")
    parser.add_argument("--rounds", type=int, default=2, help="processes per form, in turn")
    parser.add_argument("--form", choices=sorted(FORMS), help="measure one form in this process")
    parser.add_argument(
        "--synthdistill", action="store_true", help="measure a SynthDistill step of --batch faces"
    )
    args = parser.parse_args(words)
    if args.synthdistill:
        print(json.dumps(measure_synthdistill(args.batch, repeats=args.repeats), indent=2))
        return 0
    if args.form:
        print(json.dumps(measure(args)))
        return 0
    rows: dict[str, list[dict[str, float]]] = {form: [] for form in FORMS}
    for _ in range(args.rounds):
        for form, (_, environment) in FORMS.items():
            child = subprocess.run(
                [sys.executable, "-m", "fsketch", "benchmark", "--form", form, *words],
                env={
                    **os.environ,
                    "XLA_FLAGS": "",
                    "JAX_ENABLE_COMPILATION_CACHE": "0",
                    **environment,
                },
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            rows[form].append(json.loads(child.stdout.splitlines()[-1]))
            print(form, json.dumps(rows[form][-1]), flush=True)
    medians = {
        form: {key: statistics.median(row[key] for row in group) for key in group[0]}
        for form, group in rows.items()
    }
    medians["ratio"] = {
        "step": medians["plain"]["step_ms"] / medians["rewritten"]["step_ms"],
    }
    print(json.dumps(medians, indent=2))
    return 0
