"""Outputs of a run: metrics.jsonl, TensorBoard events, sample images.

tensorboardX writes the event files, without TensorFlow.  Only the first process writes.
"""

import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath
from PIL import Image, PngImagePlugin

from fsketch.core import errors, image_files


class Writer:
    """Writes into WORKDIR: metrics.jsonl, events/, samples/STEP.png."""

    def __init__(self, workdir: str | epath.Path, *, start: int, is_first: bool) -> None:
        """Deletes the records of steps after `start`, which are about to be taken again."""
        self._root = epath.Path(workdir)
        self._events = None
        if is_first:
            self._root.mkdir(parents=True, exist_ok=True)
            self._forget_after(start)
            import tensorboardX  # it imports jax, which programs without a run do not need

            self._events = tensorboardX.SummaryWriter(
                str(self._root / "events"), purge_step=start + 1
            )

    def _forget_after(self, start: int) -> None:
        path = self._root / "metrics.jsonl"
        if not path.exists():
            return
        _write_scalars(path, [row for row in read_scalars(path) if row["step"] <= start])

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """One line of metrics.jsonl and one point of each curve; infinities are written as null."""
        if self._events is None:
            return
        finite = {k: float(v) if math.isfinite(v) else None for k, v in values.items()}
        with (self._root / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, **finite}) + "\n")
        for name, value in finite.items():
            if value is not None:
                self._events.add_scalar(name, value, step)
        self._events.flush()

    def scalars_once(self, step: int, values: Mapping[str, float]) -> None:
        """As `scalars`, in place of an earlier line of this step and these names, if any."""
        path = self._root / "metrics.jsonl"
        if self._events is None:
            return
        if path.exists():
            rows = read_scalars(path)
            names = {"step", *values}
            _write_scalars(path, [r for r in rows if r["step"] != step or r.keys() != names])
        self.scalars(step, values)

    def samples(self, step: int, sheet: np.ndarray) -> None:
        """uint8[H, W, 3] as samples/STEP.png and in the event file."""
        if self._events is None:
            return
        folder = self._root / "samples"
        folder.mkdir(parents=True, exist_ok=True)
        write_png(folder / f"{step:07d}.png", sheet)
        self._events.add_image("samples", sheet, step, dataformats="HWC")
        self._events.flush()

    def close(self) -> None:
        if self._events is not None:
            self._events.close()


def read_scalars(path: epath.Path) -> list[dict[str, float | None]]:
    """The lines of a metrics.jsonl, except a last one that a kill cut short."""
    rows = []
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise ValueError(f"{path} line {number}: not JSON ({error})") from None
    return rows


def _write_scalars(path: epath.Path, rows: Sequence[Mapping[str, float | None]]) -> None:
    write_whole(path, "".join(f"{json.dumps(row)}\n" for row in rows).encode())


def write_png(path: epath.Path, image: np.ndarray, *, about: str = "") -> None:
    """uint8[H, W, 1 or 3] -> a PNG file, whole or not at all; about: a text that is kept in it."""
    text = PngImagePlugin.PngInfo()
    if about:
        text.add_text("comment", about)
    _write_image(path, image, format="PNG", pnginfo=text)


def write_jpeg(path: epath.Path, image: np.ndarray, *, about: str = "") -> None:
    """As `write_png`, but a JPEG file of quality 95."""
    _write_image(path, image, format="JPEG", quality=95, comment=about.encode())


def about(path: str | os.PathLike) -> str:
    """The text that `write_png` or `write_jpeg` kept in a file; "" without one."""
    try:
        with image_files.open_image(path) as image:
            text = image.info.get("comment", "")
    except image_files.ImageFileError:
        return ""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _write_image(path: epath.Path, image: np.ndarray, **options: Any) -> None:
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, **options)
    write_whole(path, buffer.getvalue())


def check_file(flag: str, path: str | None) -> None:
    """UsageError if a flag names a file that cannot be created; None and "" name no file."""
    if not path:
        return
    file = epath.Path(path)
    if file.is_dir() or not file.parent.is_dir():
        found = "a folder" if file.is_dir() else f"no folder {file.parent}"
        raise errors.UsageError(f"{flag}: {path}: expected a file in a folder, got {found}")


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Plain data without NaN or infinity -> a JSON file, whole or not at all."""
    write_whole(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Writes beside `path` and renames, so a reader never meets half a file."""
    path = epath.Path(path)
    partial = path.parent / f".{path.name}.partial"
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
