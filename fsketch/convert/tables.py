"""Which published array becomes which of our parameters.

A table maps our flat name to (their key, axes): axes is the transposition, None for none.
"""

from collections.abc import Collection, Mapping

import numpy as np

OIHW_TO_HWIO = (2, 3, 1, 0)

Table = dict[str, tuple[str, tuple[int, ...] | None]]


def squeezenet_v1_0() -> Table:
    """The npz whose keys are "conv1/w", "fire2/conv1x1_1/w" (OIHW), ..., and their "/b"."""
    layers = {"conv1": "conv1", "conv10": "conv_final"}
    for fire in (f"fire{number}" for number in range(2, 10)):
        layers |= {
            f"{fire}/squeeze": f"{fire}/conv1x1_1",
            f"{fire}/expand1": f"{fire}/conv1x1_2",
            f"{fire}/expand3": f"{fire}/conv3x3_2",
        }
    table: Table = {}
    for ours, theirs in layers.items():
        table[f"{ours}/kernel"] = (f"{theirs}/w", OIHW_TO_HWIO)
        table[f"{ours}/bias"] = (f"{theirs}/b", None)
    return table


def inception_fid() -> Table:
    """The state dict of pytorch-fid's pt_inception-2015-12-05 -> variables of `nets.inception`."""
    table: Table = {}
    for layer in _inception_layers():
        ours = layer.replace(".", "/")
        table[f"params/{ours}/conv/kernel"] = (f"{layer}.conv.weight", OIHW_TO_HWIO)
        table[f"params/{ours}/bn/scale"] = (f"{layer}.bn.weight", None)
        table[f"params/{ours}/bn/bias"] = (f"{layer}.bn.bias", None)
        table[f"batch_stats/{ours}/bn/mean"] = (f"{layer}.bn.running_mean", None)
        table[f"batch_stats/{ours}/bn/var"] = (f"{layer}.bn.running_var", None)
    return table


def inception_fid_unused() -> frozenset[str]:
    """Keys of that file which features do not need: the 1008 logits and counters of training."""
    counters = (f"{layer}.bn.num_batches_tracked" for layer in _inception_layers())
    return frozenset(("fc.weight", "fc.bias", *counters))


def _inception_layers() -> list[str]:
    """The 94 convolutions by their published names."""

    def numbered(name: str, last: int) -> list[str]:
        return [f"{name}_{i}" for i in range(1, last + 1)]

    ends = ["branch1x1", "branch_pool"]
    double = numbered("branch3x3dbl", 3)
    a = [*ends, *numbered("branch5x5", 2), *double]
    b = ["branch3x3", *double]
    c = [*ends, *numbered("branch7x7", 3), *numbered("branch7x7dbl", 5)]
    d = [*numbered("branch3x3", 2), *numbered("branch7x7x3", 4)]
    e = [*ends, "branch3x3_1", "branch3x3_2a", "branch3x3_2b"]
    e += [*double[:2], "branch3x3dbl_3a", "branch3x3dbl_3b"]
    blocks = {"5b": a, "5c": a, "5d": a, "6a": b, "6b": c, "6c": c, "6d": c, "6e": c}
    blocks |= {"7a": d, "7b": e, "7c": e}
    stem = [f"Conv2d_{name}" for name in ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")]
    return stem + [f"Mixed_{block}.{branch}" for block, names in blocks.items() for branch in names]


def apply(
    table: Table,
    arrays: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    unused: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """Our flat parameters from theirs.

    Every key of `arrays` must be used once or be one of `unused`, which may be absent; every name
    of `shapes` filled, every shape right and every number finite; ValueError lists all that is
    not so.
    """
    used = [key for key, _ in table.values()]
    known = {*used, *unused}
    problems = [f"missing in the file: {key}" for key in used if key not in arrays]
    problems += [f"unknown in the file: {key}" for key in arrays if key not in known]
    problems += [f"not filled: {name}" for name in shapes if name not in table]
    result = {}
    for name, (key, axes) in table.items():
        if key not in arrays:
            continue
        array = np.asarray(arrays[key], np.float32)
        array = array.transpose(axes) if axes and array.ndim == len(axes) else array
        if array.shape != shapes.get(name):
            problems.append(f"shape: {key} gives {array.shape}, {name} is {shapes.get(name)}")
        if not np.isfinite(array).all():
            problems.append(f"not finite: {key}")
        result[name] = array
    if problems:
        raise ValueError("\n".join(problems))
    return result
