"""Formulas as data: evaluated anywhere, they are the quantity they came from."""

from fractions import Fraction

import flint
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HARD, RULE_NAMES, Instance, instances

from symguide.certificates.formula import FORMULAS, Formula, U, W, evaluate
from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.chains.functionals import terminal_law
from symguide.errors import NotExactError
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, RATIONAL, SYMBOLIC
from symguide.symbols import u, w


@settings(max_examples=40)
@given(instances(), st.sampled_from(RULE_NAMES), st.integers(0, 3))
def test_laws_in_rationals(instance: Instance, rule: str, strength: int) -> None:
    chain = guided_chain(guidance(instance.problem, rule))
    exact = terminal_law(chain.over(RATIONAL, strength)).table
    for context, formula in terminal_law(chain.over(FORMULAS, w)).table.items():
        assert evaluate(formula.lines, RATIONAL, strength, None, None) == exact[context]


@settings(max_examples=20)
@given(instances(), st.sampled_from(RULE_NAMES))
def test_tv_in_balls(instance: Instance, rule: str) -> None:
    chain, strength = guided_chain(guidance(instance.problem, rule)), Fraction(3, 2)
    lines = expand(chain.over(FORMULAS, w)).survival(None).lines
    with flint.ctx.workprec(200):
        found = evaluate(lines, BALLS, strength, None, flint.arb("0.3"))
        expected = expand(chain.over(BALLS, strength)).survival(-flint.arb("0.3").log())
        assert found.overlaps(expected)
        assert found.rad() < 1e-40


def test_operators_spell_what_they_do() -> None:
    formula = (2 - W) * U / (W + Fraction(1, 2)) - U**2 + 1 / U - 3
    value = evaluate(formula.lines, SYMBOLIC, w, w, u)
    assert sympy.expand(value - ((2 - w) * u / (w + sympy.Rational(1, 2)) - u**2 + 1 / u - 3)) == 0


def test_lines_are_shared_and_trivial_operations_left_out() -> None:
    base = FORMULAS.term(Fraction(1), Fraction(2), None)
    assert (base * base + base * base).lines == (("power", "2"), ("*", 0, 0), ("+", 1, 1))
    assert (base * 1).lines == base.lines == (base + 0).lines == (base / 1).lines
    assert (base * 0).value == 0
    assert FORMULAS.term(Fraction(3), Fraction(1), None).lines == (("number", "3"),)
    assert FORMULAS.exp_dd([FORMULAS.number(Fraction(0))], None).value == 1
    deep: Formula = base
    for _ in range(5000):
        deep = deep * base
    assert len(deep.lines) == 5001  # no recursion
    assert repr(base) == "<Formula of 1 lines>"


def test_floats_and_symbols_are_refused() -> None:
    for wrong in (0.5, sympy.sqrt(2)):
        with pytest.raises(NotExactError, match=r"no rational number, so no formula in a certificate can hold it"):
            FORMULAS.number(wrong)
    chain = guided_chain(guidance(HARD["xor"].problem))
    assert chain.over(FORMULAS, w).exit_rate(0).value == 2
