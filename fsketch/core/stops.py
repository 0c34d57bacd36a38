"""Signals that end a training: heard at the next step, and within a second while XLA compiles.

Python runs a handler in the main thread only, between two of its own instructions.  A program that
compiles for a minute in that thread hears nothing for a minute, so `StopSignal.wait_for` lets
another thread do it.
"""

import atexit
import contextvars
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent import futures
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

LISTEN_SEC = 0.2

Result = TypeVar("Result")


class Interrupted(Exception):
    """A signal came during `StopSignal.wait_for`."""


class StopSignal:
    """Turns SIGTERM and the first Ctrl-C into a flag; a second Ctrl-C interrupts at once.

    `exit_code` is the run's exit code: 0 after SIGTERM, 130 after Ctrl-C.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __enter__(self) -> "StopSignal":
        self.received, self.exit_code = False, 0
        self.before = {s: signal.signal(s, self._receive) for s in self.SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: object) -> None:
        del frame
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = True
        self.exit_code = 130 if number == signal.SIGINT else 0

    def agreed(self, step: int, every_steps: int) -> bool:
        """Whether to stop now; all processes give the same answer."""
        if jax.process_count() == 1:
            return self.received
        if step % every_steps:
            return False
        return bool(multihost_utils.process_allgather(np.asarray(self.received)).any())

    def wait_for(self, function: Callable[..., Result], *arguments: object) -> Result:
        """function(*arguments), which may compile; raises Interrupted as soon as a signal comes.

        Then the call goes on in its thread, its result is lost, and the process must end.  One of
        several processes always waits for the result, as the others do.
        """
        if jax.process_count() > 1:
            return function(*arguments)
        result: futures.Future = futures.Future()

        def call() -> None:
            try:
                result.set_result(function(*arguments))
            except BaseException as error:
                result.set_exception(error)

        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(call,), daemon=True)
        thread.start()
        while not result.done():
            futures.wait([result], timeout=LISTEN_SEC)
            if self.received and not result.done():
                atexit.register(_end, thread, self.exit_code)
                raise Interrupted
        return result.result()


def _end(thread: threading.Thread, exit_code: int) -> None:
    """Ends the process without the interpreter's own end, which aborts under a compiling thread."""
    if thread.is_alive():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
