"""LFW's pair list: a small one by hand, broken ones, and the published one."""

import pytest

from fsketch.data.verification import lfw

SMALL = """2\t1
Ann_A\t1\t12
Ann_A\t1\tBob\t3
Cy\t2\t4
Bob\t10\tDee_E_F\t1
"""


def write(tmp_path, text):
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    return path


def test_names_become_files_in_order(tmp_path):
    assert lfw.read_pairs(write(tmp_path, SMALL)) == [
        ("Ann_A/Ann_A_0001.jpg", "Ann_A/Ann_A_0012.jpg", True),
        ("Ann_A/Ann_A_0001.jpg", "Bob/Bob_0003.jpg", False),
        ("Cy/Cy_0002.jpg", "Cy/Cy_0004.jpg", True),
        ("Bob/Bob_0010.jpg", "Dee_E_F/Dee_E_F_0001.jpg", False),
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (SMALL, "", r"line 1: found \[\], admitted 'FOLDS PAIRS'"),
        ("2\t1", "1100", r"line 1: found \['1100'\]"),
        ("2\t1", "2\t2", r"found 4 pairs, admitted 8 \(2 folds of 2 \+ 2"),
        ("Cy\t2\t4\n", "", "found 3 pairs, admitted 4"),
        ("Cy\t2\t4", "Cy\t2\tDan\t4", "line 4: found .* admitted 'NAME I J'"),
        ("Ann_A\t1\tBob\t3", "Ann_A\t1\t3", "line 3: found .* admitted 'NAME I OTHER J'"),
        ("Ann_A\t1\t12", "Ann_A\t1\tx", "line 2: found"),
        ("Ann_A\t1\t12", "Ann_A\t0\t12", "line 2: found"),
        ("Ann_A\t1\tBob\t3", "Bob\t1\tBob\t3", "line 3: found .* admitted two persons"),
    ],
)
def test_broken_lists_are_refused_by_line(tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message):
        lfw.read_pairs(write(tmp_path, SMALL.replace(old, new)))


def test_the_published_list(shared_data):
    path = shared_data / "lfw" / "pairs.txt"
    if not path.is_file():
        pytest.skip("no lfw/pairs.txt in ../shared/data")
    pairs = lfw.read_pairs(path)
    assert len(pairs) == 6000 and sum(pair.is_same for pair in pairs) == 3000
    for fold in range(10):
        kinds = [pair.is_same for pair in pairs[600 * fold : 600 * (fold + 1)]]
        assert kinds == [True] * 300 + [False] * 300
    assert pairs[0].file_b == "Abel_Pacheco/Abel_Pacheco_0004.jpg"
    assert pairs[300].file_b == "Dean_Barker/Dean_Barker_0001.jpg"
