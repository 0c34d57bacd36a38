"""Time of fsketch's training step and prediction beside PyTorch's, as ratios.

    python -m venv rival && rival/bin/pip install torch
    python benchmarks/compare.py --torch=rival/bin/python [--gpu]

Each round runs every form in turn, each in its own process, so that what else the machine does
meets all alike; the last columns are the medians over rounds of ours / the fastest of PyTorch's
forms.  For one core, put `taskset -c 0` before it.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
RIVALS = {
    "torch": [],
    "torch, channels last": ["--channels_last"],
    "torch.compile": ["--compile"],
    "torch.compile, channels last": ["--compile", "--channels_last"],
}
# Rows: work, batch, side, width.  A GPU takes batches that fill it.
CPU = [
    ("train", 4, 128, 24),
    ("train", 1, 256, 64),
    ("predict", 1, 256, 24),
    ("predict", 1, 256, 64),
]
GPU = [
    ("train", 64, 256, 24),
    ("train", 16, 256, 64),
    ("predict", 64, 256, 24),
    ("predict", 64, 256, 64),
]
HEADINGS = ("work", "batch x px", "width", "fsketch ms", "rival", "its ms", "wall", "processor")
CLOCKS = ("wall_sec", "processor_sec")


def run(python: str, script: str, options: list[str]) -> dict[str, float]:
    """What a script of this folder printed last, read as JSON."""
    command = [python, str(HERE / script), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    args = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    args.add_argument("--torch", required=True, help="a Python that has torch")
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    args.add_argument("--gpu", action="store_true", help="rows for a GPU, in bfloat16")
    args = args.parse_args()
    shared = [f"--seconds={args.seconds}", *(["--bfloat16"] if args.gpu else [])]
    print(table_row(HEADINGS), table_row(["---"] * len(HEADINGS)), sep="\n")
    for work, batch, size, width in GPU if args.gpu else CPU:
        options = [f"--work={work}", f"--batch={batch}", f"--size={size}", f"--width={width}"]
        ours, theirs = [], {name: [] for name in RIVALS}
        for _ in range(args.rounds):
            ours.append(run(sys.executable, "ours.py", options + shared))
            for name, extra in RIVALS.items():
                theirs[name].append(run(args.torch, "rival_torch.py", options + shared + extra))
                if theirs[name][-1]["parameters"] != ours[-1]["parameters"]:
                    raise SystemExit(f"parameters: expected equal nets, got {ours[-1]} and {name}")
        middle = {
            name: {c: statistics.median(row[c] for row in rows) for c in CLOCKS}
            for name, rows in {"fsketch": ours, **theirs}.items()
        }
        best = min(RIVALS, key=lambda name: middle[name]["wall_sec"])
        ratios = [
            statistics.median(a[c] / b[c] for a, b in zip(ours, theirs[best], strict=True))
            for c in CLOCKS
        ]
        row = [work, f"{batch} x {size}", width, f"{1e3 * middle['fsketch']['wall_sec']:.0f}"]
        row += [best, f"{1e3 * middle[best]['wall_sec']:.0f}", *(f"{x:.2f}" for x in ratios)]
        print(table_row(row), flush=True)


def table_row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    main()
