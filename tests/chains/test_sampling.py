"""Draws against the laws they are drawn from: goodness of fit at fixed seeds, so that a failure is not chance."""

from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import stats
from strategies import HARD, RULE_NAMES
from sympy import Integer, Rational, Symbol

from symguide.chains.array_chain import ArrayChain
from symguide.chains.chain import guided_chain
from symguide.chains.contexts import MASKED, ContextArray
from symguide.chains.first_hitting import first_hitting
from symguide.chains.functionals import last_reveal
from symguide.chains.histograms import histogram_lattice
from symguide.chains.lattice import lattice
from symguide.chains.lump import lump, lumped_chain
from symguide.chains.sampling import Trajectories, sample_alike, sample_terminal, sample_trajectories
from symguide.chains.trajectory import survival, trajectory
from symguide.errors import ClockError, DataError, InfiniteRatioError, StrengthError
from symguide.instances.datasets import load
from symguide.laws.law import Context, TableLaw
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import Problem
from symguide.laws.products import MixtureLaw, ProductLaw
from symguide.laws.rules import RULES
from symguide.laws.tilt import Tilt, guidance
from symguide.numbers.arithmetic import FLOATS
from symguide.schedules.published import geometric, linear

SIZE = 4_000

CASES = ["squares", "slower sampling", "xor", "a tie at w = 1", "pair", "three tokens", "one token", "one symbol"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def chain_of(problem: Problem, rule: str, w: float, start: Context | None = None) -> ArrayChain:
    return lattice(guidance(problem, rule), start).at(w)


def assert_fits(draws: ContextArray, law: Mapping[Context, float]) -> None:
    """Pearson's test of draws against a law; outcomes expected fewer than eight times count as one."""
    rows, numbers = np.unique(draws.tokens, axis=0, return_counts=True)
    counts = Counter(dict(zip(ContextArray(rows), numbers.tolist(), strict=True)))
    assert counts.keys() <= {x for x, p in law.items() if p > 0}, "a draw that the law excludes"
    expected = np.array(list(law.values())) * len(draws)
    observed = np.array([counts[x] for x in law])
    rare = expected < 8
    if rare.any():
        expected = np.append(expected[~rare], expected[rare].sum())
        observed = np.append(observed[~rare], observed[rare].sum())
        expected, observed = expected[expected > 0], observed[expected > 0]
    assert np.isclose(expected.sum(), len(draws))
    if len(expected) > 1:
        assert stats.chisquare(observed, expected).pvalue > 1e-3


def assert_clock(clocks: np.ndarray, chain: ArrayChain) -> None:
    """Kolmogorov and Smirnov's test of last reveals: ``P(S ≤ s) = 1 − TV(e^{−s})``."""
    grid = np.quantile(clocks, np.linspace(0, 1, 41))
    exact = np.array([1 - survival(chain, s).value for s in grid])
    empirical = np.searchsorted(np.sort(clocks), grid, side="right") / len(clocks)
    # Kolmogorov's bound at about 1e-3.
    assert np.abs(exact - empirical).max() < 1.95 / np.sqrt(len(clocks))
    assert np.isclose(clocks.mean(), last_reveal(chain).mean, rtol=0.05)


def absorbing_law(chain: ArrayChain) -> dict[Context, float]:
    weights = chain.jump_law()
    return {chain.states[j]: float(weights[j]) for j in np.flatnonzero(~chain.transient).tolist()}


def assert_runs(runs: Trajectories, chain: ArrayChain, clock: float = 0.7) -> None:
    """The end, the middle and the clock of some runs."""
    assert_fits(runs.terminal, absorbing_law(chain))
    law = trajectory(chain, [clock]).probabilities[:, 0]
    assert_fits(runs.at(clock), dict(zip(chain.states, law.tolist(), strict=True)))
    weights = chain.jump_law()
    for k in range(runs.positions.shape[1] + 1):
        level = chain.level(k)
        contexts = runs.contexts(k).tokens
        alive = (contexts == MASKED).sum(axis=1) == runs.start.count(None) - k
        assert np.isclose(alive.mean(), weights[level].sum(), atol=4 / np.sqrt(len(runs)))
        shares = weights[level] / weights[level].sum()
        assert_fits(ContextArray(contexts[alive]), dict(zip(chain.states[level], shares.tolist(), strict=True)))
    if not runs.dead.any() and runs.positions.shape[1]:
        assert_clock(runs.clocks[:, -1], chain)


# --- against exact laws -----------------------------------------------------------------------------------------------


def test_every_rule_is_sampled() -> None:
    assert set(RULE_NAMES) == set(RULES)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", CASES)
def test_terminal_laws_are_drawn(name: str, rule: str) -> None:
    chain = chain_of(HARD[name].problem, rule, 1.5)
    assert_fits(sample_terminal(chain, SIZE, rng()), absorbing_law(chain))


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", CASES)
def test_trajectories_are_drawn(name: str, rule: str) -> None:
    chain = chain_of(HARD[name].problem, rule, -0.5)
    assert_runs(sample_trajectories(chain, SIZE, rng(1)), chain)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", CASES)
def test_first_hitting_needs_conditionals_only(name: str, rule: str) -> None:
    problem = HARD[name].problem
    assert_runs(first_hitting(guidance(problem, rule), "3/2", SIZE, rng(2)), chain_of(problem, rule, 1.5))


@pytest.mark.parametrize("w", [-1, 0])
def test_exponents_of_zero_switch_laws_off(w: int) -> None:
    tilt = guidance(load("squares-overlap"))
    chain = lattice(tilt.at(Fraction(w))).at(w)
    assert_runs(first_hitting(tilt, w, SIZE, rng(3)), chain)


def test_a_chain_of_floats_is_drawn_like_its_arrays() -> None:
    chain = guided_chain(guidance(load("squares-overlap"))).over(FLOATS, 1.0)
    arrays = chain_of(load("squares-overlap"), "rate", 1.0)
    assert_fits(sample_terminal(chain, SIZE, rng()), absorbing_law(arrays))
    assert_runs(sample_trajectories(chain, SIZE, rng()), arrays)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("start", [(None, 2, None, None, None), (2, None, 3, 2, None), (2, 2, 2, 3, 2)])
def test_runs_start_anywhere(rule: str, start: Context) -> None:
    problem = load("hypercubes-5d")
    chain = chain_of(problem, rule, 1.0, start)
    for runs in (
        sample_trajectories(chain, SIZE, rng(4)),
        first_hitting(guidance(problem, rule), 1, SIZE, rng(5), start),
    ):
        assert runs.positions.shape == (SIZE, start.count(None)) and runs.start == start
        assert_runs(runs, chain)


def test_lumps_of_alike_positions_are_drawn() -> None:
    problem = load("hypercubes:D=3,side=3,overlap=1")
    for rule in RULE_NAMES:
        found = lump(problem)
        assert found is not None
        histograms = histogram_lattice(found, guidance(problem, rule))
        assert_runs(sample_alike(histograms, 1.0, SIZE, rng(6)), chain_of(problem, rule, 1.0))


def test_a_thousand_positions_are_drawn() -> None:
    problem = load("hypercubes:D=1000,side=3,overlap=1")
    found = lump(problem)
    assert found is not None
    histograms = histogram_lattice(found, guidance(problem))
    runs = sample_alike(histograms, 1.0, 500, rng(7))
    assert set(np.unique(runs.terminal.tokens)) == {2, 3, 4}
    assert np.isclose(runs.clocks[:, -1].mean(), last_reveal(histograms.at(1.0)).mean, rtol=0.03)
    assert (np.sort(runs.positions, axis=1) == np.arange(1000)).all()
    # Uniform over the cube, in every position.
    assert stats.chisquare(np.bincount(runs.terminal.tokens.ravel())[2:]).pvalue > 1e-3


# --- laws without a table ---------------------------------------------------------------------------------------------


def markov_pair(length: int) -> Problem:
    sticky = [[0.8, 0.2, 0.0], [0.1, 0.8, 0.1], [0.3, 0.0, 0.7]]
    loose = [[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.3, 0.3, 0.4]]
    return Problem(MarkovLaw.of([0.5, 0.25, 0.25], sticky, length), MarkovLaw.of([0.4, 0.3, 0.3], loose, length))


def products(length: int) -> Problem:
    factors = [{0: Fraction(i + 1, i + 3), 1: Fraction(2, i + 3)} for i in range(length)]
    first, second = ProductLaw.of(3, factors), ProductLaw.iid(3, length, {0: "1/4", 1: "1/2", 2: "1/4"})
    return Problem(first, MixtureLaw(((Fraction(1, 3), first), (Fraction(2, 3), second))), "a", Fraction(1, 3))


def tabled(problem: Problem) -> Problem:
    """The same laws listed by their support."""
    grid = problem.vocabulary, problem.length
    laws = []
    for law in (problem.conditional, problem.unconditional):
        weights = {x: law.weight(x) for x in np.ndindex((grid[0],) * grid[1])}
        laws.append(TableLaw.from_mapping(*grid, weights))
    return Problem(*laws)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("make", [markov_pair, products])
def test_laws_without_a_table_are_drawn(make: Callable[[int], Problem], rule: str) -> None:
    problem = make(3)
    chain = chain_of(tabled(problem), rule, 1.0)
    assert_runs(first_hitting(guidance(problem, rule), 1, SIZE, rng(8)), chain)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_long_markov_laws_are_drawn(rule: str) -> None:
    runs = first_hitting(guidance(markov_pair(120), rule), 1, 12, rng(9))
    assert runs.terminal.tokens.min() >= 0 and (np.diff(runs.clocks) > 0).all()
    tokens = runs.terminal.tokens
    steps = set(zip(tokens[:, :-1].ravel().tolist(), tokens[:, 1:].ravel().tolist(), strict=True))
    assert not steps & {(0, 2), (2, 1)}, "transitions that the conditional law excludes"
    if rule == "normalised":
        # Reveals are Exp(1) each, whatever the laws.
        assert stats.kstest(runs.clocks[:, -1], lambda s: (1 - np.exp(-s)) ** 120).pvalue > 1e-3


def test_weights_of_long_contexts_may_underflow() -> None:
    """Thirty tokens at 300 positions have probabilities around 1e-440."""
    matrices = rng(1).random((2, 30, 30)) + 0.1
    matrices /= matrices.sum(axis=2, keepdims=True)
    problem = Problem(*(MarkovLaw.of(matrix[0], matrix, 300) for matrix in matrices))
    runs = first_hitting(guidance(problem, "normalised"), 1, 2, rng())
    assert problem.conditional.weight(runs.terminal[0]) == 0.0 and not runs.dead.any()


def test_only_touched_positions_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    conditional = MarkovLaw.conditional

    def counted(law: MarkovLaw, context: Context, position: int) -> Any:
        asked.append(position)
        return conditional(law, context, position)

    monkeypatch.setattr(MarkovLaw, "conditional", counted)
    first_hitting(guidance(markov_pair(100)), 1, 1, rng())
    whole = 2 * 100 * 101 // 2
    assert 0 < len(asked) < whole / 4


# --- dead contexts ----------------------------------------------------------------------------------------------------


def composed(normalised: bool) -> Tilt:
    """Two classes composed with strength 1 each, which share (0, 0) and (1, 2): most first reveals shut both out."""
    first = TableLaw.from_mapping(3, 2, {(0, 0): "1/4", (0, 1): "1/4", (1, 1): "1/4", (1, 2): "1/4"})
    second = TableLaw.from_mapping(3, 2, {(0, 0): "1/4", (0, 2): "1/4", (2, 1): "1/4", (1, 2): "1/4"})
    base = TableLaw.mixture([(Fraction(1, 2), first), (Fraction(1, 2), second)])
    return Tilt(((first, Integer(1)), (second, Integer(1)), (base, Integer(-1))), normalised)


@pytest.mark.parametrize("normalised", [False, True])
def test_dead_contexts_are_met_as_often_as_they_should(normalised: bool) -> None:
    tilt = composed(normalised)
    chain = lattice(tilt).at(0.0)
    assert 0.05 < chain.jump_law()[chain.dead].sum() < 0.95
    runs = sample_trajectories(chain, SIZE, rng(10))
    for draws in (sample_terminal(chain, SIZE, rng(11)), runs.terminal, first_hitting(tilt, 0, SIZE, rng(12)).terminal):
        assert_fits(draws, absorbing_law(chain))
    assert ((runs.terminal.tokens == MASKED).any(axis=1) == runs.dead).all()
    assert np.isinf(runs.clocks[runs.dead, -1]).all() and (runs.fractions[runs.dead, -1] == 0).all()
    assert np.isnan(runs.times(linear())[runs.dead, -1]).all()


@pytest.mark.parametrize("normalised", [False, True])
def test_a_start_that_dies_at_once(normalised: bool) -> None:
    weights = [{(0, 0): "1/2", (1, 1): "1/2"}, {(0, 1): "1/2", (1, 0): "1/2"}]
    first, second = (TableLaw.from_mapping(2, 2, table) for table in weights)
    uniform = TableLaw.mixture([(Fraction(1, 2), first), (Fraction(1, 2), second)])
    tilt = Tilt(((first, Integer(1)), (second, Integer(1)), (uniform, Integer(-1))), normalised)
    runs = first_hitting(tilt, 0, 1000, rng(), None)
    assert runs.dead.all() and (runs.positions[:, 1] == MASKED).all() and (runs.positions[:, 0] != MASKED).all()


@pytest.mark.parametrize("normalised", [False, True])
def test_positions_that_are_dead_do_not_race(normalised: bool) -> None:
    """After (0, M, M) position 1 is shut out, position 2 is not: it alone sets the pace."""
    first = TableLaw.from_mapping(2, 3, {(0, 0, 0): "1/2", (0, 0, 1): "1/2"})
    second = TableLaw.from_mapping(2, 3, {(0, 1, 0): "1/2", (0, 1, 1): "1/2"})
    base = TableLaw.mixture([(Fraction(1, 2), first), (Fraction(1, 2), second)])
    tilt = Tilt(((first, Integer(1)), (second, Integer(1)), (base, Integer(-1))), normalised)
    runs = first_hitting(tilt, 0, SIZE, rng(13), (0, None, None))
    assert runs.dead.all() and (runs.positions[:, 0] == 2).all()
    pace = 1.0  # Z is 1 for a fair bit, so both rules reveal it at rate 1
    assert stats.kstest(runs.clocks[:, 0], stats.expon(scale=1 / pace).cdf).pvalue > 1e-3


# --- strengths, clocks, seeds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_strengths_at_which_rates_overflow(rule: str) -> None:
    problem = load("slower-sampling")
    chain = chain_of(problem, rule, 5000.0)
    runs = sample_trajectories(chain, 200, rng())
    assert set(runs.terminal) == set(first_hitting(guidance(problem, rule), 5000, 200, rng()).terminal)
    assert np.isfinite(runs.clocks).all()


def test_pairs_whose_support_depends_on_the_sign_of_w() -> None:
    wide, narrow = TableLaw.from_mapping(2, 1, {0: "1/2", 1: "1/2"}), TableLaw.from_mapping(2, 1, {0: 1})
    tilt = guidance(Problem(wide, narrow))
    assert set(first_hitting(tilt, "-1/2", 50, rng()).terminal) == {(0,)}
    with pytest.raises(InfiniteRatioError, match="infinite"):
        first_hitting(tilt, "1/2", 50, rng())


def test_numbers_beyond_doubles_are_drawn() -> None:
    tiny = Fraction(1, 10**400)
    law = TableLaw.from_mapping(2, 1, {0: tiny, 1: 1 - tiny})
    other = TableLaw.from_mapping(2, 1, {0: tiny**2, 1: 1 - tiny**2})
    # At w = 1 the odds of 0 are about 1 : 1, at w = 0 about 1e-400.
    balanced = first_hitting(guidance(Problem(law, other)), 1, 4000, rng())
    assert 0.45 < (balanced.terminal.tokens == 0).mean() < 0.55
    assert set(first_hitting(guidance(Problem(law, other)), 0, 100, rng()).terminal) == {(1,)}


def test_times_follow_the_schedule() -> None:
    chain = chain_of(load("squares-overlap"), "rate", 1.0)
    runs = sample_trajectories(chain, 500, rng())
    assert np.allclose(runs.times(linear(2)), 2 * runs.fractions)
    schedule = geometric()
    times = runs.times(schedule)
    after = runs.fractions < float(schedule.u_end)
    assert np.isnan(times[after]).all()
    assert np.allclose(schedule.mask_fraction_at(times[~after]), runs.fractions[~after])


def test_one_seed_gives_one_answer() -> None:
    problem = load("squares-overlap")
    chain = chain_of(problem, "rate", 1.0)
    for sample in (
        lambda seed: sample_trajectories(chain, 50, rng(seed)),
        lambda seed: first_hitting(guidance(problem), 1, 50, rng(seed)),
        lambda seed: first_hitting(guidance(problem, "normalised"), 1, 50, rng(seed)),
    ):
        one, same, other = sample(3), sample(3), sample(4)
        for name in ("positions", "tokens", "clocks"):
            assert np.array_equal(getattr(one, name), getattr(same, name))
        assert not np.array_equal(one.clocks, other.clocks)


def test_no_draws_are_no_rows() -> None:
    problem = load("squares-overlap")
    chain = chain_of(problem, "rate", 1.0)
    assert len(sample_terminal(chain, 0, rng())) == 0
    assert sample_trajectories(chain, 0, rng()).clocks.shape == (0, 2)
    assert first_hitting(guidance(problem), 1, 0, rng()).clocks.shape == (0, 2)


def test_what_cannot_be_drawn_is_refused() -> None:
    problem = load("hypercubes-5d")
    chain = chain_of(problem, "rate", 1.0)
    found = lump(problem)
    assert found is not None
    tilt = guidance(problem)
    lumped = lumped_chain(found, tilt).over(FLOATS, 1.0)
    for seed in (0, None, np.random.RandomState(0)):
        with pytest.raises(DataError, match=r"numpy\.random\.default_rng\(seed\)"):
            sample_terminal(chain, 1, seed)  # pyright: ignore[reportArgumentType]
    for size in (-1, 1.5, True):
        with pytest.raises(DataError, match="counts no draws"):
            sample_trajectories(chain, size, rng())  # pyright: ignore[reportArgumentType]
    for lumps in (lumped, histogram_lattice(found, tilt).at(1.0)):
        with pytest.raises(DataError, match="several contexts"):
            sample_terminal(lumps, 1, rng())
    with pytest.raises(StrengthError, match="below -1"):
        first_hitting(tilt, -2, 1, rng())
    with pytest.raises(StrengthError, match="doubles do not tell"):
        first_hitting(tilt, 10**9, 1, rng())
    with pytest.raises(StrengthError, match="need a number"):
        first_hitting(tilt, Symbol("a", positive=True), 1, rng())
    with pytest.raises(DataError, match="5 positions"):
        first_hitting(tilt, 1, 1, rng(), (None, None))
    with pytest.raises(DataError, match="probability zero"):
        first_hitting(tilt, 1, 1, rng(), (0, None, None, None, None))
    with pytest.raises(DataError, match=r"0\.\.4"):
        first_hitting(tilt, 1, 1, rng(), (9, None, None, None, None))
    runs = sample_trajectories(chain, 1, rng())
    with pytest.raises(ClockError, match="clock s is -1"):
        runs.at(-1.0)
    with pytest.raises(DataError, match="reveals is 6"):
        runs.contexts(6)


def test_irrational_strengths_are_drawn() -> None:
    problem = load("squares-overlap")
    w = Rational(2) ** Rational(1, 2)
    assert_runs(first_hitting(guidance(problem), w, SIZE, rng(14)), chain_of(problem, "rate", float(w)))
