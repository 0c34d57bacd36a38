"""Weights in Keras' HDF5 files (*.weights.h5), read with the package h5py (extra "h5")."""

import numpy as np


def read(path: str) -> dict[str, np.ndarray]:
    """The arrays of the file by their path in it, "block1/layers/conv2d/vars/0".

    ValueError without h5py, and for files that are not HDF5, are damaged or hold something else
    than numbers.
    """
    try:
        import h5py  # optional: see setup.cfg
    except ImportError:
        raise ValueError(
            f"{path}: expected the package h5py, got none; pip install 'fsketch[h5]'"
        ) from None
    arrays: dict[str, np.ndarray] = {}

    def take(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset):
            if item.dtype.kind not in "iuf" or item.external:
                raise ValueError(f"{path}: {name}: expected stored numbers, got {item.dtype}")
            arrays[name] = item[()]

    with open(path, "rb") as file:
        try:
            with h5py.File(file, "r") as archive:
                archive.visititems(take)
        except (OSError, RuntimeError, KeyError) as error:
            raise ValueError(f"{path}: expected a whole HDF5 file, got {error}") from None
    return arrays
