"""Progress where there is no terminal."""

from fsketch.core import progress


def test_items_pass_and_lines_tell(monkeypatch, capsys):
    assert list(progress.track("abc", "reading", 3)) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(progress, "EVERY_SEC", 0.0)
    assert list(progress.track("abc", "reading", 3)) == ["a", "b", "c"]
    out, err = capsys.readouterr()
    assert not out and "reading: 1" in err and "left" in err
