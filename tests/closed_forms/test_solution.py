"""Closed forms in SymPy: names, shared form, rewriting, numbers and symbols for strength and data."""

from fractions import Fraction
from itertools import product
from typing import Any

import flint
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.second_route import agree, ball, guided
from strategies import HARD, RULE_NAMES, Instance, Table, hypercubes, instances, mask_fractions, mixture, mixtures
from sympy import Function, Ne, Rational, Symbol, exp, log, sqrt

from symguide.chains.chain import guided_chain
from symguide.chains.family import rate_symbols
from symguide.chains.naming import exit_label, named, normaliser_label
from symguide.closed_forms.compiled import compile_expression
from symguide.closed_forms.solution import Solution, in_time, powers_of_u, solve
from symguide.errors import ChainTooLargeError, DataError
from symguide.laws.law import TableLaw
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.tilt import guidance
from symguide.numbers.exp_dd import exp_dd
from symguide.schedules.published import parse_schedule
from symguide.symbols import s, t, u, w

rules = st.sampled_from(RULE_NAMES)


def _value(solution: Solution, form: Any, strength: Fraction, fraction: Fraction) -> flint.arb:
    spelled = solution.spell_out(form).subs(s, -log(u))
    return compile_expression(spelled, [w, u], target="balls")(ball(strength), ball(fraction))


def test_one_token_is_the_papers_formula() -> None:
    solution = solve(guided_chain(guidance(HARD["one token"].problem)))
    z = Symbol("Z", positive=True)
    assert solution[(None,)] == exp(-z * s) == solution.tv
    assert list(solution.definitions) == [z]
    (rate,) = (reveal.rate for reveal in solution.named.chain.incoming[1])
    assert solution[(0,)] == rate * exp_dd((0, z), s)
    powers, conditions = powers_of_u(solution[(0,)])
    assert sympy.expand(powers - (1 - u**z) * rate / z) == 0
    assert conditions == frozenset()
    assert solution.terminal[(0,)] == rate / z


def test_names_follow_the_paper() -> None:
    assert [exit_label(x) for x in ((None,), (2, None), (None, 2), (None, None))] == ["Z", "c_2", "d_2", "Lambda_(M,M)"]
    assert normaliser_label((None, None), 1) == "Z_2"
    solution = solve(guided_chain(guidance(HARD["squares"].problem)))
    assert {str(name) for name in solution.definitions} == {"Lambda_(M,M)", "d_2"}
    normalised = solve(guided_chain(guidance(HARD["squares"].problem, "normalised")))
    assert all(str(name).startswith(("Z_", "c_", "d_")) for name in normalised.definitions)
    assert {node for form in normalised.probabilities for atom in form.atoms(exp_dd) for node in atom.nodes} <= {
        0,
        1,
        2,
    }


def test_definitions_are_distinct_functions_of_the_strength() -> None:
    for instance in HARD.values():
        for rule in RULE_NAMES:
            definitions = solve(guided_chain(guidance(instance.problem, rule))).definitions
            assert len(set(definitions.values())) == len(definitions)
            assert all(value.free_symbols == {w} for value in definitions.values())


@settings(max_examples=40)
@given(mixtures(max_length=2), rules, st.integers(0, 4), mask_fractions())
def test_powers_of_u_hold_under_their_conditions(
    instance: Instance, rule: str, strength: int, u_value: Fraction
) -> None:
    solution = solve(guided_chain(guidance(instance.problem, rule)))
    values = {name: value.subs(w, strength) for name, value in solution.definitions.items()}
    with flint.ctx.workprec(800):
        expected = guided(instance, rule, Fraction(strength)).at(u_value)
        for context, form in zip(solution.states, solution.probabilities, strict=True):
            powers, conditions = powers_of_u(form)
            assert not powers.has(exp_dd)
            if all(condition.subs(values) for condition in conditions):
                found = compile_expression(powers.subs(values).subs(w, strength), [u], target="balls")(ball(u_value))
                assert agree(found, expected[context])


def test_confluent_forms_at_a_strength_where_rates_tie() -> None:
    """At ``w = 1`` two rates along a path are 15/7: powers of ``u`` then need a logarithm, and have it."""
    instance = HARD["a tie at w = 1"]
    generic = solve(guided_chain(guidance(instance.problem)))
    conditions = powers_of_u(generic[0, 0])[1]
    names = {str(name): name for name in generic.definitions}
    assert Ne(names["Lambda_(M,M)"], names["c_0"]) in conditions
    tied = solve(guided_chain(guidance(instance.problem)), Rational(1))
    powers, none = powers_of_u(tied.spell_out(tied[0, 0]))
    assert none == frozenset()
    assert powers.has(log(u))
    with flint.ctx.workprec(400):
        found = compile_expression(powers, [u], target="balls")(ball(Fraction(1, 3)))
        assert agree(found, guided(instance, "rate", Fraction(1)).at(Fraction(1, 3))[0, 0])


@settings(max_examples=25)
@given(instances(), rules, st.sampled_from([Rational(0), Rational(1, 2), sqrt(2), -Rational(1, 3), Rational(3)]))
def test_a_given_strength_is_the_open_one_with_a_number(instance: Instance, rule: str, strength: Any) -> None:
    chain = guided_chain(guidance(instance.problem, rule))
    solution, fixed = solve(chain), solve(chain, strength)
    assert fixed.states == solution.states
    assert all(not value.free_symbols for value in fixed.definitions.values())
    with flint.ctx.workprec(200):
        for left, right in zip(solution.probabilities, fixed.probabilities, strict=True):
            one = compile_expression(solution.spell_out(left).subs(w, strength), [s], target="balls")(flint.arb(1))
            other = compile_expression(fixed.spell_out(right), [s], target="balls")(flint.arb(1))
            assert agree(one, other)


@st.composite
def _full(draw: st.DrawFn) -> Instance:
    """Two classes of full support: every symbol of symbolic data has a positive value."""
    length, vocabulary = draw(st.sampled_from([(1, 2), (1, 3), (2, 2)]))
    grid = list(product(range(vocabulary), repeat=length))
    tables: list[Table] = []
    for _ in range(2):
        weights = draw(st.lists(st.integers(1, 9), min_size=len(grid), max_size=len(grid)))
        tables.append({x: Fraction(a, sum(weights)) for x, a in zip(grid, weights, strict=True)})
    prior = draw(st.fractions(Fraction(1, 10), Fraction(9, 10), max_denominator=10))
    return mixture(vocabulary, length, [(prior, tables[0]), (1 - prior, tables[1])])


def _values(data: ClassMixture, instance: Instance) -> dict[Any, Fraction]:
    """The numbers of an instance for the symbols of symbolic data."""
    assert instance.prior is not None
    prior = instance.prior
    values: dict[Any, Fraction] = dict(zip(data.priors.values(), (prior, 1 - prior), strict=True))
    other = {x: (q - prior * instance.conditional[x]) / (1 - prior) for x, q in instance.unconditional.items()}
    for law, table in zip(data.laws.values(), (instance.conditional, other), strict=True):
        values |= {weight: table[tokens] for tokens, weight in law.weights.items()}
    return values


@pytest.mark.parametrize("rule", RULE_NAMES)
@settings(max_examples=10)
@given(_full(), st.fractions(Fraction(-1), 4, max_denominator=3), mask_fractions())
def test_symbolic_data_with_numbers_put_in(
    rule: str, instance: Instance, strength: Fraction, fraction: Fraction
) -> None:
    """The closed form for symbolic ``p(x|k)``, ``a_k`` and ``w`` at the numbers of an instance."""
    data = ClassMixture.symbolic(instance.vocabulary, instance.length)
    solution = solve(guided_chain(guidance(data.problem("1"), rule)))
    values = _values(data, instance)
    compiled = compile_expression(solution.probabilities, [*values, w, s], solution.definitions, "balls")
    with flint.ctx.workprec(600):
        clock = -ball(fraction).log()
        found = compiled(*map(ball, values.values()), ball(strength), clock)
        expected = guided(instance, rule, strength).at(fraction)
        assert set(solution.states) == expected.keys()
        assert all(agree(value, expected[x]) for x, value in zip(solution.states, found, strict=True))


def test_data_with_one_symbol_in_an_exact_law() -> None:
    x = Symbol("x", positive=True)
    law = TableLaw.from_mapping(2, 1, {(0,): x, (1,): 1 - x})
    even = TableLaw.from_mapping(2, 1, {(0,): "1/2", (1,): "1/2"})
    solution = solve(guided_chain(guidance(Problem(law, even))))
    (rate,) = solution.definitions.values()
    assert sympy.simplify(rate - (x * (2 * x) ** w + (1 - x) * (2 - 2 * x) ** w)) == 0


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_forms_satisfy_the_equations_symbolically(rule: str) -> None:
    """``dP/ds = inflow − Λ P`` and the initial value, identically in every rate."""
    chains = [rate_symbols(2, 2), guided_chain(guidance(HARD["slower sampling"].problem, rule))]
    for chain in chains:
        solution = solve(chain)
        values = solution.probabilities
        for j, reveals in enumerate(solution.named.chain.incoming):
            inflow = sum(reveal.rate * values[reveal.source] for reveal in reveals)
            residual = values[j].diff(s) - inflow + solution.named.chain.exit_rate(j) * values[j]
            # Derivatives drop one node or another: powers of u settle the identity.
            assert sympy.cancel(sympy.together(powers_of_u(residual)[0].expand())).simplify() == 0
            assert values[j].subs(s, 0) == (1 if j == 0 else 0)


def test_time() -> None:
    alpha, horizon = Function("alpha"), Symbol("T", positive=True)
    fraction = (1 - alpha(t)) / (1 - alpha(horizon))
    assert in_time(u**2 + 1) == fraction**2 + 1
    assert in_time(exp(-2 * s)).subs({alpha(t): Rational(1, 2), alpha(horizon): 0}) == Rational(1, 4)
    linear = parse_schedule("linear")
    assert in_time(u**3, linear) == t**3
    assert in_time(exp_dd((1, 2), s), linear) == exp_dd((1, 2), -log(t))


def test_contexts_that_are_never_reached_are_named() -> None:
    solution = solve(guided_chain(guidance(HARD["squares"].problem)))
    with pytest.raises(DataError, match=r"context \(0, M\) is never reached from \(M, M\)"):
        solution[0, None]
    assert solution[[2, None]] == solution[2, None]  # pyright: ignore[reportArgumentType]


def test_chains_that_are_too_large_are_refused() -> None:
    chain = guided_chain(guidance(hypercubes(2).problem))
    with pytest.raises(ChainTooLargeError, match="more than 10 terms"):
        solve(chain, limit=10)


def test_named_chains_are_taken_as_they_are() -> None:
    prepared = named(guided_chain(guidance(HARD["xor"].problem)), w)
    assert solve(prepared).named is prepared


def test_distribution_and_terminal_law() -> None:
    solution = solve(guided_chain(guidance(HARD["slower sampling"].problem)))
    assert solution.distribution[None, None] == solution[None, None]
    assert solution.distribution[1, 0] == 0
    assert solution.terminal.states == ((0, 1), (1, 1))
    with flint.ctx.workprec(300):
        exact = guided(HARD["slower sampling"], "rate", Fraction(3)).terminal()
        for x, form in zip(solution.terminal.states, solution.terminal.probabilities, strict=True):
            assert agree(_value(solution, form, Fraction(3), Fraction(1)), ball(exact[x]))
