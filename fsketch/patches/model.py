"""The whole patch model: fitted on pairs, it translates images of one kind into the other.

    fit        pairs -> Index, which is saved and loaded
    ready      Index -> Fitted, maps of the training images that can be searched
    translate  image -> candidates (search.py) -> weights (graph.py) -> image (stitch.py)

With several representations (representations.py), as in the multi-representation network MrFSPS of
IDE's authors, the energy is

    E(w, mu) = 1/2 sum_i sum_m mu_im |f_m(a_i) - f_m(A_i) w_i|^2 + spread / 2 sum_i |mu_i|^2
               + overlap_weight / 2 sum_ij |O_ij w_i - O_ji w_j|^2,    w_i and mu_i on the simplex,

lowered in w and mu by turns [secondary: by turns, about five times; the quadratic term's form and
weight, and candidates by the plain sum of distances: inferred].  Maps are scaled to the standard
deviation of grey in the training images, so that they weigh alike; grey itself is unchanged.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from fsketch.core import arrays, images, writers
from fsketch.patches import graph, grid, representations, search, stitch

VERSION = 1  # of the file, and of the results computed from it
SOLVERS = ("weights", "choice")
STITCHES = {"average": stitch.average, "cut": stitch.cut}


class Settings(NamedTuple):
    """Settings of the model; configs/ide.py explains each field."""

    representations: tuple[str, ...]
    patch_px: int
    step_px: int
    radius_px: int
    num_candidates: int
    is_distinct: bool
    overlap_weight: float
    solver: str
    max_iterations: int
    tolerance: float
    damping: float
    num_alternations: int
    spread: float
    stitch: str
    memory_mb: int

    def lattice(self, size: tuple[int, int]) -> grid.Lattice:
        """The lattice on images of this (height, width)."""
        return grid.lattice(size, patch_px=self.patch_px, step_px=self.step_px)

    def check(self) -> None:
        """Raises ValueError naming a field whose value cannot work."""
        for field, values, allowed in (
            ("representations", self.representations, representations.REPRESENTATIONS),
            ("solver", (self.solver,), SOLVERS),
            ("stitch", (self.stitch,), STITCHES),
        ):
            if not values or not set(values) <= set(allowed) or len(set(values)) < len(values):
                raise ValueError(f"{field}: expected some of {', '.join(allowed)}, got {values}")
        for field in ("num_candidates", "max_iterations", "num_alternations", "memory_mb"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field}: expected at least 1, got {getattr(self, field)}")
        for field in ("radius_px", "overlap_weight", "tolerance"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field}: expected 0 or more, got {getattr(self, field)}")
        if not self.spread > 0:
            raise ValueError(f"spread: expected above 0, got {self.spread}")
        if not 0 <= self.damping < 1:
            raise ValueError(f"damping: expected a number in [0, 1), got {self.damping}")
        lattice = self.lattice((self.patch_px, self.patch_px))
        if self.stitch == "cut" and lattice.overlap_px > lattice.step_px:
            raise ValueError(
                f"step_px: expected at least half of patch_px: {self.patch_px} for cuts, "
                f"got {self.step_px}"
            )


class Index(NamedTuple):
    """Training pairs, all of one size, and the settings of the model.

    given uint8[N, H, W, C], wanted uint8[N, H, W, C'], id list of N names, identity int32[N].
    """

    given: np.ndarray
    wanted: np.ndarray
    id: list[str]
    identity: np.ndarray
    settings: Settings

    def digest(self) -> str:
        """16 hex digits of all that decides results: pairs, identities, settings, version."""
        content = hashlib.sha256(self.describe().encode())
        for array in (self.given, self.wanted, np.asarray(self.identity, np.int32)):
            content.update(f"{array.shape}".encode())
            content.update(np.ascontiguousarray(array))
        return content.hexdigest()[:16]

    def describe(self) -> str:
        """Version and settings, without memory_mb, which changes no result, as JSON."""
        settings = self.settings._asdict()
        del settings["memory_mb"]
        return json.dumps({"version": VERSION, "settings": settings}, sort_keys=True)

    def allowed(self, identity: int | None) -> np.ndarray:
        """bool[N]: the pairs of other identities, from which an image of this one may be made."""
        if identity is None:
            return np.ones(len(self.id), bool)
        return self.identity != identity


def fit(
    given: Sequence[np.ndarray],
    wanted: Sequence[np.ndarray],
    id: Sequence[str],
    identity: np.ndarray,
    settings: Settings,
) -> Index:
    """The index of training pairs: uint8[H, W, C] and uint8[H, W, C'] each.

    Raises ValueError naming a pair of another size than the first, or a field that does not fit.
    """
    settings.check()
    if not len(id):
        raise ValueError("pairs: expected training pairs, got none")
    size = given[0].shape[:2]
    for name, *pair in zip(id, given, wanted, strict=True):
        if found := [x.shape[:2] for x in pair if x.shape[:2] != size]:
            raise ValueError(
                f"{name}: expected {size[1]} x {size[0]} px (width x height) as {id[0]}, got "
                f"{found[0][1]} x {found[0][0]} px; the patch model needs images of one size"
            )
    index = Index(np.stack(given), np.stack(wanted), list(id), np.asarray(identity), settings)
    # Leaving out one identity must leave enough candidates, at the image's corners, too.
    places = 1 if settings.is_distinct else (settings.radius_px + 1) ** 2
    fewest = len(id) - max(np.unique(index.identity, return_counts=True)[1])
    if settings.num_candidates > fewest * places:
        raise ValueError(
            f"num_candidates: expected at most {fewest * places}, as {len(id)} training pairs give "
            f"without one identity, got {settings.num_candidates}"
        )
    return index


def save(path: str | epath.Path, index: Index) -> None:
    """Writes the index as one .npz file, whole or not at all."""
    buffer = io.BytesIO()
    about = {**json.loads(index.describe()), "digest": index.digest()}
    about["settings"]["memory_mb"] = index.settings.memory_mb
    np.savez_compressed(
        buffer,
        given=index.given,
        wanted=index.wanted,
        id=np.asarray(index.id),
        identity=np.asarray(index.identity, np.int32),
        about=np.asarray(json.dumps(about)),
    )
    writers.write_whole(path, buffer.getvalue())


def load(path: str | epath.Path) -> Index:
    """The index that `save` wrote; ValueError if its version differs or it was changed."""
    try:
        stored = arrays.read_npz(epath.Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    about = json.loads(str(stored["about"]))
    if about["version"] != VERSION:
        raise ValueError(f"{path}: expected version {VERSION}, got {about['version']}")
    fields = about["settings"]
    settings = Settings(**{**fields, "representations": tuple(fields["representations"])})
    index = Index(
        stored["given"],
        stored["wanted"],
        [str(name) for name in stored["id"]],
        stored["identity"],
        settings,
    )
    if index.digest() != about["digest"]:
        raise ValueError(
            f"{path}: expected digest {about['digest']}, as recorded, got {index.digest()}"
        )
    return index


class Fitted(NamedTuple):
    """Arrays that `translate` needs: a tree that a device holds.

    gallery: of all maps joined on channels; scales float32[D], applied to them; wanted uint8.
    """

    gallery: search.Gallery
    scales: jax.Array
    wanted: jax.Array


def ready(index: Index) -> Fitted:
    """Computes the maps of all training images, some at a time."""
    settings, size = index.settings, index.given.shape[1:3]
    compute = jax.jit(lambda given: _maps(given, settings.representations))
    chunks = [
        compute(images.from_uint8(index.given[i : i + 16])) for i in range(0, len(index.id), 16)
    ]
    maps = {name: jnp.concatenate([c[name] for c in chunks]) for name in settings.representations}
    reference = jnp.concatenate(
        [
            _maps(images.from_uint8(x), ("grey",))["grey"]
            for x in np.array_split(index.given, len(chunks))
        ]
    ).std()
    scales = {name: reference / jnp.maximum(x.std(), 1e-6) for name, x in maps.items()}
    scales = jnp.concatenate([jnp.full(x.shape[-1], scales[name]) for name, x in maps.items()])
    joined = jnp.concatenate(list(maps.values()), -1) * scales
    make = jax.jit(
        lambda x: search.gallery(x, settings.lattice(size), radius_px=settings.radius_px)
    )
    return Fitted(make(joined), scales, jnp.asarray(index.wanted))


def _maps(image: jax.Array, names: Sequence[str]) -> dict[str, jax.Array]:
    """Maps of images [..., H, W, C] in [-1, 1]."""
    return {name: representations.REPRESENTATIONS[name]((image + 1) / 2) for name in names}


class Translation(NamedTuple):
    """image: float32[H, W, C'] in [-1, 1]; solution: how it was found (the last alternation)."""

    image: jax.Array
    solution: graph.Solution


def translate(
    fitted: Fitted, image: jax.Array, allowed: jax.Array, settings: Settings
) -> Translation:
    """Makes an image of the wanted kind from float32[H, W, C] in [-1, 1].

    H x W is the size of the training images; allowed bool[N], those that may be used.  Takes
    one image: map it over a batch.
    """
    lattice = settings.lattice(image.shape[:2])
    maps = _maps(image, settings.representations)
    widths = [x.shape[-1] for x in maps.values()]
    query = jnp.concatenate(list(maps.values()), -1) * fitted.scales
    candidates = search.nearest(
        fitted.gallery,
        query,
        allowed,
        lattice,
        num_candidates=settings.num_candidates,
        radius_px=settings.radius_px,
        is_distinct=settings.is_distinct,
        memory_mb=settings.memory_mb,
    )
    radius = settings.radius_px
    inner = (
        slice(None),
        *(slice(radius, side - radius) for side in fitted.gallery.features.shape[1:3]),
    )
    near = search.gather(fitted.gallery.features[inner], candidates, lattice)
    wanted = search.gather(fitted.wanted, candidates, lattice).astype(jnp.float32) / 255
    asked = grid.extract(query, lattice)
    ends = np.cumsum(widths)
    blocks = jnp.stack(  # representations, rows, columns, K, K
        [
            graph.residual_blocks(asked[..., end - width : end], near[..., end - width : end])
            for width, end in zip(widths, ends, strict=True)
        ]
    )
    solution = _solve(blocks, wanted, lattice, settings)
    patches = jnp.einsum("rck,rckyxd->rcyxd", solution.weights, wanted, precision="highest")
    whole = STITCHES[settings.stitch](patches, lattice)
    return Translation(whole[: image.shape[0], : image.shape[1]] * 2 - 1, solution)


def representation_weights(residuals: jax.Array, *, spread: float) -> jax.Array:
    """The mu of least energy, [M, rows, columns], for as many residuals |f_m(a) - f_m(A) w|^2."""
    return jnp.moveaxis(graph.simplex(jnp.moveaxis(residuals, 0, -1) / (-2 * spread)), -1, 0)


def _solve(
    blocks: jax.Array, wanted: jax.Array, lattice: grid.Lattice, settings: Settings
) -> graph.Solution:
    """Weights of candidates, and of representations where there are several."""
    count = len(blocks)
    mu = jnp.full(blocks.shape[:3], 1 / count)
    weights = jnp.full(blocks.shape[1:4], 1 / settings.num_candidates)
    for turn in range(settings.num_alternations if count > 1 else 1):
        if turn:
            residuals = jnp.einsum(
                "mrckl,rck,rcl->mrc", blocks, weights, weights, precision="highest"
            )
            mu = representation_weights(residuals, spread=settings.spread)
        field = graph.field(
            jnp.einsum("mrc,mrckl->rckl", mu, blocks, precision="highest"),
            wanted,
            lattice,
            overlap_weight=settings.overlap_weight,
        )
        if settings.solver == "choice":
            solution = graph.choose(
                field, num_rounds=settings.max_iterations, damping=settings.damping
            )
        else:
            solution = graph.solve(
                field,
                weights,
                max_iterations=settings.max_iterations,
                tolerance=settings.tolerance,
            )
        weights = solution.weights
    return solution
