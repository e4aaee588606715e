"""The lattice of contexts: the same contexts, rates and laws as the chain of objects, at any size and strength."""

import tracemalloc
from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations, permutations, product
from math import inf
from typing import Any

import flint
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.second_route import ALL, ball, conditional, guided
from strategies import (
    HARD,
    RULE_NAMES,
    Instance,
    Table,
    hypercubes,
    instances,
    integer_strengths,
    mixture,
    pair,
    pairs,
    real_strengths,
    starts,
    uniform,
)

from symguide.chains.array_chain import ArrayChain
from symguide.chains.chain import guided_chain
from symguide.chains.functionals import kl_divergence, terminal_law, tilted_law
from symguide.chains.lattice import LARGEST_EXPONENT, Lattice, lattice
from symguide.errors import ChainTooLargeError, DataError, InfiniteRatioError, StrengthError
from symguide.instances.datasets import load
from symguide.laws.law import Context, TableLaw
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.products import ProductLaw
from symguide.laws.tilt import Tilt, guidance
from symguide.numbers.arithmetic import BALLS
from symguide.symbols import w as w_symbol

HALF = Fraction(1, 2)
rules = st.sampled_from(RULE_NAMES)
strengths = st.one_of(integer_strengths(), real_strengths())


@st.composite
def singular_pairs(draw: st.DrawFn) -> Instance:
    """Pairs of laws of which neither covers the other, as ``−1 < w < 0`` allows; some have dead contexts."""
    grid = list(product(range(2), repeat=draw(st.integers(1, 3))))
    tables = []
    for _ in range(2):
        support = draw(st.lists(st.sampled_from(grid), min_size=1, max_size=5, unique=True))
        weights = draw(st.lists(st.integers(1, 9), min_size=len(support), max_size=len(support)))
        tables.append({x: Fraction(a, sum(weights)) for x, a in zip(support, weights, strict=True)})
    return pair(2, len(grid[0]), *tables)


def _lattice(instance: Instance, rule: str, w: Fraction, start: Context | None = None) -> ArrayChain:
    """For all ``w`` where there is one, else at this one."""
    tilt = guidance(instance.problem, rule)
    try:
        general = lattice(tilt, start)
    except InfiniteRatioError:
        general = None
    if general is not None and (w != -1 or general.includes_unconditional):
        return general.at(float(w))
    return lattice(tilt.at(w), start).at(0.0)


def _assert_same(found: ArrayChain, instance: Instance, rule: str, w: Fraction, start: Context | None) -> None:
    w = Fraction(float(w))
    with flint.ctx.workprec(300):
        reference = guided(instance, rule, w, start)
        visits = {x: _float(p) for x, p in reference.visits().items()}
        exits = {x: _float(rate) for x, rate in reference.exits.items() if x in visits}
    assert set(found.states) == visits.keys()
    assert len(found.states) == len(visits)
    law = found.jump_law()
    for j, x in enumerate(found.states):
        assert law[j] == pytest.approx(visits[x], rel=1e-13), x
        assert found.exits[j] == pytest.approx(exits.get(x, 0.0), rel=1e-13), x
    assert {found.states[j] for j in np.flatnonzero(found.dead)} == {x for x in visits if None in x and x not in exits}
    # Every jump, one by one.
    rates = {(x, y): _float(rate) for (x, y), rate in reference.rates.items() if x in visits}
    for k, into in enumerate(found.incoming):
        for row, (sources, jumps) in enumerate(zip(into.sources.tolist(), into.jumps.tolist(), strict=True)):
            y = found.states[found.offsets[k + 1] + row]
            for source, jump in zip(sources, jumps, strict=True):
                x = found.states[found.offsets[k] + source]
                assert jump == pytest.approx(rates.pop((x, y)) / exits[x], rel=1e-13)
    assert not rates


def _float(value: Any) -> float:
    return float(value) if not isinstance(value, Fraction) else value.numerator / value.denominator


@settings(max_examples=150)
@given(instances(), rules, strengths, st.data())
def test_lattices_by_the_second_route(instance: Instance, rule: str, w: Fraction, data: st.DataObject) -> None:
    start = data.draw(st.one_of(st.none(), starts(instance)))
    _assert_same(_lattice(instance, rule, w, start), instance, rule, w, start)


@settings(max_examples=80)
@given(singular_pairs(), rules, st.sampled_from(["-1", "-1/2", "-1/4", "-9/10", "0"]))
def test_singular_supports(instance: Instance, rule: str, w: str) -> None:
    """Laws that exclude each other's tokens: dead contexts, and no chain for all ``w``."""
    _assert_same(_lattice(instance, rule, Fraction(w)), instance, rule, Fraction(w), None)


@settings(max_examples=80)
@given(singular_pairs(), rules)
def test_infinite_ratios(instance: Instance, rule: str) -> None:
    """The lattice exists where the chain of objects does, also at a strength."""
    for tilt in (guidance(instance.problem, rule), guidance(instance.problem, rule).at(1)):
        outcomes = []
        for build in (guided_chain, lattice):
            try:
                build(tilt)
            except InfiniteRatioError as refused:
                assert "\n" not in str(refused)
                assert str(refused).startswith("context (")
                outcomes.append(False)
            else:
                outcomes.append(True)
        assert outcomes[0] == outcomes[1]


@settings(max_examples=80)
@given(st.one_of(instances(), pairs()), rules, st.data())
def test_whether_the_unconditional_chain_is_included(instance: Instance, rule: str, data: st.DataObject) -> None:
    start = data.draw(st.one_of(st.none(), starts(instance)))
    tilt = guidance(instance.problem, rule)
    found = lattice(tilt, start)
    assert found.includes_unconditional == guided_chain(tilt, start).includes_unconditional
    assert lattice(tilt.at(-1), start).includes_unconditional
    if not found.includes_unconditional:
        with pytest.raises(StrengthError, match="w = -1 is a chain of its own"):
            found.at(-1.0)


@settings(max_examples=60)
@given(st.one_of(instances(), pairs()), strengths)
def test_tilted_laws(instance: Instance, w: Fraction) -> None:
    tilt = guidance(instance.problem)
    if w == -1:
        tilt = tilt.at(w)
    found = lattice(tilt).tilted_law(float(w) if w != -1 else 0.0)
    with flint.ctx.workprec(200):
        exact = tilted_law(tilt, list(found.states), BALLS, Fraction(float(w)))
    assert set(exact.states) == set(found.states)
    for x, p, log in zip(found.states, found.column, found.logs if found.logs is not None else (), strict=True):
        assert p == pytest.approx(float(exact[x]), rel=1e-13)
        assert log == pytest.approx(float(exact[x].log()), rel=1e-13, abs=1e-13)


def test_composed_guidance() -> None:
    """Three laws with strengths of their own, among them one that is avoided."""
    laws = [
        TableLaw.from_mapping(2, 2, dict(zip(product(range(2), repeat=2), map(Fraction, weights), strict=True)))
        for weights in (("1/4", "1/4", "1/4", "1/4"), ("1/2", "1/8", "1/8", "1/4"), ("1/10", "3/10", "2/10", "4/10"))
    ]
    for normalised in (False, True):
        tilt = Tilt(((laws[0], -1 - w_symbol), (laws[1], 3 + 2 * w_symbol), (laws[2], -1 - w_symbol)), normalised)
        for strength in (-0.5, 0.0, 2.5, 40.0):
            with flint.ctx.workprec(200):
                exact = guided_chain(tilt).over(BALLS, flint.arb(strength))
                visits = dict(zip(exact.states, map(float, exact.jump_law()), strict=True))
            found = lattice(tilt).at(strength)
            law = dict(zip(found.states, found.jump_law().tolist(), strict=True))
            assert law == pytest.approx(visits, rel=1e-12)


def test_dead_ends_of_composed_guidance() -> None:
    laws = [TableLaw.from_mapping(2, 2, table) for table in (uniform([(0, 0), (1, 1)]), uniform([(0, 1), (1, 0)]))]
    union = TableLaw.from_mapping(2, 2, uniform(product(range(2), repeat=2)))
    tilt = Tilt(((laws[0], 1 + w_symbol), (laws[1], 1 + w_symbol), (union, -1 - 2 * w_symbol)))
    found = lattice(tilt)
    chain = found.at(1.0)
    assert (chain.size, int(chain.dead.sum()), len(chain.terminal)) == (5, 4, 0)
    assert chain.jump_law()[chain.dead].sum() == pytest.approx(1)
    with pytest.raises(DataError, match="the tilted law has no support"):
        found.tilted_law(1.0)


# --- large strengths --------------------------------------------------------------------------------------------------


def _limit(instance: Instance, rule: str, w: float, digits: int = 200) -> Mapping[Context, Any]:
    """The terminal law at hundreds of digits, by jumps from the joint tables."""
    with mpmath.workdps(digits):
        law: dict[Context, Any] = {(None,) * instance.length: mpmath.mpf(1)}
        for _ in range(instance.length):
            after: dict[Context, Any] = {}
            for x, weight in law.items():
                rates: dict[Context, Any] = {}
                for position in [i for i, token in enumerate(x) if token is None]:
                    p = conditional(instance.conditional, x, position)
                    q = conditional(instance.unconditional, x, position)
                    raw = {v: _mpf(p[v]) * mpmath.power(_mpf(p[v] / q[v]), w) for v in p}
                    whole = mpmath.fsum(raw.values()) if rule == "normalised" else 1
                    for v, rate in raw.items():
                        rates[(*x[:position], v, *x[position + 1 :])] = rate / whole
                total = mpmath.fsum(rates.values())
                for y, rate in rates.items():
                    after[y] = after.get(y, mpmath.mpf(0)) + weight * rate / total
            law = after
        return law


def _mpf(value: Fraction) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator


@settings(max_examples=60)
@given(instances(), rules, st.sampled_from([100.0, 1e3, 1e4, 1e5]))
def test_strengths_at_which_rates_overflow(instance: Instance, rule: str, w: float) -> None:
    """Terminal laws to the rounding of ``w ln b``; ties of bases are no exception."""
    try:
        chain = lattice(guidance(instance.problem, rule)).at(w)
    except StrengthError:
        assert w > 1e4
        return
    expected = _limit(instance, rule, w)
    found = terminal_law(chain).table
    assert found.keys() == expected.keys()
    error = 1e-13 + 1e-14 * w
    for x, p in found.items():
        assert abs(p - expected[x]) <= error * expected[x] + 1e-300, x


def test_ties_are_not_broken_by_rounding() -> None:
    """Classes that agree up to a permutation of tokens, with thirds and sevenths: all bases tie, at any strength."""
    weights = [Fraction(1, 7), Fraction(2, 21), Fraction(1, 3), Fraction(3, 7)]
    first = dict(zip(product(range(2), repeat=2), weights, strict=True))
    for prior in (HALF, Fraction(1, 3), Fraction(1, 10**9)):
        same = mixture(2, 2, [(prior, first), (1 - prior, first)])
        cross = mixture(
            4, 1, [(prior, uniform([(0,), (1,), (2,)])), (1 - prior, {(0,): HALF, (1,): HALF})]
        )  # p/q of 0 and 1 tie; that of 2 is larger
        for w in (1e4, 1e5):
            for rule in RULE_NAMES:
                law = terminal_law(lattice(guidance(same.problem, rule)).at(w)).table
                assert law == pytest.approx({x: float(p) for x, p in first.items()}, rel=1e-9)
        tied = lattice(guidance(cross.problem)).tilted_law(1e4)
        assert tied.logs is not None
        assert tied.logs[0] - tied.logs[1] == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("name", ["xor", "squares", "slower sampling", "three tokens", "small prior", "exact ties"])
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_the_largest_exponent_keeps_its_promise(name: str, rule: str) -> None:
    """Up to the guard, rates and laws have relative errors below 1e-9; beyond, there is an error."""
    found = lattice(guidance(HARD[name].problem, rule))
    w = _largest(found)
    law = terminal_law(found.at(w)).table
    expected = _limit(HARD[name], rule, w, 60)
    assert all(abs(p - expected[x]) <= 1e-9 * expected[x] + 1e-300 for x, p in law.items())
    with pytest.raises(StrengthError, match=r"use a smaller w \(here up to ") as refused:
        found.at(1.01 * w)
    assert "\n" not in str(refused.value)


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 999), min_size=9, max_size=9),
    st.lists(st.integers(-999, 999), min_size=9, max_size=9),
    st.integers(1, 99),
    rules,
)
def test_powers_near_the_guard(weights: list[int], changes: list[int], prior: int, rule: str) -> None:
    """Classes that nearly agree, whose powers stay near 1 for ``w`` up to the guard: ``w ln b`` keeps 1e-9 there."""
    points = list(product(range(3), repeat=2))
    first = [Fraction(weight, sum(weights)) for weight in weights]
    second = [p * (1 + Fraction(change, 10**9)) for p, change in zip(first, changes, strict=True)]
    tables = [dict(zip(points, [p / sum(law) for p in law], strict=True)) for law in (first, second)]
    share = Fraction(prior, 100)
    instance = mixture(3, 2, list(zip((share, 1 - share), tables, strict=True)))
    found = lattice(guidance(instance.problem, rule))
    for w, error in ((1e3, 2e-12), (_largest(found), 1e-9)):
        law = terminal_law(found.at(w)).table
        expected = _limit(instance, rule, w, 60)
        assert all(abs(p / expected[x] - 1) <= error for x, p in law.items())


def _largest(found: Lattice) -> float:
    """The largest strength that the lattice takes, by bisection."""
    low, high = 0.0, 2 * LARGEST_EXPONENT
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        try:
            found.tilted_law(middle)
            low = middle
        except StrengthError:
            high = middle
    return low


def test_nearly_neutral_data_do_not_slip_past_the_guard() -> None:
    """Slopes of 1e-12 are mostly rounding: no strength makes digits of them."""
    near = Fraction(1, 10**12)
    table = {(0,): HALF + near, (1,): HALF - near}
    found = lattice(guidance(mixture(2, 1, [(HALF, table), (HALF, uniform([(0,), (1,)]))]).problem))
    with pytest.raises(StrengthError, match="guidance strength w is 1e"):
        found.at(1e10)
    fixed = lattice(guidance(HARD["squares"].problem).at(10**8))
    with pytest.raises(StrengthError, match="doubles do not tell such powers apart"):
        fixed.at(0.0)


@pytest.mark.parametrize("w", [float("nan"), inf, -inf, -1.5])
def test_bad_strengths(w: float) -> None:
    found = lattice(guidance(HARD["xor"].problem))
    for ask in (found.at, found.tilted_law):
        with pytest.raises(StrengthError, match="guidance strength w is"):
            ask(w)


# --- unusual data -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [20, 300, 320, 400])
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_tiny_masses_and_priors(digits: int, rule: str) -> None:
    """Masses and priors down to below the range of doubles."""
    tiny = Fraction(1, 10**digits)
    rest = 1 - tiny
    light = {(0, 0): tiny, (0, 1): rest / 2, (1, 1): rest / 2}
    cases = [
        mixture(2, 2, [(HALF, light), (HALF, uniform([(0, 0), (1, 0), (1, 1)]))]),
        mixture(2, 2, [(tiny, uniform([(0, 0), (0, 1), (1, 1)])), (rest, uniform([(0, 0), (1, 0)]))]),
        pair(2, 2, light, uniform(product(range(2), repeat=2))),
    ]
    for instance in cases:
        for w in (Fraction(0), Fraction(1), Fraction(-1, 2), Fraction(100)):
            with flint.ctx.workprec(400):
                visits = guided(instance, rule, w, exact=w in (0, 1)).visits()
            chain = lattice(guidance(instance.problem, rule)).at(float(w))
            for x, p, log in zip(chain.states, chain.jump_law(), chain.log_jump_law(), strict=True):
                value = visits[x]
                exact = value if isinstance(value, flint.arb) else ball(value)
                with flint.ctx.workprec(400):
                    assert float(p) == pytest.approx(float(exact), rel=1e-11, abs=1e-300)
                    assert float(log) == pytest.approx(float(exact.log()), rel=1e-11, abs=1e-11)


def test_masses_too_far_apart_are_refused_or_right() -> None:
    """Two laws at opposite ends of the range of doubles: their ratio leaves it, their logarithms do not."""
    for exponent in (500, 560, 590, 596, 599, 620):
        tiny = Fraction(1, 10**exponent)
        low, high = {(0,): tiny, (1,): 1 - tiny}, {(0,): 1 - tiny, (1,): tiny}
        for instance in (pair(2, 1, low, high), pair(2, 1, high, low)):
            try:
                found = lattice(guidance(instance.problem)).at(1.0)
            except DataError as refused:
                assert exponent > 590
                assert "\n" not in str(refused)
                continue
            expected = _limit(instance, "rate", 1.0, 3000)
            for j, x in enumerate(found.terminal):
                with mpmath.workdps(50):
                    log = float(mpmath.log(expected[x]))
                assert found.log_jump_law()[1 + j] == pytest.approx(log, rel=1e-12, abs=1e-12)


def test_degenerate_grids() -> None:
    for instance in (HARD["one symbol"], HARD["single class"], HARD["one token"]):
        for rule in RULE_NAMES:
            _assert_same(_lattice(instance, rule, Fraction(3)), instance, rule, Fraction(3), None)
    alone = mixture(1, 12, [(Fraction(1), {(0,) * 12: Fraction(1)})])
    found = lattice(guidance(alone.problem))
    assert found.size == 2**12
    assert found.offsets[:4] == (0, 1, 13, 79)
    chain = found.at(1.0)
    assert chain.exits[:2] == pytest.approx([12, 11])
    assert chain.jump_law()[chain.last] == pytest.approx([1.0])


def test_six_positions_by_reveal_orders() -> None:
    """A sparse law on six positions: the terminal probability of each point, summed over its 720 orders."""
    support = [(0, 1, 2, 0, 1, 2), (0, 1, 2, 3, 1, 2), (3, 1, 0, 3, 1, 2), (1, 1, 1, 1, 1, 1), (0, 2, 2, 0, 3, 3)]
    first = {x: Fraction(k + 1, 15) for k, x in enumerate(support)}
    second = {x: Fraction(1, 3) for x in (support[1], support[3], (2, 2, 2, 2, 2, 2))}
    instance = mixture(4, 6, [(Fraction(1, 3), first), (Fraction(2, 3), second)])
    for rule in RULE_NAMES:
        law = terminal_law(lattice(guidance(instance.problem, rule)).at(2.0))
        for x in (support[0], support[1]):
            assert law[x] == pytest.approx(float(_by_orders(instance, rule, 2, x)), rel=1e-13)


def _by_orders(instance: Instance, rule: str, w: int, tokens: tuple[int, ...]) -> Fraction:
    """``h(x)`` as a sum over the orders in which the tokens are revealed."""
    steps: dict[tuple[frozenset[int], int], Fraction] = {}
    for count in range(len(tokens)):
        for shown in map(frozenset, combinations(range(len(tokens)), count)):
            context = tuple(v if i in shown else None for i, v in enumerate(tokens))
            rates = {}
            for i in set(range(len(tokens))) - shown:
                p = conditional(instance.conditional, context, i)
                q = conditional(instance.unconditional, context, i)
                raw = {v: p[v] * (p[v] / q[v]) ** w for v in p}
                whole = sum(raw.values()) if rule == "normalised" else Fraction(1)
                rates[i] = (raw[tokens[i]] / whole, sum(raw.values()) / whole)
            total = sum((whole for _, whole in rates.values()), Fraction(0))
            for i, (rate, _) in rates.items():
                steps[shown, i] = rate / total
    found = Fraction(0)
    for order in permutations(range(len(tokens))):
        weight = Fraction(1)
        for k, i in enumerate(order):
            weight *= steps[frozenset(order[:k]), i]
        found += weight
    return found


def test_large_vocabularies_are_numbered_by_sorting() -> None:
    """A few points among millions of tokens: the same contexts as with the tokens renumbered."""
    rng = np.random.default_rng(5)
    points = [tuple(map(int, row)) for row in rng.integers(0, 3, (12, 3))]
    spread = {0: 7, 1: 1_234_567, 2: 1_999_999}
    problems = []
    for size, rename in ((3, {0: 0, 1: 1, 2: 2}), (2_000_000, spread)):
        some, every = (
            TableLaw.from_mapping(size, 3, uniform(dict.fromkeys(tuple(rename[v] for v in x) for x in part)))
            for part in (points[:8], points)
        )
        problems.append(lattice(guidance(Problem(some, every))).at(1.5))
    small, large = problems
    assert [tuple(None if v is None else spread[v] for v in x) for x in small.states] == list(large.states)
    assert small.jump_law().tolist() == large.jump_law().tolist()


# --- bad input --------------------------------------------------------------------------------------------------------


def test_memory_is_refused_before_it_is_taken() -> None:
    rng = np.random.default_rng(1)
    points = {tuple(map(int, row)) for row in rng.integers(0, 4, (2000, 12))}
    law = TableLaw.from_mapping(4, 12, uniform(sorted(points)))
    tilt = guidance(Problem(law, law))
    lattice(guidance(HARD["xor"].problem), limit=10_000)
    assert len(law.arrays[0]) == len(points)  # made once, and not by the lattice
    tracemalloc.start()
    try:
        with pytest.raises(ChainTooLargeError, match=r"N = 4, D = 12 has up to .* contexts .* GiB") as refused:
            lattice(tilt, limit=20_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000
    assert "\n" not in str(refused.value)


def test_the_estimate_of_memory_covers_what_is_taken() -> None:
    """The smallest limit that a lattice passes is no less than the arrays it holds."""
    tilt = guidance(load("hypercubes:D=6,side=2,overlap=1"))
    found = lattice(tilt)
    arrays = [(level.sources, level.positions, level.constant, level.slope) for level in found.levels]
    held = found.states.tokens.nbytes + sum(array.nbytes for level in arrays for array in level)
    with pytest.raises(ChainTooLargeError):
        lattice(tilt, limit=held // 2)
    lattice(tilt, limit=20 * held)


@pytest.mark.parametrize("start", [(0, 4), (4, 1)])
def test_starts_of_probability_zero(start: Context) -> None:
    with pytest.raises(DataError, match=r"start \(.*\) has probability zero"):
        lattice(guidance(HARD["squares"].problem), start)


@pytest.mark.parametrize("start", [(None,), (None, None, None), ()])
def test_starts_of_the_wrong_length(start: Context) -> None:
    with pytest.raises(DataError, match="positions"):
        lattice(guidance(HARD["squares"].problem), start)


def test_laws_without_a_list() -> None:
    law, long = (ProductLaw.iid(2, length, {0: HALF, 1: HALF}) for length in (3, 1000))
    assert lattice(guidance(Problem(law, law))).offsets == lattice(guidance(Problem(law.table(), law.table()))).offsets
    with pytest.raises(DataError, match=r"about 1\.0\d*e\+301 token tuples, more than 100000, so it is not listed"):
        lattice(guidance(Problem(long, long)))
    chain = MarkovLaw.of([HALF, HALF], [[HALF, HALF], [HALF, HALF]], 3)
    with pytest.raises(DataError, match="MarkovLaw: it lists no support"):
        lattice(guidance(Problem(chain, chain)))
    with pytest.raises(DataError, match="symbols"):
        lattice(guidance(ClassMixture.symbolic(2, 1).problem("1")))


def test_rules_are_all_there_are() -> None:
    assert ALL == RULE_NAMES


# --- words ------------------------------------------------------------------------------------------------------------


def test_all_words_of_five_letters() -> None:
    pytest.importorskip("wordfreq", reason="real words need wordfreq")
    problem = load("words-all", "fr")
    union = problem.unconditional
    assert isinstance(union, TableLaw)
    assert len(union.weights) == 57_253
    whole = lattice(guidance(Problem(union, union)))
    assert whole.offsets[-2] == 212_437
    found = lattice(guidance(problem))
    chain = found.at(1.0)
    law = terminal_law(chain)
    assert law.column.sum() == pytest.approx(1, rel=1e-12)
    assert float(kl_divergence(law, found.tilted_law(1.0))) > 0
    # Unguided, words come as often as they are.
    plain = terminal_law(found.at(0.0))
    weights = np.array([float(problem.conditional.weight(x)) for x in plain.states])
    assert plain.column == pytest.approx(weights, rel=1e-12)


def test_words_by_recursion() -> None:
    """The terminal law of frequent words by a recursion over dictionaries."""
    pytest.importorskip("wordfreq", reason="real words need wordfreq")
    problem = load("words:top=300", "fr")
    laws = problem.conditional, problem.unconditional
    assert isinstance(laws[0], TableLaw)
    assert isinstance(laws[1], TableLaw)
    tables: list[Mapping[tuple[int, ...], Any]] = [laws[0].weights, laws[1].weights]
    small: list[Table] = [{x: p for x, p in table.items() if x[0] < 4} for table in tables]
    for w in (1.0, 3.5):
        for rule in RULE_NAMES:
            start: Context = (0, None, None, None, None)
            chain = lattice(guidance(problem, rule), start).at(w)
            law = terminal_law(chain)
            expected = _recursion([_marginals(table, start) for table in small], start, rule, w)
            assert law.table.keys() == expected.keys()
            assert law.table == pytest.approx(expected, rel=1e-12)


def _marginals(table: Table, start: Context) -> dict[Context, float]:
    """``p(x_S)`` of every context after the start."""
    free = [i for i, token in enumerate(start) if token is None]
    sums: dict[Context, Fraction] = {}
    for tokens, weight in table.items():
        if any(token not in (None, shown) for token, shown in zip(start, tokens, strict=True)):
            continue
        for count in range(len(free) + 1):
            for masked in combinations(free, count):
                x = tuple(None if i in masked else v for i, v in enumerate(tokens))
                sums[x] = sums.get(x, Fraction(0)) + weight
    return {x: float(p) for x, p in sums.items()}


def _recursion(marginals: list[dict[Context, float]], start: Context, rule: str, w: float) -> dict[Context, float]:
    p, q = marginals
    outward: dict[Context, list[tuple[int, Context]]] = {}
    for y in p:
        for i, token in enumerate(y):
            if token is not None and start[i] is None:
                outward.setdefault((*y[:i], None, *y[i + 1 :]), []).append((i, y))
    law = {start: 1.0}
    for _ in range(start.count(None)):
        after: dict[Context, float] = {}
        for x, weight in law.items():
            raw = {(i, y): p[y] / p[x] * (p[y] / p[x] * q[x] / q[y]) ** w for i, y in outward[x]}
            if rule == "normalised":
                sums = {i: sum(rate for (j, _), rate in raw.items() if j == i) for i, _ in raw}
                raw = {(i, y): rate / sums[i] for (i, y), rate in raw.items()}
            total = sum(raw.values())
            for (_, y), rate in raw.items():
                after[y] = after.get(y, 0.0) + weight * rate / total
        law = after
    return law


def test_seven_positions() -> None:
    """Hypercubes are the product of their positions once the class is known: at ``w = 0`` the law is uniform."""
    found = lattice(guidance(hypercubes(7, side=2).problem))
    assert found.size == 3**7
    assert terminal_law(found.at(0.0)).column == pytest.approx(np.full(2**7, 0.5**7), rel=1e-13)
