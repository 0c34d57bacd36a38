"""Versions, and fields that later ones add."""

import pytest

from fsketch.core import checkpoint, history


def test_versions_are_compared_by_number():
    assert history.before("0.2.9", "0.10.0") and not history.before("0.2.0", "0.2.0")


def test_runs_get_the_fields_of_later_versions_in_the_sections_they_have(monkeypatch):
    fields = {"model.x": 7, "critic.y": 1, "top": "as before"}
    monkeypatch.setitem(history.ADDED, "0.2.1", fields)
    stored = {"model": {"width": 4}, "seed": 0}
    expected = {"model": {"width": 4, "x": 7}, "seed": 0, "top": "as before"}
    assert history.completed(stored, "0.2.0") == expected
    assert history.completed(stored, "0.2.1") == stored
    assert stored == {"model": {"width": 4}, "seed": 0}
    own = {"model": {"x": 1}, "top": ""}
    assert history.completed(own, "0.2.0") == own


def test_fields_of_a_method_and_of_configurations_within_are_added(monkeypatch):
    fields = {"data.x": 7, "teacher/kinds": ("photo",)}
    monkeypatch.setattr(history, "ADDED", {"0.2.1": fields})
    inner = {"method": "teacher", "data": {}}
    stored = {"method": "kd", "data": {"y": 1}, "teacher": {"path": "", "config": inner}}
    found = history.completed(stored, "0.2.0")
    assert found["data"] == {"x": 7, "y": 1} and "kinds" not in found
    whole = {"method": "teacher", "data": {"x": 7}, "kinds": ("photo",)}
    assert found["teacher"] == {"path": "", "config": whole}


@pytest.mark.parametrize("version", [1, "0.1.9"])
def test_a_workdir_of_an_older_version_is_refused(version, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint.fsketch, "__version__", version)
    places = checkpoint.open_workdir(tmp_path / "run", keep=1)
    checkpoint.save(places.latest, 1, {}, {})
    checkpoint.save(places.frozen, 0, {}, {"specs": {}})
    places.wait()
    places.close()
    message = r"run: made by a version before 0\.2\.0, expected 0\.2\.0 or later; train again"
    for reader in (checkpoint.read, checkpoint.frozen_specs):
        with pytest.raises(ValueError, match=message):
            reader(tmp_path / "run")
