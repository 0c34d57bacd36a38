"""The nets of a page: the face finder, and translators of runs."""

import numpy as np

from fsketch import restore, synthesize
from fsketch.convert import files
from fsketch.core import errors, trees
from fsketch.demo import pages
from fsketch.export import detector as exported
from fsketch.export import onnx_file, sources
from fsketch.faces import align, detector

# Of the face finder: file of export/detector.py -> net of nets/mtcnn.py, and what that file calls
# its dense layer, a convolution over a map of 3 x 3.
_FINDER = {"pnet": ("proposal", ""), "rnet": ("refinement", "conv4"), "onet": ("output", "conv5")}


def finder() -> dict[str, bytes]:
    """{file name: ONNX} of the three nets that find faces."""
    _, params = files.read(str(detector.WEIGHTS))
    weights = {
        file: {
            dense if name == "dense" else name: _convolution(layer, 3 if name == "dense" else 1)
            for name, layer in params[net].items()
        }
        for file, (net, dense) in _FINDER.items()
    }
    return exported.serialized(weights, {"source": "MTCNN, see mtcnn-LICENSE.txt"})


def _convolution(layer: dict[str, np.ndarray], side: int) -> dict[str, np.ndarray]:
    """A layer in float32; a dense kernel as that of a convolution over a map of `side`."""
    arrays = {name: np.asarray(array, np.float32) for name, array in layer.items()}
    if "kernel" in arrays and arrays["kernel"].ndim == 2:
        num_outputs = arrays["kernel"].shape[1]
        arrays["kernel"] = arrays["kernel"].reshape(side, side, -1, num_outputs)
    return arrays


def of_run(workdir: str, *, checkpoint: str = "best") -> list[pages.Model]:
    """The translators of a run, one for each direction that it offers.

    Raises UsageError for a run without a direction that can be exported, ValueError for one that
    takes no image of the frame of faces/align.py.
    """
    restored = restore.run(workdir, kind=checkpoint)
    found, reasons = [], []
    for direction in sources.DIRECTIONS:
        try:
            source = sources.of(restored, direction, name=workdir.rstrip("/").rpartition("/")[2])
        except errors.UsageError as error:
            reasons.append(error)
        else:
            found.append(_model(source))
    if not found:
        raise reasons[0]
    return found


def _model(source: sources.Source) -> pages.Model:
    translator = synthesize.Translator(source.restored, source.direction)
    if problem := translator.problem(align.FRAME):
        raise ValueError(f"--workdir: {problem}")
    canvas = translator.canvas(align.FRAME)
    about = source.about
    told = {
        "name": f"{about['run']}-{sources.DIRECTIONS[source.direction][1]}",
        "direction": source.direction,
        "summary": f"Trained on {about['data']} for {int(about['step']):,} steps.",
        "terms": "Its terms are those of its training images.",
        "parameters": trees.count(source.variables["params"]),
        "styles": [],
        "channels": source.channels[0],
        "canvas": canvas,
        "fill": source.fill,
    }
    graph = onnx_file.serialized(source, size=canvas, is_uint8=True, half=False)
    return pages.Model(told, graph)
