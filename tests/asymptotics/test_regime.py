"""The trichotomy: every regime with its constants, by brute force at many digits, and the data that have none."""

import random
from dataclasses import replace
from fractions import Fraction
from itertools import product

import flint
import pytest
import sympy
from hypothesis import given, settings
from laws.second_route import guided
from regimes import EXPECTED, brute_tv, clock, digits
from strategies import Instance, instances, mixture, pair, uniform

from symguide.asymptotics.limit_chain import limit_chain
from symguide.asymptotics.regime import Kind, Regime, regime, regime_of
from symguide.chains.chain import guided_chain
from symguide.errors import ChainTooLargeError, DataError, InfiniteRatioError, NotExactError
from symguide.evidence import Verdict
from symguide.instances.datasets import load
from symguide.laws.mixture import ClassMixture
from symguide.laws.tilt import Tilt, guidance
from symguide.symbols import u as u_symbol
from symguide.symbols import w as w_symbol

HALF = Fraction(1, 2)


def _ball(value: Fraction) -> flint.arb:
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


def _at(polynomial: sympy.Expr | None, u: Fraction) -> Fraction:
    assert polynomial is not None
    value = sympy.Rational(polynomial.subs(u_symbol, sympy.Rational(u.numerator, u.denominator)))
    return Fraction(int(value.p), int(value.q))


def fits(instance: Instance, found: Regime) -> bool:
    """Whether 200-digit brute force at large ``w`` has the claimed rate and constants."""
    chain, good = guided_chain(guidance(instance.problem)), True
    with digits(1000):
        for u in (Fraction(1, 5), HALF):
            near, far = (-brute_tv(chain, Fraction(w), u).log() for w in (600, 1200))
            if found.kind is Kind.DOUBLE:
                assert found.base is not None
                slope = (far.log() - near.log()) / 600
                constant = far / (clock(u) * _ball(found.witness.coefficient) * _ball(found.base) ** 1200)
                good &= bool(abs(slope - _ball(found.base).log()) < 1e-5) and bool(abs(constant - 1) < 1e-5)
            elif found.kind is Kind.SINGLE:
                assert found.base is not None
                slope = (far - near) / 600
                constant = (-far).exp() * _ball(found.base) ** 1200 / _ball(_at(found.leading, u))
                good &= bool(abs(slope - _ball(found.base).log()) < 1e-5) and bool(abs(constant - 1) < 1e-5)
            else:
                good &= bool(abs((-far).exp() - _ball(_at(found.limit_tv, u))) < 1e-6)
    return good


@pytest.mark.parametrize("name", EXPECTED)
def test_regimes_by_brute_force(name: str) -> None:
    instance, kind = EXPECTED[name]
    found = regime(instance.problem)
    assert str(found.kind).startswith(kind)
    assert (found.limit_tv is None) == (found.kind is not Kind.SATURATING)
    assert (found.base is None) == (found.kind is Kind.SATURATING)
    assert found.evidence.verdict is Verdict.PROVED
    if name not in ("general laws, D = 3", "half of the paths neutral"):  # where w = 1200 is not yet large
        assert fits(instance, found)


def test_every_regime_is_tried_in_two_and_three_dimensions() -> None:
    tried = {(instance.length, kind) for instance, kind in EXPECTED.values()}
    assert tried >= set(product((2, 3), ("double", "single", "saturating")))


@settings(max_examples=40)
@given(instances())
def test_regimes_of_random_instances(instance: Instance) -> None:
    """Not a fit but the logic of §7 again, from joint tables: limits of jump probabilities by balls at ``w = 10^5``."""
    found = regime(instance.problem)
    chain = guided_chain(guidance(instance.problem))
    slow = guided(instance, "rate", Fraction(0), exact=True)
    fast = guided(instance, "rate", Fraction(7), exact=True)
    neutral = {x for x in fast.transient if fast.exits[x] == slow.exits[x] == x.count(None)}
    assert neutral == {chain.states[j] for j in limit_chain(chain).neutral}
    assert (found.kind is Kind.DOUBLE) == (not neutral)
    if found.kind is Kind.SATURATING:
        polynomial = sympy.Poly(found.limit_tv, u_symbol)
        assert polynomial.eval(0) == 0
        assert polynomial.degree() <= instance.length
        assert all(0 < _at(found.limit_tv, u) < 1 for u in (Fraction(1, 9), HALF, Fraction(8, 9)))
        assert {x for x, _ in found.witness.neutral} <= neutral
    else:
        assert found.base is not None
        assert found.base > 1
        assert found.witness.path[0] == (None,) * instance.length
        assert found.witness.path[-1] == found.witness.context
        assert (found.witness.context in neutral) == (found.kind is Kind.SINGLE)


def test_visits_have_the_claimed_leading_terms() -> None:
    """``h(x) / (c b^w) → 1`` at every context, by exact jump laws."""
    for name, (instance, kind) in EXPECTED.items():
        if kind != "single":
            continue
        chain = guided_chain(guidance(instance.problem))
        limit = limit_chain(chain)
        with digits(1000):
            from symguide.numbers.arithmetic import BALLS

            exact = chain.over(BALLS, Fraction(1200)).jump_law()
            for value, (base, coefficient) in zip(exact, limit.leading_visits(), strict=True):
                assert abs(value / (_ball(coefficient) * _ball(base) ** 1200) - 1) < 1e-5, name
            for value, (base, coefficient, _) in zip(exact, limit.likeliest_paths(), strict=True):
                assert not value < _ball(coefficient) * _ball(base) ** 1200


@pytest.mark.parametrize("name", ["independent given one token, D = 2", "point target, D = 2", "squares"])
def test_false_claims_do_not_fit(name: str) -> None:
    """A base, a coefficient or a limit off by a little is seen."""
    instance, _ = EXPECTED[name]
    found = regime(instance.problem)
    more = Fraction(1001, 1000)
    wrong = []
    if found.base is not None:
        wrong.append(replace(found, base=found.base * more))
    if found.leading is not None:
        wrong.append(replace(found, leading=found.leading * sympy.Rational(1001, 1000)))
    if found.kind is Kind.DOUBLE:
        off = replace(found.witness, coefficient=found.witness.coefficient * more)
        wrong.append(replace(found, witness=off))
    assert fits(instance, found)
    assert wrong
    assert not any(fits(instance, claim) for claim in wrong)


# --- instances with names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("squares-overlap", "u"),
        ("squares-disjoint", "u"),
        ("diamonds", "u"),
        ("slower-sampling", "u"),
        ("xor", "u**2"),
        ("hypercubes:D=3,side=3,overlap=1", "1 - (1 - u)**2"),
    ],
)
def test_built_in_instances_saturate(name: str, limit: str) -> None:
    limit_tv = regime(load(name)).limit_tv
    assert sympy.expand(limit_tv - sympy.sympify(limit, {"u": u_symbol})) == 0


def test_slower_sampling_is_not_monotone() -> None:
    """TV at ``u = 1/2`` falls below its limit 1/2 and returns to it from below."""
    chain = guided_chain(guidance(load("slower-sampling")))
    with digits(50):
        values = [float(brute_tv(chain, Fraction(w), HALF)) for w in (0, 1, 2, 4, 8, 40)]
    assert [round(value, 3) for value in values[:5]] == [0.75, 0.645, 0.534, 0.445, 0.481]
    assert values[4] < values[5] < 0.5 == _at(regime(load("slower-sampling")).limit_tv, HALF)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_normalised_rule_saturates_at_the_unguided_pace(length: int) -> None:
    tables = [uniform(product(tokens, repeat=length)) for tokens in ((0,), (0, 1))]
    instance = mixture(2, length, [(HALF, table) for table in tables])
    found = regime(instance.problem, "normalised")
    assert found.kind is Kind.SATURATING
    assert sympy.expand(found.limit_tv - (1 - (1 - u_symbol) ** length)) == 0
    assert found.bracket.loss.terms == found.bracket.excess.terms == ()


def test_one_token_with_distinct_laws_is_exact() -> None:
    found = regime(load("interval-overlap"))
    assert (found.kind, found.base, found.witness.coefficient) == (Kind.DOUBLE, 2, Fraction(2, 3))
    assert found.bracket.rate == found.bracket.floor


def test_a_pair_is_decided_too() -> None:
    weights = {(0, 0): Fraction(1, 2), (1, 1): Fraction(1, 2)}
    found = regime(pair(2, 2, weights, uniform(product(range(2), repeat=2))).problem)
    assert found.kind is Kind.SATURATING
    assert found.limit_tv == u_symbol**2


def test_partially_masked_starts() -> None:
    found = regime_of(guided_chain(guidance(load("squares-overlap")), (None, 3)))
    assert found.limit_tv == u_symbol


# --- what has no regime -----------------------------------------------------------------------------------------------


def test_floats_are_refused_with_the_conversion() -> None:
    classes = {"a": (0.5, {(0,): 0.25, (1,): 0.75}), "b": (0.5, {(0,): 0.5, (1,): 0.5})}
    with pytest.raises(NotExactError, match="Fraction"):
        regime(ClassMixture.of(2, 1, classes).problem("a"))


def test_symbols_are_refused() -> None:
    with pytest.raises(NotExactError, match="substitute rationals"):
        regime(ClassMixture.symbolic(2, 1).problem("1"))


def test_a_spent_budget_says_what_holds() -> None:
    with pytest.raises(ChainTooLargeError, match=r"more than 50 .* proved without it: TV\(u\) <= 1 - \(1 - u\)\^5"):
        regime(load("hypercubes-5d"), limit=50)


def test_infinite_ratios_are_refused() -> None:
    instance = pair(2, 1, {(0,): HALF, (1,): HALF}, {(0,): Fraction(1)})
    with pytest.raises(InfiniteRatioError):
        regime(instance.problem)


def test_chains_that_slow_down_are_refused() -> None:
    problem = load("xor")
    backwards = Tilt(((problem.unconditional, 1 + w_symbol), (problem.conditional, -w_symbol)))
    with pytest.raises((DataError, InfiniteRatioError)):
        regime_of(guided_chain(backwards))
    law = load("interval-overlap")
    exponent = sympy.Rational(1, 2) + w_symbol / 4
    slowing = Tilt(((law.conditional, 1 - exponent), (law.unconditional, exponent)))
    with pytest.raises((DataError, InfiniteRatioError)):
        regime_of(guided_chain(slowing))


def test_many_random_instances_take_no_time() -> None:
    generator, kinds = random.Random(7), set()
    grid = list(product(range(3), repeat=3))

    def table() -> dict[tuple[int, ...], Fraction]:
        support = generator.sample(grid, generator.randint(3, 27))
        weights = [generator.randint(1, 9) for _ in support]
        return {x: Fraction(a, sum(weights)) for x, a in zip(support, weights, strict=True)}

    for _ in range(30):
        kinds.add(regime(mixture(3, 3, [(HALF, table()), (HALF, table())]).problem).kind)
    assert Kind.SATURATING in kinds
