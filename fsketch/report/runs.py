"""Reads a run from its workdir: training, its duration, and the evaluation.

The workdir holds everything that a report needs, test pairs included: outputs/ has them as they
were scored, so they can be placed on their canvases again without the data set.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from fsketch import restore
from fsketch.core import checkpoint, images, state, writers
from fsketch.data import lazy, pipeline, records
from fsketch.methods import interface
from fsketch.scoring import matching

KINDS = ("photo", "sketch")


class Training(NamedTuple):
    """The cost of a run so far; None if its files do not say.

    wall_sec: of the steps with compilation, without evaluations and saves.
    images_per_sec: training pairs a second, the median over the lines of metrics.jsonl.
    """

    num_steps: int
    examples: int
    wall_sec: float | None
    images_per_sec: float | None
    devices: str | None


class Run(NamedTuple):
    """A trained and evaluated run; `state` is from the evaluated checkpoint, on the host."""

    label: str
    workdir: Path
    method: interface.Method
    config: ConfigDict
    evaluation: dict[str, Any]
    state: state.TrainState
    frozen: interface.Frozens
    training: Training

    @property
    def directions(self) -> list[str]:
        """The directions in which the run translates."""
        return [name for name in images.DIRECTIONS if _scored(self.evaluation, name)]


def read_all(folders: Mapping[str, Path]) -> dict[str, Run]:
    """The runs by label; ValueError lists everything that is missing or does not fit."""
    runs, problems = {}, []
    for label, workdir in folders.items():
        try:
            runs[label] = read(label, workdir)
        except (ValueError, FileNotFoundError) as error:
            problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))
    return runs


def read(label: str, workdir: Path) -> Run:
    """The run in `workdir`; ValueError if it is not evaluated or does not translate images."""
    if checkpoint.last_step(workdir) is None:
        raise ValueError(f"{workdir}: expected the workdir of a run, got no checkpoint")
    path = workdir / "evaluation.json"
    if not path.is_file():
        raise ValueError(
            f"{workdir}: expected evaluation.json, got none; make it by\n"
            f"    {evaluate_command(workdir)}"
        )
    try:
        evaluation = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}: expected JSON, got an error ({error}); evaluate again by\n"
            f"    {evaluate_command(workdir)}"
        ) from None
    if not any(_scored(evaluation, direction) for direction in images.DIRECTIONS):
        raise ValueError(
            f"{workdir}: expected a run that translates images, got method "
            f"{evaluation['method']!r} with {', '.join(evaluation['metrics'])}; "
            "use --teacher for a teacher"
        )
    if not matching.is_workdir(workdir):
        raise ValueError(
            f"{workdir}: expected outputs/, got none; make it by\n    {evaluate_command(workdir)}"
        )
    latest = checkpoint.read(workdir, kind="latest")[1]
    step = evaluation["step"]
    kind = "latest" if latest["step"] == step else "best"
    restored = restore.run(workdir, kind=kind)
    if restored.step != step:
        raise ValueError(
            f"{workdir}: expected an evaluation.json of step {restored.step} or {latest['step']} "
            f"like the checkpoints, got step {step}; evaluate again by\n"
            f"    {evaluate_command(workdir)}"
        )
    return Run(
        label=label,
        workdir=workdir,
        method=restored.method,
        config=restored.config,
        evaluation=evaluation,
        state=restored.state,
        frozen=restored.frozen,
        training=training(workdir, latest),
    )


def evaluate_command(workdir: Path) -> str:
    """The command that writes a workdir's evaluation.json and outputs/."""
    return f"fsketch evaluate --workdir={workdir}"


def training(workdir: Path, latest: checkpoint.Meta) -> Training:
    """The cost of a run; latest: the meta data of its newest checkpoint."""
    seconds, rates, before = 0.0, [], 0
    path = workdir / "metrics.jsonl"
    for row in writers.read_scalars(path) if path.is_file() else ():
        if rate := row.get("images_per_sec"):
            seconds += (row["step"] - before) * latest["config"]["batch_size"] / rate
            rates.append(rate)
            before = row["step"]
    return Training(
        num_steps=latest["step"],
        examples=latest["position"],
        wall_sec=seconds if rates else None,
        images_per_sec=float(np.median(rates)) if rates else None,
        devices=latest.get("devices"),
    )


def protocol_of(run: Run) -> dict[str, str]:
    """Properties that comparable runs share, by name; images by a hash of their pixels."""
    evaluation = run.evaluation
    result = {
        "data set": evaluation["data"],
        "split": evaluation["split"],
        "protocol": evaluation["protocol"],
        "number of pairs": str(evaluation["num_images"]),
        "canvas": f"{run.config.data.crop_px} px",
    }
    for kind in KINDS:
        if files := test_files(run, kind):
            digest = hashlib.sha256()
            for id, path in files.items():
                pixels = _decoded(path)
                digest.update(f"{id}\0{pixels.shape}\0".encode() + pixels.tobytes())
            result[f"test images ({kind})"] = f"SHA-256 {digest.hexdigest()[:12]}"
    return result


def differences(run: Run, reference: Run) -> list[str]:
    """Why two runs cannot be compared, a line for each reason; [] if they can."""
    own, other = protocol_of(run), protocol_of(reference)
    return [
        f"{name}: expected {other[name]} as in {reference.label}, got {own[name]}"
        for name in own
        if name in other and own[name] != other[name]
    ]


def test_files(run: Run, kind: str) -> dict[str, Path]:
    """Real test images by id, sorted; {} for a kind that the run did not keep."""
    folder = Path(matching.outputs_of(run.workdir, kind))
    return {path.stem: path for path in sorted(folder.glob("*.png"))}


def test_pairs(run: Run) -> pipeline.AnyCanvases:
    """The test pairs on their canvases, as in the evaluation, sorted by id."""
    files = {kind: test_files(run, kind) for kind in KINDS}
    if not files["photo"] or files["photo"].keys() != files["sketch"].keys():
        raise ValueError(
            f"{run.workdir}/outputs: expected photo/ and sketch/ of all test pairs, got "
            f"{len(files['photo'])} and {len(files['sketch'])} files"
        )
    ids = list(files["photo"])
    pictures = lazy.Lazy(ids, lambda id: {kind: _decoded(files[kind][id]) for kind in KINDS})
    data = run.config.data
    return pipeline.place(
        records.Pairs(pictures, KINDS, ids, np.zeros(len(ids), np.int32)),
        canvas_px=data.crop_px,
        **pipeline.fills(data),
        sketch_channels=data.sketch_channels,
        memory_mb=0,
    )


def _scored(evaluation: Mapping[str, Any], direction: str) -> bool:
    return any(name.startswith(f"{direction}/") for name in evaluation["metrics"])


def _decoded(path: Path) -> np.ndarray:
    problems = matching.Problems()
    pixels = matching.decode(path, problems)
    problems.close()
    return pixels
