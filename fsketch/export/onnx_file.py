"""`--format=onnx`: one .onnx file, for images of any number and size, checked against the run."""

import argparse

import numpy as np
import onnx
from onnx import reference

from fsketch.core import images, progress, writers
from fsketch.export import architectures, graph, parity, sources

try:
    import onnxruntime  # optional: see setup.cfg
except ImportError:
    onnxruntime = None


def run(flags: argparse.Namespace) -> None:
    """Writes flags.out; ValueError, and nothing written, where it differs from the run."""
    writers.check_file("OUT", flags.out)
    content = checked(sources.find(flags), flags)
    writers.write_whole(flags.out, content)
    print(f"{flags.out}: {len(content):,} bytes")


def checked(exact: sources.Source, flags: argparse.Namespace) -> bytes:
    """The content of the file, whose parity is printed; ValueError where it is above a bound."""
    source = sources.in_half(exact) if flags.fp16 else exact
    floats, levels = (
        serialized(source, size=flags.size, is_uint8=is_uint8, half=flags.fp16)
        for is_uint8 in (False, True)
    )
    if onnxruntime is None:
        progress.say("note: checked by onnx.reference, slowly, as onnxruntime is not installed")
    files = parity.Files(function(floats), function(levels))
    parity.report(source, files, flags, step=architectures.multiple(source.net), exact=exact)
    return levels if flags.uint8 else floats


def serialized(
    source: sources.Source, *, size: tuple[int, int] | None, is_uint8: bool, half: bool
) -> bytes:
    """The content of an .onnx file with one input and one output, N x H x W x C.

    size: (height, width) of images for a net of fixed size; None: the run's canvas.
    """
    made = graph.Graph(half=half)
    step = architectures.multiple(source.net)
    sides = ("h", "w") if step else size or source.canvas
    taken, given = source.channels
    source_kind, target_kind = images.DIRECTIONS[source.direction]
    image = made.image(source_kind, ["n", *sides, taken], is_uint8=is_uint8)
    stats = source.variables.get("batch_stats")
    layers = graph.Layers(made, source.variables["params"], stats, style=source.shares.get("style"))
    x = architectures.translated(layers, source.net, image, channels=taken)
    made.give_image(x, target_kind, ["n", *sides, given], is_uint8=is_uint8)
    about = {**source.about, **sources.of_images(is_uint8=is_uint8), "multiple": str(step)}
    return made.serialized(source.direction, about)


def function(content: bytes) -> parity.Function:
    """The file as a function of a batch, by ONNX Runtime on CPU or, without it, by onnx."""
    if onnxruntime is None:
        session = reference.ReferenceEvaluator(onnx.load_from_string(content))
        (name,) = session.input_names
    else:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name

    def translate(batch: np.ndarray) -> np.ndarray:
        (made,) = session.run(None, {name: batch})
        return made

    return translate
