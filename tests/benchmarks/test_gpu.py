"""The benchmark of GPUs, on a processor and at a size that says nothing about speed."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from benchmarks import gpu
from benchmarks._common import RESULTS
from benchmarks.gpu_parts import cases
from benchmarks.gpu_parts.cards import CARDS, card, shares
from benchmarks.gpu_parts.cases import FULL, Sizes, fits, rollouts
from benchmarks.gpu_parts.costs import Cost, Program, cost_of
from draingym.drain_model import DrainConfig

LEAST = DrainConfig(
    width=4, heads=1, pair_width=4, frequencies=1, batch_products=2, joint="coherent"
)
TINY = Sizes(
    networks=(("least", LEAST),),
    places=(2, 3),
    batches=(2, 6),
    horizon=3,
    part=4,
    stores=(8,),
    training=(("least", LEAST),),
    periods=4,
    pace=5.0,
    updates=2,
    memory=2,
    horizons=(3,),
    policy_updates=4,
    policy_batch=2,
    policy_periods=14,
    repeats=1,
)
TEXT = """HloModule jit_f, is_scheduled=true

%body (p: (s32[], f32[8,4])) -> (s32[], f32[8,4]) {
  %p = (s32[], f32[8,4]{1,0}) parameter(0)
  %b = f32[4,4]{1,0} constant({...})
  %a = f32[8,4]{1,0} get-tuple-element(%p), index=1
  %product = (f32[8,4]{1,0}, s8[4194304]{0}) custom-call(%a, %b), \
custom_call_target="__cublas$gemm", backend_config={"gemm_backend_config":\
{"dot_dimension_numbers":{"lhs_contracting_dimensions":["1"],"rhs_contracting_dimensions":["0"]}}}
  ROOT %t = (s32[], f32[8,4]{1,0}) tuple(%p)
}

%condition (q: (s32[], f32[8,4])) -> pred[] {
  ROOT %less = pred[] constant(false)
}

ENTRY %main (x: f32[8,4]) -> f32[8,4] {
  %x = f32[8,4]{1,0} parameter(0)
  %start = (s32[], f32[8,4]{1,0}) tuple(%x)
  %loop = (s32[], f32[8,4]{1,0}) while(%start), condition=%condition, body=%body, \
backend_config={"known_trip_count":{"n":"7"}}
  ROOT %y = f32[8,4]{1,0} get-tuple-element(%loop), index=1
}
"""


def looped(x, w, *, outer, inner):
    def step(x, _):
        return jax.lax.scan(lambda y, _: (jnp.tanh(y @ w), None), x, None, length=inner)[0], None

    return jax.lax.scan(step, x, None, length=outer)[0]


def test_loops_count_as_often_as_they_run():
    x, w = jnp.ones((8, 16)), jnp.ones((16, 16))
    found = {}
    for outer in (4, 40):
        program = jax.jit(partial(looped, outer=outer, inner=5)).lower(x, w).compile()
        found[outer] = cost_of(program)
        product = 2 * 8 * 16 * 16
        # XLA's own count has one product, whatever the loops; each costs a few operations more.
        assert program.cost_analysis()["flops"] < 2 * product
        assert found[outer].unknown == 0
        assert 1.0 <= found[outer].flops / (outer * 5 * product) < 1.2
    assert found[40].bytes / found[4].bytes == pytest.approx(10.0, rel=0.1)


def test_products_in_a_library_count_by_their_shapes():
    program = Program.of(TEXT)
    seen = []

    def nothing(text):
        seen.append(text)
        return Cost(flops=0.0, bytes=0.0)

    cost = program.cost(program.entry, nothing)
    assert program.entry == "main"
    assert cost.flops == 7 * 2 * 8 * 4 * 4
    assert cost.bytes == 7 * 4 * (8 * 4 + 8 * 4 + 4 * 4)
    roots = [[line for line in text.splitlines() if line.startswith("ENTRY")] for text in seen]
    assert [len(root) for root in roots] == [1] * len(roots)
    assert {root[0].split()[1] for root in roots} == {"%main", "%body"}
    unknown = Program.of(TEXT.replace("known_trip_count", "other"))
    once = unknown.cost("main", nothing)
    assert (once.unknown, once.flops) == (1, cost.flops / 7)


def test_a_share_is_of_what_the_maker_publishes():
    limits = CARDS["NVIDIA H100 80GB HBM3"]
    cost = Cost(flops=67e9, bytes=3.35e9)
    assert shares(cost, 0.01, limits) == pytest.approx(
        {"share of bytes/s": 0.1, "share of FLOP/s": 0.1}
    )
    assert card() is None  # a processor
    assert set(shares(cost, 0.01, None).values()) == {None}
    assert set(shares(None, 0.01, limits).values()) == {None}


def test_what_does_not_fit_is_said_and_nothing_else_is_hidden():
    def full():
        raise RuntimeError("\nRESOURCE_EXHAUSTED: 9 GB\nmore")

    def wrong():
        raise RuntimeError("wrong")

    assert fits(full) == (None, "RESOURCE_EXHAUSTED: 9 GB")
    with pytest.raises(RuntimeError, match="wrong"):
        fits(wrong)


@pytest.mark.parametrize("fails", ["prepare", "remat"])
def test_a_batch_that_does_not_fit_is_a_row(monkeypatch, fails):
    class Given:
        params, arrivals = None, jnp.zeros((2, 3, 1))

        @classmethod
        def of(cls, *_):
            return cls()

        def repeated(self, times):
            assert times == 1
            return self

        def compiled(self, kind):
            return lambda *_: kind

    def measured(_, program, given, repeats):
        kind = program(*given)
        assert given[1:] == ((), ("prepare", Given.arrivals))[kind != "prepare"]
        if kind == fails:
            raise RuntimeError("Out of memory")
        return {"product-periods/s": 1.0}

    monkeypatch.setattr(cases, "Rollouts", Given)
    monkeypatch.setattr(cases, "replace", lambda found, part: found)
    monkeypatch.setattr(cases, "measured", measured)
    rows = rollouts("least", LEAST, TINY, 2)
    assert [row["what"] for row in rows] == ["location stream", "forward", "gradient"]
    said = [row["skipped"] for row in rows]
    if fails == "prepare":
        assert said == ["Out of memory", *["location stream: Out of memory"] * 2]
    else:
        assert said == ["", "", "Out of memory"]
    assert len(gpu.claims_of(rows)) == sum(not reason for reason in said)


def fake(name, calls):
    calls.append(name)
    return [{"table": "memory", "network": name, "peak memory, MB": float("nan")}]


@pytest.mark.slow
def test_cases_are_kept_and_those_without_time_come_later(monkeypatch, tmp_path):
    calls = []
    made = {name: partial(fake, name, calls) for name in ("a", "b c")}
    monkeypatch.setattr(gpu, "cases", lambda _: made)
    assert gpu.run(TINY, tmp_path, limit=-1.0) == ([], ["a", "b c"], 0.0)
    rows, missing, _ = gpu.run(TINY, tmp_path, limit=60.0)
    assert [row["network"] for row in rows] == calls == ["a", "b c"]
    assert rows[0]["peak memory, MB"] is None  # as JSON has it
    assert not missing
    assert gpu.run(TINY, tmp_path, limit=-1.0)[0] == rows
    assert calls == ["a", "b c"]


def test_without_a_gpu_nothing_is_run_or_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(gpu, "run", None)
    gpu.main(folder=tmp_path)
    assert "no GPU" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_the_whole_run_has_every_case_the_issue_asks_for():
    names = list(cases.cases(FULL))
    assert names[0].startswith("training")  # before JAX has taken the memory
    for network in ("small", "paper"):
        assert {f"rollouts {network} {b}" for b in (64, 512, 2048, 8192)} <= set(names)
    assert FULL.places == (20, 99)


@pytest.mark.long
def test_a_run_gives_tables_claims_and_a_figure(tmp_path):
    before = (RESULTS / "gpu.json").exists()
    rows, missing, seconds = gpu.run(TINY, tmp_path / "kept", limit=600.0)
    assert not missing
    gpu.report(TINY, rows, missing, seconds, folder=tmp_path)
    result = json.loads((tmp_path / "gpu.json").read_text())
    assert (tmp_path / "gpu.png").exists()
    assert (RESULTS / "gpu.json").exists() == before
    tables = {table: [row for row in rows if row["table"] == table] for table in gpu.TABLES}
    assert len(tables["rollouts"]) == 2 * 3
    for row in tables["rollouts"]:
        assert row["skipped"] == ""
        assert row["product-periods/s"] > 0
        assert row["loops counted once"] == 0
        assert row["GFLOP"] > 0
        assert row["GB moved"] > 0
        assert row["share of bytes/s"] is None
    # Three times the products are about three times the work.
    few, many = (
        {row["what"]: row["GFLOP"] for row in tables["rollouts"] if row["products"] == n}
        for n in TINY.batches
    )
    assert 2.0 < many["gradient"] / few["gradient"] < 4.0
    (row,) = tables["training"]
    assert row["JAX, product-periods/s"] > 0
    assert "PyTorch" in row["skipped"]
    assert len(tables["classic"]) == 4
    assert all(row["M steps/s"] > 0 for row in tables["classic"])
    assert {row["remat"] for row in tables["memory"]} == {"yes", "no"}
    (row,) = tables["policy"]
    assert row["value"] >= row["value at the start"] != 0
    assert row["ms an update"] > 0
    (claim,) = [claim for claim in result["claims"] if claim["needs"]]
    assert claim["passes"] is False
    assert "PyTorch" in claim["what"]
