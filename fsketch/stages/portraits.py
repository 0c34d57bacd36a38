"""Stylised portraits of real faces: the offline stage before IFRP trains.

Missing style networks are trained first (configs/style.py).

    FOLDER/manifest.json               the inputs: styles, faces, splits, settings
    FOLDER/shard-00003-of-00021.zip    FACES_PER_SHARD faces, each
        photo/ID.png                       the aligned real face
        STYLE/ID.png                       its portrait: moved (data/warp.py), then stylised
        poses.json                         the move of each portrait, {STYLE/ID: Pose}

Train and validation faces are painted in the seen styles, test faces in all styles [paper: IFRP,
three of ten].  The style PLAIN is the moved face itself; DRAWN, for test faces only, is the moved
hand-drawn sketch if the source has sketches.  tfds_builders/stylized_faces reads the folder.

A shard is written whole or not at all, so an interrupted stage continues; processes take shards in
turn.  A portrait depends only on (seed, face, style) and the style's network.
"""

import functools
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from fsketch import restore, train
from fsketch.core import checkpoint, images, names, progress, trees, writers
from fsketch.data import checks, faces, shards, warp
from fsketch.data.synthetic import paintings
from fsketch.stages import default_nets, distinct_styles, folders

PORTRAITS = "stylized_faces/prepared"  # the data set that reads a folder of them
FACES_PER_SHARD = 64
NUM_SAMPLES = 8
BATCH_SIZE = 16  # faces in every call of a network: XLA's rounding depends on the batch size

Stylist = Callable[[Sequence[np.ndarray]], list[np.ndarray]]  # uint8[S, S, 3] each, in and out


def stylised_portraits(config: ConfigDict, workdir: epath.Path) -> ConfigDict:
    """Makes the portraits of `config.portraits` beside the workdir, once.

    Trains missing style networks first.  The names of the folders contain a hash of all inputs, so
    another configuration, other photos or other networks never use them; they may be deleted at
    any time.
    """
    parent = epath.Path(workdir).absolute().parent
    found = find_faces(config.portraits, data_dir=config.data.data_dir)
    if config.portraits.num_distinct:
        config = _with_distinct_styles(config, found, parent)
    settings = config.portraits
    styles, seen = styles_of(settings)
    networks = _networks(config, found, styles, parent)
    stylists = {name: load_stylist(path) for name, path in networks.items()}
    digests = {name: stylists[name][1] if name in stylists else "" for name in styles}
    folder = _portraits(settings, found, parent, seen, digests, lambda name: stylists[name][0])
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.data.name, config.data.manual_dir = PORTRAITS, str(folder)
    return config


def _with_distinct_styles(config: ConfigDict, found: faces.Faces, parent: epath.Path) -> ConfigDict:
    """The configuration with the `num_distinct` styles farthest from faces for training."""
    settings = config.portraits
    styles, _ = styles_of(settings)
    plain = [shards.PLAIN] if shards.PLAIN in settings.train_styles else []
    candidates = [style for name, style in styles.items() if name != shards.PLAIN]
    nested = network(settings, candidates[0], "")
    far = distinct_styles.farthest(settings, found, candidates, nested, parent)
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.portraits.train_styles = (*plain, *far)
        config.portraits.test_styles = tuple(s for s in styles.values() if s not in (*plain, *far))
    return config


def _portraits(
    settings: ConfigDict,
    found: faces.Faces,
    parent: epath.Path,
    seen: list[str],
    networks: dict[str, str],
    stylists: Callable[[str], Stylist],
) -> epath.Path:
    """The complete folder of portraits of these faces in these styles."""
    content = manifest(settings, found, networks=networks, seen=seen)
    folder = folder_of(content, parent)
    with folders.turn(folder):
        make(folder, content, found, stylists)
    return folder


def _networks(
    config: ConfigDict, found: faces.Faces, styles: dict[str, str], parent: epath.Path
) -> dict[str, epath.Path]:
    """The run of each style's network, by style; trains the missing ones."""
    settings = config.portraits
    styles = {name: style for name, style in styles.items() if name != shards.PLAIN}
    if settings.networks:
        return given_networks(settings, styles)
    if not styles:
        return {}
    content = content_of(found, num_faces=settings.num_content)
    plain = {shards.PLAIN: ""}
    folder = _portraits(settings, content, parent, list(plain), plain, lambda name: _no_stylist)
    paths = {}
    for name, style in styles.items():
        # For the folder's name: what is learnt from, not where it lies.
        nested = network(settings, style, folder.name)
        image = hashlib.sha256(paintings.load(style, size_px=nested.style.size_px)).hexdigest()
        paths[name] = folders.hashed(nested, parent, f"style-{name}", of=image)
        nested.data.manual_dir, nested.data.data_dir = str(folder), config.data.data_dir
        with folders.turn(paths[name]):
            if checkpoint.last_step(paths[name]) != nested.num_steps:
                progress.say(f"training the network of style {name} in {paths[name]}, once")
                train.train(default_nets.trained(nested, paths[name]), paths[name])
    return paths


def given_networks(settings: ConfigDict, styles: Mapping[str, str]) -> dict[str, epath.Path]:
    """The run of each style's network in `portraits.networks`, by its name.

    Raises FileNotFoundError with the command for each that is missing.
    """
    given = {name: epath.Path(settings.networks) / name for name in styles}
    absent = [name for name, path in given.items() if checkpoint.last_step(path) is None]
    if absent:
        raise FileNotFoundError(
            f"portraits.networks: {settings.networks}: expected runs of {', '.join(absent)}, "
            "got none; make them by\n"
            + "\n".join(
                "    fsketch train --config=configs/style.py "
                f"--config.style.image={styles[name]} --workdir={given[name]}"
                for name in absent
            )
        )
    return given


def network(settings: ConfigDict, style: str, folder: str) -> ConfigDict:
    """The configuration of a style's network, trained on the faces in a folder of portraits."""
    nested = settings.network.copy_and_resolve_references()
    with nested.unlocked():
        nested.style.image = style
        nested.data.name, nested.data.manual_dir = PORTRAITS, folder
        nested.data.train, nested.data.test, nested.data.validation = "train", "test_seen", ""
        nested.data.crop_px = nested.data.canvas_px = settings.size_px
    return nested


def _no_stylist(given: list) -> list:
    return given


def find_faces(config: ConfigDict, *, data_dir: str) -> faces.Faces:
    """The faces that `config.portraits` names."""
    return faces.find(
        config.faces,
        manual_dir=config.manual_dir,
        data_dir=data_dir,
        prefix=config.prefix,
        test_share=config.test_share,
        validation_share=config.validation_share,
        limits=(config.num_train, config.num_validation, config.num_test),
    )


def styles_of(config: ConfigDict) -> tuple[dict[str, str], list[str]]:
    """({name: painting or file} of all styles, seen ones first; names of the seen styles)."""
    seen = [paintings.name_of(style) for style in config.train_styles]
    given = dict.fromkeys((*config.train_styles, *config.test_styles))
    named = {paintings.name_of(style): style for style in given}
    if len(named) != len(given):
        raise ValueError(
            f"portraits.train_styles, test_styles: expected each name once, got {list(given)}"
        )
    if taken := sorted({shards.DRAWN, shards.PHOTO} & named.keys()):
        raise ValueError(
            f"portraits.train_styles, test_styles: expected no reserved name, got {taken}"
        )
    return named, seen


def manifest(
    config: ConfigDict, found: faces.Faces, *, networks: Mapping[str, str], seen: Sequence[str]
) -> dict:
    """All inputs of the portraits; networks: digests by style; seen: names of the seen styles."""
    persons = checks.first_use(row.identity for row in found.rows)
    settings = ("size_px", "crop", "seed", "rotation_deg", "shift", "scale", "num_angles")
    angles = warp.angles(config.num_angles)
    turns = {"angles_deg": angles} if angles else {}
    longest = [max(group, key=lambda name: len(name.encode()), default="")
               for group in ([row.id for row in found.rows], networks)]  # fmt: skip
    names.check("@".join(longest), "portraits: an id with a style")
    content = {
        "version": shards.VERSION,
        "settings": {**{name: config[name] for name in settings}, **turns},
        "source": found.digest,
        "styles": list(networks),
        "seen": list(seen),
        "drawn": config.drawn and found.sketch is not None,
        "networks": dict(networks),
        "faces": [[row.id, persons[row.identity], row.split] for row in found.rows],
        "faces_per_shard": FACES_PER_SHARD,
    }
    return json.loads(json.dumps(content))


def folder_of(content: dict, parent: Path) -> Path:
    """The folder of a manifest's portraits; its name contains the manifest's digest."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
    return parent / f"portraits-{digest}"


def make(
    folder: Path, content: dict, found: faces.Faces, stylists: Callable[[str], Stylist]
) -> None:
    """Makes the missing shards in `folder`; returns when all processes have done their part.

    content: the `manifest` of `found`.  stylists: name -> the style's network, called only for the
    styles that a shard needs.  Raises ValueError if the folder holds another manifest.
    """
    processes, process = jax.process_count(), jax.process_index()
    path = folder / shards.MANIFEST
    if path.is_file() and json.loads(path.read_text()) != content:
        raise ValueError(
            f"{folder}: expected the {shards.MANIFEST} of this configuration, got one of other "
            "data or settings; delete the folder"
        )
    if process == 0:
        folder.mkdir(parents=True, exist_ok=True)
        writers.write_whole(path, json.dumps(content).encode())
    if processes > 1:
        multihost_utils.sync_global_devices("manifest of portraits")
    all_shards = shards.shards(content)
    todo = [s for s in all_shards[process::processes] if not (folder / s.name).is_file()]
    progress.say(f"portraits in {folder}: {len(todo)} of {len(all_shards)} shards to make")
    for shard in progress.track(todo, "shards of portraits", len(todo)):
        _make_shard(folder, shard, content, found, stylists)
    if processes > 1:
        multihost_utils.sync_global_devices("portraits made")


def _make_shard(
    folder: Path,
    shard: shards.Shard,
    content: dict,
    found: faces.Faces,
    stylists: Callable[[str], Stylist],
) -> None:
    """Writes one shard."""
    settings = content["settings"]
    geometry = {"share": settings["crop"], "size_px": settings["size_px"]}
    upright = {i: warp.square(found.photo(i), **geometry) for i in shard.places}
    entries = {f"{shards.PHOTO}/{found.rows[i].id}": image for i, image in upright.items()}
    poses = {}
    for style in shards.styles(content):
        places = [i for i in shard.places if style in shards.styles_of(content, i)]
        moved = []
        for i in places:
            name = f"{style}/{found.rows[i].id}"
            poses[name] = warp.draw(
                settings["seed"],
                name,
                rotation_deg=settings["rotation_deg"],
                shift=settings["shift"],
                scale=tuple(settings["scale"]),
                angles_deg=settings.get("angles_deg", ()),
            )
            before = upright[i]
            if style == shards.DRAWN:
                before = warp.square(found.sketch(i), **geometry)
            moved.append(warp.apply(before, poses[name]))
        if moved and style not in (shards.PLAIN, shards.DRAWN):
            moved = stylists(style)(moved)
        names = (f"{style}/{found.rows[i].id}" for i in places)
        entries.update(zip(names, moved, strict=True))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:  # stored: PNG is compressed
        for name, image in entries.items():
            flat = image[..., 0] if image.shape[-1] == 1 else image
            file.writestr(zipfile.ZipInfo(f"{name}.png"), checks.encode(flat).getvalue())
        file.writestr(zipfile.ZipInfo(shards.POSES), json.dumps(poses))
    writers.write_whole(folder / shard.name, buffer.getvalue())


def load_stylist(workdir: str | os.PathLike) -> tuple[Stylist, str]:
    """The style network of a run, and a digest of its weights.

    It uses this process's devices in turn, so that processes need not wait for each other.
    """
    restored = restore.run(workdir, kind="latest")
    if restored.config.method != "style":
        raise ValueError(
            f"{workdir}: expected a run of method 'style', got {restored.config.method!r}"
        )
    player = restored.state["stylist"].averaged()
    devices = jax.local_devices()
    params = [jax.device_put(player.params, device) for device in devices]
    net = player.net

    @jax.jit
    def apply(params: dict, batch: jax.Array) -> jax.Array:
        return net.apply({"params": params}, images.from_uint8(batch), train=False)

    @functools.cache
    def say_once() -> None:
        progress.say(f"compiling the network of style {restored.config.style.image}")

    def stylise(given: Sequence[np.ndarray]) -> list[np.ndarray]:
        say_once()
        parts = []
        for number, start in enumerate(range(0, len(given), BATCH_SIZE)):
            batch = list(given[start : start + BATCH_SIZE])
            filled = np.stack(batch + batch[-1:] * (BATCH_SIZE - len(batch)))
            turn = number % len(devices)
            made = apply(params[turn], jax.device_put(jnp.asarray(filled), devices[turn]))
            parts.append((made, len(batch)))  # asynchronous: the next device starts
        made = [images.to_uint8(made)[:count] for made, count in parts]
        return list(np.concatenate(made))

    return stylise, trees.digest(player.params)


def content_of(found: faces.Faces, *, num_faces: int) -> faces.Faces:
    """The training data of style networks: the first training faces, and a few test faces."""
    places = {split: [i for i, row in enumerate(found.rows) if row.split == split]
              for split in ("train", "test")}  # fmt: skip
    return faces.subset(found, places["train"][:num_faces] + places["test"][:NUM_SAMPLES])
