"""Chosen schedules: what they reach, by other routes; what is recovered, what is refused, what is noticed."""

from fractions import Fraction
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from precise_windows import precise_law
from sampler_cases import UNEVEN
from strategies import HARD, RULE_NAMES, mixtures

from symguide.chains.lattice import lattice
from symguide.errors import ClockError, DataError, StrengthError, SymguideError
from symguide.evidence import Verdict
from symguide.flows import schedule_choice, search
from symguide.flows.adjoint import terminal_probabilities
from symguide.flows.schedule_choice import ChosenSchedule, Target, choose_schedule
from symguide.instances.datasets import load
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.tilt import guidance

SQUARES = HARD["squares"].problem
ONE = Target("tilted", Fraction(1))


def measured(problem: Problem, rule: str, found: ChosenSchedule, target: Target, distance: str) -> tuple[Any, Any]:
    """Distance and value to be reached at 50 digits, from divided differences and the definitions."""
    with mpmath.workdps(50):
        numbers = [
            [mpmath.mpf(x.numerator) / x.denominator for x in part]  # pyright: ignore[reportAttributeAccessIssue]
            for part in (found.schedule.strengths, found.schedule.boundaries[1:-1])
        ]
        law = precise_law(guidance(problem, rule), *numbers)
        strength = int(target.value) if target.kind == "tilted" else 0
        given, free = (
            {x: mpmath.mpf(p.numerator) / p.denominator for x, p in table.weights.items()}
            for table in (problem.conditional, problem.unconditional)
        )
        tilted = {x: p ** (1 + strength) * free[x] ** (-strength) for x, p in given.items()}
        whole = sum(tilted.values())
        reference = {x: p / whole for x, p in tilted.items()}
        if distance == "kl":
            value = sum(p * mpmath.log(p / reference[x]) for x, p in law.items())
        else:
            value = sum(abs(p - reference[x]) for x, p in law.items()) / 2
        if target.kind == "entropy":
            return value, -sum(p * mpmath.log(p) for p in law.values())
        prior = mpmath.mpf(problem.prior.numerator) / problem.prior.denominator
        return value, sum(p * prior * given[x] / free[x] for x, p in law.items())


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("distance", ["kl", "tv"])
@pytest.mark.parametrize(
    "target", [ONE, Target("posterior", Fraction(19, 20)), Target("entropy", Fraction(21, 10))], ids=lambda t: t.kind
)
def test_what_is_reported_is_enclosed(rule: str, distance: str, target: Target) -> None:
    found = choose_schedule(SQUARES, target, distance, 3, rule, starts=2)
    value, reached = measured(SQUARES, rule, found, target, distance)
    assert found.evidence[0].verdict is Verdict.ENCLOSED
    assert found.value.interval is not None
    assert found.value.interval[0] <= value <= found.value.interval[1]
    assert found.value.interval[1] - found.value.interval[0] <= 1e-14 * max(value, 1e-20)
    if target.kind == "tilted":
        assert found.reached is None
        return
    assert found.reached is not None
    assert found.reached.interval is not None
    assert found.reached.interval[0] <= reached <= found.reached.interval[1]
    assert found.reached.number == pytest.approx(float(target.value), abs=2e-5)


@pytest.mark.parametrize("rule", RULE_NAMES)
@settings(max_examples=10)
@given(strength=st.sampled_from([Fraction(-1, 2), Fraction(1, 2), Fraction(2)]), instance=mixtures(max_length=1))
def test_one_token_recovers_its_strength(rule: str, strength: Fraction, instance: Any) -> None:
    """One token has the tilted law under constant guidance."""
    found = choose_schedule(instance.problem, Target("tilted", strength), "kl", 2, rule, starts=2)
    assert found.value.number < 1e-9
    assert found.value.interval is not None


def test_one_window_is_its_own_strength() -> None:
    found = choose_schedule(load("interval-overlap"), Target("tilted", Fraction(3, 2)), "kl", 1)
    assert found.constant is not None
    for strength in (found.schedule.strengths[0], found.constant[0]):
        assert float(strength) == pytest.approx(1.5, abs=1e-6)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_two_windows_are_no_worse_than_a_fine_grid(rule: str) -> None:
    target = Target("tilted", Fraction(2))
    problem = UNEVEN.problem
    found = choose_schedule(problem, target, "kl", 2, rule)
    contexts = lattice(guidance(problem, rule))
    reference = contexts.tilted_law(2.0).column
    best = np.inf
    for strengths in product(np.linspace(-0.9, 6, 40), repeat=2):
        law = terminal_probabilities(contexts, strengths, [0.5])
        best = min(best, float(law @ np.log(law / reference)))
    assert found.value.number <= best + 1e-12


def test_a_schedule_may_reach_what_no_constant_strength_does() -> None:
    """Two tokens, constant guidance: not the tilted law. Two windows: the tilted law, weak first and strong then."""
    found = choose_schedule(SQUARES, ONE, "kl", 2)
    assert found.constant is not None
    assert found.constant[1] > 2e-3
    assert found.value.number < 1e-12
    assert found.evidence[2].check == "better than the constant found"
    assert found.evidence[2].verdict is Verdict.ENCLOSED
    first, second = found.schedule.strengths
    assert first < second  # pyright: ignore[reportOperatorIssue]


def test_free_boundaries_do_no_worse() -> None:
    target = Target("posterior", Fraction(24, 25))
    given = choose_schedule(SQUARES, target, "kl", ["1/2"], starts=2)
    free = choose_schedule(SQUARES, target, "kl", ["1/2"], free=True, starts=2)
    assert given.schedule.boundaries[1] == Fraction(1, 2)
    assert free.schedule.boundaries[1] != Fraction(1, 2)
    assert free.value.number <= given.value.number + 1e-8


def test_derivatives_vanish_where_it_ends() -> None:
    found = choose_schedule(SQUARES, Target("posterior", Fraction(24, 25)), "kl", 3, bounds=(0, 5), starts=2)
    assert found.gradient < 1e-5
    constant = choose_schedule(SQUARES, Target("tilted", Fraction(3)), "kl", 1, bounds=(2, 4))
    assert constant.schedule.strengths[0] == 2  # at its bound, with nowhere to go
    assert constant.gradient == 0


def test_the_same_seed_chooses_the_same() -> None:
    first, again, other = (choose_schedule(SQUARES, ONE, "kl", 3, seed=seed, starts=3) for seed in (5, 5, 6))
    assert first == again
    assert first.starts != other.starts


def test_large_chains_are_compared_two_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule_choice, "MAX_ENCLOSED_CONTEXTS", 3)
    found = choose_schedule(SQUARES, ONE, "kl", 2, starts=1)
    assert found.evidence[0].verdict is Verdict.AGREES
    assert found.value.interval is None


def test_a_search_with_wrong_values_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    right = schedule_choice.derivatives

    def wrong(contexts: Any, strengths: Any, boundaries: Any, functional: Any) -> Any:
        return right(contexts, 1.01 * np.asarray(strengths), boundaries, functional)

    monkeypatch.setattr(schedule_choice, "derivatives", wrong)
    found = choose_schedule(HARD["slower sampling"].problem, Target("tilted", Fraction(3)), "tv", 2, starts=1)
    assert found.evidence[0].verdict is Verdict.ENCLOSED  # of the schedule reported, whoever found it
    assert found.evidence[1].verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"distance": "l2"}, SymguideError, "distance 'l2' is unknown"),
        ({"windows": 0}, SymguideError, "windows is 0"),
        ({"windows": ["1/4", "1/2"]}, ClockError, "do not decrease"),
        ({"windows": ["1"]}, ClockError, "do not decrease"),
        ({"windows": ["x"]}, SymguideError, "is no number"),
        ({"bounds": (-1, 3)}, StrengthError, "no range above -1"),
        ({"bounds": (3, 2)}, StrengthError, "no range above -1"),
        ({"starts": 0}, SymguideError, "starts is 0"),
        ({"rule": "x"}, SymguideError, "rule 'x' is unknown"),
        ({"target": Target("entropy", Fraction(9))}, DataError, "the nearest is"),
    ],
)
def test_bad_questions(changes: dict[str, Any], error: type[Exception], words: str) -> None:
    settings_ = {"problem": SQUARES, "target": ONE, "windows": 2, "starts": 2, **changes}
    with pytest.raises(error, match=words):
        choose_schedule(**settings_)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("law", 1, "target 'law' is unknown"),
        ("tilted", -2, "no tilted law"),
        ("tilted", -1, "no tilted law"),
        ("tilted", Fraction(10) ** 400, "range of doubles"),
        ("posterior", 0, "outside"),
        ("posterior", Fraction(3, 2), "outside"),
        ("entropy", -1, "negative"),
    ],
)
def test_targets_that_are_none(kind: str, value: Any, words: str) -> None:
    with pytest.raises(SymguideError, match=words):
        Target(kind, Fraction(value))


def test_pairs_have_no_posterior() -> None:
    with pytest.raises(DataError, match="no class prior"):
        choose_schedule(HARD["pair"].problem, Target("posterior", Fraction(1, 2)), "kl", 2, starts=1)


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(search, "import_module", missing)
    with pytest.raises(SymguideError, match=r"symguide\[optimise\]"):
        choose_schedule(SQUARES, ONE, "kl", 2)


def test_of_several_constants_that_reach_a_value_the_closest_is_taken() -> None:
    """Entropy is not monotone in ``w`` here: two constant strengths have it, at different distances."""
    weights = {
        "a": {(0, 0): 7, (0, 2): 15, (1, 0): 21, (1, 1): 6, (2, 0): 14, (2, 1): 9},
        "b": {(0, 0): 6, (0, 2): 10, (1, 0): 24, (1, 1): 25, (1, 2): 27, (2, 2): 5},
    }
    laws = {name: {x: Fraction(n, sum(table.values())) for x, n in table.items()} for name, table in weights.items()}
    mixture = ClassMixture.of(3, 2, {"a": ("1/3", laws["a"]), "b": ("2/3", laws["b"])})
    target = Target("entropy", Fraction("1.6101"))
    found = choose_schedule(mixture.problem("a"), target, "kl", 1, starts=1)
    assert found.constant is not None
    assert float(found.constant[0]) == pytest.approx(0.776488, abs=1e-5)
    assert found.value.number == pytest.approx(found.constant[1], rel=1e-4)
    assert [item.verdict for item in found.evidence] == [Verdict.ENCLOSED, Verdict.AGREES, Verdict.UNKNOWN]


@pytest.mark.parametrize("bounds", [(0, 10_000), (0, 100), (Fraction(-9, 10), 10)])
def test_the_constant_found_does_not_depend_on_the_bounds(bounds: tuple[Any, Any]) -> None:
    found = choose_schedule(SQUARES, ONE, "kl", 2, bounds=bounds, starts=1)
    assert found.constant is not None
    assert float(found.constant[0]) == pytest.approx(0.552533, abs=1e-5)


@pytest.mark.parametrize("distance", ["kl", "tv"])
def test_one_token_beats_no_constant(distance: str) -> None:
    """A schedule of one token has the law of some constant strength."""
    found = choose_schedule(load("interval-overlap"), Target("posterior", Fraction(9, 10)), distance, 2, starts=2)
    assert found.evidence[2].verdict is Verdict.UNKNOWN


def test_a_start_that_is_best_is_kept() -> None:
    """The constant strength at a corner of TV, from which rounded corners lead away."""
    found = choose_schedule(SQUARES, ONE, "tv", 1, starts=1)
    assert found.constant is not None
    assert found.value.number <= found.constant[1] + 1e-12


def test_logarithms_of_rare_tokens_are_not_cut() -> None:
    laws = {
        "a": {(0, 0): "1/10", (1, 1): "1/5", (2, 2): "7/10"},
        "b": {(0, 0): "1/2", (1, 2): "1/4", (2, 2): "1/4"},
    }
    mixture = ClassMixture.of(3, 2, {name: ("1/2", law) for name, law in laws.items()})
    found = choose_schedule(mixture.problem("a"), Target("tilted", Fraction(500)), "kl", 2, bounds=(0, 1000), starts=1)
    assert [item.verdict for item in found.evidence[:2]] == [Verdict.ENCLOSED, Verdict.AGREES]
    assert np.isfinite(found.value.number)
