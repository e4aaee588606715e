"""General chains: one symbol per rate, and one representative sequence of general laws."""

from fractions import Fraction
from itertools import product
from typing import Any

import flint
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.second_route import agree, ball, conditional, guided
from strategies import RULE_NAMES, Instance, Table, mixture
from sympy import Sum, Tuple, latex

from symguide.chains.family import (
    MASK_SYMBOL,
    PositionRate,
    TokenProbability,
    rate_symbols,
    representative,
    vocabulary_size,
)
from symguide.closed_forms.compiled import compile_expression
from symguide.closed_forms.solution import solve
from symguide.numbers.arithmetic import SYMBOLIC
from symguide.numbers.exp_dd import exp_dd
from symguide.symbols import s, symbol, w


@pytest.mark.parametrize(("vocabulary", "length"), [(1, 1), (2, 1), (3, 2), (2, 3)])
def test_rate_symbols_give_every_reveal_a_symbol_of_its_own(vocabulary: int, length: int) -> None:
    chain = rate_symbols(vocabulary, length)
    assert len(chain.states) == (vocabulary + 1) ** length
    rates = [reveal.rate for reveals in chain.incoming for reveal in reveals]
    assert len(set(rates)) == len(rates) == length * vocabulary * (vocabulary + 1) ** (length - 1)
    assert len(set(chain.exit_rates)) == (vocabulary + 1) ** length - vocabulary**length + 1
    leaving: dict[int, Any] = {}
    for reveals in chain.incoming:
        for reveal in reveals:
            leaving[reveal.source] = leaving.get(reveal.source, 0) + reveal.rate.expression(w)
    assert all(chain.exit_rate(j).expression(w) == total for j, total in leaving.items())
    assert all(symbol.is_positive for rate in rates for symbol in rate.expression(w).free_symbols)


def test_any_chain_is_an_instance_of_rate_symbols() -> None:
    """Numbers for the symbols give the law of the chain with those rates, ties included."""
    chain = rate_symbols(2, 2)
    solution = solve(chain)
    rates = {reveal.rate.expression(w): reveal for reveals in chain.incoming for reveal in reveals}
    values = {symbol: Fraction(1 + j % 3, 2) for j, symbol in enumerate(rates)}
    symbols = list(values)
    compiled = compile_expression(solution.probabilities, [*symbols, s], solution.definitions, "balls")
    with flint.ctx.workprec(300):
        generator = flint.arb_mat(len(chain.states), len(chain.states))
        for j, reveals in enumerate(chain.incoming):
            for reveal in reveals:
                value = ball(values[reveal.rate.expression(w)])
                generator[reveal.source, j] = value
                generator[reveal.source, reveal.source] -= value
        clock = flint.arb("0.75")
        expected = (generator * clock).exp()
        found = compiled(*(ball(value) for value in values.values()), clock)
        assert all(agree(value, expected[0, j]) for j, value in enumerate(found))


@st.composite
def _full_mixtures(draw: st.DrawFn) -> Instance:
    """Two classes of full support, so that every symbol has a positive value."""
    length = draw(st.integers(1, 2))
    vocabulary = draw(st.integers(2, 3))
    grid = list(product(range(vocabulary), repeat=length))
    tables: list[Table] = []
    for _ in range(2):
        weights = draw(st.lists(st.integers(1, 9), min_size=len(grid), max_size=len(grid)))
        tables.append({x: Fraction(a, sum(weights)) for x, a in zip(grid, weights, strict=True)})
    return mixture(vocabulary, length, [(Fraction(2, 5), tables[0]), (Fraction(3, 5), tables[1])])


def _concrete(expression: Any, instance: Instance, tokens: tuple[int, ...]) -> Any:
    """The general expression with the laws of an instance and one sequence put in."""
    named = {
        symbol: token
        for symbol in expression.free_symbols
        for i, token in enumerate(tokens)
        if str(symbol) == f"x_{i + 1}"
    }

    def probability(position: Any, token: Any, shown: Any, given_class: Any) -> Any:
        context = tuple(None if value == MASK_SYMBOL else int(value) for value in shown)
        table = instance.conditional if given_class == 1 else instance.unconditional
        value = conditional(table, context, int(position) - 1)[int(token)]
        return sympy.Rational(value.numerator, value.denominator)

    spelled = expression.subs(vocabulary_size, instance.vocabulary).subs(named).doit()
    return spelled.replace(TokenProbability, probability)


@pytest.mark.parametrize("rule", RULE_NAMES)
@settings(max_examples=12)
@given(
    _full_mixtures(), st.integers(0, 3), st.fractions(Fraction(1, 10), Fraction(9, 10), max_denominator=10), st.data()
)
def test_representative_with_concrete_laws(
    rule: str, instance: Instance, strength: int, u: Fraction, data: st.DataObject
) -> None:
    """The general solution for ``N`` tokens, with numbers put in, is the law of the concrete chain."""
    solution = solve(representative(instance.length, rule == "normalised"))
    tokens = data.draw(st.sampled_from(sorted(instance.conditional)))
    with flint.ctx.workprec(400):
        expected = guided(instance, rule, Fraction(strength)).at(u)
        for context, form in zip(solution.states, solution.probabilities, strict=True):
            shown = tuple(None if value is None else tokens[i] for i, value in enumerate(context))
            concrete = _concrete(solution.spell_out(form).subs(w, strength), instance, tokens)
            value = compile_expression(concrete, [s], target="balls")(-ball(u).log())
            assert agree(value, expected[shown])


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_representative_spans_the_subsets(length: int, normalised: bool) -> None:
    family = representative(length, normalised)
    assert len(family.chain.states) == 2**length
    assert family.chain.states[0] == (None,) * length
    assert [len(reveals) for reveals in family.chain.incoming] == [
        length - context.count(None) for context in family.chain.states
    ]
    assert len(family.definitions) == length * 2 ** (length - 1)
    assert all(isinstance(value, Sum) for value in family.definitions.values())
    assert family.chain.arithmetic is SYMBOLIC
    if normalised:
        assert family.chain.exit_rates == tuple(range(length, -1, -1))


def test_two_tokens_are_the_papers_formulas() -> None:
    """``P_{(v,M)} = q_1(v) (u^{c_v} − u^{Z_1+Z_2}) / (Z_1 + Z_2 − c_v)``; ``h(x) = q q' (1/c + 1/d)/(Z_1 + Z_2)``."""
    solution = solve(representative(2))
    first, c, d = (solution.named.chain.exit_rates[j] for j in range(3))
    assert list(map(str, (first, c, d))) == ["Z_1 + Z_2", "c(x_1)", "d(x_2)"]
    rate = solution.named.chain.incoming[1][0].rate
    assert solution.probabilities[1] == rate * exp_dd((first, c), s)
    (limit,) = solution.terminal.probabilities
    rates = {(r.source, j): r.rate for j, reveals in enumerate(solution.named.chain.incoming) for r in reveals}
    expected = (rates[0, 1] * rates[1, 3] / c + rates[0, 2] * rates[2, 3] / d) / first
    assert sympy.simplify(limit - expected) == 0


def test_notation() -> None:
    x, v = sympy.symbols("x_1 v")
    assert str(TokenProbability(1, v, (x, MASK_SYMBOL), 0)) == "p_1(v|x_1,M)"
    assert str(TokenProbability(1, v, (MASK_SYMBOL,), 0)) == "p_1(v)"
    assert latex(TokenProbability(1, v, (MASK_SYMBOL,), 1)) == r"p_{1}(v \mid z)"
    assert latex(TokenProbability(2, v, (x, MASK_SYMBOL), 1) ** 2) == r"p_{2}(v \mid x_{1},z)^{2}"
    assert latex(PositionRate(2, (x, MASK_SYMBOL))) == "c_{x_{1}}"
    assert latex(PositionRate(1, (MASK_SYMBOL, x))) == "d_{x_{1}}"
    assert latex(PositionRate(1, (MASK_SYMBOL,))) == "Z_{z,w}"
    assert latex(PositionRate(3, (x, MASK_SYMBOL, MASK_SYMBOL)) ** 2) == "{Z_{3}(x_{1},M,M)}^{2}"
    assert str(PositionRate(3, (MASK_SYMBOL,) * 3)) == "Z_3"
    assert PositionRate(1, (MASK_SYMBOL,)).is_positive


def test_token_laws_are_typeset_by_what_is_revealed() -> None:
    token, other = symbol("v"), symbol("x_2")
    law = TokenProbability(1, token, Tuple(MASK_SYMBOL, other, MASK_SYMBOL), 1)
    assert (str(law), latex(law)) == ("p_1(v|M,x_2,M,z)", r"p_{1}(v \mid x_{2},z)")
    assert latex(law**2) == r"p_{1}(v \mid x_{2},z)^{2}"
    assert latex(TokenProbability(1, token, Tuple(MASK_SYMBOL), 0)) == "p_{1}(v)"
