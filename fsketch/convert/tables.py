"""Which published array becomes which of our parameters.

A table maps our flat name to (their key, axes): axes is the transposition, None for none.
"""

from collections.abc import Mapping

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


def apply(
    table: Table, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Our flat parameters from theirs.

    Every key of `arrays` must be used once, every name of `shapes` filled, every shape right and
    every number finite; ValueError lists all that is not so.
    """
    used = [key for key, _ in table.values()]
    problems = [f"missing in the file: {key}" for key in used if key not in arrays]
    problems += [f"unknown in the file: {key}" for key in arrays if key not in used]
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
