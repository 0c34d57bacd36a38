"""python -m fsketch.main --config=configs/kd.py --workdir=runs/kd [--mode=...]

Modes: train (default; resumes by itself and evaluates at the end), evaluate (scores the
workdir's best checkpoint on the test pairs; with --sets=DIR also verifies persons by it on LFW,
CALFW, CPLFW, CFP-FP and AgeDB-30, see fsketch/verify_faces.py), prepare (offline stages only).
"""

from fsketch.core import startup

startup.prepare()  # before jax is imported

import json  # noqa: E402
import logging as std_logging  # noqa: E402
import sys  # noqa: E402

import jax  # noqa: E402
from absl import app, flags, logging  # noqa: E402
from ml_collections import config_flags  # noqa: E402

from fsketch import evaluate, experiment, verify_faces  # noqa: E402
from fsketch.core import errors  # noqa: E402

MODES = ("train", "evaluate", "prepare")

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Experiment, e.g. configs/kd.py:data=cuhk."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Where checkpoints, logs and samples go.")
_MODE = flags.DEFINE_enum("mode", "train", MODES, "What to do.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "best", ("best", "latest"), "What to evaluate.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "evaluate: where prepared data lies now.")
_MANUAL_DIR = flags.DEFINE_string("manual_dir", "", "evaluate: where the images lie now.")
_SPLIT = flags.DEFINE_string("split", "", "evaluate: another split, e.g. test_unseen.")
_SETS = flags.DEFINE_string("sets", "", "evaluate: folder of the sets to verify persons on.")
_DISTRIBUTED = flags.DEFINE_boolean(
    "distributed", False, "Run as one of several processes; on Cloud TPU they find each other."
)
_COORDINATOR = flags.DEFINE_string("coordinator", None, "host:port of process 0, elsewhere.")
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "With --coordinator.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "With --coordinator.")


def _is_worth_reading(record: std_logging.LogRecord) -> bool:
    """Drops what checkpointing libraries tell of themselves, unless it is a warning."""
    chatty = "/orbax/" in record.pathname or "/tensorflow_datasets/" in record.pathname
    return not chatty or record.levelno >= std_logging.WARNING


def main(arguments: list[str]) -> None:
    """Runs a mode; what a user can mend, files and folders, is said without a traceback."""
    try:
        _run(arguments)
    except (errors.DataError, FileNotFoundError) as error:
        logging.debug("here:", exc_info=True)  # --verbosity=1
        print(error, file=sys.stderr)
        sys.exit(1)


def _run(arguments: list[str]) -> None:
    if len(arguments) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(arguments[1:])}")
    if not _WORKDIR.value:
        raise app.UsageError("--workdir: found ''; admitted is a folder, new or of a run")
    given = [f.value is not None for f in (_COORDINATOR, _NUM_PROCESSES, _PROCESS_ID)]
    if any(given) and not all(given):
        raise app.UsageError("--coordinator, --num_processes and --process_id go together")
    if _MODE.value == "evaluate" and _CONFIG.value is not None:
        raise app.UsageError(
            "--mode=evaluate takes its configuration from the workdir, no --config"
        )
    if _DISTRIBUTED.value or all(given):
        jax.distributed.initialize(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
    logging.get_absl_handler().addFilter(_is_worth_reading)
    if _MODE.value == "evaluate":
        result = evaluate.evaluate_workdir(
            _WORKDIR.value,
            kind=_CHECKPOINT.value,
            split=_SPLIT.value,
            data_dir=_DATA_DIR.value,
            manual_dir=_MANUAL_DIR.value,
        )
        print(json.dumps(result, indent=2))
        if _SETS.value:
            table = f"{_WORKDIR.value}/verification.json"
            sets = ["--sets", _SETS.value, "--embedder", _WORKDIR.value, "--json", table]
            sys.exit(verify_faces.main(sets))
        return
    if _CONFIG.value is None:
        raise app.UsageError(f"--config is needed for --mode={_MODE.value}")
    run = experiment.train if _MODE.value == "train" else experiment.prepare
    run(_CONFIG.value, _WORKDIR.value)


if __name__ == "__main__":
    flags.mark_flag_as_required("workdir")
    logging.set_verbosity(logging.INFO)
    logging.set_stderrthreshold("info")
    sys.exit(app.run(main))
