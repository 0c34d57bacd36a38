"""Turns of two threads, whose locks are as apart as those of two processes."""

import threading

from fsketch.core import locks


def test_the_second_waits_and_says_so(tmp_path, monkeypatch):
    order, is_waiting = [], threading.Event()

    def said(words, **_):
        order.append(words)
        is_waiting.set()

    monkeypatch.setattr("builtins.print", said)

    def second():
        with locks.turn(tmp_path / "made"):
            order.append("second")

    other = threading.Thread(target=second)
    with locks.turn(tmp_path / "made"):
        other.start()
        assert is_waiting.wait(10)
        order.append("first")
    other.join()
    waiting = f"waiting for another process that makes {tmp_path / 'made'}"
    assert order == [waiting, "first", "second"]
    with locks.turn("gs://bucket/made"):
        pass
