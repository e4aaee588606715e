"""Bounds of TV from both sides hold against brute force, and only as they are."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.second_route import guided
from regimes import EXPECTED, brute_tv, clock, digits
from strategies import Instance, instances, mask_fractions

from symguide.asymptotics.brackets import Bracket, eventual_minimum, nonnegative_from
from symguide.asymptotics.regime import regime
from symguide.chains.chain import guided_chain
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, PRECISE, SYMBOLIC
from symguide.numbers.expsum import ExpSum

STRENGTHS = (Fraction(0), Fraction(1, 3), Fraction(1), Fraction(5), Fraction(40), Fraction(97))
FRACTIONS = (Fraction(1, 50), Fraction(1, 2), Fraction(19, 20))
REACHABLE = 200
"""Strengths up to which brute force is tried; near-equal laws are told apart at 1e20 only."""


def violated(bracket: Bracket, instance: Instance) -> bool:
    """Whether 200-digit brute force lies certainly outside the bounds somewhere."""
    chain = guided_chain(guidance(instance.problem))
    with digits(200):
        for w in STRENGTHS:
            for u in FRACTIONS:
                strength, s = max(w, bracket.start), clock(u)
                tv = brute_tv(chain, strength, u)
                assert tv.rel_accuracy_bits() > 400
                if bracket.lower(BALLS, strength, s) > tv or bracket.upper(BALLS, strength, s) < tv:
                    return True
                low, high = bracket.minus_log(BALLS, strength, s)
                if low > -tv.log() or high < -tv.log():
                    return True
    return False


@pytest.mark.parametrize("name", EXPECTED)
def test_tv_lies_between(name: str) -> None:
    instance, _ = EXPECTED[name]
    assert not violated(regime(instance.problem).bracket, instance)


@settings(max_examples=60)
@given(instances(), st.integers(0, 60), mask_fractions())
def test_tv_lies_between_on_random_instances(instance: Instance, more: int, u: Fraction) -> None:
    bracket = regime(instance.problem).bracket
    if bracket.start > REACHABLE:
        return
    w = bracket.start + more
    with digits(200):
        tv = brute_tv(guided_chain(guidance(instance.problem)), w, u)
        assert not bracket.lower(BALLS, w, clock(u)) > tv
        assert not bracket.upper(BALLS, w, clock(u)) < tv


@settings(max_examples=30)
@given(instances(), st.integers(0, 4))
def test_tv_lies_between_by_the_matrix_exponential(instance: Instance, w: int) -> None:
    """The second route owes nothing to the package."""
    bracket, u = regime(instance.problem).bracket, Fraction(1, 2)
    if w < bracket.start:
        return
    with digits(100):
        reference = guided(instance, "rate", Fraction(w), exact=False)
        law = reference.at(u)
        tv = sum((law[x] for x in reference.transient), clock(Fraction(1)))
        assert not bracket.lower(BALLS, Fraction(w), clock(u)) > tv
        assert not bracket.upper(BALLS, Fraction(w), clock(u)) < tv


@pytest.mark.parametrize("name", [name for name, (_, kind) in EXPECTED.items() if kind != "saturating"])
def test_bounds_prove_the_rate(name: str) -> None:
    """``−ln`` of the two bounds differ by ever less of it, so the base between them is theirs."""
    bracket, s = regime(EXPECTED[name][0].problem).bracket, clock(Fraction(1, 2))
    with digits(1000):
        gaps = []
        for w in (Fraction(300), Fraction(1200)):
            low, high = bracket.minus_log(BALLS, w, s)
            gaps.append(float((high - low) / low))
    assert abs(gaps[1]) < 1 / 40
    assert gaps[1] < gaps[0] or abs(gaps[0]) < 1e-30


@pytest.mark.parametrize("name", ["one token", "full supports, D = 2", "point target, D = 3"])
def test_logarithms_beyond_all_numbers(name: str) -> None:
    """At ``w = 10^5`` no number holds TV; ``ln(−ln TV)`` still has bounds, and the leading terms are between them."""
    found, w = regime(EXPECTED[name][0].problem), Fraction(10**5)
    assert found.base is not None
    with digits(40000):
        low, high = found.bracket.log_minus_log(BALLS, w, clock(Fraction(1, 2)))
        base, coefficient = (BALLS.number(value).log() for value in (found.base, found.witness.coefficient))
        expected = BALLS.number(w) * base + coefficient + clock(Fraction(1, 2)).log()
        assert not low > high
        assert abs(low - expected) < 1e-20
        assert abs(high - expected) < 1e-20


# --- falsehoods -------------------------------------------------------------------------------------------------------

Change = Callable[[Bracket], Bracket]


def _scaled(rate: ExpSum, coefficient: Fraction = Fraction(1), base: Fraction = Fraction(1)) -> ExpSum:
    return ExpSum.of((c * coefficient, b * base) for b, c in rate)


MORE, LESS, NONE = Fraction(11, 10), Fraction(10, 11), ExpSum(())
POINT, GENERAL, SINGLE = "point target, D = 2", "general laws, D = 3", "independent given one token, D = 2"

MUTATIONS: Mapping[str, tuple[str, Change]] = {
    "lower bound: rate too small": (POINT, lambda k: replace(k, rate=_scaled(k.rate, LESS))),
    "lower bound: base too small": (POINT, lambda k: replace(k, rate=_scaled(k.rate, base=LESS))),
    "floor too high": (POINT, lambda k: replace(k, floor=_scaled(k.floor, MORE))),
    "base of the floor too high": (POINT, lambda k: replace(k, floor=_scaled(k.floor, base=MORE))),
    "floor of twice the rate": (GENERAL, lambda k: replace(k, floor=_scaled(k.floor, Fraction(5)))),
    "stages left out": ("point target, D = 3", lambda k: replace(k, stages=k.stages - 2)),
    "visits vanish more slowly": (SINGLE, lambda k: replace(k, reach=_scaled(k.reach, base=MORE))),
    "visits vanish faster": (SINGLE, lambda k: replace(k, excess=_scaled(k.excess, base=LESS))),
    "visits too probable": (SINGLE, lambda k: replace(k, reach=_scaled(k.reach, Fraction(20)))),
    "visits too improbable": (SINGLE, lambda k: replace(k, excess=_scaled(k.excess, Fraction(1, 20)))),
    "no loss": ("slower sampling", lambda k: replace(k, loss=NONE)),
    "loss vanishes faster": ("slower sampling", lambda k: replace(k, loss=_scaled(k.loss, base=Fraction(1, 4)))),
    "paths that meet nothing forgotten": ("half of the paths neutral", lambda k: replace(k, weight=Fraction(0))),
    "no excess": ("squares", lambda k: replace(k, excess=NONE)),
    "limit too large": ("cubes", lambda k: replace(k, limit=(*k.limit[:2], k.limit[2] + Fraction(1, 1000)))),
    "limit too small": ("cubes", lambda k: replace(k, limit=(*k.limit[:2], k.limit[2] - Fraction(1, 1000)))),
    "limit of another problem": ("xor", lambda k: replace(k, limit=(Fraction(0), Fraction(1)))),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_false_bounds_are_found_out(mutation: str) -> None:
    name, change = MUTATIONS[mutation]
    instance, _ = EXPECTED[name]
    bracket = regime(instance.problem).bracket
    assert change(bracket) != bracket
    assert violated(change(bracket), instance)


# --- sums compared ----------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-9, 9), st.fractions("1/3", 3, max_denominator=6)), min_size=1, max_size=5))
def test_sums_are_nonnegative_from_there_on(terms: list[tuple[int, Fraction]]) -> None:
    difference = ExpSum.of((Fraction(c), b) for c, b in terms)
    if not difference.terms or difference.terms[0][1] < 0:
        return
    start = int(nonnegative_from(difference))
    for w in range(start, start + 60, 3):
        assert sum(c * b**w for b, c in difference) >= 0


def test_ties_between_bases_go_to_the_next_term() -> None:
    one, two, five = map(Fraction, (1, 2, 5))
    high = ExpSum.of([(one, two), (two, Fraction(3, 2))])
    low = ExpSum.of([(one, two), (one, Fraction(3, 2)), (five, one)])
    index, start = eventual_minimum([high, low, high])
    assert (index, start) == (1, 4)
    above = [sum(c * b**w for b, c in high) - sum(c * b**w for b, c in low) for w in (3, 4)]
    assert above[0] < 0 < above[1]


def test_gaps_of_1e_20_take_a_start_beyond_all_use() -> None:
    tiny = Fraction(1, 10**20)
    index, start = eventual_minimum([ExpSum.of([(Fraction(c), b)]) for c, b in ((2, 2 + tiny), (3, Fraction(2)))])
    assert index == 1
    assert 10**19 < start < 10**21


def test_bounds_are_formulas_in_every_arithmetic() -> None:
    bracket = regime(EXPECTED[POINT][0].problem).bracket
    with digits(50):
        expected = [float(bound(BALLS, Fraction(3), clock(Fraction(1, 2)))) for bound in (bracket.lower, bracket.upper)]
    symbolic = [SYMBOLIC.number(Fraction(3)), SYMBOLIC.log(SYMBOLIC.number(Fraction(2)))]
    for arithmetic, (w, s) in ((SYMBOLIC, symbolic), (PRECISE, (Fraction(3), PRECISE.log(2)))):
        found = [bound(arithmetic, w, s) for bound in (bracket.lower, bracket.upper)]
        assert [float(value) for value in found] == pytest.approx(expected, rel=1e-14)
