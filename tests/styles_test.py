import jax
import numpy as np
import pytest
from PIL import Image

from fsketch import styles
from fsketch.core import errors
from fsketch.data import records, sources
from fsketch.data.synthetic import paintings
from fsketch.frozen import registry
from fsketch.metrics import style_distance
from fsketch.stages import distinct_styles


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (40, 36, 3)).astype(np.uint8) for _ in range(3)]


def test_faces_are_as_near_to_themselves_as_anything_gets(tiny_teacher, photos, tmp_path):
    teacher = registry.load("maps", tiny_teacher, taps=("conv1",))
    Image.fromarray(photos[0][2:38]).save(tmp_path / "face.png")
    given = ["woodcut", "marble", str(tmp_path / "face.png")]
    ranking = styles.rank(teacher, given, photos[:1], size_px=36)
    assert [name for name, _ in ranking][-1] == given[-1]
    assert ranking[-1][1] == pytest.approx(0, abs=1e-6)
    assert ranking[0][1] >= ranking[1][1] > 0.1


def test_maps_keep_their_names_and_magnitudes(tiny_teacher, photos):
    teacher = registry.load("maps", tiny_teacher, taps=("conv1",))
    grams = distinct_styles.grams_of(teacher, photos)
    look = jax.jit(lambda net, batch: net(batch))
    maps = look(teacher, np.stack(photos).astype(np.float32) / 127.5 - 1)
    assert set(grams) == set(maps) == {"conv1"}
    np.testing.assert_allclose(grams["conv1"], style_distance.gram(maps["conv1"]), rtol=1e-4)
    named = registry.load("maps", tiny_teacher, taps=("fire3", "conv1"))
    image = jax.ShapeDtypeStruct((1, 36, 36, 3), np.float32)
    shapes = jax.eval_shape(named, image)
    assert {tap: x.shape[-1] for tap, x in shapes.items()} == {"fire3": 128, "conv1": 96}
    again = registry.rebuild({"t": teacher.spec}, {
        f"t/params/{name}": value for name, value in _flat(teacher.variables["params"]).items()
    })["t"]  # fmt: skip
    assert again.net == teacher.net
    with pytest.raises(ValueError, match="conv9"):
        jax.eval_shape(registry.load("maps", tiny_teacher, taps=("conv9",)), image)


def _flat(tree, prefix=""):
    flat = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}/"))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def test_folders_are_expanded_and_all_paintings_are_the_default(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert styles.expand(["candy", str(tmp_path)]) == ["candy", str(tmp_path / "a.png")]
    assert styles.expand([]) == list(paintings.NAMES)


def test_the_command_paints_and_refuses(tmp_path, capsys, monkeypatch, tiny_teacher, photos):
    monkeypatch.setattr(paintings, "NAMES", ("mosaic",))
    assert errors.run(styles.main, [f"--paint={tmp_path}", "--size_px=24"]) == 0
    painted = np.asarray(Image.open(tmp_path / "mosaic.png"))
    np.testing.assert_array_equal(painted, paintings.paint("mosaic", size_px=24))
    assert errors.run(styles.main, []) == 2
    assert errors.run(styles.main, ["--teacher=none.safetensors"]) == 1
    assert "none.safetensors" in capsys.readouterr().err
    pairs = records.Pairs([{"photo": x} for x in photos], ("photo",), ["a", "b", "c"], np.arange(3))
    monkeypatch.setattr(sources, "load", lambda *args, **kwargs: pairs)
    arguments = [f"--teacher={tiny_teacher}", "--taps=conv1", "--size_px=36", "mosaic"]
    assert errors.run(styles.main, arguments) == 0
    out = capsys.readouterr().out
    assert "distance from 3 faces" in out and out.rstrip().endswith("mosaic")
