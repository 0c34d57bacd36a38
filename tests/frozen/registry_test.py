"""Kinds of frozen nets: kept beside a run, and compared by content with what the run asks for."""

import json
import os
import pathlib
import shutil

import pytest

from fsketch import methods
from fsketch.configs import kd, synthdistill
from fsketch.convert import files
from fsketch.frozen import registry


@pytest.fixture
def asking(tiny, tmp_path, monkeypatch):
    """(configuration of KD, the nets that its workdir keeps), with the teacher in TMP/t."""
    config = tiny(kd)
    (tmp_path / "t").mkdir()
    path = str(shutil.copy(config.teacher.path, tmp_path / "t" / "net.safetensors"))
    config.teacher.path = path
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return config, registry.load_all(config, methods.needs(config))


def check(asking):
    config, kept = asking
    registry.check(config, methods.needs(config), kept)


def test_the_same_net_is_accepted_by_any_name(asking, tiny, tmp_path):
    config, _ = asking
    names = ("t/net.safetensors", "./t/../t/net.safetensors", "~/t/net.safetensors", "")
    for name in (config.teacher.path, *names, tiny(kd).teacher.path):
        config.teacher.path = name
        check(asking)
    taps = ("conv1", "fire3", "fire4")  # its default ones
    config.teacher.taps = taps
    check(asking)


def test_a_run_is_accepted_with_a_trailing_slash(tiny, tiny_embedder, quick_faces):
    config = tiny(synthdistill)
    needs = methods.needs(config)
    kept = registry.load_all(config, needs)
    config.embedder.path = os.path.relpath(tiny_embedder) + "/"
    registry.check(config, needs, kept)


def test_a_net_that_is_gone_is_the_kept_one_unless_another_is_asked_for(asking):
    config, _ = asking
    pathlib.Path(config.teacher.path).unlink()
    check(asking)
    config.teacher.taps = ("conv1", "fire2", "fire4")
    with pytest.raises(ValueError, match="fire2"):
        check(asking)
    config.teacher.path = "t/other.safetensors"
    with pytest.raises(FileNotFoundError, match="t/other"):
        check(asking)


def test_another_net_is_refused_and_the_message_says_what_differs(asking):
    config, kept = asking
    path = config.teacher.path
    config.teacher.taps = ("conv1", "fire3", "fire5")
    with pytest.raises(ValueError, match=r"teacher\.path: .*taps.*fire5.* started .*fire4"):
        check(asking)
    config.teacher.taps = ()
    net, params = files.read(path)
    params["fire9"] = {**params["fire9"], "squeeze": {**params["fire9"]["squeeze"]}}
    params["fire9"]["squeeze"]["bias"] = params["fire9"]["squeeze"]["bias"] + 1
    files.write(path, params, net=net, source="-", sha256="-")  # in the same place
    with pytest.raises(ValueError, match=r"is {'digest': '\w+'}, but .* or no teacher\.path"):
        check(asking)
    with pytest.raises(ValueError, match="expected a run that was started with this net"):
        registry.check(config, methods.needs(config), {})
    assert registry.path_of(kept["teacher"]) == path


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("teacher", {"domains": ("sketch",)}),
        ("maps", {"taps": ("", "conv1"), "also": ("fire2", "conv1")}),
        ("generator", {"size_px": 64}),
    ],
)
def test_nets_are_built_again_from_specification_and_variables(kind, options, tiny_teacher):
    net = registry.load(kind, "" if kind == "generator" else tiny_teacher, **options)
    again = registry.build(net.spec, net.variables)
    assert json.loads(net.spec)["kind"] == kind
    assert again.replace(variables=0) == net.replace(variables=0)  # one program serves both
    if kind == "maps":
        assert again.net.taps == ("fire9", "conv1", "fire2")
