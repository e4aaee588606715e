"""Guidance as a product of token laws to powers: intensities by definition, and its conventions."""

from fractions import Fraction
from math import prod

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from laws.second_route import conditional
from strategies import HARD, RULE_NAMES, Instance, instances, integer_strengths, pair, starts, uniform

from symguide.chains.chain import guided_chain
from symguide.chains.functionals import terminal_law
from symguide.chains.lattice import lattice
from symguide.errors import DataError, InfiniteRatioError, StrengthError, SymguideError
from symguide.instances.datasets import load, load_mixture
from symguide.laws.law import Context, TableLaw
from symguide.laws.mixture import ClassMixture
from symguide.laws.tilt import RULES, Tilt, composed, guidance, power_product
from symguide.numbers.arithmetic import RATIONAL
from symguide.numbers.expsum import ExpSum
from symguide.symbols import w


@given(instances(), integer_strengths(-1), st.data())
def test_intensities_by_definition(instance: Instance, strength: Fraction, data: st.DataObject) -> None:
    start = data.draw(starts(instance))
    tilt = guidance(instance.problem)
    for position in (i for i, token in enumerate(start) if token is None):
        p = conditional(instance.conditional, start, position)
        q = conditional(instance.unconditional, start, position)
        found = tilt.intensities(start, position)
        assert list(found) == sorted(p)
        for token, value in found.items():
            assert len(value.terms) == 1
            assert value.at(RATIONAL, strength) == p[token] ** int(1 + strength) / q[token] ** int(strength)
        fixed = tilt.at(strength).intensities(start, position)
        if strength == -1:
            assert {token: value.at(RATIONAL, 0) for token, value in fixed.items()} == q
        else:
            assert {token: value.at(RATIONAL, 0) for token, value in fixed.items()} == {
                token: value.at(RATIONAL, strength) for token, value in found.items()
            }


def test_power_product_gathers_constants_and_bases() -> None:
    third, half = Fraction(1, 3), Fraction(1, 2)
    assert power_product([(half, 1 + w), (third, -w)]) == ExpSum.of([(half, Fraction(3, 2))])
    assert power_product([(half, sympy.Integer(2)), (third, 2 * w - 1)]) == ExpSum.of(
        [(Fraction(3, 4), Fraction(1, 9))]
    )
    found = power_product([(half, sympy.Rational(1, 2)), (third, w / 2 + sympy.Rational(1, 2))])
    assert found.expression(w).equals(sympy.sqrt(2) / 2 * sympy.Rational(1, 3) ** (w / 2 + sympy.Rational(1, 2)))
    assert power_product([]) == ExpSum.constant(Fraction(1))
    floats = power_product([(0.5, 1 + w), (0.25, -w)])
    assert floats.terms == ((2.0, 0.5),)


def test_composed_guidance_is_the_same_formula() -> None:
    """Two conditions: ``p^{1 − γ_1 − γ_2} p_1^{γ_1} p_2^{γ_2}`` with ``γ_k = 1 + w_k`` numbers or affine in ``w``."""
    tables = [uniform([(0,), (1,), (2,)]), uniform([(0,), (1,)]), {(0,): Fraction(1, 4), (1,): Fraction(3, 4)}]
    laws = [TableLaw.from_mapping(3, 1, table) for table in tables]
    tilt = Tilt(((laws[0], -1 - 2 * w), (laws[1], 1 + w), (laws[2], 1 + w)))
    found = tilt.intensities((None,), 0)
    assert list(found) == [0, 1]
    for token in found:
        p, one, two = (table[token,] for table in tables)
        assert found[token].at(RATIONAL, 2) == p**-5 * one**3 * two**3


def test_exponents_must_be_affine_and_sum_to_one() -> None:
    law = TableLaw.from_mapping(2, 1, uniform([(0,), (1,)]))
    other = sympy.Symbol("x")
    with pytest.raises(StrengthError, match=r"sum to w \+ 2, not to 1"):
        Tilt(((law, 1 + w), (law, sympy.Integer(1))))
    with pytest.raises(StrengthError, match="not affine in w"):
        Tilt(((law, 1 + w**2), (law, -(w**2))))
    with pytest.raises(StrengthError, match="not affine in w"):
        Tilt(((law, 1 + other), (law, -other)))
    wide = TableLaw.from_mapping(3, 1, uniform([(0,), (1,)]))
    with pytest.raises(SymguideError, match=r"different grids \(N, D\): \[\(2, 1\), \(3, 1\)\]"):
        Tilt(((law, 1 + w), (wide, -w)))


@pytest.mark.parametrize("strength", [-2, Fraction(-101, 100), "-3/2", float("nan"), float("inf"), True, None, "w"])
def test_strengths_off_the_range_are_refused(strength: object) -> None:
    with pytest.raises(StrengthError, match="guidance strength w is"):
        guidance(HARD["xor"].problem).at(strength)  # pyright: ignore[reportArgumentType]


def test_fixed_strengths() -> None:
    tilt = guidance(HARD["xor"].problem, "normalised")
    assert tilt.is_symbolic
    fixed = tilt.at(Fraction(1, 2))
    assert not fixed.is_symbolic
    assert fixed.normalised
    assert [exponent for _, exponent in fixed.factors] == [sympy.Rational(3, 2), sympy.Rational(-1, 2)]
    assert [exponent for _, exponent in tilt.at(sympy.sqrt(2)).factors] == [1 + sympy.sqrt(2), -sympy.sqrt(2)]
    assert tilt.grid == (2, 2)


def test_zeros_by_the_sign_of_their_exponent() -> None:
    """Exponent 0: a factor of 1; positive: intensity 0; negative: infinite unless another factor vanishes."""
    apart = pair(3, 1, uniform([(0,), (1,)]), uniform([(1,), (2,)]))
    tilt = guidance(apart.problem)
    start = (None,)
    assert list(tilt.at(Fraction(0)).intensities(start, 0)) == [0, 1]
    assert list(tilt.at(Fraction(-1)).intensities(start, 0)) == [1, 2]
    assert list(tilt.at(Fraction(-1, 2)).intensities(start, 0)) == [1]
    with pytest.raises(InfiniteRatioError, match=r"context \(M\), position 0, token 0: a law with negative exponent"):
        tilt.at(Fraction(1)).intensities(start, 0)
    with pytest.raises(InfiniteRatioError, match="infinite for w > 0 and 0 for w < 0"):
        tilt.intensities(start, 0)
    shared = pair(3, 1, uniform([(0,), (1,)]), uniform([(0,), (1,), (2,)]))
    assert list(guidance(shared.problem).intensities(start, 0)) == [0, 1]


def test_unknown_rules_are_refused_with_the_choice() -> None:
    with pytest.raises(SymguideError, match="guidance rule 'cfg' is unknown; choose one of rate, normalised"):
        guidance(HARD["xor"].problem, "cfg")


def test_rules_are_all_covered_by_the_laws() -> None:
    assert set(RULES) == set(RULE_NAMES)
    assert all(guidance(HARD["xor"].problem, rule).normalised == (rule == "normalised") for rule in RULES)


# --- several conditions -----------------------------------------------------------------------------------------------


def _three() -> ClassMixture:
    laws = {
        "a": {(0, 0): "1/2", (0, 1): "1/4", (1, 1): "1/4"},
        "b": {(0, 0): "1/8", (0, 1): "1/2", (1, 0): "1/8", (1, 1): "1/4"},
        "c": {(0, 0): "1/4", (0, 1): "1/4", (1, 0): "1/4", (1, 1): "1/4"},
    }
    return ClassMixture.of(2, 2, {name: ("1/3", law) for name, law in laws.items()})


@pytest.mark.parametrize("rule", ["rate", "normalised"])
def test_one_condition_is_guidance(rule: str) -> None:
    mixture = _three()
    one, plain = composed(mixture, {"a": w}, rule), guidance(mixture.problem("a"), rule)
    assert guided_chain(one) == guided_chain(plain)
    same = guided_chain(composed(mixture, {"a": w, "b": -1}, rule))
    assert same.over(RATIONAL, 2) == guided_chain(plain).over(RATIONAL, 2)


@pytest.mark.parametrize(
    "strengths", [{"a": 1, "b": 2}, {"a": 0, "b": 0, "c": 0}, {"a": 1, "b": -3}, {"b": -2}, {"a": -1, "c": 3}]
)
def test_intensities_by_the_formula(strengths: dict[str, int]) -> None:
    """``p^{1−Σγ} Π p_k^{γ_k}``, term by term from the tables; the terminal law from the chain rule over both orders."""
    mixture = _three()
    chain = guided_chain(composed(mixture, strengths)).over(RATIONAL, 0)
    powers = {name: 1 + strength for name, strength in strengths.items()}

    def intensity(context: Context, position: int, token: int) -> Fraction:
        values = [(mixture.marginal.conditional(context, position)[token], 1 - sum(powers.values()))]
        values += [(mixture.laws[k].conditional(context, position).get(token, 0), g) for k, g in powers.items()]
        if any(value == 0 and power > 0 for value, power in values):
            return Fraction(0)
        return prod((Fraction(value) ** power for value, power in values if power), start=Fraction(1))

    for state, reveals in enumerate(chain.incoming):
        for reveal in reveals:
            source = chain.states[reveal.source]
            assert reveal.rate == intensity(source, reveal.position, reveal.token), (source, chain.states[state])
    for state in chain.transient:
        context = chain.states[state]
        masked = [i for i, token in enumerate(context) if token is None]
        assert chain.exit_rate(state) == sum(intensity(context, i, v) for i in masked for v in (0, 1))
    assert sum(terminal_law(chain).probabilities) == 1
    arrays = lattice(composed(mixture, strengths)).at(0.0)
    law = terminal_law(arrays)
    assert {x: float(law[x]) for x in law.states} == pytest.approx(
        {x: float(p) for x, p in terminal_law(chain).table.items()}
    )


def test_infinite_ratios_of_composed_strengths_are_named() -> None:
    with pytest.raises(InfiniteRatioError, match=r"context \(1, M\), position 1, token 0|token 0"):
        guided_chain(composed(_three(), {"a": -2}))


def test_conditions_that_are_none() -> None:
    mixture = _three()
    with pytest.raises(StrengthError, match="no conditions"):
        composed(mixture, {})
    with pytest.raises(DataError, match="there is no class 'd'"):
        composed(mixture, {"d": 1})
    with pytest.raises(StrengthError, match="strength of 'a'"):
        composed(mixture, {"a": "much"})
    with pytest.raises(StrengthError, match="not affine"):
        composed(mixture, {"a": w**2})
    with pytest.raises(SymguideError, match="guidance rule"):
        composed(mixture, {"a": 1}, "both")


@pytest.mark.parametrize(("spelled", "exact"), [(0.0, 0), (-1.0, -1), (0.1, "1/10"), (2.7, "27/10"), (1e-3, "1/1000")])
def test_floats_are_the_decimals_they_spell(spelled: float, exact: object) -> None:
    """Exponents have to sum to one exactly, and those of 0 switch their law off."""
    tilt = guidance(load("squares-overlap"))
    assert tilt.at(spelled) == tilt.at(exact)  # pyright: ignore[reportArgumentType]
    assert composed(load_mixture("squares-overlap"), {"high": spelled}) == composed(
        load_mixture("squares-overlap"), {"high": exact}
    )
