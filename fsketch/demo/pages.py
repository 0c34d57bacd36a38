"""Writes the page as a folder of static files.

index.html, *.css, *.js, sample.jpg   as in site/
runtime/                              ONNX Runtime Web and its licence
models/                               the face finder and the translators, ONNX, with licences
manifest.json                         what the page must know of them
"""

import json
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fsketch.core import writers
from fsketch.demo import serve
from fsketch.faces import detector

LICENCES = pathlib.Path(__file__).parent / "licences"


class Model(NamedTuple):
    """A translator of the page.

    told: what manifest.json says of it: name, direction ("to_sketch" or "to_photo"), summary,
      terms, parameters, channels of its input, canvas ([height, width]), fill (0..255, or None:
      mirrored).
    graphs: style -> its ONNX file, uint8[N, H, W, channels] -> uint8[N, H, W, 1 or 3]; a model of
      one style calls it "".
    """

    told: Mapping[str, Any]
    graphs: Mapping[str, bytes]


def write(
    folder: pathlib.Path,
    models: Sequence[Model],
    *,
    finder: Mapping[str, bytes],
    runtime: Mapping[str, bytes],
) -> None:
    """Writes the whole page into a folder that is new or empty.

    Args:
      models: the translators; the first is what the page begins with.
      finder: by name the ONNX files of the face finder's three nets, in their order.
      runtime: the files of `vendor.runtime`.
    """
    shutil.copytree(serve.SITE, folder, dirs_exist_ok=True)
    files = {f"runtime/{name}": content for name, content in runtime.items()}
    files["runtime/LICENSE.txt"] = (LICENCES / "onnxruntime-web.txt").read_bytes()
    files["models/mtcnn-LICENSE.txt"] = (detector.WEIGHTS.parent / "LICENSE").read_bytes()
    files |= {f"models/{name}": content for name, content in finder.items()}
    manifest = {
        "runtime_bytes": len(runtime["ort-wasm-simd-threaded.wasm"]),
        "finder": list(finder),
        "models": [],
    }
    for model in models:
        named = {
            style: "-".join(filter(None, [model.told["name"], style])) + ".onnx"
            for style in model.graphs
        }
        manifest["models"].append({**model.told, "files": named})
        files |= {f"models/{named[style]}": graph for style, graph in model.graphs.items()}
    files["manifest.json"] = json.dumps(manifest, indent=1).encode()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        writers.write_whole(path, content)
