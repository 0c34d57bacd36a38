"""fsketch train, evaluate, prepare: what is done to one workdir, by one program at a time.

    fsketch train --config=configs/kd.py --workdir=DIR [--config.FIELD=VALUE ...]
    fsketch evaluate --workdir=DIR [--split=NAME] [--sets=DIR]
    fsketch prepare --config=configs/kd.py --workdir=DIR     the stages before a training, alone
    fsketch prepare NAME --manual_dir=DIR [--check]          a data set (fsketch/data/prepare.py)

With --sets=DIR an evaluation also verifies persons by the run on LFW, CALFW, CPLFW, CFP-FP and
AgeDB-30 (fsketch/verify_faces.py).  WORKDIR/log.txt takes what is more than a person reads.
"""

import argparse
import contextlib
import json
import pathlib
import shlex
from collections.abc import Iterator, Sequence

import jax
from etils import epath
from ml_collections import ConfigDict

from fsketch import evaluate as evaluation
from fsketch import experiment, verify_faces
from fsketch import train as training
from fsketch.core import arguments, config_files, errors, locks, logs, progress
from fsketch.data import prepare as data_sets


def train(given: Sequence[str]) -> int:
    """Trains the run of a workdir to its end, from its newest checkpoint if there is one."""
    flags, config = _parsed("train", given)
    with _alone(flags, "train", given):
        _check(config, flags.workdir)
        try:
            experiment.train(config, flags.workdir)
        except training.Stopped:
            progress.say(f"To go on: {_command('train', given)}")
            raise
        except (Exception, KeyboardInterrupt) as error:
            for note in _what_is_safe(flags.workdir, _command("train", given), error):
                error.add_note(note)
            raise
        _say_results(flags.workdir)
    return 0


def evaluate(given: Sequence[str]) -> int:
    """Scores the checkpoint of a workdir; prints WORKDIR/evaluation.json."""
    flags, _ = _parsed("evaluate", given)
    if not (epath.Path(flags.workdir) / "checkpoints").is_dir():
        raise FileNotFoundError(f"--workdir: expected a run's folder, got {flags.workdir}")
    with _alone(flags, "evaluate", given):
        result = evaluation.evaluate_workdir(
            flags.workdir,
            kind=flags.checkpoint,
            split=flags.split,
            data_dir=flags.data_dir,
            manual_dir=flags.manual_dir,
        )
    print(json.dumps(result, indent=2))
    if not flags.sets:
        return 0
    table = f"{flags.workdir}/verification.json"
    sets = ["--sets", flags.sets, "--embedder", flags.workdir, "--json", table]
    return verify_faces.main(sets)


def prepare(given: Sequence[str]) -> int:
    """The offline stages of a configuration, or a data set by its name."""
    if not any(word.split("=")[0].split(".")[0] == "--config" for word in given):
        return data_sets.main(given)
    flags, config = _parsed("prepare", given)
    with _alone(flags, "prepare", given):
        _check(config, flags.workdir)
        experiment.prepare(config, flags.workdir)
    return 0


def parser(command: str) -> arguments.Parser:
    """The flags of a command, without --config and its fields."""
    about = {
        "train": "Train a run; the same command again goes on from its newest checkpoint.",
        "evaluate": "Score a run's checkpoint on its test pairs, from the workdir alone.",
        "prepare": "The stages before a training; with NAME in place of --config, a data set.",
    }
    configured = (
        "--config=FILE[:ARGUMENTS] is the experiment, e.g. configs/kd.py; --config.FIELD=VALUE "
        f"sets a field of it.  Installed: {', '.join(config_files.names())}"
    )
    result = arguments.Parser(
        command,
        description=about[command],
        epilog="" if command == "evaluate" else configured,
    )
    add = result.add_argument
    result.path("--workdir", required=True, metavar="DIR", help="where the run is, or goes")
    if command == "evaluate":
        add("--checkpoint", default="best", choices=("best", "latest"))
        add("--split", default="", help="another split of the data, e.g. test_unseen")
        result.path("--data_dir", default="", metavar="DIR", help="where prepared data lies now")
        result.path("--manual_dir", default="", metavar="DIR", help="where the images lie now")
        result.path("--sets", default="", metavar="DIR", help="sets to verify persons on")
    add("--distributed", action="store_true", help="one of several processes, as on Cloud TPU")
    add("--coordinator", metavar="HOST:PORT", help="of process 0, where they cannot find it")
    add("--num_processes", type=int, help="with --coordinator")
    add("--process_id", type=int, help="with --coordinator")
    return result


def _parsed(command: str, given: Sequence[str]) -> tuple[argparse.Namespace, ConfigDict | None]:
    """The flags and the configuration; UsageError for what does not fit."""
    name, fields, rest = config_files.take(given)
    flags = parser(command).parse_args(rest)
    together = [flags.coordinator, flags.num_processes, flags.process_id]
    if any(flag is not None for flag in together) and None in together:
        raise errors.UsageError(
            "--coordinator, --num_processes, --process_id: expected all of them or none"
        )
    if not flags.workdir:
        raise errors.UsageError("--workdir: expected a folder, got ''")
    if command != "evaluate":
        return flags, config_files.load(name, fields)
    if name or fields:
        raise errors.UsageError(
            "--config: expected none, the configuration of a run is in its workdir; got "
            f"{name or next(iter(fields))}"
        )
    return flags, None


@contextlib.contextmanager
def _alone(flags: argparse.Namespace, command: str, given: Sequence[str]) -> Iterator[None]:
    """The workdir for this run alone; the first of its processes holds it and keeps the log."""
    is_first = "://" not in flags.workdir
    if flags.distributed or flags.coordinator:
        jax.distributed.initialize(flags.coordinator, flags.num_processes, flags.process_id)
        is_first &= jax.process_index() == 0
    if not is_first:
        yield
        return
    with (
        locks.workdir(flags.workdir, f"fsketch {command}"),
        logs.to_file(pathlib.Path(flags.workdir, logs.FILE), _command(command, given)),
    ):
        try:
            yield
        except OSError as error:
            error.filename = error.filename or flags.workdir  # an open file forgets its name
            raise


def _check(config: ConfigDict, workdir: str) -> None:
    """The whole configuration and its data, before anything that may take long."""
    try:
        experiment.check(config, workdir)
    except errors.DataError:
        raise
    except ValueError as error:
        raise errors.UsageError(f"--config: {error}") from error


def _command(command: str, given: Sequence[str]) -> str:
    return shlex.join(["fsketch", command, *given])


def _what_is_safe(workdir: str, command: str, error: BaseException) -> Iterator[str]:
    """Notes on a training that was broken off: the last checkpoint, and how to go on."""
    saved = pathlib.Path(workdir).glob("**/checkpoints/latest/[0-9]*")  # of a stage, perhaps
    steps = sorted((path.parents[1], int(path.name)) for path in saved if path.name.isdigit())
    if steps:
        yield f"Safe: the checkpoint of step {steps[-1][1]} in {steps[-1][0]}"
        yield f"To go on: {command}"
    elif isinstance(error, (KeyboardInterrupt, OSError)):
        yield f"Nothing was saved yet. To start again: {command}"


def _say_results(workdir: str) -> None:
    """Where all of a finished run lies, and what comes next."""
    root = pathlib.Path(workdir)
    for name, what in (
        ("samples", "sheets of validation pairs"),
        ("outputs", "images that were scored"),
        ("evaluation.json", "scores of the best checkpoint on the test pairs"),
        ("checkpoints", "the newest and the best"),
    ):
        if (root / name).exists():
            progress.say(f"  {root / name}: {what}")
    if (root / "outputs").exists():
        run = shlex.quote(workdir)
        progress.say(f"Next: fsketch synthesize --workdir={run} --direction=to_sketch IN OUT")
