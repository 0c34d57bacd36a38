"""Photo-sketch pairs, or faces alone, by name, from the builders of `tfds_builders`.

`prepare` builds a data set once, `load` opens a split of it.  Both take local
folders only.  Drawing 'procedural_faces' uses jax's CPU device: in a job of
several processes, call `jax.distributed.initialize` first.

A prepared data set is never older than its source: its folder is named after
the content of the source, see `prepare`.
"""

import contextlib
import io
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fsketch import tfds_builders
from fsketch.core import errors, locks, progress
from fsketch.core import names as file_names
from fsketch.data import checks, digests, records

ANY_TFDS = "tfds_folder"  # a data set name, see `load`


def names() -> list[str]:
    """The known names: 'cufs/cuhk', ..., 'paired_folder', 'procedural_faces/small', ..."""
    return list(_builders())


def prepare(name: str, *, data_dir: str, manual_dir: str = "") -> Any:
    """Builds a data set if it is not built yet.

    The result lies in `data_dir/<data set>-<digest>/`: the digest is the first 12
    hex digits of the sha256 over (relative path, size, content) of all files under
    `manual_dir`, or, for 'procedural_faces', over the source code of its renderer.  A
    changed source therefore gets a new folder; old ones may be deleted at any time.
    With `manual_dir` empty, a data set of a folder counts as prepared if exactly
    one such result is in `data_dir`.

    Several processes may call this at once: one builds, the others wait for it.
    A rename at the end creates the result, so a killed preparation leaves none.

    Args:
      name: one of `names()`.
      data_dir: where prepared data lies; empty for TFDS' default folder.
      manual_dir: the folder to read; its layout is in the builder's README.

    Returns:
      The TFDS builder, ready for `as_data_source`.

    Raises:
      DataError: the folder's content does not fit, with every problem; or the
        name is unknown, or the folders do not fit it.
    """
    builder_cls, config = _lookup(name)
    root = _root(name, builder_cls, data_dir=data_dir, manual_dir=manual_dir)
    builder = builder_cls(config=config, data_dir=str(root))
    if _is_prepared(builder):
        logging.info("%s: reusing %s", name, builder.data_dir)
        return builder

    root.mkdir(parents=True, exist_ok=True)
    with locks.turn(root / f".{config or builder_cls.name}.lock", f"preparing {name}"):
        builder = builder_cls(config=config, data_dir=str(root))
        if _is_prepared(builder):  # by another process, while this one waited
            logging.info("%s: reusing %s", name, builder.data_dir)
            return builder
        for left_over in Path(builder.data_dir).parent.glob(
            f"{tfds.core.constants.INCOMPLETE_PREFIX}*"
        ):
            progress.say(f"{name}: removing {left_over.name}, left by a killed preparation")
            shutil.rmtree(left_over, ignore_errors=True)
        progress.say(f"{name}: preparing {builder.data_dir}")
        tfds.disable_progress_bar()
        builder._generate_examples = _counted(builder._generate_examples, f"preparing {name}")
        start_sec = time.monotonic()
        # TFDS prints downloads and unknown sizes.
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(manual_dir=manual_dir or None),
                file_format="array_record",
            )
        counts = ", ".join(f"{k} {v.num_examples}" for k, v in builder.info.splits.items())
        progress.say(f"{name}: {counts} pairs in {time.monotonic() - start_sec:.1f} s")
    return builder


def prepared_name(name: str, *, data_dir: str, manual_dir: str = "") -> str:
    """What is prepared of a data set, by its content: "cufs-0123456789ab/cufs/cuhk/1.0.0".

    Two of one name have the same images and lists, wherever they lie.  Prepares the data set where
    needed; arguments and errors as of `prepare`.  Of `ANY_TFDS` only its description counts.
    """
    if name == ANY_TFDS:
        described = Path(manual_dir, "dataset_info.json")
        return f"{ANY_TFDS}-{digests.files_digest([described], None)}"
    builder = prepare(name, data_dir=data_dir, manual_dir=manual_dir)
    return "/".join(Path(builder.data_dir).parts[-2 - len(name.split("/")) :])


def load(name: str, split: str, *, data_dir: str, manual_dir: str = "") -> records.Pairs:
    """Opens a split for random access, preparing the data set first if needed.

    Reads ids and identities now, images on demand (records.py).

    Args:
      name: one of `names()`, or `ANY_TFDS` for the prepared TFDS data set in manual_dir.
      split: in TFDS' notation: 'train', 'train[:80]', 'train[80%:]', 'train+test'.
      data_dir: as for `prepare`.
      manual_dir: as for `prepare`.

    Returns:
      The pairs in the builder's order, which does not depend on the machine:
      that of the lists (cufs), of pairs.csv or without one of the sorted ids
      (paired_folder), or of the identities (procedural_faces).

    Raises:
      DataError: as `prepare`; an id is not a plain file name, whoever prepared it.
      ValueError: unknown split.
    """
    if name == ANY_TFDS:
        return _faces_of_any(manual_dir, split)
    builder = prepare(name, data_dir=data_dir, manual_dir=manual_dir)
    kinds = tuple(kind for kind in ("photo", "sketch") if kind in builder.info.features)
    label, prefix = builder.drawn_by or ("", "")
    wanted = ("id", "identity", *filter(None, [label]))
    images, values = records.open_split(
        builder, split, images={kind: kind for kind in kinds}, values=wanted
    )
    ids = [id.decode() for id in values["id"]]
    _check_ids(ids, f"{builder.data_dir} {split}")
    styles = [prefix + builder.info.features[label].int2str(code) for code in values.get(label, ())]
    return records.Pairs(images, kinds, ids, np.asarray(values["identity"], np.int32), styles)


def _check_ids(ids: Sequence[str], place: str) -> None:
    """Checks ids, which become names of output files."""
    problems: dict[tuple[str, str], list[str]] = {}
    for id in ids:
        if got := file_names.problem(id):
            problems.setdefault((got, file_names.PLAIN), []).append(f"id {file_names.quoted(id)}")
    if problems:
        raise errors.DataError(place, problems=problems)


def _faces_of_any(folder: str, split: str) -> records.Pairs:
    """The faces of a TFDS data set that somebody else's builder prepared, as array_record.

    Its one image is the photo, its feature "identity" or "label" the person.
    """
    if not Path(folder, "dataset_info.json").is_file():
        raise errors.refusal(
            "manual_dir",
            got=f"{folder!r} without dataset_info.json",
            expected=f"the folder of a prepared TFDS data set, since data.name is {ANY_TFDS!r}",
        )
    builder = tfds.builder_from_directory(folder)
    features = builder.info.features
    photos = [name for name, kind in features.items() if isinstance(kind, tfds.features.Image)]
    persons = [name for name in ("identity", "label") if name in features]
    if len(photos) != 1 or not persons:
        raise errors.refusal(
            f"features of {folder}",
            got=", ".join(features),
            expected="one image, and the person as identity or label",
        )
    images, values = records.open_split(
        builder, split, images={"photo": photos[0]}, values=persons[:1]
    )
    _, identity = np.unique(values[persons[0]], return_inverse=True)
    ids = [f"{i:07d}" for i in range(len(images))]
    return records.Pairs(images, ("photo",), ids, identity.astype(np.int32))


def check(name: str, *, manual_dir: str) -> tuple[str, Any]:
    """Runs the checks of `prepare` on a folder without building, and adds notes.

    Args:
      name: one of `names()` that reads a folder, or its part before the slash: then the folder's
        content chooses the config.
      manual_dir: the folder to read.

    Returns:
      The full name, and the `checks.Report` with all problems, notes and facts.

    Raises:
      DataError: the name is unknown, or the folder does not exist or is empty.
    """
    names = [n for n, (cls, _) in _builders().items() if _reads_folder(n, cls)]
    folders = {n.split("/")[0]: _builders()[n][0] for n in names}
    builder_cls = folders.get(name.split("/")[0])
    if builder_cls is None or name not in (*folders, *names):
        raise errors.refusal(
            "data set name",
            got=repr(name),
            expected=", ".join(dict.fromkeys([*folders, *names])),
        )
    root = _source(builder_cls, manual_dir)
    if name == builder_cls.name and builder_cls.BUILDER_CONFIGS:
        name = f"{name}/{builder_cls.config_for(root)}"
    wanted = name.partition("/")[2]
    config = next((c for c in builder_cls.BUILDER_CONFIGS if c.name == wanted), None)
    report = checks.Report(root)
    builder_cls.check(root, config, report)
    checks.remark(report, aligned=builder_cls.aligned)
    return name, report


def _builders() -> dict[str, tuple[Any, str | None]]:
    """Known name -> (builder class, config name)."""
    return {
        f"{builder.name}/{config}" if config else builder.name: (builder, config)
        for builder in tfds_builders.BUILDERS
        for config in [config.name for config in builder.BUILDER_CONFIGS] or [None]
    }


def _reads_folder(name: str, builder_cls: Any) -> bool:
    """Whether a data set is made from a folder, not drawn."""
    on_the_spot = getattr(builder_cls, "DRAWN_CONFIGS", ())
    is_drawn = name.partition("/")[2] in on_the_spot
    return bool(builder_cls.MANUAL_DOWNLOAD_INSTRUCTIONS) and not is_drawn


def _counted(generate: Callable[..., Iterator], what: str) -> Callable[..., Iterator]:
    """A builder's `_generate_examples` that shows its progress, instead of TFDS' own bars."""
    return lambda *arguments: progress.track(generate(*arguments), what, None)


def _is_prepared(builder: Any) -> bool:
    """TFDS writes this file last, and renames the folder into place after it."""
    return Path(builder.data_dir, "dataset_info.json").is_file()


def _lookup(name: str) -> tuple[Any, str | None]:
    builders = _builders()
    if name not in builders:
        raise errors.refusal("data set name", got=repr(name), expected=", ".join(builders))
    return builders[name]


def _root(name: str, builder_cls: Any, *, data_dir: str, manual_dir: str) -> Path:
    """The folder named after the source's content; see `prepare`."""
    for field, value in (("data_dir", data_dir), ("manual_dir", manual_dir)):
        if "://" in value:
            raise errors.refusal(field, got=value, expected="a local folder (mount the bucket)")
    parent = Path(data_dir or tfds.core.constants.DATA_DIR).expanduser().resolve()
    if parent.exists() and not parent.is_dir():
        raise errors.refusal("data_dir", got=f"{data_dir}, a file", expected="a folder, new or not")

    if not _reads_folder(name, builder_cls):
        if manual_dir:
            raise errors.refusal(
                "manual_dir", got=manual_dir, expected=f"'', since {name} reads no folder"
            )
        return (
            parent / f"{builder_cls.name}-{digests.files_digest(builder_cls.source_files(), None)}"
        )

    if not manual_dir:
        pattern = f"{name}/{builder_cls.VERSION}/dataset_info.json"
        done = [p for p in parent.glob(f"{builder_cls.name}-*") if any(p.glob(pattern))]
        if len(done) != 1:
            copies = ", ".join(sorted(p.name for p in done)) or "none"
            raise errors.refusal(
                "manual_dir",
                got=f"'' while {parent} holds {len(done)} prepared copies of {name} ({copies})",
                expected=f"the folder to read\n{builder_cls.MANUAL_DOWNLOAD_INSTRUCTIONS}",
            )
        return done[0]

    source = _source(builder_cls, manual_dir)
    if parent.is_relative_to(source):
        raise errors.refusal(
            "data_dir", got=f"{parent}, inside manual_dir", expected="a folder elsewhere"
        )
    return parent / f"{builder_cls.name}-{digests.folder_digest(source)}"


def _source(builder_cls: Any, manual_dir: str) -> Path:
    """The folder to read, resolved; it exists and is not empty."""
    source = Path(manual_dir).expanduser().resolve()
    if not source.is_dir() or not any(source.iterdir()):
        raise errors.refusal(
            "manual_dir",
            got=f"{manual_dir}, which is {'empty' if source.is_dir() else 'no folder'}",
            expected=f"the folder to read\n{builder_cls.MANUAL_DOWNLOAD_INSTRUCTIONS}",
        )
    return source
