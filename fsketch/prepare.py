"""Offline stages that must be done before a method trains.

A stage takes the configuration and the workdir and returns the configuration to train with.
`train` mode runs it first; `--mode=prepare` runs it alone.
"""

import contextlib
import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from absl import logging
from etils import epath
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from configs import base
from fsketch import checkpoint, images, parallel, portraits, train
from fsketch.data import coarse, faces, paintings, shards, sources
from fsketch.methods import pretrained, students
from fsketch.patches import model

EVERY_SEC = 10.0  # between lines of progress

PORTRAITS = "stylized_faces/prepared"


def default_teachers(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """Trains the default teacher of each role beside the workdir, unless one is given or there.

    The folder's name holds a hash of the teacher's configuration, so another configuration
    never finds this one's teacher, and two roles of one configuration share it.  A workdir that
    was started keeps its teachers.  Without a term that needs a teacher there is none.
    """
    if not students.need_teachers(config.loss_weights):
        return config
    return trained_teachers(config, workdir)


def trained_teachers(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """As `default_teachers`, for methods that always need theirs."""
    roles = [role for role in base.FROZEN if role in config and not config[role].path]
    if not roles:
        return config
    config = config.copy_and_resolve_references()
    specs = checkpoint.frozen_specs(workdir)
    for role in roles:
        with config.unlocked():
            if role in specs:
                config[role].path = pretrained.source_of(specs[role])
                continue
            config[role].path = str(_trained_teacher(config, role, workdir))
    return config


def default_face(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """As `default_teachers`, for the face recogniser of an identity term."""
    return trained_teachers(config, workdir) if config.loss_weights.identity else config


def default_embedder(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """As `default_teachers`, for the section `embedder`; a started workdir has its own."""
    if config.embedder.path:
        return config
    config = config.copy_and_resolve_references()
    specs = checkpoint.frozen_specs(workdir)
    with config.unlocked():
        if specs:
            config.embedder.path = pretrained.source_of(specs["teacher"])
        else:
            config.embedder.path = str(_trained_teacher(config, "embedder", workdir))
    return config


def _trained_teacher(config: ConfigDict, role: str, workdir: epath.Path) -> epath.Path:
    """The folder of the default net of section `role`, trained now if it is not there."""
    path = teacher_folder(config[role].config, workdir)
    nested = config[role].config
    nested.data.data_dir = nested.data.data_dir or config.data.data_dir
    with _turn(path):
        if checkpoint.last_step(path) == nested.num_steps:
            logging.info("no %s given: the default one in %s is used", role, path)
        else:
            logging.info("no %s given: training the default one in %s, once", role, path)
            train.train(nested, path)
            logging.info("the default teacher is trained; now the run itself")
    return path


def teacher_folder(config: ConfigDict, workdir: epath.Path) -> epath.Path:
    """Where the default teacher of this configuration of its own lies: beside the workdir."""
    return _hashed_folder(config, epath.Path(workdir).absolute().parent, "teacher")


def _hashed_folder(
    config: ConfigDict, parent: epath.Path, name: str, *, of: str = ""
) -> epath.Path:
    """parent/name-HASH, by the configuration and by whatever else decides, `of`."""
    content = json.dumps(checkpoint.to_json(config), sort_keys=True) + of
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return parent / f"{name}-{digest}"


def stylised_portraits(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """Makes the portraits of `config.portraits` beside the workdir (portraits.py), once.

    Trains the style networks first that are not there.  Folders of networks and of portraits are
    named by a hash of all that decides on them, so another configuration, other photos or other
    networks never find these; they may be deleted at any time.
    """
    settings = config.portraits
    parent = epath.Path(workdir).absolute().parent
    found = portraits.find_faces(settings, data_dir=config.data.data_dir)
    styles, seen = portraits.styles_of(settings)
    networks = _networks(config, found, styles, parent)
    stylists = {name: portraits.load_stylist(path) for name, path in networks.items()}
    digests = {name: stylists[name][1] if name in stylists else "" for name in styles}
    folder = _portraits(settings, found, parent, seen, digests, lambda name: stylists[name][0])
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.data.name, config.data.manual_dir = PORTRAITS, str(folder)
    return config


def _portraits(
    settings: ConfigDict,
    found: faces.Faces,
    parent: epath.Path,
    seen: list[str],
    networks: dict[str, str],
    stylists: Callable[[str], portraits.Stylist],
) -> epath.Path:
    """The folder of portraits of these faces in these styles, complete."""
    manifest = portraits.manifest(settings, found, networks=networks, seen=seen)
    folder = portraits.folder_of(manifest, parent)
    with _turn(folder):
        portraits.make(folder, manifest, found, stylists)
    return folder


def _networks(
    config: ConfigDict, found: faces.Faces, styles: dict[str, str], parent: epath.Path
) -> dict[str, epath.Path]:
    """The run of each style's network, by its name; those that are missing are trained."""
    settings = config.portraits
    styles = {name: style for name, style in styles.items() if name != shards.PLAIN}
    if settings.networks:
        given = {name: epath.Path(settings.networks) / name for name in styles}
        absent = [name for name, path in given.items() if checkpoint.last_step(path) is None]
        if absent:
            raise FileNotFoundError(
                f"portraits.networks: {settings.networks} holds no runs of "
                f"{', '.join(absent)}; make them by\n"
                + "\n".join(
                    "    python -m fsketch.main --config=configs/style.py "
                    f"--config.style.image={styles[name]} --workdir={given[name]}"
                    for name in absent
                )
            )
        return given
    if not styles:
        return {}
    content = portraits.content_of(found, num_faces=settings.num_content)
    plain = {shards.PLAIN: ""}
    folder = _portraits(settings, content, parent, list(plain), plain, lambda name: _no_stylist)
    paths = {}
    for name, style in styles.items():
        nested = settings.network.copy_and_resolve_references()
        with nested.unlocked():
            nested.style.image = style
            # For the folder's name: what is learnt from, not where it lies.
            nested.data.name, nested.data.manual_dir = PORTRAITS, folder.name
            nested.data.train, nested.data.test, nested.data.validation = "train", "test_seen", ""
            nested.data.crop_px = nested.data.canvas_px = settings.size_px
            image = hashlib.sha256(paintings.load(style, size_px=nested.style.size_px)).hexdigest()
            paths[name] = _hashed_folder(nested, parent, f"style-{name}", of=image)
            nested.data.manual_dir = str(folder)
            nested.data.data_dir = config.data.data_dir
        with _turn(paths[name]):
            if checkpoint.last_step(paths[name]) != nested.num_steps:
                logging.info("training the network of style %s in %s, once", name, paths[name])
                train.train(trained_teachers(nested, paths[name]), paths[name])
    return paths


def _no_stylist(given: list) -> list:
    return given


def coarse_images(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """Fits the patch model to the training pairs and makes the coarse image of every pair.

    They lie in `patches.path` or WORKDIR/coarse (data/coarse.py).  An image is made from the pairs
    of other identities, so training pairs are left out of their own.  What is there is kept: the
    same call goes on after an interruption; what does not belong there raises
    `coarse.StaleError`.  Processes share the images between them, and devices those of a process;
    each image is computed alone, so it depends on neither.
    """
    place = coarse.folder(config, workdir)
    with _turn(place):
        splits = {
            split: sources.load(
                config.data.name,
                split,
                data_dir=config.data.data_dir,
                manual_dir=config.data.manual_dir,
            )
            for split in (config.data.train, config.data.validation, config.data.test)
            if split
        }
        given, wanted = coarse.DIRECTIONS[config.direction]
        pairs = splits[config.data.train]
        index = model.fit(
            getattr(pairs, given),
            getattr(pairs, wanted),
            pairs.id,
            pairs.identity,
            coarse.settings(config.patches),
        )
        path = place / "index.npz"
        if path.exists():
            coarse.check_index(model.load(path), index, path)
        elif jax.process_index() == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            model.save(path, index)
        source = coarse.Source(place, given, index.digest())
        requests = [r for part in splits.values() for r in coarse.requests(part, source)]
        # Splits may overlap.
        _make(index, source, list({(r.id, r.key): r for r in requests}.values()))
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices("coarse images made")
    return config


def coarse_images_and_teacher(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """`coarse_images`, and the net of a perceptual term."""
    config = coarse_images(config, workdir)
    return trained_teachers(config, workdir) if config.loss_weights.perceptual else config


def first_stage(
    workdir: str | epath.Path, config: ConfigDict
) -> Callable[[np.ndarray], np.ndarray]:
    """What `coarse_images` fitted, for new images: uint8[B, H, W, C] -> uint8[B, H, W, C'].

    Test pairs come out as they were prepared, to the bit.  Raises ValueError for images of another
    size than the training images, and what `coarse.source` raises.
    """
    source = coarse.source(config, workdir)
    index = model.load(source.folder / "index.npz")
    translate = _translator(index)

    def draw(batch: np.ndarray) -> np.ndarray:
        _check_size(index, "an image", batch.shape[1:3])
        return translate(batch, np.stack([index.admitted(None)] * len(batch)))

    return draw


def _make(index: model.Index, source: coarse.Source, requests: Sequence[coarse.Request]) -> None:
    """Computes and writes what is missing of this process's share, one image a device at a time."""
    for request in requests:
        _check_size(index, request.id, request.image.shape[:2])
    share = requests[jax.process_index() :: jax.process_count()]
    left = [request for request in share if not coarse.is_done(source, request)]
    logging.info("%s: %d of %d images are there", source.folder, len(share) - len(left), len(share))
    if not left:
        return
    translate = _translator(index)
    devices = jax.local_device_count()
    start = shown = time.monotonic()
    for first in range(0, len(left), devices):
        group = left[first : first + devices]
        made = translate(
            np.stack([request.image for request in group]),
            np.stack([index.admitted(request.identity) for request in group]),
        )
        for request, image in zip(group, made, strict=True):
            coarse.write(source, request, image)
        now, done = time.monotonic(), first + len(group)
        if now - shown >= EVERY_SEC or done == len(left):
            shown, rate = now, done / (now - start)
            seconds = (len(left) - done) / rate
            line = "coarse images: %d/%d  %.2f images/s  %.0f s left"
            logging.info(line, done, len(left), rate, seconds)


def _translator(index: model.Index) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """(uint8[B, H, W, C], admitted bool[B, N]) -> uint8[B, H, W, C'], each image alone."""
    fitted = parallel.replicate(model.ready(index))
    devices = jax.local_device_count()

    def one_device(fitted: model.Fitted, image: jax.Array, admitted: jax.Array) -> jax.Array:
        image = images.from_uint8(image[0])
        return model.translate(fitted, image, admitted[0], index.settings).image[None]

    program = parallel.pmap(one_device)

    def translate(batch: np.ndarray, admitted: np.ndarray) -> np.ndarray:
        made = []
        for first in range(0, len(batch), devices):
            # The last group is filled up with its last image.
            place = np.minimum(np.arange(first, first + devices), len(batch) - 1)
            parts = parallel.split({"image": batch[place], "admitted": admitted[place]})
            made.append(parallel.join(program(fitted, parts["image"], parts["admitted"])))
        return images.to_uint8(np.concatenate(made)[: len(batch)])

    return translate


def _check_size(index: model.Index, name: str, size: tuple[int, int]) -> None:
    height, width = index.given.shape[1:3]
    if size != (height, width):
        raise ValueError(
            f"{name}: {size[1]} x {size[0]} px (width x height), but the training images of the "
            f"patch model have {width} x {height} px"
        )


@contextlib.contextmanager
def _turn(path: epath.Path) -> Iterator[None]:
    """One run at a time makes what lies in `path`; another run waits for it.

    The processes of one run work on it together, so only the first of them takes the turn.
    """
    if jax.process_index():
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logging.info("waiting for another run that makes %s", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# method -> its stage; a method that is not named needs none.
PREPARE: dict[str, Callable[[ConfigDict, epath.Path], ConfigDict]] = {
    "kt": default_teachers,
    "kd": default_teachers,
    "kd_plus": default_teachers,
    "style": trained_teachers,
    "ifrp": default_face,
    "ide": coarse_images_and_teacher,
    "synthdistill": default_embedder,
}


def prepare(config: ConfigDict, workdir: str | epath.Path) -> ConfigDict:
    """Runs the stage of `config.method`, if it has one.

    Before it, whatever the method, the portraits are made that `config.portraits` asks for, unless
    `config.data.manual_dir` names a folder of them.
    """
    workdir = epath.Path(workdir)
    if "portraits" in config and config.portraits.faces and not config.data.manual_dir:
        config = stylised_portraits(config, workdir)
    if config.method not in PREPARE:
        return config
    return PREPARE[config.method](config, workdir)
