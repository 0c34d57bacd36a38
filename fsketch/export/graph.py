"""ONNX graphs assembled layer by layer, with the package onnx (extra "export" of setup.cfg).

Maps are N x C x H x W inside a graph, as ONNX has them, and N x H x W x C outside.  Every layer of
fsketch/nets/layers.py has its method in `Layers`, which finds the layer's parameters by the name
that flax gave it, so the function of an architecture reads as the net's own file.
"""

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fsketch.core import errors

try:
    import onnx  # optional: see setup.cfg
    from onnx import helper, numpy_helper
except ImportError:
    raise errors.UsageError(
        "--format: expected the package onnx for this format, got none; "
        "pip install 'fsketch[export]'"
    ) from None

OPSET = 17  # of onnxruntime 1.12 and later, and of its web form
_IR_VERSION = 8
_FLOAT, _UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
_NCHW, _NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


class Graph:
    """Nodes and constants in the order in which they are added; values are names.

    half: kernels of more than 64 numbers are stored in 16 bits, and computed with in 32.
    image_px: (height, width) of the last input; names where they are not fixed.
    """

    def __init__(self, *, half: bool = False) -> None:
        self.image_px: tuple[int | str, int | str] = ()
        self._half = half
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The value of a new node."""
        name = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any, *, exact: bool = False) -> str:
        """An array as a value; numbers in floating point become float32, if `exact` never less."""
        array = np.ascontiguousarray(value)
        array = array.reshape(np.shape(value))  # ascontiguousarray makes a scalar a vector
        if np.issubdtype(array.dtype, np.floating):
            array = array.astype(np.float32)
        is_kernel = array.dtype == np.float32 and array.ndim > 1 and array.size > 64
        is_half = self._half and is_kernel and not exact
        name = f"w{len(self._constants)}"
        stored = array.astype(np.float16) if is_half else array
        self._constants.append(numpy_helper.from_array(stored, name))
        return self.op("Cast", name, to=_FLOAT) if is_half else name

    def ints(self, *numbers: int) -> str:
        """int64 numbers as a value."""
        return self.constant(np.array(numbers, np.int64))

    def size(self, x: str) -> str:
        """(height, width) of a map: int64[2]."""
        return self.op("Shape", x, start=2)

    def image(self, name: str, shape: Sequence[int | str], *, is_uint8: bool = False) -> str:
        """A new input, N x H x W x C, as a map; uint8 in 0..255 becomes [-1, 1]."""
        kind = _UINT8 if is_uint8 else _FLOAT
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        self.image_px = tuple(shape[1:3])
        x = name
        if is_uint8:
            x = self.op("Cast", x, to=_FLOAT)
            x = self.op("Sub", self.op("Div", x, self.constant(127.5)), self.constant(1.0))
        return self.op("Transpose", x, perm=_NCHW)

    def give_image(
        self, x: str, name: str, shape: Sequence[int | str], *, is_uint8: bool = False
    ) -> None:
        """A map as a new output N x H x W x C; [-1, 1] becomes uint8 in 0..255."""
        x = self.op("Transpose", x, perm=_NHWC)
        if is_uint8:
            x = self.op("Mul", self.op("Add", x, self.constant(1.0)), self.constant(127.5))
            x = self.op("Clip", self.op("Round", x), self.constant(0.0), self.constant(255.0))
            x = self.op("Cast", x, to=_UINT8)
        self.give(x, name, shape, kind=_UINT8 if is_uint8 else _FLOAT)

    def give(self, x: str, name: str, shape: Sequence[int | str], *, kind: int = _FLOAT) -> None:
        """A value as a new output of this name."""
        self._nodes.append(helper.make_node("Identity", [x], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def serialized(self, name: str, about: Mapping[str, str]) -> bytes:
        """The checked model as the content of an .onnx file; about: its meta data."""
        model = helper.make_model(
            helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._constants),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="fsketch",
        )
        helper.set_model_props(model, dict(about))
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()


class Layers:
    """The layers of one flax module, added to a graph in the order of the module's calls.

    Each method takes its parameters from the next layer of its kind, or from the one of a name.
    """

    def __init__(
        self,
        graph: Graph,
        params: Mapping[str, Any],
        stats: Mapping[str, Any] | None = None,
        *,
        style: np.ndarray | None = None,
    ) -> None:
        """style: float32[1, S], the share of each style, for a net of several styles."""
        self.graph, self.params, self._stats, self._style = graph, params, stats or {}, style
        self._counts = collections.Counter()

    def _name(self, kind: str, name: str) -> str:
        if not name:
            name = f"{kind}_{self._counts[kind]}"
            self._counts[kind] += 1
        return name

    def module(self, kind: str, *, name: str = "") -> "Layers":
        """The layers of an inner module: the next of this class, or the one of this name."""
        name = self._name(kind, name)
        params, stats = self.params.get(name, {}), self._stats.get(name)
        return Layers(self.graph, params, stats, style=self._style)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The value of a new node."""
        return self.graph.op(kind, *inputs, **attributes)

    def constant(self, value: Any) -> str:
        """An array as a value."""
        return self.graph.constant(value)

    def conv(
        self,
        x: str,
        *,
        stride: int = 1,
        padding: int | None = None,
        reflect: bool = False,
        dilation: int = 1,
        name: str = "",
    ) -> str:
        """`layers.Conv`, whose padding is the same by default."""
        params = self.params[self._name("Conv", name)]
        return self.convolved(
            x, params["kernel"], params.get("bias"),
            stride=stride, padding=padding, reflect=reflect, dilation=dilation,
        )  # fmt: skip

    def convolved(
        self,
        x: str,
        kernel: np.ndarray,
        bias: np.ndarray | None = None,
        *,
        stride: int = 1,
        padding: int | None = None,
        reflect: bool = False,
        dilation: int = 1,
        group: int = 1,
    ) -> str:
        """A convolution with a kernel k x k x Cin/group x Cout."""
        if padding is None:
            padding = dilation * (kernel.shape[0] - 1) // 2
        if reflect:
            x, padding = self.pad(x, padding, mode="reflect"), 0
        return self.op(
            "Conv", x, *self._weights(np.transpose(kernel, (3, 2, 0, 1)), bias),
            kernel_shape=kernel.shape[:2], strides=[stride] * 2, pads=[padding] * 4,
            dilations=[dilation] * 2, group=group,
        )  # fmt: skip

    def depthwise(self, x: str, *, stride: int = 1) -> str:
        """`layers.DepthwiseConv`."""
        kernel = self.params[self._name("DepthwiseConv", "")]["kernel"]
        return self.convolved(x, kernel, stride=stride, group=kernel.shape[-1])

    def conv_transpose(
        self, x: str, *, stride: int = 2, padding: int = 1, output_padding: int = 1
    ) -> str:
        """`layers.ConvTranspose`."""
        params = self.params[self._name("ConvTranspose", "")]
        kernel = np.transpose(params["kernel"], (3, 2, 0, 1))  # Cin x Cout x k x k
        return self.op(
            "ConvTranspose", x, *self._weights(kernel, params.get("bias")),
            kernel_shape=kernel.shape[2:], strides=[stride] * 2, pads=[padding] * 4,
            output_padding=[output_padding] * 2,
        )  # fmt: skip

    def dense(self, x: str, *, name: str = "") -> str:
        """flax' Dense of N x C."""
        params = self.params[self._name("Dense", name)]
        return self.op("Gemm", x, self.constant(params["kernel"]), self.constant(params["bias"]))

    def shifted(self, x: str) -> str:
        """A map with `layers.shift`; the map itself in a net of one style."""
        if self._style is None:
            return x
        kernel = np.asarray(self.params[self._name("Dense", "")]["kernel"])
        shift = (self._style @ kernel)[..., None, None]
        return self.op("Add", x, self.graph.constant(shift, exact=True))

    def _weights(self, kernel: np.ndarray, bias: np.ndarray | None) -> list[str]:
        return [self.constant(array) for array in (kernel, bias) if array is not None]

    def norm(self, x: str, kind: str = "instance", *, epsilon: float = 1e-5) -> str:
        """`layers.Norm` with this kind; batch statistics are the running ones."""
        if kind == "none":
            self._name("Norm", "")
            return x
        return self._normalised(x, self._name("Norm", ""), kind, epsilon)

    def instance_norm(self, x: str) -> str:
        """`layers.InstanceNorm`."""
        return self._normalised(x, self._name("InstanceNorm", ""), "instance", 1e-5)

    def _normalised(self, x: str, name: str, kind: str, epsilon: float) -> str:
        arrays = [self.params[name]["scale"], self.params[name]["bias"]]
        if kind == "batch":
            arrays += [self._stats[name]["mean"], self._stats[name]["var"]]
            return self.op("BatchNormalization", x, *map(self.constant, arrays), epsilon=epsilon)
        # Centred first: a runtime's mean of many equal numbers has an error, which the norm of an
        # even map would enlarge up to 316 times.
        x = self.op("Sub", x, self.op("GlobalAveragePool", x))
        return self.op("InstanceNormalization", x, *map(self.constant, arrays), epsilon=epsilon)

    def relu(self, x: str) -> str:
        """max(x, 0)."""
        return self.op("Relu", x)

    def leaky_relu(self, x: str, slope: float) -> str:
        """max(x, slope x)."""
        return self.op("LeakyRelu", x, alpha=slope)

    def prelu(self, x: str, name: str) -> str:
        """`layers.PReLU` of this name."""
        slope = np.reshape(self.params[name]["slope"], (-1, 1, 1))
        return self.op("PRelu", x, self.constant(slope))

    def pad(self, x: str, padding: int, *, mode: str) -> str:
        """Rows and columns added on every side; mode: constant (zeros), reflect or edge."""
        p = padding
        return self.op("Pad", x, self.graph.ints(0, 0, p, p, 0, 0, p, p), mode=mode) if p else x

    def upsample(self, x: str) -> str:
        """`layers.upsample`: doubled, nearest neighbour."""
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.op(
            "Resize", x, "", scales, mode="nearest", nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )  # fmt: skip

    def max_pool(self, x: str, *, window: int = 2, stride: int = 2, ceil: bool = False) -> str:
        """`layers.max_pool`; ceil: a last window that is not full counts too."""
        return self.op(
            "MaxPool", x, kernel_shape=[window] * 2, strides=[stride] * 2, ceil_mode=int(ceil)
        )

    def concat(self, *maps: str) -> str:
        """Maps joined on channels."""
        return self.op("Concat", *maps, axis=1)
