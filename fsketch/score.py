"""fsketch score --protocol=cufs --truth=DIR --output=DIR [DIR ...]

Scores folders of images, or the images of an evaluated workdir, by a named protocol.  Prints a
table with its convention; --json, --html and --why give more.  If files do not fit, it lists every
problem and exits with code 1; it never resizes or omits anything silently.
"""

import argparse
import collections
import functools
import hashlib
import sys
from collections.abc import Iterator, Sequence
from concurrent import futures
from pathlib import Path

import numpy as np

from fsketch.core import arguments, errors, images, names, paths, progress, threads, writers
from fsketch.frozen import metric_nets
from fsketch.metrics import fid
from fsketch.scoring import conventions, features, matching, measures, protocols, results

THREADS, AHEAD = 2, 16  # decoding threads, and the number of ids they may be ahead


def score(
    matched: matching.Matched,
    name: str,
    options: measures.Options,
    *,
    metrics: Sequence[str] = (),
    why: bool = False,
) -> results.Result:
    """Scores every output of `matched` by the protocol `name`.

    metrics: keys of `measures.IMAGE` and `measures.SET` that replace the protocol's.  A set metric
    that cannot be computed (e.g. too few pairs) is an error if it is named here, and a note if it
    is the protocol's.

    Raises `DataError` for unreadable files and sizes other than the protocol's,
    `metric_nets.WeightsError` for missing weights, ValueError for unknown names.
    """
    chosen = protocols.get(name)
    known = {*measures.IMAGE, *measures.SET}
    if unknown := [metric for metric in metrics if metric not in known]:
        raise ValueError(
            f"--metrics: expected some of {', '.join(sorted(known))}, got {', '.join(unknown)}"
        )
    wanted = metrics or chosen.image_metrics + chosen.set_metrics
    set_names = [metric for metric in wanted if metric in measures.SET]
    problems = matching.Problems()
    matching.check_sizes(matched, chosen, problems)

    ready = measures.ready([metric for metric in wanted if metric in measures.IMAGE], options)
    gathered, notes = _features(set_names, options, strict=bool(metrics))
    scorers = {label: protocols.ImageScorer(ready) for label in matched.outputs}
    tallies = {label: conventions.Tally(ready) for label in matched.outputs} if why else {}
    digests = {label: hashlib.sha256() for label in ("truth", *matched.outputs)}
    pairs = _decoded(matched, problems)
    for id, decoded in progress.track(pairs, "scoring", len(matched.ids)):
        for label, (pixels, digest) in decoded.items():
            digests[label].update(f"{id}\0{digest}\0".encode())
            for gatherer in gathered.values():
                gatherer.add(label, pixels)
        truth, _ = decoded.pop("truth")
        for label, (output, _) in decoded.items():
            if chosen.resize_output and output.shape[:2] != truth.shape[:2]:
                output = protocols.resized(output, (truth.shape[1], truth.shape[0]))
            scorers[label].add(truth, output)
            if why:
                tallies[label].add(truth, output)
    problems.close()

    scores = {label: scorer.scores() for label, scorer in scorers.items()}
    notes += _equal_images(scores)
    if "fid" in set_names:
        notes.append(fid.caution(len(matched.ids)))
    sets, origins, reasons = _set_scores(
        matched, set_names, gathered, options, strict=bool(metrics)
    )
    for source in gathered.values():
        notes += source.notes()
    weights = {}
    for source in (*ready, *gathered.values()):
        weights |= source.weights
    return results.Result(
        protocol=name,
        matched=matched,
        metrics=ready,
        images={label: _spread(values, label, matched) for label, values in scores.items()},
        sets=sets,
        origins=origins,
        shifts={label: tally.shifts() for label, tally in tallies.items()},
        notes=notes + reasons,
        hashes={label: digest.hexdigest() for label, digest in digests.items()},
        weights=weights,
        options=options,
    )


class _Gathered:
    """Features of the truth and of every output, computed in batches as images come."""

    def __init__(self, source: features.Features) -> None:
        self.extract, self.weights, self.notes = source
        self.waiting: dict[str, list[np.ndarray]] = collections.defaultdict(list)
        self.done: dict[str, list[np.ndarray]] = collections.defaultdict(list)

    def add(self, label: str, image: np.ndarray) -> None:
        self.waiting[label].append(image)
        if len(self.waiting[label]) == protocols.BATCH_SIZE:
            self._flush(label)

    def of(self, label: str) -> np.ndarray:
        """[N, D] in the order of `add`."""
        self._flush(label)
        return np.concatenate(self.done[label])

    def _flush(self, label: str) -> None:
        if self.waiting[label]:
            self.done[label].append(self.extract(self.waiting[label]))
            self.waiting[label] = []


def _features(
    set_names: Sequence[str], options: measures.Options, *, strict: bool
) -> tuple[dict[str, _Gathered], list[str]]:
    """Features for the set metrics, by name; notes on metrics that could not be computed."""
    gathered, notes = {}, []
    for name in {measures.SET[metric].features: None for metric in set_names}:
        try:
            gathered[name] = _Gathered(features.FEATURES[name](options))
        except metric_nets.WeightsError as error:
            if strict:
                raise
            notes += [
                f"{m}: not scored: {error}" for m in set_names if measures.SET[m].features == name
            ]
    return gathered, notes


def _set_scores(
    matched: matching.Matched,
    set_names: Sequence[str],
    gathered: dict[str, _Gathered],
    options: measures.Options,
    *,
    strict: bool,
) -> tuple[dict[str, dict[str, measures.Interval]], dict[str, str], list[str]]:
    """Values of each output, the metric of each value, notes on metrics not computed."""
    sets: dict[str, dict[str, measures.Interval]] = {label: {} for label in matched.outputs}
    origins: dict[str, str] = {}
    reasons: dict[str, list[str]] = {}
    complete = [label for label, its in matched.outputs.items() if len(its) == len(matched.ids)]
    for name in set_names:
        metric = measures.SET[name]
        if metric.features not in gathered:
            continue
        of = gathered[metric.features].of
        for label, its in matched.outputs.items():
            try:
                if label not in complete:
                    raise ValueError(f"expected all {len(matched.ids)} images, got {len(its)}")
                others = [of(other) for other in complete if other != label]
                compared = measures.Sets(of("truth"), of(label), others)
                values = metric.compare(compared, options)
                sets[label] |= values
                origins |= dict.fromkeys(values, name)
            except ValueError as error:
                if strict:
                    raise ValueError(f"{name} of {label}: {error}") from error
                reasons.setdefault(f"{name}: not scored: {error}", []).append(label)
    return sets, origins, [f"{reason} ({', '.join(names)})" for reason, names in reasons.items()]


def _equal_images(scores: dict[str, dict[str, np.ndarray]]) -> list[str]:
    """A note for each output and metric whose values are capped."""
    return [
        f"{name} of {label}: {equal} of {len(values)} outputs equal the truth; infinite, counted "
        f"as {protocols.MOST_DB:g} dB"
        for label, metrics in scores.items()
        for name, values in metrics.items()
        if (equal := int((values == protocols.MOST_DB).sum()))
    ]


def _decoded(
    matched: matching.Matched, problems: matching.Problems
) -> Iterator[tuple[str, dict[str, tuple[np.ndarray, str]]]]:
    """(id, {"truth" or label: (pixels, SHA-256 of the file)}) of each id, in order.

    After the first unreadable file it yields nothing, but it reads all files, so that `problems`
    lists every bad one.
    """
    with futures.ThreadPoolExecutor(THREADS) as pool:
        read = functools.partial(_read, matched)
        for id, (decoded, found) in threads.ahead(pool, matched.ids, read, AHEAD):
            problems.merge(found)
            if not problems.places:
                yield id, decoded


def _read(
    matched: matching.Matched, id: str
) -> tuple[dict[str, tuple[np.ndarray, str]], matching.Problems]:
    """All images of one id, and their problems."""
    problems = matching.Problems()
    decoded = {}
    for label, files in {"truth": matched.truth, **matched.outputs}.items():
        if id in files:
            pixels = matching.decode(files[id], problems)
            digest = hashlib.sha256(files[id].read_bytes()).hexdigest()
            decoded[label] = (pixels, digest)
    return decoded, problems


def _spread(
    scores: dict[str, np.ndarray], label: str, matched: matching.Matched
) -> dict[str, np.ndarray]:
    """Scores at the places of all ids, NaN where this output has no image."""
    there = np.array([id in matched.outputs[label] for id in matched.ids])
    result = {}
    for name, values in scores.items():
        result[name] = np.full(len(there), np.nan)
        result[name][there] = values
    return result


def parser() -> arguments.Parser:
    """The command line."""
    known = ", ".join({**measures.IMAGE, **measures.SET})
    result = arguments.Parser(
        "score",
        description="Score folders of images by a named protocol.",
        epilog=f"metrics: {known}",
    )
    add = result.add_argument
    add("--protocol", required=True, choices=protocols.PROTOCOLS)
    result.several(
        "--output", required=True, type=paths.labelled, metavar="[LABEL=]DIR",
        help="folders of outputs, or evaluated workdirs; any number",
    )  # fmt: skip
    result.path("--truth", metavar="DIR", help="the real images; a workdir has its own")
    result.path(
        "--input", metavar="DIR", help="images the outputs were made from, for the page and --floor"
    )
    result.path(
        "--manifest", metavar="FILE",
        help="instead of --truth: a table id,photo,sketch,split (*.csv), or FS2K's anno_test.json",
    )  # fmt: skip
    add("--split", default="", help="with --manifest: only the rows of this split")
    add("--direction", default="to_sketch", choices=images.DIRECTIONS)
    add("--partial", action="store_true", help="accept outputs that lack some images")
    add("--floor", action="store_true", help="also score the inputs themselves as an output")
    result.several("--metrics", commas=True, metavar="A,B", help="instead of the protocol's")
    result.path("--weights", default="", metavar="DIR", help="folder of converted weights")
    result.path(
        "--embedder", default="", help="for identity: pixels, hog, a run, or converted weights"
    )
    result.path("--cache", default="", metavar="DIR", help="store Inception's features there")
    add("--resize", default="legacy", choices=("legacy", "clean"), help="for FID's Inception")
    add("--seed", type=int, default=0, help="for resampling and NLDA's splits")
    add("--why", action="store_true", help="also score under other conventions of the field")
    add("--markdown", action="store_true", help="print tables as Markdown")
    result.path("--json", metavar="FILE", help="write everything, with every choice recorded")
    result.path("--html", metavar="FILE", help="write a page with images and histograms")
    return result


def matched(given: argparse.Namespace) -> matching.Matched:
    """The files that the command line names; raises `DataError` for files that do not fit."""
    _check_flags(given)
    problems = matching.Problems()
    folders = matching.labels(given.output)
    stems: dict[str, str] = {}
    truth_folder: Path | None = None
    if given.manifest and given.manifest.endswith(".json"):
        result = matching.by_annotation(Path(given.manifest), given.direction, problems)
    elif given.manifest:
        result, stems = matching.by_manifest(
            Path(given.manifest), given.split, given.direction, problems
        )
    else:
        truth, inputs = given.truth, given.input
        if truth is None:
            workdir = next(iter(folders.values()))
            if not matching.is_workdir(workdir):
                raise ValueError(
                    f"{workdir}: expected --truth, --manifest or an evaluated workdir as the first "
                    "--output, got none"
                )
            source, target = images.DIRECTIONS[given.direction]
            truth, inputs = (matching.outputs_of(workdir, kind) for kind in (target, source))
        truth_folder = Path(truth)
        result = matching.by_folders(truth_folder, inputs and Path(inputs), problems)
    stems = stems or {id: id for id in result.ids}
    folders = {
        label: matching.made_by(folder, given.direction, problems)
        if matching.is_workdir(folder)
        else folder
        for label, folder in folders.items()
    }
    for label, folder in folders.items():
        if truth_folder and Path(folder).resolve() == truth_folder.resolve():
            problems.add(label, got=f"the folder of the truth, {folder}", expected="another folder")
    problems.close()
    result = matching.attach(result, folders, stems, problems, partial=given.partial)
    if given.floor:
        if not result.inputs:
            raise errors.UsageError("--floor: expected --input, --manifest or a workdir, got none")
        result = result._replace(outputs={**result.outputs, matching.FLOOR: result.inputs})
    problems.close()
    for line in errors.noted(problems.notes):
        print(names.shown(line), file=sys.stderr)
    return result


def _check_flags(given: argparse.Namespace) -> None:
    """Raises UsageError for a flag that would have no effect."""
    of_table = given.manifest and not given.manifest.endswith(".json")
    for flag, is_idle, reason in (
        ("--truth", given.truth and given.manifest, "no --manifest, which names the truths"),
        ("--input", given.input and given.manifest, "no --manifest, which names the inputs"),
        ("--input", given.input and not given.truth, "--truth beside it"),
        ("--split", given.split and not of_table, "--manifest=FILE.csv beside it"),
    ):
        if is_idle:
            raise errors.UsageError(f"{flag}: expected {reason}")
    if double := sorted({name for name in given.metrics if given.metrics.count(name) > 1}):
        raise errors.UsageError(
            f"--metrics: expected each metric once, got {', '.join(double)} twice"
        )


def main(words: Sequence[str]) -> int:
    """The exit code 0; raises the errors of `score` and `matched`."""
    given = parser().parse_args(words)
    options = measures.Options(
        weights_dir=given.weights,
        embedder=given.embedder,
        resize=given.resize,
        cache_dir=given.cache,
        seed=given.seed,
    )
    for flag in ("json", "html"):
        writers.check_file(f"--{flag}", getattr(given, flag))
    result = score(matched(given), given.protocol, options, metrics=given.metrics, why=given.why)
    print(results.table(result, is_markdown=given.markdown))
    if given.json:
        writers.write_json(given.json, results.to_json(result))
    if given.html:
        # Imports matplotlib, half a second that only a page needs.
        from fsketch.scoring import page

        page.write(given.html, f"Scores, protocol {given.protocol}", {"": result})
    return 0
