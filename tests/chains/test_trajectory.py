"""Laws at many times: both methods, TV and its logarithms against hundreds of digits, and the errors they report."""

from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from math import comb, inf, log
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from many_digits import Reference
from strategies import HARD, RULE_NAMES, Instance, hypercubes, instances, mixture, pair, uniform

import symguide.chains.trajectory as module
from symguide.chains.array_chain import ArrayChain, Incoming
from symguide.chains.chain import guided_chain
from symguide.chains.contexts import ContextArray
from symguide.chains.expansion import expand
from symguide.chains.lattice import lattice
from symguide.chains.trajectory import METHODS, survival, trajectory
from symguide.errors import ChainTooLargeError, ClockError, DataError
from symguide.instances.datasets import load
from symguide.laws.law import Context
from symguide.laws.mixture import ClassMixture
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import PRECISE

HALF = Fraction(1, 2)
rules = st.sampled_from(RULE_NAMES)
clocks = st.one_of(st.floats(-12, 3).map(lambda power: 10.0**power), st.sampled_from([1e-12, log(2), 1.0, 1e3]))


@st.composite
def chains(draw: st.DrawFn) -> ArrayChain:
    """Chains with one to three contexts a level: rates from 1e-12 to 1e300, ties and near-ties, jumps down to 1e-40."""
    widths = [1, *draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))]
    depth = len(widths) - 1
    common = draw(st.integers(-50, 50)) / 10
    # No gap below 1e-20, which the reference would take for a tie.
    logs = st.one_of(
        st.integers(-28_000, 690_000).map(lambda thousandths: thousandths / 1e3),
        st.integers(-3_000, 7_000).map(lambda thousandths: thousandths / 1e3),
        st.just(common),
        st.integers(1, 9).map(lambda ulps: common + ulps * 1e-15),
        st.integers(-1000, 1000).map(lambda gap: common + gap * 1e-9),
    )
    chances = st.one_of(st.floats(0.1, 1), st.sampled_from([1e-40, 1e-12, 0.0]))
    incoming: list[Incoming] = []
    levels: list[list[Context]] = [[(None,) * depth]]
    log_exits: list[float] = []
    for k, width in enumerate(widths[1:], start=1):
        below = widths[k - 1]
        table = np.array([[draw(chances) for _ in range(below)] for _ in range(width)])
        table[0] = np.maximum(table[0], 0.1)
        sources = np.tile(np.arange(below, dtype=np.int32), (width, 1))
        incoming.append(Incoming(sources, table / table.sum(axis=0)))
        levels.append([(j,) * k + (None,) * (depth - k) for j in range(width)])
        log_exits += [draw(logs) for _ in range(below)]
    offsets = (0, *np.cumsum(widths).tolist())
    states = ContextArray.of([context for level in levels for context in level])
    return ArrayChain(states, offsets, tuple(incoming), np.array(log_exits + [-inf] * widths[-1]))


def _reference(chain: ArrayChain, time: float) -> Reference:
    """The chain at digits enough; jumps, which miss one by rounding, are rescaled to it."""
    widest = float(np.abs(chain.log_exits[chain.transient]).max())
    digits = int(500 + (2 * widest / log(10) + max(0.0, -log(time))) * (chain.depth + 1))
    rates: dict[tuple[Context, Context], Any] = {}
    with mpmath.workdps(digits):
        for k, into in enumerate(chain.incoming):
            sums: dict[int, Any] = {}
            found = []
            for row, (sources, logs, jumps) in enumerate(zip(into.sources, into.log_jumps, into.jumps, strict=True)):
                for source, jump_log, jump in zip(sources.tolist(), logs.tolist(), jumps.tolist(), strict=True):
                    value = mpmath.mpf(jump) if jump > 1e-290 else mpmath.exp(jump_log)
                    sums[source] = sums.get(source, mpmath.mpf(0)) + value
                    found.append((source, row, value))
            for source, row, value in found:
                if value:
                    start, end = chain.offsets[k] + source, chain.offsets[k + 1] + row
                    rate = mpmath.exp(mpmath.mpf(float(chain.log_exits[start]))) * value / sums[source]
                    rates[chain.states[start], chain.states[end]] = rate
        return Reference(rates, chain.depth, digits)


def _assert_trajectory(chain: ArrayChain, time: float, method: str | None, silly: float = 1e-11) -> None:
    reference = _reference(chain, time)
    found = trajectory(chain, [time], method)
    (error,) = found.error.tolist()
    assert error <= silly
    for x, p in zip(chain.states, found.probabilities[:, 0].tolist(), strict=True):
        expected = reference.at(mpmath.mpf(time), [x]) if x in reference.laws else 0
        assert abs(p - expected) <= 3 * error + 1e-15, x
        if found.methods == ("uniformisation",) and expected > 1e-290:
            assert abs(p / expected - 1) <= 3 * error + 1e-15, x


def _assert_survival(chain: ArrayChain, time: float, promised: float = 1e-11) -> None:
    found, reference = survival(chain, time), _reference(chain, time)
    assert found.error <= promised
    allowed = 3 * found.error + 1e-15
    with mpmath.workdps(reference.digits):
        tv = reference.tv(mpmath.mpf(time))
        arrived = reference.arrived(mpmath.mpf(time))
        assert abs(tv + arrived - 1) < mpmath.mpf(10) ** -300
        log_tv = mpmath.log(tv)
        assert abs(found.value - tv) <= allowed * min(tv, arrived) + 2e-16 * tv + 1e-300
        if abs(log_tv) < 1e300 and arrived > 1e-290:
            assert abs(found.log / log_tv - 1) <= max(allowed, promised if tv < 1e-290 else 0)
        error = abs(found.log_minus_log - mpmath.log(-log_tv))
        assert error <= allowed + 4e-16 * abs(found.log_minus_log)


@settings(max_examples=60)
@given(chains(), clocks)
def test_any_chain_on_the_contour(chain: ArrayChain, time: float) -> None:
    _assert_trajectory(chain, time, "contour")


@settings(max_examples=60)
@given(chains(), clocks)
def test_any_chain_by_the_method_that_fits(chain: ArrayChain, time: float) -> None:
    _assert_trajectory(chain, time, None)


@settings(max_examples=100)
@given(chains(), clocks)
def test_survival_of_any_chain(chain: ArrayChain, time: float) -> None:
    _assert_survival(chain, time)


@settings(max_examples=30)
@given(instances(), rules, st.sampled_from([0.0, 1.0, 7.5, 60.0, 300.0, 1000.0]), clocks)
def test_guided_chains(instance: Instance, rule: str, w: float, time: float) -> None:
    chain = lattice(guidance(instance.problem, rule)).at(w)
    _assert_trajectory(chain, time, None)
    _assert_survival(chain, time)


@pytest.mark.parametrize("time", [1e-12, 1e-3, 0.5, 2.0, 50.0, 1e3])
@pytest.mark.parametrize("length", [1, 6])
def test_normalised_times_are_order_statistics(length: int, time: float) -> None:
    """Every position is revealed after ``Exp(1)``: the number revealed is binomial."""
    chain = lattice(guidance(hypercubes(length, side=2).problem, "normalised")).at(3.0)
    for method in METHODS[1:] if time < 100 else METHODS[2:]:
        found = trajectory(chain, [time], method)
        assert found.error[0] < 1e-11
        for k in range(length + 1):
            expected = comb(length, k) * np.exp(-time * (length - k)) * (-np.expm1(-time)) ** k
            share = found.probabilities[chain.level(k), 0].sum()
            assert abs(share - expected) <= 3 * chain.size * found.error[0] + 1e-15
    tv = survival(chain, time)
    with mpmath.workdps(1000):
        expected_tv = 1 - (1 - mpmath.exp(-mpmath.mpf(time))) ** length
        assert tv.log == pytest.approx(float(mpmath.log(expected_tv)), rel=1e-12)
        assert tv.log_minus_log == pytest.approx(float(mpmath.log(-mpmath.log(expected_tv))), rel=1e-12)
    assert tv.error < 1e-11


@pytest.mark.parametrize("w", [1.0, 60.0])
def test_raw_hypercubes_by_lumps(w: float) -> None:
    """Six positions by (number revealed, whether all are shared): 13 lumps with rates by definition."""
    length = 6
    chain = lattice(guidance(hypercubes(length, side=2).problem)).at(w)
    rates: dict[tuple[Context, Context], Any] = {}
    with mpmath.workdps(700):
        for k in range(length):
            # p(z|x_S) = 2^{-1} at the start and wherever all k tokens are the shared one, else 1; p(v|x_S, z) = 1/2.
            left = length - k
            shared = _lump(k, True, length)
            low, high = mpmath.mpf(1) ** w, mpmath.mpf(2) ** w
            rates[shared, _lump(k + 1, True, length)] = left * low / 2
            rates[shared, _lump(k + 1, False, length)] = left * high / 2
            if k:
                rates[_lump(k, False, length), _lump(k + 1, False, length)] = mpmath.mpf(left)
        reference = Reference(rates, length, 700)
    lumps = [_lump(sum(v is not None for v in x), all(v in (None, 1) for v in x), length) for x in chain.states]
    times = [1e-12, 0.01, 1.0, 40.0]
    found = trajectory(chain, times)
    assert found.error.max() < 1e-11
    for column, time in enumerate(times):
        for lump in set(lumps):
            rows = [j for j, other in enumerate(lumps) if other == lump]
            expected = reference.at(mpmath.mpf(time), [lump])
            total = found.probabilities[rows, column].sum()
            assert abs(total - expected) <= 3 * len(rows) * found.error[column] + 1e-13 * expected + 1e-15
        tv = survival(chain, time)
        with mpmath.workdps(700):
            log_tv = mpmath.log(reference.tv(mpmath.mpf(time)))
            assert tv.log == pytest.approx(float(log_tv), rel=1e-11)
            assert tv.log_minus_log == pytest.approx(float(mpmath.log(-log_tv)), rel=1e-11)


def _lump(k: int, shared: bool, length: int) -> Context:
    return (int(shared or not k),) * k + (None,) * (length - k)


def _line(log_exits: list[float], jumps: Mapping[int, float] | None = None) -> ArrayChain:
    """A chain that reveals one token after another; ``jumps[k]`` is the chance to go on, else it rests at once."""
    depth = len(log_exits)
    states: list[Context] = [(None,) * depth]
    incoming, exits = [], [log_exits[0]]
    for k in range(1, depth + 1):
        chance = (jumps or {}).get(k - 1, 1.0)
        into = [[chance]] if chance == 1 else [[chance], [1.0 - chance]]
        states += [(j,) * k + (None,) * (depth - k) for j in range(len(into))]
        # What rests is a dead context.
        exits += [log_exits[k] if k < depth else -inf, -inf][: len(into)]
        incoming.append(Incoming(np.zeros((len(into), 1), dtype=np.int32), np.array(into)))
    offsets = np.cumsum([0, 1, *(len(into.sources) for into in incoming)]).tolist()
    return ArrayChain(ContextArray.of(states), tuple(offsets), tuple(incoming), np.array(exits))


def test_logarithms_where_tv_underflows() -> None:
    # TV = 1e-400 and exp(−1e10): one exit rate.
    for exponent in (400 * log(10), 1e10, 1e40, 1e308):
        found = survival(_line([log(exponent)]), 1.0)
        assert (found.value, found.log) == (0.0, pytest.approx(-exponent, rel=1e-11))
        assert found.log_minus_log == pytest.approx(log(exponent), rel=1e-13)
        assert found.error < 1e-11
    # Every rate overflows.
    found = survival(_line([5000.0, 4000.0, 6000.0]), 0.5)
    assert (found.value, found.log) == (0.0, -inf)
    assert found.log_minus_log == pytest.approx(4000 + log(0.5), rel=1e-14)
    # The slowest context is rarely reached: −ln TV = Λs − ln h = 2e14 + 92.1.
    found = survival(_line([log(4e15), log(2e14)], {0: 1e-40}), 1.0)
    assert found.log == pytest.approx(-2e14 - 40 * log(10), rel=1e-11)


@pytest.mark.parametrize("power", [-12.5, -100.0, -250.0])
def test_one_minus_tv_is_known_relatively(power: float) -> None:
    time = 10.0**power
    # 1 − TV = s²/2 at equal unit rates, from 1e-25 to 1e-500.
    found = survival(_line([0.0, 0.0]), time)
    assert found.log_minus_log == pytest.approx(2 * log(time) - log(2), rel=1e-12)
    assert found.error < 1e-11


def test_slow_contexts_that_are_rarely_reached() -> None:
    chain = _line([log(1e6), 0.0, log(3.0)], {0: 1e-40})
    for time in (1e-3, 1.0, 30.0, 300.0):
        _assert_survival(chain, time)


def test_jumps_that_underflow() -> None:
    """A neutral context reached with probability ``ρ^w``: ``−ln TV = w ln(1/ρ) + O(1)``, though ``ρ^w`` underflows."""
    tenth = Fraction(1, 10)
    some = mixture(
        2,
        2,
        [
            (HALF, {(0, 0): tenth, (0, 1): tenth, (1, 0): 8 * tenth}),
            (HALF, {(0, 0): 4 * tenth, (0, 1): 4 * tenth, (1, 1): 2 * tenth}),
        ],
    )
    for w in (400.0, 700.0, 1000.0):
        chain = lattice(guidance(some.problem)).at(w)
        _assert_survival(chain, log(2))
        assert survival(chain, log(2)).log == pytest.approx(-1.386 * w, rel=0.02)


def test_stiff_chains_of_few_contexts_keep_twelve_digits() -> None:
    """Rates from 1 to 184 and ``max Λ · s = 1274``: contours lose a digit more than is asked for."""
    tokens = list(product(range(2), repeat=3))
    counts = (
        (1000000, 10, 1, 10, 2, 5, 3, 10),
        (3, 10, 2, 10, 3, 1, 3, 5),
        (3, 3, 1000000, 1, 1000000, 3, 3, 1),
    )
    classes = {str(k): (Fraction(1, 3), _shares(tokens, row)) for k, row in enumerate(counts)}
    tilt = guidance(ClassMixture.of(2, 3, classes).problem("0"))
    chain, exact = lattice(tilt).at(2.0), guided_chain(tilt).over(PRECISE, 2)
    for time in (3.0, log(1000), 9.0):
        found = survival(chain, time)
        with mpmath.workdps(60):
            law = expand(exact).probabilities(mpmath.mpf(time))
            tv = sum(law[j] for j in exact.transient)
            error = abs(float(mpmath.mpf(found.value) / tv - 1))
        assert error <= max(found.error, 1e-12), time
        assert found.error < 1e-12, time


def _shares(tokens: list[tuple[int, ...]], counts: tuple[int, ...]) -> dict[tuple[int, ...], Fraction]:
    return {x: Fraction(count, sum(counts)) for x, count in zip(tokens, counts, strict=True)}


def test_paths_are_told_apart_that_meet_again() -> None:
    """A context reached by a rare slow path and a common fast one: neither is lost behind the other."""
    depth = 3
    states = [(None,) * 3, (0, None, None), (1, None, None), (0, 0, None), (0, 0, 0)]
    for rare in (1e-5, 1e-20, 1e-40, 1e-120):
        incoming = (
            Incoming(np.zeros((2, 1), dtype=np.int32), np.array([[1.0 - rare], [rare]])),
            Incoming(np.array([[0, 1]], dtype=np.int32), np.ones((1, 2))),
            Incoming(np.zeros((1, 1), dtype=np.int32), np.ones((1, 1))),
        )
        exits = np.array([log(9.0), log(4.0), log(0.5), log(300.0), -inf])
        chain = ArrayChain(ContextArray.of(states), (0, 1, 3, 4, 5), incoming, exits)
        assert chain.depth == depth
        for time in (1.0, 10.0, 30.0, 100.0):
            _assert_survival(chain, time)


def test_many_times_at_once() -> None:
    chain = lattice(guidance(HARD["three tokens"].problem)).at(20.0)
    times = np.concatenate([[0.0], np.geomspace(1e-9, 100, 40), [3.0, 0.0]])
    together = trajectory(chain, times)
    assert together.clocks.tolist() == times.tolist()
    assert set(together.methods) == {"uniformisation", "partial fractions"}
    assert together.probabilities[:, 0].tolist() == [1.0] + [0.0] * (chain.size - 1)
    for column in (0, 1, 17, 40, 41, 42):
        alone = trajectory(chain, [times[column]])
        gap = np.abs(alone.probabilities[:, 0] - together.probabilities[:, column]).max()
        assert gap <= alone.error[0] + together.error[column]
    assert np.abs(together.probabilities.sum(axis=0) - 1).max() < 1e-11


def test_nothing_moves() -> None:
    lone = lattice(guidance(HARD["squares"].problem), start=(2, 2)).at(1.0)
    assert trajectory(lone, [0.0, 1.0, 1e300]).probabilities.tolist() == [[1.0, 1.0, 1.0]]
    found = survival(lone, 1.0)
    assert (found.value, found.log, found.log_minus_log) == (0.0, -inf, inf)
    apart = guidance(pair(2, 1, uniform([(0,)]), uniform([(1,)])).problem).at(Fraction(-1, 2))
    dead = lattice(apart).at(0.0)
    assert dead.dead.tolist() == [True]
    assert trajectory(dead, [5.0]).probabilities.tolist() == [[1.0]]
    assert survival(dead, 5.0).value == 0.0


def test_both_ends() -> None:
    chain = lattice(guidance(HARD["squares"].problem)).at(1.0)
    start = survival(chain, 0.0)
    assert (start.value, start.log, start.log_minus_log, start.error) == (1.0, 0.0, -inf, 0.0)
    late = trajectory(chain, [1e9]).probabilities[:, 0]
    assert late == pytest.approx(np.where(chain.transient, 0.0, chain.jump_law()), abs=1e-13)


@pytest.mark.parametrize("time", [-1.0, float("nan"), inf])
def test_bad_times(time: float) -> None:
    chain = lattice(guidance(HARD["xor"].problem)).at(1.0)
    for ask in (lambda: trajectory(chain, [0.5, time]), lambda: survival(chain, time)):
        with pytest.raises(ClockError, match="clock s is"):
            ask()


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = lattice(guidance(load("hypercubes-5d"))).at(30.0)
    with pytest.raises(
        DataError,
        match="method 'magic' is unknown; choose one of closed form, partial fractions, uniformisation, contour",
    ):
        trajectory(chain, [1.0], "magic")
    with pytest.raises(ChainTooLargeError, match=r"uniformisation takes max Λ · s = .* steps here"):
        trajectory(chain, [1.0], "uniformisation")
    with pytest.raises(ChainTooLargeError, match=r"1024 contexts at 10000000 times would take about .* GiB"):
        trajectory(chain, np.zeros(10_000_000))
    monkeypatch.setattr(module, "MAX_BYTES", 100_000)
    for ask in (lambda: trajectory(chain, [1.0]), lambda: survival(chain, 1.0)):
        with pytest.raises(ChainTooLargeError) as refused:
            ask()
        assert "\n" not in str(refused.value)
