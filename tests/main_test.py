"""What the main program makes of its flags; whole runs of it are in programs_test.py."""

import json

import pytest
from absl import app, flags
from absl.testing import flagsaver

from fsketch import evaluate, main, verify_faces


@pytest.mark.parametrize("code", [0, 1])
def test_evaluation_of_an_embedder_verifies_on_the_sets_it_is_given(monkeypatch, capsys, code):
    asked = []
    monkeypatch.setattr(evaluate, "evaluate_workdir", lambda workdir, **_: {"accuracy": 0.5})
    monkeypatch.setattr(verify_faces, "main", lambda given: asked.append(given) or code)
    flags.FLAGS.mark_as_parsed()
    with flagsaver.flagsaver(mode="evaluate", workdir="runs/w"):
        main.main(["main"])
        assert not asked and json.loads(capsys.readouterr().out) == {"accuracy": 0.5}
    with (
        flagsaver.flagsaver(mode="evaluate", workdir="runs/w", sets="faces"),
        pytest.raises(SystemExit) as stop,
    ):
        main.main(["main"])
    assert stop.value.code == code
    given = verify_faces.parser().parse_args(asked[0])
    assert (given.sets, given.embedder, given.json) == (
        "faces", ["runs/w"], "runs/w/verification.json",
    )  # fmt: skip


def test_a_folder_that_is_not_there_is_named_without_a_traceback(tmp_path, capsys):
    flags.FLAGS.mark_as_parsed()
    with (
        flagsaver.flagsaver(mode="evaluate", workdir=str(tmp_path / "nowhere")),
        pytest.raises(SystemExit) as stop,
    ):
        main.main(["main"])
    assert stop.value.code == 1
    assert (
        capsys.readouterr().err == f"{tmp_path / 'nowhere'}: no checkpoint (best or latest) there\n"
    )
    with (
        flagsaver.flagsaver(workdir=""),
        pytest.raises(app.UsageError, match="--workdir: found ''"),
    ):
        main.main(["main"])
