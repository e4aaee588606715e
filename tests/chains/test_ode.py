"""The Kolmogorov equations as SymPy equations: right-hand sides, initial values, clocks; closed forms solve them."""

from fractions import Fraction
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.second_route import guided
from strategies import HARD, RULE_NAMES, Instance, instances, starts
from sympy import Derivative, Eq, Function, Symbol, exp, log

from symguide.chains.chain import guided_chain
from symguide.chains.family import rate_symbols, representative
from symguide.chains.naming import named
from symguide.chains.ode import VARIABLES, kolmogorov, unknown
from symguide.closed_forms.solution import powers_of_u, solve
from symguide.errors import ClockError
from symguide.laws.tilt import guidance
from symguide.schedules.published import parse_schedule
from symguide.symbols import s, t, tau, u, w


@settings(max_examples=40)
@given(instances(), st.sampled_from(RULE_NAMES), st.integers(0, 3), st.data())
def test_right_hand_sides_are_the_generator(instance: Instance, rule: str, strength: int, data: st.DataObject) -> None:
    start = data.draw(starts(instance))
    chain = named(guided_chain(guidance(instance.problem, rule), start), w)
    system = kolmogorov(chain)
    reference = guided(instance, rule, Fraction(strength), start)
    assert set(system.states) == reference.reachable
    unknowns = dict(zip(system.states, system.unknowns, strict=True))
    for context, equation in zip(system.states, system.equations, strict=True):
        assert equation.lhs == Derivative(unknowns[context], s)
        right = sympy.expand(chain.spell_out(equation.rhs).subs(w, strength))
        for source, symbol in unknowns.items():
            expected = reference.rates.get((source, context), Fraction(0))
            if source == context:
                expected = -reference.exits.get(context, Fraction(0))
            assert right.coeff(symbol) == sympy.Rational(*expected.as_integer_ratio())
    assert system.definitions == chain.definitions


def test_initial_values() -> None:
    chain = named(rate_symbols(2, 2), w)
    clock, time, backwards = (kolmogorov(chain, name) for name in ("clock", "time", "reversed"))
    horizon = Symbol("T", positive=True)
    for system, begin in ((clock, sympy.Integer(0)), (time, horizon), (backwards, sympy.Integer(0))):
        assert list(system.initial) == [unknown(context, begin) for context in system.states]
        assert [int(value) for value in system.initial.values()] == [1] + [0] * 8
    assert [system.variable for system in (clock, time, backwards)] == [s, t, tau]
    assert set(VARIABLES) == {"clock", "time", "reversed"}


def test_time_runs_backwards_at_the_hazard() -> None:
    chain = named(rate_symbols(1, 1), w)
    hazard, horizon = Function("beta"), Symbol("T", positive=True)
    (masked, _), rate = kolmogorov(chain, "time").unknowns, Symbol("Z", positive=True)
    assert kolmogorov(chain, "time").equations[0] == Eq(Derivative(masked, t), hazard(t) * rate * masked)
    (masked, _) = kolmogorov(chain, "reversed").unknowns
    assert kolmogorov(chain, "reversed").equations[0] == Eq(
        Derivative(masked, tau), -hazard(horizon - tau) * rate * masked
    )


@pytest.mark.parametrize("noise", ["linear", "constant", "cosine", "log-linear"])
@pytest.mark.parametrize("variable", ["time", "reversed"])
def test_closed_forms_solve_the_equations_in_time(noise: str, variable: str) -> None:
    """``u = u(t)`` put into the closed form satisfies the equation in time, for a schedule of the field."""
    schedule = parse_schedule(noise)
    solution = solve(representative(1))
    system = kolmogorov(solution.named, variable, schedule)
    moment: Any = t if variable == "time" else schedule.horizon - tau
    fraction = schedule.mask_fraction.subs(t, moment)
    forms = [powers_of_u(form)[0].subs(u, fraction) for form in solution.probabilities]
    values = dict(zip(system.unknowns, forms, strict=True))
    rates = {symbol: sympy.Rational(7, 5) for symbol in solution.definitions}
    middle = schedule.horizon / 3
    for equation in system.equations:
        residual = (equation.lhs - equation.rhs).subs(values).doit()
        (factor,) = (reveal.rate for reveal in solution.named.chain.incoming[1])
        assert (
            abs(residual.subs(rates).subs(factor, sympy.Rational(2, 5)).subs(system.variable, middle).evalf(30)) < 1e-25
        )


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_closed_forms_solve_the_equations_on_the_clock(rule: str) -> None:
    """Identically in every rate, after divided differences became exponentials."""
    for prepared in (
        named(guided_chain(guidance(HARD["slower sampling"].problem, rule)), w),
        representative(2, rule != "rate"),
    ):
        solution = solve(prepared)
        system = kolmogorov(prepared)
        values = dict(zip(system.unknowns, solution.probabilities, strict=True))
        for equation in system.equations:
            residual = equation.lhs.subs(values).doit() - equation.rhs.subs(values)
            assert sympy.simplify(residual.rewrite(exp)) == 0
        for start, value in system.initial.items():
            context = system.states[list(system.initial).index(start)]
            assert solution[context].subs(s, 0) == value


def test_a_known_wrong_solution_is_seen() -> None:
    """The test above can fail: a doubled rate leaves a residual, a scaled solution only a wrong initial value."""
    solution = solve(representative(1))
    system = kolmogorov(solution.named)
    equation = system.equations[0]
    scaled = {system.unknowns[0]: 2 * solution.probabilities[0]}
    assert sympy.simplify(equation.lhs.subs(scaled).doit() - equation.rhs.subs(scaled)) == 0
    faster = {system.unknowns[0]: solution.probabilities[0] ** 2}
    assert sympy.simplify(equation.lhs.subs(faster).doit() - equation.rhs.subs(faster)) != 0


def test_unknowns_print_as_contexts() -> None:
    assert str(unknown((None, 2), s)) == "P_(M,2)(s)"
    assert unknown((None, 2), s) == unknown((None, 2), s)
    assert unknown((None, 2), s) != unknown((2, None), s)


def test_unknown_variables_are_refused_with_the_choice() -> None:
    with pytest.raises(ClockError, match=r"variable 'days' is unknown.*choose clock, time, reversed"):
        kolmogorov(named(rate_symbols(1, 1), w), "days")


def test_reversed_time_needs_a_finite_horizon() -> None:
    schedule = parse_schedule("constant", sympy.oo)
    chain = named(rate_symbols(1, 1), w)
    with pytest.raises(ClockError, match="infinite horizon"):
        kolmogorov(chain, "reversed", schedule)
    assert kolmogorov(chain, "time", schedule).variable == t


def test_mask_fraction_of_the_equations() -> None:
    """``s = −ln u``: the clock of a schedule is that of its mask fraction."""
    schedule = parse_schedule("linear")
    assert sympy.simplify(schedule.clock + log(schedule.mask_fraction)) == 0
