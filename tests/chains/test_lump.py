"""Lumps against the chains they lump: masses, TV, last reveals; and never where the conditions fail."""

from collections import defaultdict
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HARD, products

from symguide.chains.array_chain import array_chain
from symguide.chains.chain import Chain, guided_chain
from symguide.chains.functionals import last_reveal, terminal_law
from symguide.chains.histograms import histogram_lattice
from symguide.chains.lattice import lattice
from symguide.chains.lump import lump, lumped_chain
from symguide.chains.trajectory import survival
from symguide.errors import ChainTooLargeError, DataError
from symguide.instances.datasets import load
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.products import ProductLaw
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS, RATIONAL

RULES = ("rate", "normalised")
rules = st.sampled_from(RULES)
strengths = st.sampled_from([Fraction(0), Fraction(1), Fraction(3), Fraction(-1)])


def _exchangeable(counts: dict[tuple[int, ...], int], length: int, vocabulary: int) -> dict[tuple[int, ...], Fraction]:
    """The law whose weight is that of the sorted tuple."""
    from itertools import product

    raw = {x: counts.get(tuple(sorted(x)), 0) for x in product(range(vocabulary), repeat=length)}
    return {x: Fraction(c, sum(raw.values())) for x, c in raw.items() if c}


@st.composite
def mixtures(draw: st.DrawFn) -> Problem:
    kind = draw(st.sampled_from(["iid", "positions", "exchangeable", "pair"]))
    length = draw(st.integers(1, 3))
    if kind == "exchangeable":
        keys = st.lists(st.integers(0, 1), min_size=length, max_size=length).map(lambda x: tuple(sorted(x)))
        tables = [draw(st.dictionaries(keys, st.integers(1, 4), min_size=1)) for _ in range(2)]
        laws: list[Any] = [_exchangeable(table, length, 2) for table in tables]
        return ClassMixture.of(2, length, {"a": ("1/3", laws[0]), "b": ("2/3", laws[1])}).problem("a")
    laws = [draw(products(3, length)) for _ in range(3)]
    if kind == "iid":
        laws = [ProductLaw(3, length, law.factors[:1] * length) for law in laws]
    if kind == "pair":
        return Problem(laws[0], ProductLaw.iid(3, length, {0: "1/2", 1: "1/4", 2: "1/4"}))
    priors = (Fraction(1, 2), Fraction(1, 3), Fraction(1, 6))
    listed = draw(st.booleans())
    classes = {
        str(k): (prior, law.table() if listed else law) for k, (prior, law) in enumerate(zip(priors, laws, strict=True))
    }
    return ClassMixture.of(3, length, classes).problem("0")


def _gathered(chain: Chain[Any], lumps: Chain[Any], kind: str) -> None:
    """Masses of the contexts, added up by number revealed, against those of the lumps."""
    for whole, part in ((chain.jump_law(), lumps.jump_law()),):
        by_level: list[dict[int, Any]] = [defaultdict(Fraction), defaultdict(Fraction)]
        for sums, states, weights in zip(by_level, (chain.states, lumps.states), (whole, part), strict=True):
            for state, weight in zip(states, weights, strict=True):
                sums[state.count(None)] += weight
        assert by_level[0] == by_level[1], kind


@settings(max_examples=60)
@given(mixtures(), rules, strengths)
def test_lumps_keep_masses_and_times(problem: Problem, rule: str, w: Fraction) -> None:
    lumping = lump(problem)
    assert lumping is not None
    tilt = guidance(problem, rule)
    tilt = tilt.at(-1) if w == -1 else tilt
    chain, lumps = guided_chain(tilt), lumped_chain(lumping, tilt)
    assert sum(lumps.multiplicity or ()) == len(chain.states)
    assert lumps.includes_unconditional == chain.includes_unconditional
    exact, lumped = chain.over(RATIONAL, w), lumps.over(RATIONAL, w)
    _gathered(exact, lumped, lumping.kind)
    assert last_reveal(lumped) == last_reveal(exact)
    # Every lump holds its representative's context, and contexts of one lump have one exit rate.
    for state, exit_rate in zip(lumps.states, lumps.exit_of, strict=True):
        assert lumps.exit_rates[exit_rate] == chain.exit_rates[chain.exit_of[chain.index[state]]]


@settings(max_examples=40)
@given(mixtures(), rules, strengths)
def test_histograms_keep_every_tuple(problem: Problem, rule: str, w: Fraction) -> None:
    lumping = lump(problem)
    assert lumping is not None
    tilt = guidance(problem, rule)
    tilt = tilt.at(-1) if w == -1 else tilt
    if lumping.kind != "posterior and number":
        with pytest.raises(DataError, match="lumps by"):
            histogram_lattice(lumping, tilt)
        return
    histograms = histogram_lattice(lumping, tilt)
    law = terminal_law(guided_chain(tilt).over(RATIONAL, w))
    chain = histograms.at(float(w))
    seen = {}
    for row, mass in zip(histograms.levels[-1].tolist(), chain.jump_law()[chain.last].tolist(), strict=True):
        tuples = list(histograms.tuples(row))
        assert tuples == sorted(tuples)
        seen.update({x: mass / len(tuples) for x in tuples if mass})
    assert histograms.support_size == len(law.states)
    assert seen == pytest.approx({x: float(p) for x, p in law.table.items()}, rel=1e-13)
    assert float(last_reveal(chain).variance) == pytest.approx(
        float(last_reveal(guided_chain(tilt).over(RATIONAL, w)).variance), rel=1e-12
    )


@pytest.mark.parametrize("name", ["slower sampling", "a tie at w = 1"])
def test_laws_that_do_not_factor_alike(name: str) -> None:
    lumping = lump(HARD[name].problem)
    assert lumping is None or lumping.kind == "posterior and positions"


def test_nothing_is_lumped_without_its_condition() -> None:
    assert lump(load("digits")) is None
    # Exchangeable classes lump by histogram, not by posterior: (0, M) and (1, M) differ in what they allow.
    found = lump(load("xor"))
    assert found is not None
    assert found.kind == "histogram"
    # Independent positions that differ do not lump by number.
    apart = ClassMixture.of(
        2,
        2,
        {
            "a": ("1/2", ProductLaw.of(2, [{0: "1/3", 1: "2/3"}, {0: "1/2", 1: "1/2"}])),
            "b": ("1/2", ProductLaw.iid(2, 2, {0: "1/2", 1: "1/2"})),
        },
    ).problem("a")
    found = lump(apart)
    assert found is not None
    assert found.kind == "posterior and positions"
    # Floats may only nearly factor.
    assert lump(ClassMixture.of(2, 1, {"a": (1, {(0,): 0.5, (1,): 0.5})}).problem("a")) is None


def test_the_posterior_alone_would_be_wrong_for_exchangeable_classes() -> None:
    """One token of ``{00, 11}`` tells the other, yet every single token leaves the posterior at its prior."""
    problem = load("xor")
    chain = guided_chain(guidance(problem))
    assert len({chain.exit_of[chain.index[x]] for x in ((0, None), (1, None))}) == 1
    assert problem.conditional.conditional((0, None), 1) != problem.conditional.conditional((1, None), 1)


@pytest.mark.parametrize("w", [0.0, 1.0, 5.0, 50.0])
def test_tv_of_lumps_is_tv(w: float) -> None:
    problem = load("hypercubes:D=6,side=3,overlap=1")
    lumping = lump(problem)
    assert lumping is not None
    tilt = guidance(problem)
    full, lumps = lattice(tilt).at(w), array_chain(lumped_chain(lumping, tilt).over(FLOATS, w))
    for clock in (1e-3, 0.5, 3.0, 40.0):
        assert survival(lumps, clock).log == pytest.approx(survival(full, clock).log, rel=1e-11)


def test_limits() -> None:
    problem = load("hypercubes:D=1000")
    lumping = lump(problem)
    assert lumping is not None
    assert len(lumped_chain(lumping, guidance(problem)).states) == 2001
    with pytest.raises(ChainTooLargeError, match="more than 100 lumps"):
        lumped_chain(lumping, guidance(problem), limit=100)
    with pytest.raises(ChainTooLargeError, match="histograms"):
        histogram_lattice(lumping, guidance(problem), limit=1000)
