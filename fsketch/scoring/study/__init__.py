"""A user study: which of several outputs do people prefer?  Forced choice, on one HTML page.

KD's paper has a user study [paper]; its design is not public, so this is the usual one [inferred]:
20 to 30 random faces; beside each, the outputs of all methods without their names; one must be
chosen.  The order of faces and the places of methods are random for each participant.

    PAGE.html       what participants see: pictures and numbers, no name of a method or a file
    PAGE.key.json   which method and which file each number stands for; keep it to yourself
    *.json          a participant's answers, which the page saves at its end; nothing is sent

The page needs no network and no server.
"""

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from fsketch.core import errors, writers
from fsketch.scoring import matching, text

QUESTION = "Which picture shows the person above best?"


def make(
    path: Path,
    reference: Path,
    outputs: Mapping[str, Path],
    *,
    num_faces: int = 25,
    seed: int = 0,
    title: str = "Which picture is best?",
    question: str = QUESTION,
) -> dict[str, Any]:
    """Writes the page and its key; returns the key.

    reference: folder of the images shown above the choices.  outputs: by method, folders with an
    output of the same stem for each of them.  num_faces: of these images, drawn by `seed`; 0 = all.
    Raises DataError for files that do not match or cannot be read, and for fewer than two methods.
    """
    if len(outputs) < 2:
        raise errors.refusal("--output", got=f"{len(outputs)}", expected="two methods or more")
    problems = matching.Problems()
    matched = matching.by_folders(reference, None, problems)
    matched = matching.attach(matched, outputs, {id: id for id in matched.ids}, problems)
    problems.close()
    if not 0 <= num_faces <= len(matched.ids):
        expected = f"0 (all) to {len(matched.ids)}, the images of {reference}"
        raise errors.refusal("--faces", got=f"{num_faces}", expected=expected)
    random = np.random.default_rng(seed)
    ids = [str(id) for id in random.permutation(matched.ids)[: num_faces or None]]
    faces = []
    for id in ids:
        files = [matched.truth[id], *(files[id] for files in matched.outputs.values())]
        shown, *choices = (_uri(file, problems) for file in files)
        faces.append({"reference": shown, "choices": choices})
    problems.close()
    key = {"methods": list(outputs), "ids": ids, "question": question, "seed": seed}
    content = json.dumps([key, faces], sort_keys=True)
    key["study"] = hashlib.sha256(content.encode()).hexdigest()[:16]
    page = _rendered(title, question, {"study": key["study"], "faces": faces})
    writers.write_whole(path, page.encode())
    writers.write_json(key_of(path), key)
    return key


def key_of(path: Path) -> Path:
    """The file with the names that a page leaves out."""
    return path.with_suffix(".key.json")


def _rendered(title: str, question: str, data: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__name__, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    script, style = (
        Markup(environment.loader.get_source(environment, f"study.{kind}")[0])
        for kind in ("js", "css")
    )
    return environment.get_template("study.html.j2").render(
        title=text.clean(title),
        question=text.clean(question),
        num_faces=len(data["faces"]),
        data=data,
        script=script,
        style=style,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _uri(path: Path, problems: matching.Problems) -> str:
    """The image as a PNG, without loss: people judge the pixels that are scored."""
    image = matching.decode(path, problems)
    if image is None:
        return ""
    buffer = io.BytesIO()
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def read_key(path: Path) -> dict[str, Any]:
    """The key that `make` wrote; ValueError for another file."""
    key = _json(path)
    if not isinstance(key, dict) or not {"study", "methods", "ids"} <= key.keys():
        raise ValueError(f"{path}: expected the *.key.json of a study, got another file")
    return key


def read_answers(key: Mapping[str, Any], paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """(method chosen, place chosen), int64[participants, faces] each; faces as in the key.

    Raises DataError for files of another study, unfinished ones, and a participant's second file.
    """
    problems, known = matching.Problems(), {}
    num_faces, num_methods = len(key["ids"]), len(key["methods"])
    chosen = np.full((2, len(paths), num_faces), -1)
    for row, path in enumerate(paths):
        try:
            found = _json(path)
            if found["study"] != key["study"]:
                problems.add(f"{path}", got="another study", expected=f"study {key['study']}")
                continue
            for answer in found["answers"]:
                order, place = answer["order"], answer["place"]
                if sorted(order) != list(range(num_methods)) or not 0 <= place < num_methods:
                    raise KeyError("order")
                chosen[:, row, answer["face"]] = order[place], place
            person = str(found["participant"])
        except (ValueError, KeyError, TypeError, IndexError):
            problems.add(f"{path}", got="another file", expected="answers as the page saves them")
            continue
        if (chosen[0, row] < 0).any():
            got = f"{(chosen[0, row] >= 0).sum()} answers"
            problems.add(f"{path}", got=got, expected=f"{num_faces}")
        if person in known:
            problems.add(
                f"{path}", got=f"the participant of {known[person]}", expected="a file each"
            )
        known[person] = path
    problems.close()
    return chosen[0], chosen[1]


def _json(path: Path) -> Any:
    """ValueError, which names the file, for what is no JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got another file ({error})") from None
