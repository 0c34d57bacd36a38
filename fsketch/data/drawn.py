"""Pairs whose sketches a teacher drew (fsketch/unlabelled.py), joined with the training pairs."""

from ml_collections import ConfigDict

from fsketch.data import records, sources

_SET = "paired_folder"  # what reads them


def _folder(config: ConfigDict) -> str:
    return config.unlabelled.pairs if "unlabelled" in config else ""


def pairs(config: ConfigDict) -> records.Pairs | None:
    """The pairs in the folder `unlabelled.pairs`; None without one."""
    if not (folder := _folder(config)):
        return None
    return sources.load(_SET, "train", data_dir=config.data.data_dir, manual_dir=folder)


def prepared_name(config: ConfigDict) -> str:
    """Their `sources.prepared_name`; "" without any."""
    if not (folder := _folder(config)):
        return ""
    return sources.prepared_name(_SET, data_dir=config.data.data_dir, manual_dir=folder)
