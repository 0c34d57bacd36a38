"""What frozen nets see in the training images, computed once and kept in host memory.

Exact only where augmentation has few outcomes.  A crop's maps are not a crop of the canvas's maps:
they differ at the border.  Offsets are (canvas_px - crop_px + 1)^2, 961 at 286 and 256 px, so an
image hardly ever returns.  Where pairs are only mirrored there are two outcomes, and after a few
epochs every image was seen in both.

Maps are computed by a program of their own, on the whole batch, and taken from memory where all of
its images are known; so the bits of a run depend neither on what is in memory nor on its size, nor
on when the run was resumed.  Without it (cache_mb = 0) nets are part of the step, which XLA may
round otherwise: of the runs below all gave the same bits, at 32 px they differed by rounding.
Nothing is thrown out: with a permutation each epoch, no pair is more likely needed than another.

Measured on two loaded CPU cores, KD at 256 px, no crops, in float32, medians of 3 to 15 steps in
turn; teacher: its program alone over the step as it is; gain: that over the step from memory.

    teacher                   student (width, blocks)   pairs   teacher   gain   MB a pair
    SqueezeNet 1.0            24, 6                     1       0.05      1.04   24
    VGG-19                    24, 6                     1       0.37      1.39   59
    VGG-19                    24, 6                     2       0.39      1.42   59
    VGG-16, VGG-Face          24, 6                     1       0.39      1.41   59
    own (configs/teacher.py)  24, 6                     1       0.40      1.46   59
    VGG-19                    64, 9                     1       0.09      1.14   59
    own, small, at 80 px      16, 4                     4       0.15      1.10   1.4

80 pairs and their mirror images take 9.4 GB with VGG-19, 4.7 GB without mirroring.  Accelerators,
to which the maps must travel in every step, were not measured.
"""

import hashlib
import json
from collections.abc import Mapping

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from fsketch.core import parallel, state, trees, types
from fsketch.data import augment

Maps = dict[str, types.Taps]  # by domain


def net_digest(net: state.Frozen) -> bytes:
    """Differs for nets that see anything differently: weights, constants, taps or architecture."""
    spec = {name: value for name, value in json.loads(net.spec).items() if name != "path"}
    hashed = hashlib.blake2b(json.dumps(spec, sort_keys=True).encode())
    for name, array in trees.flatten(jax.device_get(net.variables)).items():
        hashed.update(f"{name} {array.dtype} {array.shape}".encode())
        hashed.update(np.ascontiguousarray(array))
    return hashed.digest()


def key(net: bytes, image: np.ndarray, mirrored: bool) -> bytes:
    """What the maps of a net (its digest) of an image uint8[S, S, C] under a change go by."""
    hashed = hashlib.blake2b(net + bytes([mirrored]), digest_size=32)
    hashed.update(f"{image.shape}".encode())
    hashed.update(np.ascontiguousarray(image))
    return hashed.digest()


class Recall:
    """A function: (frozen nets, batch, keys of a step) -> their maps, by domain.

    Arguments are those of the pmapped step: replicated, split, Key[devices, n].
    """

    def __init__(
        self,
        frozen: Mapping[str, state.Frozen],
        data: ConfigDict,
        *,
        limit_mb: int,
        num_pairs: int,
    ) -> None:
        """Raises ValueError where it cannot serve, naming the field."""
        roles = {domain: role for role, net in frozen.items() for domain in net.domains}
        try:
            if jax.process_count() > 1:
                raise ValueError(f"{jax.process_count()} processes; one is admitted")
            if not roles:
                raise ValueError("no frozen net of this method sees the images of a pair")
            augment.mirrored(jax.random.split(jax.random.key(0), 1), data)
        except ValueError as error:
            raise ValueError(f"cache_mb: {limit_mb}, but {error}") from None

        def see(frozen: Mapping[str, state.Frozen], batch: types.Batch, keys: jax.Array) -> Maps:
            batch, _ = augment.apply(batch, keys, data)
            return {domain: frozen[role](batch[domain]) for domain, role in roles.items()}

        self._see = parallel.pmap(see)
        self._mirrored = parallel.pmap(lambda keys: augment.mirrored(keys, data))
        self._digests = {domain: net_digest(frozen[role]) for domain, role in roles.items()}
        self._limit, self._used = limit_mb * 10**6, 0
        self._known: dict[bytes, types.Taps] = {}

        image = jax.ShapeDtypeStruct((1, data.crop_px, data.crop_px, 1), np.float32)
        shapes = [jax.eval_shape(frozen[role], image) for role in roles.values()]
        size = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(shapes))
        if size > self._limit:
            raise ValueError(f"cache_mb: {limit_mb}, but one pair takes {size / 1e6:.1f} MB")
        needed = num_pairs * (2 if data.flip else 1)
        logging.info(
            "cache_mb: %d MB hold the maps of %d of %d pairs (mirror images count), all take %d MB",
            limit_mb,
            min(self._limit // size, needed),
            needed,
            needed * size / 1e6,
        )

    def __call__(
        self, frozen: Mapping[str, state.Frozen], parts: types.Batch, keys: jax.Array
    ) -> Maps:
        mirrored = np.asarray(self._mirrored(keys))  # devices x n
        names = {
            domain: [
                key(digest, parts[domain][place], bool(mirrored[place]))
                for place in np.ndindex(mirrored.shape)
            ]
            for domain, digest in self._digests.items()
        }
        if all(name in self._known for group in names.values() for name in group):
            return {domain: self._joined(group, mirrored.shape) for domain, group in names.items()}
        maps = self._see(frozen, parts, keys)
        self._keep(names, parallel.join(maps))
        return maps

    def _joined(self, names: list[bytes], shape: tuple[int, int]) -> types.Taps:
        maps = [self._known[name] for name in names]
        stacked = {tap: np.stack([m[tap] for m in maps]) for tap in maps[0]}
        return {tap: x.reshape(*shape, *x.shape[1:]) for tap, x in stacked.items()}

    def _keep(self, names: Mapping[str, list[bytes]], maps: Maps) -> None:
        """Keeps the maps of a pair together, while there is room."""
        for i, group in enumerate(zip(*names.values(), strict=True)):
            pair = {
                name: {tap: x[i] for tap, x in taps.items()}
                for name, taps in zip(group, maps.values(), strict=True)
                if name not in self._known
            }
            size = sum(x.nbytes for x in jax.tree.leaves(pair))
            if self._used + size <= self._limit:
                self._used += size
                self._known |= jax.tree.map(np.copy, pair)
