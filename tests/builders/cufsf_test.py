from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from fsketch.core import errors
from fsketch.data import sources
from fsketch.tfds_builders import Cufsf
from fsketch.tfds_builders.cufsf import cufsf_dataset_builder as cufsf

# The numbers up to 1209 that no pair has.
GAPS = {225, 226, 232, 372, 535, 639, 651, 658, 702, 748, 759, 808, 843, 849, 865}


@pytest.fixture
def short_lists(tmp_path, monkeypatch) -> None:
    """Lists short enough for quick tests; the splits of the two configs differ."""
    folder = tmp_path / "lists"
    folder.mkdir()
    for name, ids in {
        "sc_lmser_train": "00005 00021",
        "sc_lmser_test": "00001 00002 00003",
        "ca_gan_train": "00021 00002",
        "ca_gan_test": "00001 00003 00005",
    }.items():
        (folder / f"{name}.txt").write_text(ids.replace(" ", "\n") + "\n")
    monkeypatch.setattr(cufsf, "_LISTS", folder)


@pytest.fixture
def folder(short_lists, tmp_path, draw_pair) -> Path:
    for number in (1, 2, 3, 5, 21):
        draw_pair(tmp_path / "in", f"{number:05d}", number)
    return tmp_path / "in"


def _error(name: str, manual_dir: Path, tmp_path: Path) -> str:
    with pytest.raises(errors.DataError) as caught:
        sources.prepare(name, data_dir=str(tmp_path / "out"), manual_dir=str(manual_dir))
    assert not list((tmp_path / "out").rglob("*.array_record*"))
    return str(caught.value)


def test_the_shipped_lists_hold_250_and_944_of_the_same_1194_ids():
    everything = {f"{n:05d}" for n in range(1, 1210) if n not in GAPS}
    for config in cufsf.CONFIGS:
        train, test = cufsf.split_ids(config, "train"), cufsf.split_ids(config, "test")
        assert (len(train), len(test)) == (250, 944)
        assert {*train, *test} == everything and len(everything) == 1194
    lmser, gan = (cufsf.split_ids(config, "train") for config in cufsf.CONFIGS)
    assert len({*lmser} & {*gan}) == 52
    assert lmser == sorted(lmser) and gan[:3] == ["00289", "00870", "01035"]
    # Every 228th line of the original, and its last.
    test = cufsf.split_ids("sc_lmser", "test")
    assert [test[i] for i in (0, 228, 456, 684, 912, 943)] == [
        "00001", "00276", "00576", "00870", "01162", "01208",
    ]  # fmt: skip


def test_list_order_and_one_identity_in_both_configs(folder, tmp_path, draw_face):
    folders = {"data_dir": str(tmp_path / "out"), "manual_dir": str(folder)}
    train = sources.load("cufsf/sc_lmser", "train", **folders)
    assert train.id == ["00005", "00021"] and train.identity.tolist() == [3, 4]
    np.testing.assert_array_equal(train.photo[0], draw_face(5))
    assert sources.load("cufsf/sc_lmser", "test", **folders).id == ["00001", "00002", "00003"]
    train = sources.load("cufsf/ca_gan", "train", **folders)
    assert train.id == ["00021", "00002"] and train.identity.tolist() == [4, 1]

    root = sources.prepare("cufsf/ca_gan", **folders).data_dir.split("/cufsf/")[0]
    builder = tfds.builder("cufsf/ca_gan", data_dir=root)
    assert builder.info.splits["test"].num_examples == 3
    assert "SC_Lmser" in builder.info.description and "zhang2011coupled" in builder.info.citation
    assert Cufsf.name == "cufsf"


def test_pairs_csv_must_keep_the_split_of_the_config(folder, tmp_path):
    rows = ["id,photo,sketch,split"]
    for split in ("train", "test"):
        for id in cufsf.split_ids("ca_gan", split):
            rows.append(f"{id},photos/{id}.png,sketches/{id}.png,{split}")
    (folder / "pairs.csv").write_text("\n".join(rows))
    text = _error("cufsf/sc_lmser", folder, tmp_path)
    assert text.startswith("2 problems in ")
    assert ". id 00002: expected split test, the official one, got split train in pairs.csv" in text
    folders = {"data_dir": str(tmp_path / "out"), "manual_dir": str(folder)}
    assert sources.load("cufsf/ca_gan", "train", **folders).id == ["00021", "00002"]
