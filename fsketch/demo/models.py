"""The translators of a page, from runs."""

from fsketch import restore, synthesize
from fsketch.core import errors, trees
from fsketch.demo import pages
from fsketch.export import onnx_file, sources

FRAME = (250, 200)  # height and width of an aligned face


def of_run(workdir: str, *, checkpoint: str = "best") -> list[pages.Model]:
    """The translators of a run, one for each direction that it offers.

    Raises UsageError for a run without a direction that can be exported, ValueError for one that
    takes no image of `FRAME`.
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
    if problem := translator.problem(FRAME):
        raise ValueError(f"--workdir: {problem}")
    canvas = translator.canvas(FRAME)
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
