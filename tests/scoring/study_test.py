"""The user study: its page in a browser, its files, its statistics against others' numbers."""

import json
import re

import numpy as np
import pytest

from fsketch.core import errors, writers
from fsketch.scoring import study
from fsketch.scoring.study import preference, program

METHODS = ("ours", "theirs", "third")


@pytest.fixture
def folders(tmp_path):
    """Folders by name, each with six images of one colour that tells the folder."""
    for level, name in enumerate(("photos", *METHODS)):
        for face in range(6):
            image = np.full((40, 32, 3), 60 * level + 5 * face, np.uint8)
            (tmp_path / name).mkdir(exist_ok=True)
            writers.write_png(tmp_path / name / f"secret{face}.png", image)
    return tmp_path


def make(folders, *flags):
    outputs = [str(folders / name) for name in METHODS]
    words = ["make", str(folders / "study.html"), f"--reference={folders / 'photos'}", *flags]
    assert errors.run(program.main, [*words, "--output", *outputs]) == 0
    return study.read_key(folders / "study.key.json")


def answers(key, folder, name, chosen, **changes):
    """A participant's file; every method stands at the place of its number."""
    order = list(range(len(METHODS)))
    given = [
        {"face": face, "order": order, "place": place, "ms": 900}
        for face, place in enumerate(chosen)
    ]
    content = {"study": key["study"], "participant": name, "answers": given} | changes
    (folder / f"{name}.json").write_text(json.dumps(content))
    return str(folder / f"{name}.json")


def test_the_page_shows_faces_drawn_by_the_seed_and_names_nothing(folders):
    key = make(folders, "--faces=4", "--seed=3")
    assert key["methods"] == list(METHODS) and len(set(key["ids"])) == 4
    page = (folders / "study.html").read_text()
    assert not any(word in page for word in (*METHODS, "secret", str(folders)))
    faces = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])["faces"]
    assert [len(face["choices"]) for face in faces] == [3] * 4
    assert make(folders, "--faces=4", "--seed=3") == key
    assert make(folders, "--faces=4", "--seed=4")["ids"] != key["ids"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [(["--faces=7"], "expected 0 (all) to 6"), (["--reference=/nowhere"], "/nowhere")],
)
def test_what_cannot_be_made_is_refused(folders, flags, message, capsys):
    words = ["make", str(folders / "s.html"), f"--reference={folders / 'photos'}", *flags]
    words += ["--output", str(folders / "ours"), str(folders / "third")]
    assert errors.run(program.main, words) == 1
    assert message in capsys.readouterr().err and not (folders / "s.html").exists()


def test_a_summary_counts_the_methods_not_the_places(folders, capsys):
    key = make(folders, "--faces=0")
    files = [
        answers(key, folders, "a", [0, 0, 0, 0, 1, 2]),
        answers(key, folders, "b", [0, 0, 0, 1, 1, 1]),
    ]
    turned = json.loads((folders / "b.json").read_text())
    for answer in turned["answers"]:  # the same choices, other places
        answer["order"], answer["place"] = [2, 0, 1], (answer["place"] + 1) % 3
    (folders / "b.json").write_text(json.dumps(turned))
    capsys.readouterr()
    words = ["summarise", str(folders / "study.key.json"), *files, f"--json={folders / 'x.json'}"]
    assert errors.run(program.main, words) == 0
    shown = capsys.readouterr().out
    assert "2 participants, 6 faces, 12 choices" in shown
    found = json.loads((folders / "x.json").read_text())
    assert [its["votes"] for its in found["methods"].values()] == [7, 4, 1]
    assert found["methods"]["ours"]["share"] == pytest.approx(7 / 12)
    assert found["versus"][0] == {
        "method": "ours", "other": "theirs", "share": pytest.approx(7 / 11),
        "p": pytest.approx(2 * (330 + 165 + 55 + 11 + 1) / 2**11),
    }  # fmt: skip


def test_answers_that_do_not_fit_are_named_together(folders):
    key = make(folders, "--faces=2")
    files = [
        answers(key, folders, "good", [0, 1]),
        answers(key, folders, "other", [0, 1], study="another"),
        answers(key, folders, "half", [0]),
        answers(key, folders, "place", [0, 3]),
        answers(key, folders, "again", [0, 1], participant="good"),
    ]
    with pytest.raises(errors.DataError) as refused:
        study.read_answers(key, files)
    told = str(refused.value)
    for part in ("another study", "1 answers", "place.json", "participant of"):
        assert part in told
    assert "4 problems" in told


def test_agreement_is_the_worked_example_of_the_literature():
    """Fleiss (1971) as worked in textbooks: 14 raters, 10 subjects, 5 categories, kappa 0.210."""
    counts = np.array([
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ])  # fmt: skip
    chosen = np.array([np.repeat(np.arange(5), row) for row in counts]).T
    found = preference.preference(chosen, chosen, num_methods=5, num_resamples=10)
    assert found.agreement == pytest.approx(0.210, abs=5e-4)


def test_intervals_hold_the_share_and_widen_where_a_person_always_answers_alike():
    random = np.random.default_rng(0)
    independent = random.integers(0, 2, (8, 40))
    stubborn = np.repeat(np.arange(8)[:, None] % 2, 40, axis=1)
    widths = []
    for chosen in (independent, stubborn):
        its = preference.preference(chosen, independent, num_methods=2).methods[0]
        assert its.low < its.share < its.high
        widths.append(its.high - its.low)
    assert widths[0] < 0.25 and widths[1] > 0.5


def test_a_participant_chooses_and_saves_in_a_browser(folders, browser):
    key = make(folders, "--faces=3")
    page = browser.new_page(viewport={"width": 390, "height": 844})
    problems = []
    page.on("console", lambda told: problems.append(told.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((folders / "study.html").as_uri())
    page.get_by_role("button", name="Start").click()
    for face in range(3):
        assert page.get_by_text(f"{face + 1} of 3").is_visible()
        # The darkest picture is that of the first method.
        levels = page.evaluate(
            """async () => { const found = [];
            for (const image of document.querySelectorAll("#choices img")) {
              await image.decode();
              const canvas = new OffscreenCanvas(1, 1).getContext("2d");
              canvas.drawImage(image, 0, 0);
              found.push(canvas.getImageData(0, 0, 1, 1).data[0]); }
            return found; }"""
        )
        page.keyboard.press(str(1 + int(np.argmin(levels))))
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save my choices").click()
    saved.value.save_as(folders / "choices.json")
    chosen, _ = study.read_answers(key, [folders / "choices.json"])
    np.testing.assert_array_equal(chosen, [[0, 0, 0]])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert problems == []
    page.close()
