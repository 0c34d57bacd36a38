"""What both sides of compare.py share: arguments and the clock.  Standard library alone."""

import argparse
import statistics
import time
from collections.abc import Callable


def parser(description: str) -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--work", choices=("train", "predict"), required=True)
    result.add_argument("--batch", type=int, default=4)
    result.add_argument("--size", type=int, default=128, help="side of the images, px")
    result.add_argument("--width", type=int, default=24, help="channels of the first layer")
    result.add_argument("--blocks", type=int, default=9)
    result.add_argument("--seconds", type=float, default=20.0, help="how long to repeat it")
    return result


def measured(work: Callable[[], None], seconds: float) -> dict[str, float]:
    """First call, then medians of the later calls' wall and processor time, in seconds."""
    start = time.perf_counter()
    work()
    first = time.perf_counter() - start
    work()
    wall, processor = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(wall) < 3:
        start, own = time.perf_counter(), time.process_time()
        work()
        processor.append(time.process_time() - own)
        wall.append(time.perf_counter() - start)
    return {
        "first_sec": first,
        "wall_sec": statistics.median(wall),
        "processor_sec": statistics.median(processor),
        "calls": len(wall),
    }
