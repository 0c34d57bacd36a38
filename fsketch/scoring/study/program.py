"""fsketch study make PAGE.html --reference=DIR --output A B ...  [--faces=25]
fsketch study summarise PAGE.key.json ANSWERS.json [ANSWERS.json ...] [--json=FILE]

`make` writes a page on which people choose, for each face, one of the outputs of all methods, and
PAGE.key.json, which says what its numbers mean.  Give participants the page alone; each sends back
the file that it saves at its end.  `summarise` reads these files.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from fsketch.core import arguments, errors, paths, writers
from fsketch.scoring import matching, study, text
from fsketch.scoring.study import preference

ACTIONS = ("make", "summarise")


def parser(action: str) -> arguments.Parser:
    """The command line of "make" or "summarise"."""
    about = {
        "make": "A page of forced choices between the images of several folders.",
        "summarise": "Preferences of the participants of a study.",
    }
    result = arguments.Parser(f"study {action}", description=about[action])
    add = result.add_argument
    if action == "make":
        result.path("page", metavar="PAGE.html", help="the page; PAGE.key.json goes beside it")
        result.path(
            "--reference", required=True, metavar="DIR",
            help="images shown above the choices: the photos of sketches, or the truth",
        )  # fmt: skip
        result.several(
            "--output", required=True, metavar="[LABEL=]DIR",
            help="two folders or more, with an image of the same stem for each reference",
        )  # fmt: skip
        add("--faces", type=int, default=25, help="drawn at random (default: 25); 0: all")
        add("--seed", type=int, default=0, help="draws the faces")
        add("--title", default="Which picture is best?")
        add("--question", default=study.QUESTION)
    else:
        result.path("key", metavar="PAGE.key.json", help="written beside the page")
        result.path("answers", nargs="+", metavar="ANSWERS.json", help="one file a participant")
        add("--seed", type=int, default=0, help="for resampling")
        add("--markdown", action="store_true", help="print the tables as Markdown")
        result.path("--json", metavar="FILE", help="write everything, unrounded")
    return result


def main(words: Sequence[str]) -> int:
    """The exit code 0; raises DataError and ValueError for files that do not fit."""
    if words[:1] in ([], ["-h"], ["--help"]):
        print(__doc__)
        return 0 if words else 2
    if words[0] not in ACTIONS:
        raise errors.UsageError(f"study: expected {' or '.join(ACTIONS)}, got {words[0]}")
    given = parser(words[0]).parse_args(words[1:])
    if words[0] == "summarise":
        writers.check_file("--json", given.json)
        return _summarise(given)
    page = Path(given.page)
    if page.suffix != ".html":
        raise errors.UsageError(f"PAGE.html: expected a name that ends in .html, got {page}")
    writers.check_file("PAGE.html", given.page)
    outputs = matching.labels([paths.labelled(folder) for folder in given.output])
    key = study.make(
        page,
        Path(given.reference),
        outputs,
        num_faces=given.faces,
        seed=given.seed,
        title=given.title,
        question=given.question,
    )
    print(f"{page}: {len(key['ids'])} faces, {len(outputs)} methods; give it to participants")
    print(f"{study.key_of(page)}: the methods' names; keep it for fsketch study summarise")
    return 0


def _summarise(given: argparse.Namespace) -> int:
    key = study.read_key(Path(given.key))
    names = key["methods"]
    chosen, places = study.read_answers(key, [Path(path) for path in given.answers])
    found = preference.preference(chosen, places, num_methods=len(names), seed=given.seed)
    rows = [
        [name, str(its.votes), f"{its.share:.3f}", text.interval(its.low, its.high, 3),
         text.p_value(its.p)]
        for name, its in zip(names, found.methods, strict=True)
    ]  # fmt: skip
    heads = ["method", "chosen", "share", "95 % interval", f"against 1/{len(names)}"]
    print(f"{len(chosen)} participants, {len(key['ids'])} faces, {chosen.size} choices")
    print(f"question: {text.clean(key['question'])}\n")
    print(text.table(heads, rows, is_markdown=given.markdown))
    print()
    versus = [
        [f"{names[i]} over {names[j]}", f"{share:.3f}", text.p_value(p)]
        for (i, j), (share, p) in found.versus.items()
    ]
    print(text.table(["pair", "share", ""], versus, is_markdown=given.markdown))
    print(f"\nplaces on the screen alike: {text.p_value(found.places_p)}")
    print(f"agreement of participants (Fleiss' kappa): {text.number(found.agreement, 3)}")
    if given.json:
        content = {
            "study": key["study"],
            "question": key["question"],
            "num_participants": len(chosen),
            "num_faces": len(key["ids"]),
            "methods": {n: its._asdict() for n, its in zip(names, found.methods, strict=True)},
            "versus": [
                {"method": names[i], "other": names[j], "share": share, "p": p}
                for (i, j), (share, p) in found.versus.items()
            ],
            "places_p": found.places_p,
            "agreement": None if found.agreement != found.agreement else found.agreement,
        }
        writers.write_json(given.json, content)
    return 0
