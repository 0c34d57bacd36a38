"""Elements of a sequence in order, computed by grain before they are needed."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import grain
from absl import flags


def read_ahead(elements: Sequence, *, num_threads: int, num_workers: int = 0) -> Iterator[Any]:
    """The elements in order; at most `num_threads` or 2 x `num_workers` of them wait in memory.

    The order and the values depend on neither number.  An exception is raised when its element
    is due.  Close the generator to stop threads and processes before the end.

    Args:
      elements: what to read; pickled for processes.
      num_threads: threads that compute elements; 0 = none, computed on request.
      num_workers: processes that compute elements instead of threads, one thread each; 0 =
        none.  Processes are spawned, so a script that uses them needs `if __name__ == "__main__"`.
        They end when this process ends, even if it is killed.
    """
    threads = 1 if num_workers else num_threads
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
    dataset = grain.MapDataset.source(elements).to_iter_dataset(options)
    if num_workers:
        if not flags.FLAGS.is_parsed():  # grain reads its own flags, and fails in a plain script
            flags.FLAGS.mark_as_parsed()
        dataset = dataset.mp_prefetch(
            grain.MultiprocessingOptions(num_workers=num_workers), _live_as_parent
        )
    iterator = iter(dataset)
    try:
        yield from iterator
    finally:
        iterator.close()


def _live_as_parent(worker: int, num_workers: int) -> None:
    """Keeps this worker alive until the process that started it ends, and no longer.

    Signals to stop often go to all processes of a job; the parent saves first.  Nothing stops
    grain's workers when their parent is killed.
    """
    del worker, num_workers
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
