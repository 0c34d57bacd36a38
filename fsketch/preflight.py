"""All that a run needs, checked before any of it begins: in seconds, by shapes, without a step.

A mistyped folder, split, metric or path is found out before a default net is trained for hours.
Data sets are prepared; what a stage would train or make stands here as zeros of its shapes.
"""

import json
from collections.abc import Iterable, Mapping

import jax
import numpy as np
from etils import epath
from ml_collections import ConfigDict

from fsketch import evaluate, methods, prediction, restore, train_check, unlabelled, warm_start
from fsketch.core import checkpoint, errors, state, trees
from fsketch.data import coarse, drawn, pipeline
from fsketch.data.synthetic import paintings
from fsketch.frozen import registry, sources
from fsketch.methods import interface
from fsketch.scoring import measures, protocols
from fsketch.stages import default_nets, portraits

_BLANKS = 4  # pairs that stand for portraits that are not made yet


def check(parts: Iterable[tuple[ConfigDict, epath.Path]]) -> None:
    """Checks (configuration, workdir) of each stage, in order, and the default nets that they need.

    Raises DataError for the data, FileNotFoundError and ValueError for whatever else a stage would
    raise before its first step, naming the field.
    """
    checks = _Checks()
    for config, workdir in parts:
        checks.run(config, workdir)
    while checks.nets:
        path, config = checks.nets.popitem()
        checks.run(config, epath.Path(path))


def stand_ins(
    config: ConfigDict, workdir: epath.Path
) -> tuple[interface.Method, state.TrainState, interface.Frozens, pipeline.AnyCanvases]:
    """(method, its state as zeros, its frozen nets, black pairs) of a configuration without data.

    Zeros stand for nets that are not trained yet; raises as `check` for paths that do not exist.
    """
    canvases = _with_coarse(config, workdir, _blank(config))
    return *_Checks()._shapes(config, workdir, canvases), canvases


class _Checks:
    """What is known of the stages so far.

    nets: configurations of default nets that are to be trained, by their folders.
    """

    def __init__(self) -> None:
        self.nets: dict[str, ConfigDict] = {}
        self._untrained: dict[str, sources.Untrained] = {}  # by workdir
        self._opened: dict[str, pipeline.AnyCanvases] = {}  # by their section `data`

    def run(self, config: ConfigDict, workdir: epath.Path) -> None:
        """Checks one stage."""
        train_check.check(config)
        measures.ready(protocols.get(config.protocol).image_metrics, measures.Options())
        if "portraits" in config and config.portraits.faces and not config.data.manual_dir:
            canvases = self._portraits(config, workdir)
        else:
            canvases = self._data(config)
        canvases = _with_coarse(config, workdir, canvases)
        method, zeros, frozen = self._shapes(config, workdir, canvases)
        evaluate.check_metric(config, method, zeros, frozen, canvases)
        if "unlabelled" in config:
            self._unlabelled(config)
        if config.start_from and checkpoint.last_step(workdir) is None:
            warm_start.check(zeros, config.start_from, read=self._read)

    def _data(self, config: ConfigDict) -> pipeline.AnyCanvases:
        """The validation pairs, or else the test pairs, after all splits were opened."""
        named = prediction.styles(config)
        key = json.dumps([checkpoint.to_json(config.data), config.protocol, named])
        if key in self._opened:
            return self._opened[key]
        data = config.data
        for field, px in (("train", data.canvas_px), ("test", data.crop_px),
                          ("validation", data.crop_px)):  # fmt: skip
            if not data[field]:
                continue
            try:
                canvases = evaluate.load_canvases(data, data[field], canvas_px=px, styles=named)
            except errors.DataError:
                raise
            except ValueError as error:
                raise ValueError(f"data.{field}: {data[field]!r}: {error}") from error
            if field != "train" and canvases.channels:  # the first stands for all
                _, _, *size = canvases.batch(np.arange(1))["box"][0]
                evaluate.check_size(config.protocol, canvases.id[0], tuple(size))
            self._opened[key] = canvases
        return self._opened[key]

    def _unlabelled(self, config: ConfigDict) -> None:
        """Checks the photos without sketches, and that a run draws them."""
        unlabelled.check(config)
        teacher = config.unlabelled.teacher
        if teacher and teacher not in self._untrained and checkpoint.last_step(teacher) is None:
            raise FileNotFoundError(
                f"unlabelled.teacher: expected a trained run, got {teacher}: no checkpoint"
            )
        drawn.pairs(config)

    def _portraits(self, config: ConfigDict, workdir: epath.Path) -> pipeline.AnyCanvases:
        """What stands for portraits; checks the faces and the networks that they are made by."""
        settings = config.portraits
        portraits.find_faces(settings, data_dir=config.data.data_dir)
        styles, _ = portraits.styles_of(settings)
        styles.pop(portraits.shards.PLAIN, None)
        if settings.networks:
            portraits.given_networks(settings, styles)
        for style in () if settings.networks else styles.values():
            nested = portraits.network(settings, style, "")
            train_check.check(nested)
            self._shapes(nested, workdir, _blank(nested))
        return _blank(config)

    def _shapes(
        self, config: ConfigDict, workdir: epath.Path, canvases: pipeline.AnyCanvases
    ) -> tuple[interface.Method, state.TrainState, interface.Frozens]:
        """The method, its state as zeros, its frozen nets; zeros where they are to be trained."""
        method = methods.create(config)
        frozen = self._frozen(config, workdir)
        if "style" in config:  # which such a run keeps beside its frozen net
            asked = {name: config.style[name] for name in ("image", "size_px", "seed")}
            paintings.load(asked["image"], size_px=asked["size_px"], seed=asked["seed"])
            if not checkpoint.frozen_specs(workdir):
                frozen = {role: _styled(net, asked) for role, net in frozen.items()}
        shapes = prediction.initial_state(method, frozen, config, canvases, shapes_only=True)
        zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
        meta = restore.meta_data(config, step=0)
        self._untrained[str(workdir)] = sources.Untrained(trees.flatten(zeros), meta)
        return method, zeros, frozen

    def _frozen(self, config: ConfigDict, workdir: epath.Path) -> dict[str, state.Frozen]:
        """The nets that the workdir keeps, or that its run will load."""
        needs = methods.needs(config)
        if checkpoint.frozen_specs(workdir):
            kept = restore.frozen_nets(workdir)
            registry.check(config, needs, kept)
            return kept
        places = {need.section: config[need.section].path for need in needs.values()}
        for section in registry.to_train(config, needs):
            places[section] = self._default_net(config, section, workdir)
        return {role: _loaded(need, places[need.section]) for role, need in needs.items()}

    def _default_net(
        self, config: ConfigDict, section: str, workdir: epath.Path
    ) -> str | sources.Untrained:
        """Where the net of a section is, or what stands for it until it is trained."""
        nested = config[section].config.copy_and_resolve_references()
        path = default_nets.folder(nested, workdir)
        nested.data.data_dir = nested.data.data_dir or config.data.data_dir
        if checkpoint.last_step(path) == nested.num_steps:
            return str(path)
        self.nets[str(path)] = nested
        self._shapes(nested, path, _blank(nested))
        return self._untrained[str(path)]

    def _read(self, workdir: str) -> tuple[checkpoint.Arrays, checkpoint.Meta]:
        """As `checkpoint.read`, of stages that are not trained yet, too."""
        return self._untrained[workdir] if workdir in self._untrained else checkpoint.read(workdir)


def _loaded(need: registry.Need, place: str | sources.Untrained) -> state.Frozen:
    try:
        return registry.load(need.kind, place, **need.options)
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(f"{need.section}.path: {error}") from error


def _styled(net: state.Frozen, style: Mapping) -> state.Frozen:
    """The net with this style in its specification and zeros for its Gram matrices."""
    spec = json.loads(net.spec)
    maps = jax.eval_shape(net, np.zeros((1, style["size_px"], style["size_px"], 3), np.float32))
    grams = {tap: np.zeros((maps[tap].shape[-1],) * 2, np.float32) for tap in spec["taps"]}
    return net.replace(
        spec=json.dumps({**spec, "style": style}), variables={**net.variables, "style": grams}
    )


def _blank(config: ConfigDict) -> pipeline.AnyCanvases:
    """Black pairs of two persons in the sizes that a configuration asks for."""
    if config.data.name == pipeline.DRAWN:
        return pipeline.drawn(config.data.validation or config.data.test)
    px, depths = config.data.crop_px, prediction.channels(config)
    made = [np.zeros((_BLANKS, px, px, depths[kind]), np.uint8) for kind in ("photo", "sketch")]
    boxes = np.tile(np.array([0, 0, px, px], np.int32), (_BLANKS, 1))
    ids = [f"{i}" for i in range(_BLANKS)]
    return pipeline.Canvases(*made, boxes, ids, np.arange(_BLANKS, dtype=np.int32) // 2)


def _with_coarse(
    config: ConfigDict, workdir: epath.Path, canvases: pipeline.AnyCanvases
) -> pipeline.AnyCanvases:
    """With black coarse images, where a stage draws some; those that are there must be its own."""
    if "patches" not in config:
        return canvases
    if (coarse.folder(config, workdir) / "index.npz").exists():
        coarse.source(config, workdir)
    one, px = canvases.take([0]), config.data.crop_px
    image = np.zeros((1, px, px, prediction.channels(config)["coarse"]), np.uint8)
    if isinstance(one, pipeline.StoredCanvases):
        one = one.decoded()
    return pipeline.Canvases(one.photo, one.sketch, one.box, one.id, one.identity, image)
