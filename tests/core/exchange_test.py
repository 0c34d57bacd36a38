"""Images and their report change together, whenever a kill comes."""

import pytest
from etils import epath

from fsketch.core import exchange


class Kill(BaseException):
    """Ends an exchange at once."""


def put(folder, text):
    (exchange.begin(folder) / "image").write_text(text)
    exchange.end(folder, text.encode())


def found(folder):
    return (folder / "outputs" / "image").read_text(), (folder / "evaluation.json").read_text()


@pytest.mark.parametrize("moment", range(8))
def test_a_kill_at_any_moment_leaves_the_old_or_the_new_and_never_both(
    tmp_path, monkeypatch, moment
):
    folder = epath.Path(tmp_path) / "run"
    put(folder, "old")
    calls = []

    def dying(name):
        real = getattr(type(folder), name)

        def step(self, *arguments, **options):
            if len(calls) == moment:
                raise Kill
            calls.append(name)
            return real(self, *arguments, **options)

        return step

    with monkeypatch.context() as patch:
        for name in ("mkdir", "rename", "replace", "rmtree", "write_bytes", "write_text"):
            patch.setattr(type(folder), name, dying(name))
        try:
            put(folder, "new")
            assert len(calls) == moment  # nothing is left to kill
        except Kill:
            began_to_exchange = (folder / ".evaluation-new.json").exists()
            if not began_to_exchange:
                assert found(folder) in (("old", "old"), ("new", "new"))
    exchange.mend(folder)
    assert found(folder) == (("old", "old") if moment < 4 else ("new", "new"))
    names = {path.name for path in folder.iterdir() if path.suffix != ".partial"}
    assert names == {"outputs", "evaluation.json"}
    put(folder, "last")
    assert found(folder) == ("last", "last")
