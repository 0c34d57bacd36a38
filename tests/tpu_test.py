"""tpu-check: numbers by hand, programs by what training runs, and libtpu where it is installed."""

import importlib.util
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fsketch import __main__ as front
from fsketch import prediction, train
from fsketch.configs import kd, style
from fsketch.core import errors, parallel, platforms
from fsketch.nets import convolution
from fsketch.tpu import check, chips, compiled, hlo, table

needs_libtpu = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="needs libtpu: pip install 'fsketch[tpu]'"
)

MODULE = """HloModule jit_f, is_scheduled=true

%fused (param_0.1: f32[64,128], param_1: s32[]) -> f32[8,128] {
  %param_0.1 = f32[64,128]{1,0:T(8,128)} parameter(0)
  %param_1 = s32[]{:T(128)} parameter(1)
  ROOT %cut = f32[8,128]{1,0:T(8,128)} dynamic-slice(%param_0.1, %param_1, %param_1), dims={8,128}
}

%body (t: (s32[], f32[8,128])) -> (s32[], f32[8,128]) {
  %t = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)}) parameter(0)
  %x = f32[8,128]{1,0:T(8,128)} get-tuple-element(%t), index=1
  ROOT %twice = f32[8,128]{1,0:T(8,128)} add(%x, %x), \
metadata={op_name="jit(f)/jvp(Net)/Conv_3/add"}
}

ENTRY %main (a: f32[64,128], i: s32[]) -> f32[8,128] {
  %a = f32[64,128]{1,0:T(8,128)} parameter(0)
  %i = s32[]{:T(128)S(6)} parameter(1)
  %on_chip = f32[64,128]{1,0:T(8,128)S(1)} copy(%a)
  %piece = f32[8,128]{1,0:T(8,128)} fusion(%a, %i), kind=kLoop, calls=%fused, \
backend_config={"window_config":{"estimated_cycles":"700"}}
  %init = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)}) tuple(%i, %piece)
  ROOT %loop = f32[8,128]{1,0:T(8,128)} while(%init), condition=%c, body=%body, \
backend_config={"known_trip_count":{"n":"5"}}
}
"""


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("f32[]", 4),
        ("f32[2,3]", 24),
        ("u8[7]{0:T(512)(128)(4,1)}", 512),
        ("f32[16,16]{1,0:T(8,128)}", 16 * 128 * 4),  # 16 channels in 128 lanes
        ("bf16[2,8,8,16]{3,0,2,1:T(8,128)(2,1)}", 64 * 8 * 128 * 2),  # the batch takes 8 rows
        ("bf16[2,8,8,16]{3,0,2,1:T(8,128)(2,1)S(1)}", 0),  # on the chip
        ("(f32[8,128]{1,0:T(8,128)}, /*index=1*/s32[3]{0:T(128)})", 4096 + 512),
    ],
)
def test_bytes_of_a_shape_are_padded_to_its_tiles(shape, expected):
    assert hlo.padded_bytes(shape) == expected


def test_an_operation_moves_what_it_reads_and_writes_in_hbm():
    found = {one.operation.name: one for one in hlo.consumers(MODULE)}
    piece = 8 * 128 * 4
    assert {name: one.bytes for name, one in found.items()} == {
        "on_chip": 8 * piece,  # read, not written
        "piece": piece + piece,  # what it cuts out; its place is on the chip
        "twice": 5 * 2 * piece,  # reads one, writes one, in five rounds
    }
    assert found["piece"].cycles == 700
    assert next(iter(found)) == "twice"
    assert hlo.by_part(found.values())[0] == ("Net/Conv", 5 * 2 * piece, 0)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("jit(_fun)/shard_map/jvp(Student)/translator/Conv_3/mul", "Student/translator/Conv"),
        (
            "jit(_fun)/transpose(jvp(Student))/translator/ResidualBlock_0/Norm_1/sub",
            "Student/translator/ResidualBlock, backward",
        ),
        ("", ""),
    ],
)
def test_a_path_names_a_part_and_its_direction(where, expected):
    assert hlo.part(where) == expected


def test_the_longer_time_bounds():
    v5e = chips.CHIPS["v5e"]
    much = chips.roofline(197e12, 81.9e9, v5e)
    assert much.bound == "arithmetic"
    np.testing.assert_allclose((*much, much.seconds), (1.0, 0.1, 1.0))
    little = chips.roofline(1.97e12, 81.9e9, v5e)
    assert (little.bound, round(little.seconds, 9)) == ("memory", 0.1)


@pytest.mark.parametrize(
    ("text", "name", "num_chips", "num_hosts"),
    [
        ("v5e", "v5e:1x1", 1, 1),
        ("v5e:2x4", "v5e:2x4", 8, 1),
        ("v5e:4x4", "v5e:4x4", 16, 4),
        ("v5p:2x2x2", "v5p:2x2x2", 8, 2),
        ("v6e:2x2", "v6e:2x2", 4, 1),
    ],
)
def test_slices_have_chips_and_hosts(text, name, num_chips, num_hosts):
    found = chips.parse(text)
    assert (found.name, found.num_chips, found.num_hosts) == (name, num_chips, num_hosts)


@pytest.mark.parametrize("text", ["v7", "v5e:2", "v5p:2x2", "v5e:0x2", "v5e:2x", ""])
def test_another_slice_is_refused(text):
    with pytest.raises(errors.UsageError, match="--topology: expected one of v5e, v5p, v6e"):
        chips.parse(text)


def counted(pairs, held, *, arguments=0):
    return compiled.Counted(pairs, 1e12, 1e9, 1e9, arguments, 0, held, True, (), 1.0)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([counted(4, 10, arguments=2)], 49),  # 2 and 2 a pair
        ([counted(4, 10), counted(8, 30)], 22),  # -10 and 5 a pair
        ([counted(16, 130), counted(8, 70)], 12),  # in any order; 16 did not fit
    ],
)
def test_the_largest_batch_fills_the_memory(counts, expected):
    assert compiled.largest(counts, 100) == expected


def test_a_report_names_the_bound_and_the_consumers():
    one = compiled.Counted(
        16, 1.97e12, 81.9e9, 9e10, 2**30, 2**31, 3 * 2**30, True, hlo.consumers(MODULE), 60.0
    )
    text = "\n".join(check.lines("train", chips.parse("v5e:2x4"), one, top=1))
    for expected in (
        "train, v5e:2x4 (8 x v5e on 1 host), 16 pairs a chip",
        "1.970 TFLOP     10.00 ms",
        "81.900 GB       100.00 ms",
        "bound by memory: at most 10% of the peak, 1280 pairs/s",
        "3.00 GiB of 16: arguments 1.00, temporary 2.00",
        "Net/Conv",
        "add f32[8,128]",
    ):
        assert expected in text, text
    refused = one._replace(fits=False, held=20 * 2**30)
    assert "does not fit: needs 20.00 GiB of 16" in "\n".join(
        check.lines("train", chips.parse("v5e"), refused, top=1)
    )


def test_a_table_goes_on_from_the_rows_it_has(monkeypatch, tmp_path):
    made = []

    def row(config, pairs, wanted, program, *, full):
        made.append((config, program, full))
        numbers = counted(pairs, 2 * 2**30, arguments=2**30)._asdict()
        numbers |= {"fits": config != "configs/kt.py:data=cuhk"}
        del numbers["consumers"]
        return {"config": config, "slice": wanted.name, "program": program, **numbers}

    monkeypatch.setattr(table, "row", row)
    v5e = [chips.parse("v5e")]
    file = str(tmp_path / "rows.json")
    table.make(file, v5e, ["predict"], full=False)
    text = table.make(file, v5e, ["predict", "train"], full=True)
    count = len(table.RUNS)
    assert [program for _, program, _ in made] == ["predict"] * count + ["train"] * count
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert len(rows) == 2 + 2 * count
    told = ["v5e", "predict", "`kd.py:data=cuhk`", "16", "1.00", "5.1", "1.0", "1.2"]
    assert [*told, "arithmetic", "2.0", "240"] in rows
    assert ["v5e", "train", "`kt.py:data=cuhk`", "16", *"-----", "2.0: does not fit", "-"] in rows


def test_without_libtpu_one_message_says_how_to_install_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "libtpu", None)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "libtpu" else find(n))
    assert front.main(["tpu-check", "--config=configs/kd.py"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "expected the package libtpu" in told
    assert "pip install 'fsketch[tpu]'" in told


@pytest.mark.parametrize("words", [["--batch=0"], ["--batch=four"], ["--program=serve"]])
def test_wrong_flags_are_refused(words, capsys):
    try:
        assert front.main(["tpu-check", "--config=configs/kd.py", *words]) == 2
    except SystemExit as error:
        assert error.code == 2
    assert "expected" in capsys.readouterr().err


@pytest.fixture(scope="module")
def run():
    """KD's students without a teacher, whose step compiles quickly."""
    return compiled.Run(kd.tiny("ablation=reconstruction"))


def drawn(shapes):
    """Random images, keys, and numbers above 0 for all else, of these shapes."""
    draw = np.random.default_rng(0)

    def one(x):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return parallel.step_keys(0, 1, global_batch=x.size)
        if jnp.issubdtype(x.dtype, jnp.integer):
            return draw.integers(0, 200, x.shape, x.dtype)
        return draw.uniform(0.01, 0.1, x.shape).astype(x.dtype)

    return jax.tree.map(one, shapes)


def test_the_compiled_step_is_the_one_that_training_runs(run):
    """Over eight simulated devices, named as those of a slice, bit for bit; and to the letter."""
    with convolution.plain():
        lowered = run.lowered("train", 1, jax.devices())
        step = parallel.pmap(train.one_device(run.method, run.config.data), donate=(0,))
        given = lowered.in_avals[0]
        assert step.lower(*given).as_text() == lowered.as_text()
        expected = jax.device_get(step(*drawn(given)))
    found = jax.device_get(lowered.compile()(*drawn(given)))
    assert (expected[1]["student_sketch/reconstruction"] > 0).all()
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_the_compiled_prediction_is_the_one_that_evaluation_runs(run):
    with convolution.plain():
        lowered = run.lowered("predict", 1)
        held, batch = drawn(lowered.in_avals[0])
        whole = {name: x.reshape(-1, *x.shape[2:]) for name, x in batch.items()}
        expected = prediction.predictor(run.method)(*held)(whole)
    found = parallel.join(lowered.compile()(held, batch))
    assert expected.keys() == found.keys() == {"sketch", "photo"}
    for name, image in expected.items():
        np.testing.assert_array_equal(found[name], image)


def test_for_a_tpu_a_batch_is_predicted_at_once(run):
    """A CPU takes the examples one by one, in a loop."""
    loops = {}
    for platform in ("cpu", "tpu"):
        with platforms.tracing_for(platform):
            program = jax.make_jaxpr(prediction.one_device(run.method))
            shapes = jax.tree.map(
                lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype),
                run.lowered("predict", 2).in_avals[0],
            )
            loops[platform] = "scan[" in str(program(*shapes))
    assert loops == {"cpu": True, "tpu": False}


def test_a_style_needs_its_gram_matrices():
    """They are made before training, and here stand as zeros."""
    with convolution.plain():
        assert compiled.Run(style.tiny()).lowered("train", 4, jax.devices()[:1]).in_avals


@needs_libtpu
@pytest.mark.parametrize(("name", "hosts"), [("v5e", 1), ("v5e:2x4", 1), ("v5p:2x2x2", 2)])
def test_libtpu_knows_the_slices(name, hosts):
    wanted = chips.parse(name)
    found = chips.devices(wanted)
    assert len(found) == wanted.num_chips
    assert len({device.process_index for device in found}) == wanted.num_hosts == hosts


@needs_libtpu
def test_a_program_for_several_hosts_is_compiled_and_counted():
    wanted = chips.parse("v5e:4x4")

    def step(x):
        return jax.lax.pmean(x @ x, "device")

    mapped = parallel.pmap(step, devices=chips.devices(wanted))
    lowered = mapped.lower(jax.ShapeDtypeStruct((16, 512, 512), jnp.float32))
    found = compiled.count(lowered, 1)
    assert found.fits
    assert found.flop >= 2 * 512**3
    assert found.moved >= 2 * 512 * 512 * 4  # once in, once out
    assert any("all-reduce" in one.operation.kind for one in found.consumers)
