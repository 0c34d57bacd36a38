"""Weights in ONNX files, read with the package onnx (extra "onnx" of setup.cfg).

Exporters rename initializers and fold normalisations into convolutions, so arrays are named by the
operation that uses them and its number among operations of its kind, in the graph's order:

    Conv.N                weight O x I x k x k, bias where there is one
    Gemm.N                weight O x I, bias where there is one; MatMul counts as Gemm, with the
                          bias that an Add behind it adds
    BatchNormalization.N  weight, bias, running_mean, running_var, epsilon
    PRelu.N               weight C
    Sub.N, Mul.N          weight, one number that all values share: what scales an input

Weights that are stored in 8 bits are computed from constants alone (DequantizeLinear, Reshape);
such operations are evaluated first, by onnx itself.
"""

import collections
from typing import Any

import numpy as np

INPUTS = {  # operation -> its inputs after the first
    "Conv": ("weight", "bias"),
    "Gemm": ("weight", "bias"),
    "MatMul": ("weight",),
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
    "PRelu": ("weight",),
    "Sub": ("weight",),
    "Mul": ("weight",),
}
OF_CONSTANTS = ("Identity", "DequantizeLinear", "Reshape")  # evaluated
SCALES = ("Sub", "Mul")


def read(path: str) -> dict[str, np.ndarray]:
    """The arrays of an ONNX file by operation.

    ValueError without onnx, for files that are not ONNX, and for graphs in which another operation
    uses an array of numbers (an input's range or mean, for example).
    """
    try:
        import onnx  # optional: see setup.cfg
        from onnx import numpy_helper, reference
    except ImportError:
        raise ValueError(
            f"{path}: expected the package onnx, got none; pip install 'fsketch[onnx]'"
        ) from None
    try:
        graph = onnx.load(path).graph
    except FileNotFoundError:
        raise
    except Exception as error:  # protobuf's own
        raise ValueError(f"{path}: expected a whole ONNX file, got {error}") from None
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    arrays: dict[str, np.ndarray] = {}
    counts: collections.Counter[str] = collections.Counter()
    products: dict[str, str] = {}  # output of a MatMul -> its name
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant" and "value" in attributes:
            constants[node.output[0]] = numpy_helper.to_array(attributes["value"])
        elif node.op_type in OF_CONSTANTS and all(name in constants for name in node.input):
            given = {name: constants[name] for name in node.input}
            (constants[node.output[0]],) = reference.ReferenceEvaluator(node).run(None, given)
        elif node.op_type == "Add" and node.input[0] in products and node.input[1] in constants:
            arrays[f"{products[node.input[0]]}.bias"] = constants[node.input[1]]
        elif node.op_type in INPUTS and (node.op_type not in SCALES or _scales(node, constants)):
            kind = "Gemm" if node.op_type == "MatMul" else node.op_type
            name = f"{kind}.{counts[kind]}"
            counts[kind] += 1
            if node.op_type == "MatMul":
                products[node.output[0]] = name
            for end, source in zip(INPUTS[node.op_type], node.input[1:], strict=False):
                if not source:
                    continue
                if source not in constants:
                    raise ValueError(
                        f"{path}: {name}: expected a stored {end}, got a computed one ({source})"
                    )
                arrays[f"{name}.{end}"] = _as_torch(
                    node.op_type, end, constants[source], attributes
                )
            if kind == "BatchNormalization":
                arrays[f"{name}.epsilon"] = np.float32(attributes.get("epsilon", 1e-5))
        elif node.op_type != "Dropout":  # which has a rate, and does nothing outside of training
            used = [name for name in node.input if _is_weight(constants.get(name))]
            if used:
                raise ValueError(
                    f"{path}: expected arrays in {list(INPUTS)}, got {used[0]} in {node.op_type}"
                )
    if not arrays:
        raise ValueError(f"{path}: expected layers with weights ({list(INPUTS)}), got none")
    return arrays


def _as_torch(
    operation: str, end: str, array: np.ndarray, attributes: dict[str, Any]
) -> np.ndarray:
    if operation == "PRelu":
        return array.reshape(-1)  # C x 1 x 1
    if operation == "MatMul" or (operation == "Gemm" and not attributes.get("transB", 0)):
        return array.T if end == "weight" else array
    return array


def _scales(node: Any, constants: dict[str, np.ndarray]) -> bool:
    """Whether it is an operation with one stored number."""
    array = constants.get(node.input[1])
    return _is_weight(array) and array.size == 1


def _is_weight(array: np.ndarray | None) -> bool:
    return array is not None and array.dtype.kind == "f"
