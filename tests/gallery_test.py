"""The gallery page, read back with an HTML parser."""

import base64
import collections
import configparser
import hashlib
import html.parser
import json
import pathlib
import re

import numpy as np
import pytest

from fsketch import gallery
from fsketch.gallery import charts, grids, pictures, tables, text

DASH, MINUS = text.DASH, text.MINUS
EVIL = "<script>alert('&\"')</script>"
VOID = {"meta", "image", "use", "path", "circle"}


class Node:
    """An element: tag, attributes, children (elements and strings)."""

    def __init__(self, tag, attributes):
        self.tag, self.attributes, self.children = tag, attributes, []

    def all(self, tag=None, **wanted):
        for child in self.children:
            if isinstance(child, Node):
                classes = (child.attributes.get("class") or "").split()
                matches = all(
                    v in classes if k == "class_" else child.attributes.get(k.strip("_")) == v
                    for k, v in wanted.items()
                )
                if (tag is None or child.tag == tag) and matches:
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
        self.root = Node("", {})
        self.open = [self.root]
        self.feed(source)
        self.close()
        assert self.open == [self.root]

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


SSIM = gallery.Metric("ssim", "SSIM", "", True)
PSNR = gallery.Metric("psnr", "PSNR", "dB", True)
LPIPS = gallery.Metric("lpips", "LPIPS", "", False)
FID = gallery.Metric("fid", "FID", "", False)


def output(label, *, set_scores=None, **scores):
    """An output with means and made-up intervals."""
    scores = {name: np.asarray(values, float) for name, values in scores.items()}
    means = {name: float(np.nanmean(values)) for name, values in scores.items()}
    summary = {name: (mean, mean - 0.01, mean + 0.01) for name, mean in means.items()}
    return gallery.Output(label, f"runs/{label}", scores, summary, set_scores or {})


def report(outputs, *, metrics=(SSIM, LPIPS), ids=None, **fields):
    n = max((len(v) for o in outputs for v in o.scores.values()), default=0)
    values = dict(
        title="Title", protocol="cufs", convention="Grey.", differences=[], attributes={}, facts={}
    )  # fmt: skip
    ids = ids or [f"id-{i}" for i in range(n)]
    return gallery.Report(
        ids=ids, metrics=list(metrics), outputs=list(outputs), **(values | fields)
    )


def image(kind, id):
    """A picture of 5 x 4 px that differs for each kind and id; every fourth has no input."""
    if kind == "input" and id.endswith("3"):
        return None
    seed = int.from_bytes(f"{kind}/{id}".encode(), "big")
    channels = 3 if kind == "input" else 1
    return np.random.default_rng(seed).integers(0, 256, (5, 4, channels), np.uint8)


def page(*args, image=image, **options):
    return Page(gallery.render(*args, image, **options)).root


def rows_of(section):
    """[{heading: cell}] of a table."""
    heads = [h.text for h in next(section.all("thead")).children[0].children]
    return [
        dict(zip(heads, row.children, strict=True)) for row in next(section.all("tbody")).all("tr")
    ]


@pytest.fixture(scope="module")
def example():
    """30 pairs, three outputs, of which one has a third of the images; evil names."""
    rng = np.random.default_rng(0)
    third = np.where(np.arange(30) % 3 == 0, rng.uniform(0, 1, 30), np.nan)
    outputs = [
        output("one", ssim=rng.uniform(0.4, 0.6, 30), lpips=rng.uniform(0.2, 0.3, 30)),
        output(EVIL, ssim=rng.uniform(0.5, 0.7, 30), lpips=rng.uniform(0.1, 0.2, 30)),
        output("third", ssim=third, lpips=third + 2),
    ]
    ids = [f"id-{i}" for i in range(29)] + [EVIL]
    differences = [
        gallery.Difference("ssim", "one", EVIL, -0.1, -0.2, -0.05, 0.0001),
        gallery.Difference("lpips", "one", EVIL, 0.1, 0.05, 0.2, 0.012),
        gallery.Difference("ssim", "one", "third", 0.01, -0.1, 0.2, 0.7),
    ]
    hair = {id: EVIL if i < 9 else "short" for i, id in enumerate(ids[:25])}
    return report(
        outputs, ids=ids, title=EVIL, protocol=EVIL, convention=EVIL, differences=differences,
        attributes={"hair": hair, EVIL: dict.fromkeys(ids, "same")}, facts={EVIL: EVIL},
    )  # fmt: skip


def test_nothing_comes_from_elsewhere(example):
    root = page(example)
    for node in root.all():
        for name, value in node.attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "action", "data", "xlink:href"):
                assert value.startswith(("#", "data:image/")), value
        assert node.tag not in ("link", "iframe", "object", "embed", "base", "form")
    for style in root.all("style"):
        assert "url(" not in style.text and "@import" not in style.text
    code = [s.text for s in root.all("script") if "type" not in s.attributes]
    assert len(code) == 1 and "http" not in code[0] and "innerHTML" not in code[0]
    (policy,) = (m.attributes["content"] for m in root.all("meta") if "http-equiv" in m.attributes)
    digest = base64.b64encode(hashlib.sha256(code[0].encode()).digest()).decode()
    assert policy.startswith("default-src 'none'") and f"script-src 'sha256-{digest}'" in policy


def test_names_are_text_and_never_markup(example):
    source = gallery.render(example, image)
    assert EVIL not in source and "<script>alert" not in source
    root = Page(source).root
    assert len(list(root.all("script"))) == 2
    assert root.one("h1").text == EVIL and root.one("title").text == EVIL
    assert EVIL in root.one("header").text
    for name in ("summary", "differences", "worst", "attributes", "pairs", "details"):
        assert EVIL in root.one("section", id=name).text, name
    assert json.loads(root.one("script", id="scores").text)["ids"][-1] == EVIL
    labels = [n.attributes["aria-label"] for n in root.all("svg") if "aria-label" in n.attributes]
    assert f"{EVIL} of {EVIL}" in labels


def test_readable_by_machines_and_eyes(example):
    root = page(example)
    assert root.one("html").attributes["lang"] == "en"
    assert any(m.attributes.get("name") == "viewport" for m in root.all("meta"))
    assert root.one("title").text
    for node in root.all("svg", class_="picture"):
        assert node.attributes["role"] == "img" and node.attributes["aria-label"]
    for node in root.all("select"):
        assert any(node in label.children for label in root.all("label"))
    css = root.one("style").text
    assert "prefers-color-scheme: dark" in css and "@media print" in css
    for link in root.one("nav").all("a"):
        root.one("section", id=link.attributes["href"][1:])


def test_each_picture_is_embedded_once_and_every_reference_is_met(example):
    asked = collections.Counter()

    def counted(kind, id):
        asked[kind, id] += 1
        return image(kind, id)

    root = page(example, image=counted)
    assert set(asked.values()) == {1}
    drawn = list(root.all("image"))
    uris = [node.attributes["href"] for node in drawn]
    assert len(set(uris)) == len(uris) == sum(image(*key) is not None for key in asked)
    names = {node.attributes["id"] for node in drawn}
    assert {node.attributes["href"][1:] for node in root.all("use")} == names
    # One third of the images of "third" exist; the others are not asked for.
    assert sum(kind == "third" for kind, _ in asked) == 10


def test_equal_pictures_are_one():
    flat = np.zeros((5, 4, 1), np.uint8)
    root = page(report([output("a", ssim=[0.1, 0.2])]), image=lambda kind, id: flat)
    assert len(list(root.all("image"))) == 1
    assert len(list(root.all("use"))) == 2 * 3 + 2 * 2  # pairs; the worst


@pytest.mark.parametrize(("kind", "noise"), [("png", 0), ("jpeg", 40)])
def test_the_smaller_encoding_is_taken(kind, noise):
    grey = 128 + np.random.default_rng(0).integers(0, noise + 1, (64, 64, 1))
    assert pictures.data_uri(grey.astype(np.uint8)).startswith(f"data:image/{kind};base64,")


def test_summary_rows_and_best(example):
    rows = rows_of(page(example).one("section", id="summary"))
    assert [row["Output"].text for row in rows] == ["one", EVIL, "third"]
    assert [row["N"].text for row in rows] == ["30", "30", "10 of 30"]
    ssim, lpips = "SSIM ↑, higher is better", "LPIPS ↓, lower is better"
    best = [[("best" in row[metric].attributes["class"].split()) for row in rows]
            for metric in (ssim, lpips)]  # fmt: skip
    # "third" is on other images than the rest and is not ranked, however good.
    assert best == [[False, True, False], [False, True, False]]
    mean = example.outputs[0].summary["ssim"][0]
    assert rows[0][ssim].text == f"{mean:.3f} [{mean - 0.01:.3f}, {mean + 0.01:.3f}]"
    assert float(rows[0][ssim].attributes["data-value"]) == mean
    assert "★ best" in rows[1][lpips].text


def best_of(outputs, metric):
    heading = f"{metric.title} {'↑' if metric.higher_is_better else '↓'}"
    rows = rows_of(page(report(outputs, metrics=[metric])).one("section", id="summary"))
    (key,) = (key for key in rows[0] if key.startswith(heading))
    return [row["Output"].text for row in rows if "★" in row[key].text]


def test_best_of_either_direction_ties_and_sets():
    assert best_of([output("a", ssim=[0.5, 0.5]), output("b", ssim=[0.6, 0.6])], SSIM) == ["b"]
    assert best_of([output("a", lpips=[0.5, 0.5]), output("b", lpips=[0.6, 0.6])], LPIPS) == ["a"]
    assert best_of([output("a", ssim=[0.5, 0.5]), output("b", ssim=[0.5, 0.5])], SSIM) == ["a", "b"]
    assert best_of([output("alone", ssim=[0.5, 0.5])], SSIM) == []
    sets = [
        output(label, ssim=[0.5], set_scores={"fid": (value, np.nan, np.nan)})
        for label, value in (("a", 40.0), ("b", 30.0), ("c", np.nan))
    ]
    rows = rows_of(page(report(sets, metrics=[SSIM, FID])).one("section", id="summary"))
    fid = [row["FID ↓, lower is better"].text for row in rows]
    assert fid == ["40.00", "★ best 30.00", DASH]


def test_outputs_on_as_many_but_other_images_are_not_ranked():
    one, other = [0.5, 0.5, np.nan], [np.nan, 0.6, 0.6]
    assert best_of([output("a", ssim=one), output("b", ssim=other)], SSIM) == []
    assert best_of([output("a", ssim=one), output("b", ssim=one)], SSIM) == ["a", "b"]


def test_missing_scores_are_a_dash():
    outputs = [
        output("a", ssim=[0.5, np.nan], lpips=[0.1, 0.2]),
        output("b", ssim=[0.6, 0.7]),
    ]
    root = page(report(outputs))
    rows = rows_of(root.one("section", id="summary"))
    assert rows[1]["LPIPS ↓, lower is better"].text == DASH
    assert rows[1]["LPIPS ↓, lower is better"].attributes["data-value"] == ""
    second = list(root.all("article", class_="pair"))[1]
    assert [s.text for s in second.all("span", class_="scores")] == [
        f"SSIM{DASH}LPIPS0.200", f"SSIM0.700LPIPS{DASH}",
    ]  # fmt: skip
    assert "nan" not in root.one("main").text.lower()


def test_infinite_scores_are_shown_and_counted():
    outputs = [output("a", psnr=[20.0, np.inf, 22.0]), output("b", psnr=[20.0, 21.0, 22.0])]
    root = page(report(outputs, metrics=[PSNR]))
    rows = rows_of(root.one("section", id="summary"))
    assert rows[0]["PSNR (dB) ↑, higher is better"].attributes["data-value"] == "Infinity"
    assert "★ best ∞" in rows[0]["PSNR (dB) ↑, higher is better"].text
    assert "N 3, mean ∞, 1 infinite" in root.one("section", id="distributions").text
    assert json.loads(root.one("script", id="scores").text)["scores"][0][0][1] == np.inf


def test_differences(example):
    section = page(example).one("section", id="differences")
    ssim, lpips = section.all("div", class_="panel")
    first, second = rows_of(ssim)
    cells = [cell.text for cell in first.values()]
    assert cells == [
        "one",
        EVIL,
        f"{MINUS}0.100 [{MINUS}0.200, {MINUS}0.050]",
        "",
        EVIL,
        "< 0.001",
        "30",
    ]
    assert second["Better"].text == "not told apart" and second["N"].text == "10"
    (row,) = rows_of(lpips)
    assert row["Better"].text == EVIL and row["p"].text == "0.012"  # lower is better


def test_the_worst_ten_are_the_worst_ten(example):
    root = page(example).one("section", id="worst")
    panels = list(root.all("div", class_="panel"))
    assert len(panels) == 3 * 2
    for panel in panels:
        o = example.outputs[int(panel.attributes["data-output"])]
        metric = example.metrics[int(panel.attributes["data-metric"])]
        sign = 1 if metric.higher_is_better else -1
        scored = [(sign * s, id) for s, id in zip(o.scores[metric.name], example.ids, strict=True)
                  if not np.isnan(s)]  # fmt: skip
        worst = [id for _, id in sorted(scored, key=lambda pair: pair[0])[:10]]
        assert [node.text for node in panel.all("span", class_="id")] == worst
        for case, id in zip(panel.all("li"), worst, strict=True):
            alts = [node.attributes["aria-label"] for node in case.all("svg")]
            assert alts == [f"truth of {id}", f"{o.label} of {id}"]


def test_fewer_than_ten_scored_images_are_said():
    root = page(report([output("a", ssim=[0.5, np.nan, 0.4])]))
    panel = next(root.one("section", id="worst").all("div", class_="panel"))
    assert panel.one("h3").text.endswith(": 2 of 2 images")
    assert [node.text for node in panel.all("span", class_="id")] == ["id-2", "id-0"]


def test_pairs_hold_input_truth_and_outputs(example):
    root = page(example)
    pairs = list(root.all("article", class_="pair"))
    assert [pair.one("h3").text for pair in pairs] == example.ids
    kinds = [[k.text for k in pair.all("span", class_="kind")] for pair in pairs]
    assert kinds[0] == ["input", "truth", "one", EVIL, "third"]
    assert kinds[3] == ["truth", "one", EVIL, "third"]  # there is no input
    assert [len(list(pair.all("div", class_="absent"))) for pair in pairs] == [0, 1, 1] * 10
    assert "30 of 30 pairs are shown." in root.one("section", id="pairs").text
    bold = next(pair for pair in pairs if pair.one("h3").text == "id-1").all("b")
    scores = [[o.scores[m][1] for o in example.outputs[:2]] for m in ("ssim", "lpips")]
    expected = sorted([f"{max(scores[0]):.3f}", f"{min(scores[1]):.3f}"])
    assert sorted(node.text for node in bold) == expected


def test_pairs_are_limited_but_hold_the_worst():
    rng = np.random.default_rng(1)
    outputs = [output("a", ssim=rng.uniform(size=500)), output("b", ssim=rng.uniform(size=500))]
    given = report(outputs)
    chosen = grids.chosen_pairs(given, 60)
    worst = {int(i) for o in outputs for i in np.argsort(o.scores["ssim"])[:10]}
    assert len(chosen) == 60 and chosen == sorted(set(chosen)) and worst <= set(chosen)
    assert max(np.diff(chosen)) < 2 * 500 / 40  # the others are spread over the whole list
    assert set(grids.chosen_pairs(given, 0)) == worst
    assert grids.chosen_pairs(given, 1000) == list(range(500))
    assert "60 of 500 pairs are shown: the worst" in page(given).one("section", id="pairs").text


def test_ten_thousand_pairs_make_a_bounded_page():
    rng = np.random.default_rng(2)
    n, names = 10_000, "abcdefg"
    outputs = [output(name, ssim=rng.uniform(size=n), lpips=rng.uniform(size=n)) for name in names]
    given = report(outputs, attributes={"person": {f"id-{i}": str(i // 2) for i in range(n)}})
    asked = []

    def counted(kind, id):
        asked.append(kind)
        return image(kind, id)

    source = gallery.render(given, counted)
    # 70 to 80 pairs of 9 pictures; truth and output of the worst ten of 7 outputs by 2 metrics.
    assert len(asked) <= 80 * 9 + 7 * 2 * 10 * 2
    root = Page(source).root
    scores = json.loads(root.one("script", id="scores").text)["scores"]
    assert np.shape(scores) == (7, 2, n)
    np.testing.assert_allclose(scores[3][1], outputs[3].scores["lpips"], rtol=1e-4)
    assert len(source) - len(root.one("script", id="scores").text) < 2_000_000
    assert "(the 20 largest of 5000 groups)" in root.one("section", id="attributes").text


def test_histogram_counts_every_finite_score():
    rng = np.random.default_rng(3)
    scores = np.concatenate([rng.normal(0.6, 0.05, 97), [0.3, 0.3, 0.9]])
    assert 13 <= len(charts._edges(scores)) - 1 <= 32
    row = charts.Row("a", 0, scores, (0.6, 0.59, 0.61))
    root = Page(charts.histogram("SSIM", [row])).root
    (path,) = (n.attributes["d"] for n in root.all("path", class_="bars"))
    base = int(re.match(r"M[\d.]+ (\d+)", path)[1])
    heights = np.array([base - float(y) for y in re.findall(r"V([\d.]+)H", path)])
    counts = np.histogram(scores, charts._edges(scores))[0]
    np.testing.assert_allclose(
        heights / charts.BARS * counts.max(), counts, atol=0.05 * counts.max()
    )
    assert counts.sum() == 100
    labels = [n.text for n in root.all("text")]
    assert "N 100, mean 0.600" in labels and {"0.3", "0.6", "0.9"} <= set(labels)
    assert re.search("Histograms of SSIM. a: N 100", root.one("svg").attributes["aria-label"])


@pytest.mark.parametrize(
    "scores", [[0.5, 0.5], [0.0, 0.0], [np.nan] * 2, [np.inf] * 2, [-3e6, 1.0]]
)
def test_histogram_of_odd_scores(scores):
    chart = charts.histogram("x", [charts.Row("a", 0, np.array(scores), (np.nan,) * 3)])
    assert "nan" not in chart and "inf," not in chart


def test_labels_leave_room_for_numbers():
    row = charts.Row("m" * 200, 0, np.array([1.0, np.inf]), (np.inf, np.nan, np.nan))
    names = [n.text for n in Page(charts.histogram("x", [row])).root.all("text", class_="label")]
    assert len(names[0]) < 24 and names[0].endswith("…")


def test_attributes(example):
    section = page(example).one("section", id="attributes")
    assert [h.text for h in section.all("h3")] == ["hair", EVIL]
    panels = list(section.all("div", class_="panel"))
    assert len(panels) == 2 * 2
    rows = rows_of(panels[0])
    assert [(row["Value"].text, row["N"].text) for row in rows] == [
        ("(not given)", "5"), (EVIL, "9"), ("short", "16"),
    ]  # fmt: skip
    mean = example.outputs[0].scores["ssim"][9:25].mean()
    assert rows[2]["one"].text.startswith(f"{mean:.3f} [")
    assert [row["one"].text.startswith("† ") for row in rows] == [True, True, False]
    assert rows[2]["third"].text.startswith("† ") and rows[2]["third"].text.endswith(" N 6")


def test_group_means_and_intervals():
    rng = np.random.default_rng(4)
    scores = rng.normal(10, 2, (1, 2, 400))
    scores[0, 1, 1:] = np.nan
    mean, low, high = tables.group_means(scores)
    assert mean[0, 0] == pytest.approx(scores[0, 0].mean())
    half = 1.96 * scores[0, 0].std(ddof=1) / 20  # the normal approximation
    assert (low[0, 0], high[0, 0]) == pytest.approx(
        (mean[0, 0] - half, mean[0, 0] + half), abs=0.04
    )
    assert mean[0, 1] == scores[0, 1, 0] and np.isnan([low[0, 1], high[0, 1]]).all()


def test_sections_without_content_are_left_out():
    root = page(report([output("a", ssim=[0.5])]))
    assert [s.attributes["id"] for s in root.all("section")] == [
        "summary", "distributions", "worst", "pairs", "details",
    ]  # fmt: skip
    of_a_set = report(
        [output("a", set_scores={"fid": (40.0, 30.0, 50.0)})], metrics=[FID], ids=["x"]
    )
    root = page(of_a_set)
    assert [s.attributes["id"] for s in root.all("section")] == ["summary", "pairs", "details"]
    assert len(list(root.all("article", class_="pair"))) == 1
    assert not list(page(report([])).all("article"))


def test_the_same_report_gives_the_same_page(example, tmp_path):
    gallery.write(tmp_path / "page.html", example, image)
    assert (tmp_path / "page.html").read_text("utf-8") == gallery.render(example, image)


def test_numbers():
    columns = [[0.6171], [0.06171], [6.17], [15.49, -3.0], [120.44], [1500.2], [np.nan], [0.0]]
    assert [text.number(c[0], text.decimals(c)) for c in columns] == [
        "0.617", "0.0617", "6.170", "15.49", "120.4", "1500", DASH, "0.000",
    ]  # fmt: skip
    assert text.number(-0.5, 2) == f"{MINUS}0.50" and text.number(-0.001, 2) == "0.00"
    assert text.interval(0.1, np.nan, 2) == ""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (report([output("a", ssim=[1.0])], ids=["x", "y"]), r"'a', scores\['ssim'\].*2 ids"),
        (report([output("a", ssim=[1.0, 1.0])], ids=["x", "x"]), "'x' occurs 2 times as an id"),
        (report([output("truth", ssim=[1.0])]), "'truth' occurs 2 times as a kind of image"),
        (report([output("a", fsim=[1.0])]), "'a', scores: 'fsim' is none of"),
        (report([output("a", set_scores={"kid": (1.0,) * 3})]), "'a', set_scores: 'kid' is none"),
        (report([output("a", ssim=[1.0])], attributes={"hair": {"y": "z"}}), "'hair': id 'y'"),
        (
            report([output("a", ssim=[1.0])],
                   differences=[gallery.Difference("ssim", "a", "b", 0, 0, 0, 1)]),
            "difference, other: 'b' is none of",
        ),
    ],
)  # fmt: skip
def test_contradictions_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        gallery.render(given, image)


@pytest.mark.parametrize("wrong", [None, np.zeros((5, 4), np.uint8), np.zeros((5, 4, 1))])
def test_wrong_images_are_refused(wrong):
    with pytest.raises(ValueError, match=r"image\('truth', 'id-0'\)"):
        page(report([output("a", ssim=[1.0])]), image=lambda kind, id: wrong)


def test_style_and_script_are_installed_with_the_package():
    config = configparser.ConfigParser()
    config.read(pathlib.Path(__file__).parents[1] / "setup.cfg")
    patterns = config["options.package_data"]["fsketch.gallery"].split(", ")
    folder = pathlib.Path(gallery.__file__).parent
    others = {path for path in folder.iterdir() if path.suffix not in (".py", "")}
    assert others == {path for pattern in patterns for path in folder.glob(pattern)} != set()
