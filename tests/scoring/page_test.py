"""The page of scores, read back with an HTML parser."""

import base64
import collections
import hashlib
import html.parser
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fsketch.scoring import matching, measures, page, results, text
from fsketch.scoring.page import board, charts, pictures

EVIL, BELL = "<script>alert('&\"$x_1$ {{ 7 * 7 }}')</script>", "a\x07\nb"
VOID = {"meta", "image", "use", "path"}


class Node:
    """An element: tag, attributes, children (elements and strings)."""

    def __init__(self, tag, attributes):
        self.tag, self.attributes, self.children = tag, attributes, []

    def all(self, tag=None, **wanted):
        for child in self.children:
            if isinstance(child, Node):
                its = {**child.attributes, "class_": child.attributes.get("class")}
                if tag in (None, child.tag) and all(its.get(k) == v for k, v in wanted.items()):
                    yield child
                yield from child.all(tag, **wanted)

    def one(self, tag=None, **wanted):
        (found,) = self.all(tag, **wanted)
        return found

    @property
    def text(self):
        return "".join(c if isinstance(c, str) else c.text for c in self.children)


class Page(html.parser.HTMLParser):
    """Builds the tree and insists that elements are closed in order."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.open = [Node("", {})]
        self.feed(source)
        self.close()
        (self.root,) = self.open

    def handle_starttag(self, tag, attrs):
        node = Node(tag, dict(attrs))
        assert len(node.attributes) == len(attrs), f"an attribute twice in {tag}"
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag, attrs):
        self.open[-1].children.append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        self.open[-1].children.append(data)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A function: scores by label and metric, changes -> a result with images that differ."""
    root, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)

    def make(scores, *, ids=None, inputs=True, attributes=None, sets=None):
        count = max((len(v) for its in scores.values() for v in its.values()), default=1)
        ids = ids or [f"id-{i}" for i in range(count)]
        folder = root / str(len(list(root.iterdir())))
        folder.mkdir()

        def file():
            path = folder / f"{len(list(folder.iterdir())) if count < 100 else 0}.png"
            if not path.exists():
                Image.fromarray(rng.integers(0, 256, (5, 4, 3), np.uint8)).save(path)
            return path

        images = {
            label: {name: np.asarray(values, float) for name, values in its.items()}
            for label, its in scores.items()
        }
        truth, given = ({id: file() for id in ids} for _ in range(2))
        outputs = {
            label: {
                id: given[id] if label == matching.FLOOR else file()
                for i, id in enumerate(ids)
                if not its or not np.isnan([values[i] for values in its.values()]).all()
            }
            for label, its in images.items()
        }
        matched = matching.Matched(ids, truth, outputs, given if inputs else {}, attributes or {})
        names = next(iter(images.values()))
        metrics = [measures.Ready(name, "grey", None, {}) for name in names]
        sets = {label: (sets or {}).get(label, {}) for label in images}
        origins = {name: name for its in sets.values() for name in its}
        options = measures.Options()
        return results.Result(
            "plain", matched, metrics, images, sets, origins, {}, ["a note"], {}, {}, options
        )

    return make


@pytest.fixture(scope="module")
def example(result):
    """30 pairs, three outputs, of which one has a third of the images, and the floor."""
    rng = np.random.default_rng(0)
    third = np.where(np.arange(30) % 3 == 0, rng.uniform(0, 1, 30), np.nan)
    ids = [f"id-{i}" for i in range(28)] + [EVIL, BELL]
    scores = {
        "one": {"ssim": rng.uniform(0.4, 0.6, 30), "dists": rng.uniform(0.2, 0.3, 30)},
        EVIL: {"ssim": rng.uniform(0.5, 0.7, 30), "dists": rng.uniform(0.1, 0.2, 30)},
        BELL: {"ssim": third, "dists": third + 2},
        matching.FLOOR: {"ssim": np.full(30, 0.1), "dists": np.full(30, 0.9)},
    }
    hair = {id: EVIL if i < 9 else "short" for i, id in enumerate(ids[:25])}
    return result(scores, ids=ids, attributes={"hair": hair, EVIL: dict.fromkeys(ids, "same")})


def written(found, path, **options):
    page.write(path / "page.html", EVIL, found, **options)
    return (path / "page.html").read_text("utf-8")


@pytest.fixture(scope="module")
def source(example, tmp_path_factory):
    return written({"": example}, tmp_path_factory.mktemp("page"), facts={EVIL: BELL})


@pytest.fixture(scope="module")
def root(source):
    return Page(source).root


def made(result, *, max_pairs=60):
    return board.Board("", result, pictures.Pictures(), max_pairs)


def rows_of(table):
    """[{heading: cell}]"""
    return [dict(zip(table.heads, (name, *cells), strict=True)) for name, cells in table.rows]


def test_nothing_comes_from_elsewhere(root, source):
    for node in root.all():
        for name, value in node.attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "action", "data", "xlink:href"):
                assert value.startswith(("#", "data:image/")), value
        assert node.tag not in ("link", "iframe", "object", "embed", "base", "form")
    assert "http:" not in source and "https:" not in source and "@import" not in source
    (code,) = (s.text for s in root.all("script") if "type" not in s.attributes)
    (policy,) = (m.attributes["content"] for m in root.all("meta") if "http-equiv" in m.attributes)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'") and f"script-src 'sha256-{digest}'" in policy
    assert "prefers-color-scheme: dark" in root.one("style").text


def test_names_are_text_and_never_markup(root, source):
    assert (
        "<script>alert" not in source and "\x07" not in source and "49" not in root.one("h1").text
    )
    assert len(list(root.all("script"))) == 2
    assert root.one("h1").text == root.one("title").text == EVIL
    for name in ("pictures", "worst", "summary", "differences", "distributions", "attributes"):
        shown = root.one("section", id=name).text
        assert "alert('&" in shown, name
        assert r"a\x07\nb" in shown, name
    assert json.loads(root.one("script", id="scores").text)["boards"][0]["ids"][-2:] == [EVIL, BELL]
    assert root.one("dl").text.count(r"a\x07\nb") == 2  # a folder's label and a fact


def test_pictures_come_first_and_every_reference_is_met(root, example):
    sections = [node.attributes["id"] for node in root.all("section")]
    assert sections == [
        "pictures", "worst", "summary", "differences", "distributions", "attributes", "details",
    ]  # fmt: skip
    links = [node.attributes["href"][1:] for node in root.one("nav").all("a")]
    assert links == sections
    drawn = list(root.all("image"))
    uris = [node.attributes["href"] for node in drawn]
    assert len(set(uris)) == len(uris) == 30 * 4 + 10  # the input is the floor's own image
    used = {n.attributes["href"][1:] for n in root.all("use") if "href" in n.attributes}
    assert used == {node.attributes["id"] for node in drawn}
    names = [node.attributes["id"] for node in root.all() if "id" in node.attributes]
    assert not [name for name, count in collections.Counter(names).items() if count > 1]


def test_pairs_hold_input_with_the_floor_truth_and_outputs(root, example):
    pairs = list(root.all("article"))
    assert [pair.one("h4").text for pair in pairs] == [text.clean(id) for id in example.matched.ids]
    tiles = list(pairs[1].all("figure"))
    captions = [" ".join(tile.one("figcaption").text.split()) for tile in tiles]
    assert captions[0] == "input SSIM0.100DISTS0.900" and captions[1] == "truth"
    assert "not scored" in tiles[4].text and "SSIM" not in captions[4]
    best = [max(example.images[label]["ssim"][1] for label in ("one", EVIL))]
    best += [min(example.images[label]["dists"][1] for label in ("one", EVIL))]
    assert [b.text for tile in tiles for b in tile.all("b")] == [f"{v:.3f}" for v in best]


def test_pairs_are_limited_but_hold_the_worst(result):
    rng = np.random.default_rng(1)
    its = {label: {"ssim": rng.uniform(size=500)} for label in "ab"}
    given = result(its)
    worst = {int(i) for scores in its.values() for i in np.argsort(scores["ssim"])[:10]}
    chosen = made(given).chosen()
    assert len(chosen) == 60 and chosen == sorted(set(chosen)) and worst <= set(chosen)
    assert max(np.diff(chosen)) < 2 * 500 / 40  # the others are spread over the whole list
    assert set(made(given, max_pairs=0).chosen()) == worst
    assert made(given, max_pairs=1000).chosen() == list(range(500))


def test_the_worst_ten_are_the_worst_ten(example):
    panels = list(made(example).worst())
    assert len(panels) == 3 * 2  # the floor has none
    for panel in panels:
        scores = example.images[panel["output"]][panel["metric"]]
        sign = 1 if panel["metric"] == "ssim" else -1
        order = [i for i in np.argsort(sign * scores) if not np.isnan(scores[i])][:10]
        assert [case[0] for case in panel["cases"]] == [example.matched.ids[i] for i in order]
    assert panels[4]["title"].endswith(": 10 of 10 images")


def test_summary(example, result):
    table = made(example).summary()
    rows = rows_of(table)
    assert [row["Output"] for row in rows] == ["one", EVIL, BELL, matching.FLOOR]
    assert [row["N"].text for row in rows] == ["30", "30", "10", "30"]
    # The third is on other images than the rest and is not ranked, however good.
    for heading in ("SSIM ↑", "DISTS ↓"):
        assert [row[heading].style for row in rows] == ["", "best", "", ""]
    mean = results.summary(example, "one", "ssim")
    cell = rows[0]["SSIM ↑"]
    assert cell.key == mean.value and cell.text == f"{mean.value:.3f}"
    assert cell.small == f"[{mean.low:.3f}, {mean.high:.3f}]"
    assert "do not compare" in table.about
    assert rows[1]["DISTS ↓"].text.startswith("★ ")


def best_of(result, scores, metric="ssim", **more):
    rows = rows_of(made(result({k: {metric: v} for k, v in scores.items()}, **more)).summary())
    return [row["Output"] for row in rows if "★" in [*row.values()][2].text]


def test_best_of_either_direction_ties_and_other_images(result):
    low, high, nan = [0.5, 0.5, 0.5], [0.6, 0.6, 0.6], np.nan
    assert best_of(result, {"a": low, "b": high}) == ["b"]
    assert best_of(result, {"a": low, "b": high}, "dists") == ["a"]
    assert best_of(result, {"a": low, "b": low}) == ["a", "b"]
    assert best_of(result, {"a": low}) == []
    assert best_of(result, {"a": [0.5, 0.5, nan], "b": [nan, 0.6, 0.6]}) == []
    assert best_of(result, {"a": [0.5, 0.5, nan], "b": [0.6, 0.6, nan]}) == ["b"]


def test_metrics_of_sets_stand_in_the_summary_alone(result, tmp_path):
    sets = {k: {"fid": measures.Interval(v)} for k, v in (("a", 40.0), ("b", 30.0))}
    given = result({"a": {}, "b": {}, "c": {}}, sets=sets, inputs=False)
    found = [row["fid ↓"].text for row in rows_of(made(given).summary())]
    assert found == ["40.00", "★ 30.00", text.DASH]
    root = Page(written({"": given}, tmp_path)).root
    assert [s.attributes["id"] for s in root.all("section")] == ["pictures", "summary", "details"]


def test_any_output_is_the_baseline(example, root):
    panels = {panel["baseline"]: rows_of(panel["table"]) for panel in made(example).differences()}
    assert list(panels) == ["one", EVIL, BELL, matching.FLOOR]
    for other, rows in panels.items():
        assert [row["Output"] for row in rows] == [label for label in panels if label != other]
    (ours,) = (row for row in panels["one"] if row["Output"] == EVIL)
    (theirs,) = (row for row in panels[EVIL] if row["Output"] == "one")
    d = results.difference(example, "dists", EVIL, "one")
    assert (ours["DISTS ↓"].key, theirs["DISTS ↓"].key) == (d.value, -d.value)
    assert (ours["DISTS ↓"].style, theirs["DISTS ↓"].style) == ("better", "worse")
    assert ours["SSIM ↑"].style == "better" and "p < 0.001, better" in ours["SSIM ↑"].small
    assert panels["one"][1]["N"].text == "10" and panels["one"][1]["SSIM ↑"].style == ""


def test_attributes(example):
    first = next(made(example).attributes())
    rows = rows_of(first["table"])
    assert [(row["SSIM ↑"], row["N"].text) for row in rows] == [
        ("(not given)", "5"), (EVIL, "9"), ("short", "16"),
    ]  # fmt: skip
    mean = example.images["one"]["ssim"][9:25].mean()
    assert rows[2]["one"].text == f"{mean:.3f}" and rows[2]["one"].small.startswith("[0.")
    assert [row["one"].text.startswith("† ") for row in rows] == [True, True, False]
    assert rows[2][BELL].text.startswith("† ") and rows[2][BELL].small.endswith(" N 6")


def test_histograms_count_every_score_and_write_names_as_they_are():
    rng = np.random.default_rng(3)
    scores = np.concatenate([rng.normal(0.6, 0.05, 97), [0.3, 0.3, 0.9], [np.nan] * 9])
    mean = measures.Interval(0.6, 0.59, 0.61)
    plot = charts.histogram("SSIM", [(EVIL, "#0072b2", scores, mean)] * 2)
    first, second = (patch.get_data() for patch in plot.axes[0].patches)
    heights = first.values - first.baseline
    counts, _ = np.histogram(scores[:100], first.edges)
    np.testing.assert_allclose(heights / heights.max(), counts / counts.max())
    np.testing.assert_array_equal(second.values, first.values - 1)
    assert counts.sum() == 100
    found = charts.inline(plot, "x", EVIL)
    words = [node.text for node in Page(found).root.all("text")]
    assert "N 100, mean 0.600" in words and text.clean(EVIL)[:23] + "…" in words
    plot = charts.histogram("x", [("a", "#0072b2", np.zeros(2), measures.Interval(0.0))])
    assert "nan" not in charts.inline(plot, "x", "")


def test_two_boards_share_a_page(example, result, tmp_path):
    other = result({"one": {"ssim": [0.5, 0.6]}, "more": {"ssim": [0.4, 0.5]}})
    table = text.Table("Size", "About.", ["Run", "kB"], [("one", [text.Cell("3", key=3)])])
    found = {"to_sketch": example, "to_photo": other}
    with charts.styled():
        plot = charts.figure.Figure()
    source = written(found, tmp_path, plot=charts.inline(plot, "c", "cost"), tables=[table])
    root = Page(source).root
    assert [node.attributes["id"] for node in root.all("section")][:2] == ["pictures", "cost"]
    for name in ("pictures", "worst", "summary", "differences", "distributions"):
        assert [h.text for h in root.one("section", id=name).all("h3")] == [*found], name
    assert "kB" in root.one("section", id="tables").text
    assert source == written(found, tmp_path, plot=charts.inline(plot, "c", "cost"), tables=[table])


@pytest.mark.parametrize(("kind", "noise"), [("png", 0), ("jpeg", 40)])
def test_the_smaller_encoding_is_taken(kind, noise):
    grey = 128 + np.random.default_rng(0).integers(0, noise + 1, (64, 64, 1))
    assert pictures.data_uri(grey.astype(np.uint8)).startswith(f"data:image/{kind};base64,")


def test_numbers_and_tables():
    columns = [[0.6171], [0.06171], [6.17], [15.49, -3.0], [120.44], [1500.2], [np.nan], [0.0]]
    assert [text.number(c[0], text.decimals(c)) for c in columns] == [
        "0.617", "0.0617", "6.170", "15.49", "120.4", "1500", text.DASH, "0.000",
    ]  # fmt: skip
    assert text.number(-0.5, 2) == f"{text.MINUS}0.50" and text.number(-0.001, 2) == "0.00"
    assert text.number(0.5, 2, sign="+") == "+0.50" and text.interval(0.1, np.nan, 2) == ""
    rows = [["a|b\n", "0.50\n[0.1]"], ["c", ""]]
    assert text.table(["", "x"], rows).split("\n") == [
        "           x", "a|b\\n   0.50", "       [0.1]", "c",
    ]  # fmt: skip
    assert "a\\|b\\n | 0.50<br>[0.1] |" in text.table(["", "x"], rows, is_markdown=True)


def test_the_page_is_installed_with_the_package(tmp_path):
    pytest.importorskip("setuptools")
    setup = "import setuptools; setuptools.setup()"
    steps = ["egg_info", f"--egg-base={tmp_path}", "build_py", f"--build-lib={tmp_path}"]
    root = pathlib.Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", setup, "-q", *steps], check=True, cwd=root)
    names = {path.name for path in (tmp_path / "fsketch" / "scoring" / "page").iterdir()}
    assert names >= {"page.html.j2", "page.css", "page.js"}
