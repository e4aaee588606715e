"""Noise schedules against the formulas of their papers, written a second time in mpmath at 50 digits."""

import pickle
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational, exp, log, oo, pi, sqrt

from symguide.errors import ClockError
from symguide.schedules.noise_schedule import NoiseSchedule
from symguide.schedules.published import (
    SCHEDULES,
    constant,
    cosine,
    cosine_mdlm,
    geometric,
    linear,
    log_linear,
    parse_schedule,
    polynomial,
)
from symguide.symbols import symbol, t, tau, u

# alpha(t) on [0, T] as the papers print it, with the parameters in the order of the family.
PUBLISHED: dict[str, Callable[..., Any]] = {
    "constant": lambda x, end: mpmath.exp(-x),
    "linear": lambda x, end: 1 - x / end,
    "log-linear": lambda x, end, eps: 1 - (1 - eps) * x / end,
    "polynomial": lambda x, end, k: 1 - (x / end) ** k,
    "cosine": lambda x, end: 1 - mpmath.cos(mpmath.pi / 2 * (1 - x / end)),
    "cosine-mdlm": lambda x, end, eps: eps + (1 - eps) * mpmath.cos(mpmath.pi * x / end / 2),
    "geometric": lambda x, end, low, high: mpmath.exp(-(low ** (1 - x / end)) * high ** (x / end)),
}
PARAMETERS: dict[str, list[tuple[str, ...]]] = {
    "constant": [()],
    "linear": [()],
    "log-linear": [("1/1000",), ("0",), ("1/3",)],
    "polynomial": [("2",), ("1/2",), ("5",), ("7/3",)],
    "cosine": [()],
    "cosine-mdlm": [("1/1000",), ("0",)],
    "geometric": [("1/10000", "20"), ("1/100000", "1/1000"), ("1", "100")],
}
HORIZONS = ["1", "10", "7/3", "1/1000"]
CASES = [
    pytest.param(name, parameters, horizon, id=f"{name}:{','.join(parameters)}:{horizon}")
    for name, choices in PARAMETERS.items()
    for parameters in choices
    for horizon in HORIZONS
]
every_case = pytest.mark.parametrize(("name", "parameters", "horizon"), CASES)


def build(name: str, parameters: tuple[str, ...], horizon: str) -> NoiseSchedule:
    return SCHEDULES[name].build(*parameters, horizon=horizon)


def published(name: str, parameters: tuple[str, ...], horizon: str) -> Callable[[Any], Any]:
    """The paper's formula, its numbers at the working precision of the moment."""

    def alpha(x: Any) -> Any:
        end, *rest = (
            mpmath.mpf(value.numerator) / value.denominator for value in map(Fraction, (horizon, *parameters))
        )
        return PUBLISHED[name](x, end, *rest)

    return alpha


def times(schedule: NoiseSchedule) -> np.ndarray:
    """Doubles in ``(0, T)``: close to both ends, down to where ``1 − α`` is still a normal double, and between."""
    end = float(schedule.horizon)
    near_end = end * 10.0 ** -np.array([60, 40, 20, 12, 6, 3])
    near_start = end * (1 - 10.0 ** -np.array([3, 6, 9, 12, 15]))
    found = np.concatenate([near_end, end * np.linspace(0.02, 0.98, 17), near_start])
    return found[(found > 0) & (found < end)]


def relative_errors(values: np.ndarray, references: list[Any]) -> float:
    return max(float(abs(mpmath.mpf(float(a)) / b - 1)) for a, b in zip(values, references, strict=True))


def test_every_published_schedule_is_covered() -> None:
    assert set(PUBLISHED) == set(PARAMETERS) == set(SCHEDULES)
    for name, kind in SCHEDULES.items():
        assert kind.build().name == name
        assert "arXiv:" in kind.source and "\n" not in kind.description
        assert {len(parameters) for parameters in PARAMETERS[name]} == {len(kind.parameters)}
        assert [key for key, _ in kind.build().parameters] == list(kind.parameters)


@every_case
def test_numbers_agree_with_the_paper_at_both_ends(name: str, parameters: tuple[str, ...], horizon: str) -> None:
    schedule = build(name, parameters, horizon)
    x = times(schedule)
    with mpmath.workdps(700):  # the references subtract plainly, u down to 1e-300 included
        alpha = published(name, parameters, horizon)
        end = mpmath.mpf(Fraction(horizon).numerator) / Fraction(horizon).denominator
        whole = 1 - alpha(end)
        exact = [alpha(mpmath.mpf(float(value))) for value in x]
        fractions = [(1 - value) / whole for value in exact]
        keep = np.array([value > mpmath.mpf("1e-300") for value in fractions])
        references = {
            "alpha_at": exact,
            "mask_fraction_at": fractions,
            "clock_at": [-mpmath.log(value) for value in fractions],
        }
        for method, reference in references.items():
            kept = [value for value, kept in zip(reference, keep, strict=True) if kept]
            assert relative_errors(getattr(schedule, method)(x[keep]), kept) < 1e-13, method


@every_case
def test_hazard_is_the_logarithmic_derivative(name: str, parameters: tuple[str, ...], horizon: str) -> None:
    schedule = build(name, parameters, horizon)
    x = times(schedule)
    x = x[x > 1e-20 * float(schedule.horizon)]
    with mpmath.workdps(200):
        alpha = published(name, parameters, horizon)
        points = [mpmath.mpf(float(value)) for value in x]
        slopes = [
            mpmath.diff(lambda y: mpmath.log(1 - alpha(y)), point, h=point * mpmath.mpf(10) ** -60) for point in points
        ]
    assert relative_errors(schedule.hazard_at(x), slopes) < 1e-13
    with mpmath.workdps(50):
        symbolic = sympy.lambdify(t, schedule.hazard, "mpmath")
        for point, slope in zip(points[3:-3], slopes[3:-3], strict=True):
            assert abs(symbolic(point) / slope - 1) < mpmath.mpf(10) ** -30


@every_case
def test_clock_is_the_integral_of_the_hazard(name: str, parameters: tuple[str, ...], horizon: str) -> None:
    schedule = build(name, parameters, horizon)
    with mpmath.workdps(30):
        hazard = sympy.lambdify(t, schedule.hazard, "mpmath")
        end = mpmath.mpf(Fraction(horizon).numerator) / Fraction(horizon).denominator
        for part in (Fraction(1, 5), Fraction(2, 3)):
            start = end * part.numerator / part.denominator
            integral = mpmath.quad(hazard, mpmath.linspace(start, end, 5))
            clock = schedule.clock_at(Fraction(horizon) * part)
            tolerance = mpmath.mpf(10) ** -20 * (1 + integral)
            assert abs(mpmath.mpf(str(sympy.N(clock, 30))) - integral) < tolerance
            assert abs(sympy.lambdify(t, schedule.clock, "mpmath")(start) - integral) < tolerance


@every_case
def test_inverse_and_edges_exactly(name: str, parameters: tuple[str, ...], horizon: str) -> None:
    schedule = build(name, parameters, horizon)
    end = Rational(horizon)
    assert schedule.mask_fraction_at(end) == 1 and schedule.clock_at(end) == 0
    assert schedule.time_at(1) == end and schedule.time_at(schedule.u_end) == 0
    assert schedule.mask_fraction_at(0) == schedule.u_end
    assert (schedule.u_end > 0) == (name == "geometric")
    assert (schedule.clock_at(0) == oo) == (schedule.hazard_at(0) == oo) == (name != "geometric")
    for part in (Rational(1, 100), Rational(1, 3), Rational(99, 100)):
        back = schedule.time_at(schedule.mask_fraction_at(part * end))
        assert abs(sympy.N(back, 50) - sympy.N(part * end, 50)) < Rational(1, 10**40) * end


@every_case
def test_inverse_in_floating_point(name: str, parameters: tuple[str, ...], horizon: str) -> None:
    schedule = build(name, parameters, horizon)
    x = np.concatenate([[0.0], times(schedule), [float(schedule.horizon)]])
    fractions = schedule.mask_fraction_at(x)
    back = schedule.time_at(fractions)
    assert back[0] == 0.0 and back[-1] == float(schedule.horizon)
    # A double u carries its time no better than this: the inverse itself must not lose more.
    normal = fractions > 1e-300
    again = schedule.mask_fraction_at(back)
    assert np.all(np.abs(again[normal] - fractions[normal]) <= 1e-13 * fractions[normal])
    middle = (x > 1e-3 * x[-1]) & (x < 0.9 * x[-1]) & (fractions < 0.999)
    assert np.allclose(back[middle], x[middle], rtol=1e-11, atol=0)


@every_case
def test_clean_probability_decreases(name: str, parameters: tuple[str, ...], horizon: str) -> None:
    schedule = build(name, parameters, horizon)
    x = np.linspace(0, float(schedule.horizon), 200)
    assert np.all(np.diff(schedule.alpha_at(x)) < 0) or name == "geometric"
    assert np.all(np.diff(schedule.mask_fraction_at(x)) >= 0)
    assert np.all(np.diff(schedule.clock_at(x)[1:]) < 0)
    assert np.all(schedule.hazard_at(x)[:-1] > 0)
    with mpmath.workdps(400):
        alpha = published(name, parameters, horizon)
        values = [alpha(mpmath.mpf(float(value))) for value in x[:-1]]
    assert all(a > b for a, b in pairwise(values))


@given(
    st.sampled_from([case.values for case in CASES]),
    st.floats(0, 1),
    st.floats(0, 1),
)
@settings(deadline=None, max_examples=60)
def test_more_time_left_means_more_masks(case: Any, first: float, second: float) -> None:
    schedule = build(*case)
    early, late = sorted((first * float(schedule.horizon), second * float(schedule.horizon)))
    if late - early > 1e-12 * late:
        assert schedule.mask_fraction_at(early) <= schedule.mask_fraction_at(late)
        assert schedule.clock_at(early) >= schedule.clock_at(late)


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "constant"])
def test_the_horizon_stretches_time(name: str) -> None:
    unit, longer = SCHEDULES[name].build(), SCHEDULES[name].build(horizon=5)
    for part in (0, Fraction(1, 7), Fraction(1, 2), 1):
        assert sympy.expand(unit.mask_fraction_at(part) - longer.mask_fraction_at(5 * part)) == 0


def test_the_horizon_of_the_constant_rate_is_a_stop() -> None:
    short, long = constant(2), constant(20)
    assert short.alpha == long.alpha == exp(-t) and short.hazard == long.hazard
    assert sympy.simplify(short.mask_fraction - (1 - exp(-t)) / (1 - exp(-2))) == 0


def test_infinite_horizon() -> None:
    schedule = constant(oo)
    assert schedule == constant("inf") == constant(float("inf"))
    assert schedule.mask_fraction == 1 - exp(-t)
    assert schedule.time_at("1/2") == log(2)
    assert (schedule.mask_fraction_at(oo), schedule.clock_at(oo), schedule.hazard_at(oo)) == (1, 0, 0)
    x = np.array([0.0, 1e-30, 1.0, 30.0, np.inf])
    assert np.allclose(schedule.mask_fraction_at(x), [0, 1e-30, 1 - np.exp(-1), -np.expm1(-30), 1], rtol=1e-15, atol=0)
    assert np.allclose(schedule.clock_at(x[2:]), -np.log1p(-np.exp(-x[2:])), rtol=1e-15, atol=0)
    assert np.array_equal(schedule.hazard_at(x)[[0, 4]], [np.inf, 0])
    assert np.array_equal(schedule.time_at([0.0, 1.0]), [0, np.inf])


def test_published_hazards_symbolically() -> None:
    eps, end, k = symbol("epsilon", positive=True), symbol("T", positive=True), symbol("k", positive=True)
    assert log_linear(eps, end).hazard == 1 / t
    assert linear(end).hazard == 1 / t
    assert polynomial(k, end).hazard == k / t
    assert sympy.simplify(cosine().hazard - pi / 2 * sympy.tan(pi / 2 * (1 - t))) == 0  # Shi et al., times −1
    assert sympy.limit(t * cosine_mdlm().hazard, t, 0) == 2


def test_epsilon_leaves_the_clock_alone() -> None:
    eps, end = symbol("epsilon", positive=True), symbol("T", positive=True)
    assert log_linear(eps, end).mask_fraction == linear(end).mask_fraction == t / end
    assert sympy.simplify(cosine_mdlm(eps).mask_fraction - cosine_mdlm(0).mask_fraction) == 0


def test_published_defaults() -> None:
    assert log_linear().parameters == (("epsilon", Fraction(1, 1000)),) == cosine_mdlm().parameters
    assert geometric().parameters == (("sigma_min", Fraction(1, 10000)), ("sigma_max", Fraction(20)))
    assert geometric().alpha_at(0) == exp(-Rational(1, 10000)) and geometric().alpha_at(1) == exp(-20)
    assert constant().horizon == 10 and all(
        SCHEDULES[name].build().horizon == 1 for name in set(SCHEDULES) - {"constant"}
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (linear(3).mask_fraction_at("1/2"), Rational(1, 6)),
        (log_linear().mask_fraction_at(Fraction(2, 7)), Rational(2, 7)),
        (log_linear().alpha_at("0.5"), Rational(1001, 2000)),
        (polynomial(3).mask_fraction_at(Rational(1, 2)), Rational(1, 8)),
        (polynomial("1/2").time_at("1/3"), Rational(1, 9)),
        (cosine().mask_fraction_at("1/3"), Rational(1, 2)),
        (cosine_mdlm().mask_fraction_at("2/3"), Rational(1, 2)),
        (cosine_mdlm().time_at("1/2"), Rational(2, 3)),
        (cosine(2).hazard_at(1), pi / 4),
        (linear().clock_at("1/3"), log(3)),
        (polynomial(2).hazard_at("1/3"), 6),
        (constant().clock_at(1), log((1 - exp(-10)) / (1 - exp(-1)))),
        (polynomial(2).time_at(symbol("v", positive=True)), sqrt(symbol("v", positive=True))),
        (linear().mask_fraction_at(symbol("x", positive=True)), symbol("x", positive=True)),
    ],
)
def test_exact_in_exact_out(value: sympy.Expr, expected: sympy.Expr) -> None:
    assert isinstance(value, sympy.Expr) and not value.has(sympy.Float)
    assert value == expected


def test_answers_have_the_shape_of_the_question() -> None:
    schedule = polynomial()
    column, row = np.linspace(0.1, 1, 4)[:, None], np.linspace(0.2, 1, 3)
    for method in (
        schedule.alpha_at,
        schedule.mask_fraction_at,
        schedule.clock_at,
        schedule.hazard_at,
        schedule.time_at,
    ):
        assert type(method(0.5)) is float and type(method(np.float64(0.5))) is float
        assert type(method(np.array(0.5))) is float
        assert method(column).shape == (4, 1) and method([]).shape == (0,)
        assert np.array_equal(method(column * row), [[method(float(a * b)) for b in row] for a in column[:, 0]])
        assert method([Fraction(1, 2), 1]).tolist() == [method(0.5), method(1.0)]
    assert np.array_equal(linear().alpha_at(np.array([0, 1])), [1.0, 0.0])


def test_floats_in_parameters_are_the_decimals_they_spell() -> None:
    assert log_linear(1e-3) == log_linear("1/1000") and geometric(1e-4, 20.0, 0.5) == geometric("1/10000", 20, "1/2")
    given = NoiseSchedule.from_alpha(sympy.exp(-sympy.Float(0.1) * t), 0.3)
    assert given.alpha == exp(-t / 10) and given.horizon == Rational(3, 10)
    precise = sympy.Float("0.1000000000000000000000000001", 30)
    assert NoiseSchedule.from_alpha(exp(-precise * t)).alpha.args[0].coeff(t) == -Rational(precise)


def test_masks_left_by_a_geometric_schedule() -> None:
    schedule = geometric()
    assert sympy.simplify(schedule.u_end - (1 - exp(-Rational(1, 10000))) / (1 - exp(-20))) == 0
    # Rounding below u_end is forgiven, more is not.
    assert schedule.time_at(schedule.mask_fraction_at(0.0)) == 0.0
    assert schedule.time_at(np.nextafter(float(schedule.u_end), 0)) == 0.0
    assert schedule.clock_at(0.0) == pytest.approx(float(-log(schedule.u_end)), rel=1e-14)
    with pytest.raises(ClockError, match=r"u is 9e-05: .*'geometric' has fractions in \[9.9995e-05, 1\]; use"):
        schedule.time_at(9e-5)


# Schedules of one's own


def test_user_given_alpha_is_as_good_as_a_published_one() -> None:
    x = times(constant(10))
    given = NoiseSchedule.from_alpha(exp(-sympy.Symbol("s")), 10)
    assert given.mask_fraction == constant(10).mask_fraction and given.hazard == constant(10).hazard
    assert np.allclose(given.mask_fraction_at(x), constant(10).mask_fraction_at(x), rtol=1e-14, atol=0)
    cosines = NoiseSchedule.from_alpha(sympy.cos(pi * t / 2))
    assert np.allclose(cosines.mask_fraction_at(x / 10), cosine_mdlm(0).mask_fraction_at(x / 10), rtol=1e-14, atol=0)
    powers = NoiseSchedule.from_alpha(2**-t, 3)
    assert np.allclose(powers.mask_fraction_at(x[:4]), -np.expm1(-x[:4] * np.log(2)) / (1 - 1 / 8), rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    "masked",
    [t / 2 + t**3 / 2, t ** Rational(5, 2) * (1 + t) / 3, 1 - exp(-(t**2)), 1 - exp(-20 * t) / 2, exp(1 - 1 / t)],
    ids=str,
)
def test_times_without_a_closed_inverse(masked: sympy.Expr) -> None:
    schedule = NoiseSchedule.from_mask_probability(masked)
    assert schedule.inverse is None
    for time in (Rational(1, 50), Rational(1, 3), Rational(95, 100)):
        u_there = sympy.N(schedule.mask_fraction_at(time), 80)
        found = schedule.time_at(Rational(u_there), digits=50)
        assert isinstance(found, sympy.Float) and abs(found - time) < Rational(1, 10**47) * time
        # From a double the time is as good as u is steep, which it is in the middle.
        assert schedule.time_at(float(u_there)) == pytest.approx(float(time), rel=1e-9)
    back = schedule.time_at(np.array([[float(schedule.u_end), 0.7, 1.0]]))
    assert back.shape == (1, 3) and (back[0, 0], back[0, 2]) == (0.0, 1.0)
    assert schedule.time_at(1) == 1 and schedule.time_at(schedule.u_end) == 0
    with pytest.raises(ClockError, match="no known closed form, so there is no exact time; give a float, or digits=50"):
        schedule.time_at("7/10")


def test_tiny_fractions_without_a_closed_inverse() -> None:
    schedule = NoiseSchedule.from_alpha(1 - (1 - (1 - t) ** 2) ** 2)  # u = (2 t − t²)², which cancels as written
    assert schedule.time_at(4e-200) == pytest.approx(1e-100, rel=1e-14)
    assert abs(schedule.time_at(Rational(4, 10**400), digits=30) - Rational(1, 10**200)) < Rational(1, 10**229)


def test_given_inverse_is_used_and_checked() -> None:
    schedule = NoiseSchedule.from_alpha(1 - t**2, 3 / sympy.Integer(4), inverse=3 * sqrt(u) / 4)
    assert schedule.time_at("1/4") == Rational(3, 8) and schedule.time_at(0.25) == 0.375
    with pytest.raises(ClockError, match="inverse leads from t = 1e-16 to 1e-32; correct or omit it"):
        NoiseSchedule.from_alpha(1 - t, inverse=u**2)


@pytest.mark.parametrize(
    ("kappa", "equal"),
    [(tau, linear()), (tau**3, None), (sympy.sin(pi * tau / 2), cosine_mdlm(0))],
    ids=["t", "t^n", "sin"],
)
def test_flow_matching_runs_the_other_way(kappa: sympy.Expr, equal: NoiseSchedule | None) -> None:
    flow = NoiseSchedule.from_flow(kappa)
    assert flow.alpha_at(1) == 0 and flow.alpha_at(0) == 1
    for own_time in (Rational(1, 5), Rational(2, 3)):
        assert sympy.simplify(flow.alpha_at(1 - own_time) - kappa.subs(tau, own_time)) == 0
        # The unmasking rate of a flow is κ'/(1 − κ) at its own time: Gat et al., arXiv:2407.15595.
        rate = (kappa.diff(tau) / (1 - kappa)).subs(tau, own_time)
        assert sympy.simplify(flow.hazard_at(1 - own_time) - rate) == 0
    # Near its start the flow keeps its digits: 1 − u = κ(τ) / κ(T).
    small = 2.0**-40
    assert flow.clock_at(1 - small) == pytest.approx(float(-sympy.log(1 - kappa.subs(tau, small)).evalf(40)), rel=1e-13)
    if equal is not None:
        x = np.linspace(0.01, 0.99, 12)
        assert np.allclose(flow.mask_fraction_at(x), equal.mask_fraction_at(x), rtol=1e-13, atol=0)


def test_limits_stand_in_where_substitution_fails() -> None:
    schedule = NoiseSchedule.from_alpha(1 - exp(1 - 1 / t))
    assert schedule.alpha_at(0) == 1 and schedule.u_end == 0 and schedule.clock_at(0) == oo
    assert schedule.mask_fraction_at("1/2") == exp(-1)


@pytest.mark.parametrize(
    ("alpha", "horizon", "message"),
    [
        ("1 - t", 1, "alpha is '1 - t': text and plain numbers make no schedule; give a SymPy expression"),
        (0.5, 1, "alpha is 0.5: text"),
        (sympy.Rational(1, 2), 1, "alpha holds no symbol, so nothing says what runs; give an expression in t alone"),
        (1 - t * symbol("a"), 1, "alpha holds a and t, so"),
        (t, 1, "alpha is 1 at the horizon 1, so nothing is masked to start from; enlarge T"),
        (2 - t, 2, "alpha is 2 at t = 0, but a probability is a real number <= 1; rescale it"),
        (1 - 2 * t, 1, "alpha is -1 at the horizon 1, but a probability is a real number >= 0; rescale it"),
        (1 - sympy.I * t, 1, "alpha is 1 - I at the horizon 1, but a probability is a real number"),
        (log(t), 1, "alpha is -oo at t = 0|alpha is 0 at"),
        (1 - 4 * t + 4 * t**2 - t / 10, 1, "alpha is -1/10|does not decrease between t = "),
        (1 - t / 2 - sympy.sin(6 * pi * t) / 10, 1, "does not decrease between t = .* so time is no clock there"),
        (1 - sympy.Max(0, t - Rational(1, 2)), 1, "does not decrease between t = 1e-16 and 1e-15"),
        (sympy.Function("f")(t), 1, "but a probability is a real number; correct it"),
        (1 - t, 0, "horizon is 0: no time is left to unmask; use T > 0"),
        (1 - t, "-1", "horizon is -1: no time is left"),
        (1 - t, oo, "horizon is oo: only finite numbers"),
        (1 - t, True, "horizon is True: that is no number"),
        (1 - t, "soon", "horizon is 'soon': that is no number"),
    ],
)
def test_what_is_no_schedule(alpha: Any, horizon: Any, message: str) -> None:
    with pytest.raises(ClockError, match=message) as caught:
        NoiseSchedule.from_alpha(alpha, horizon, name="mine")
    assert "\n" not in str(caught.value) and "noise schedule 'mine'" in str(caught.value)


def test_slow_and_saturated_schedules_are_accepted() -> None:
    assert NoiseSchedule.from_alpha(exp(-t), 1000).u_end == 0  # α rounds to 0 and 1 − α to 1 long before T
    assert NoiseSchedule.from_alpha(1 - t / 10**40).u_end == 0


# Input


@pytest.mark.parametrize("method", ["alpha_at", "mask_fraction_at", "clock_at", "hazard_at", "time_at"])
@pytest.mark.parametrize(
    "value",
    [
        -1e-9, 1.5, "3/2", "-1", Fraction(4, 3), sympy.I, sqrt(2), np.nan, np.inf, -np.inf, oo, sympy.nan, True, None,
        "x", "__import__('os')", [0.5, 2.0], [0.5, np.nan], ["a"], [True], [1j], [[1.0], [0.5, 0.5]], {}, set(),
    ],
    ids=repr,
)  # fmt: skip
def test_bad_times_and_fractions(method: str, value: object) -> None:
    with pytest.raises(ClockError) as caught:
        getattr(linear(), method)(value)
    message = str(caught.value)
    assert "\n" not in message and message.startswith("mask fraction u is" if method == "time_at" else "time t is")


def test_no_floats_while_symbols_are_left() -> None:
    schedule = log_linear(symbol("epsilon", positive=True), symbol("T", positive=True))
    assert schedule.time_at("1/2") == symbol("T", positive=True) / 2
    for method in (schedule.mask_fraction_at, schedule.time_at):
        with pytest.raises(ClockError, match="still holds T, epsilon, so it has no value at a float; give numbers"):
            method(0.5)


def test_parse() -> None:
    assert parse_schedule("linear") == linear()
    assert parse_schedule("log-linear:epsilon=1/1000") == parse_schedule("log-linear:epsilon=0.001") == log_linear()
    assert parse_schedule("geometric: sigma_max = 10 , sigma_min=1e-2", "2") == geometric("1/100", 10, 2)
    assert parse_schedule("constant", "oo") == constant(oo) and parse_schedule("constant").horizon == 10
    for name, kind in SCHEDULES.items():
        spelled = ",".join(f"{key}={value}" for key, value in kind.build().parameters)
        assert parse_schedule(f"{name}:{spelled}" if spelled else name) == kind.build()


@pytest.mark.parametrize(
    ("text", "horizon", "message"),
    [
        (
            "sigmoid",
            None,
            "'sigmoid' is unknown, so there is no clock; choose one of constant, linear, log-linear, poly",
        ),
        ("", None, "'' is unknown"),
        ("linear:k=2", None, "'linear' has no parameter 'k', so it would change nothing; it takes none"),
        ("geometric:sigma=2", None, "has no parameter 'sigma', .* it takes sigma_min and sigma_max"),
        ("polynomial:horizon=2", None, "has no parameter 'horizon'"),
        ("polynomial:", None, "has no parameter ''"),
        ("polynomial:k=1,k=2", None, "k is given twice, so its value is ambiguous; give it once"),
        ("polynomial:k", None, "k is '': that is no number"),
        ("polynomial:k=two", None, "k is 'two': that is no number"),
        ("polynomial:k=0", None, r"k is 0: alpha is no decreasing probability then; choose it in \(0, oo\)"),
        ("polynomial:k=nan", None, "k is nan: only finite numbers"),
        ("log-linear:epsilon=1", None, r"epsilon is 1: .* choose it in \[0, 1\)"),
        ("cosine-mdlm:epsilon=-1/2", None, r"epsilon is -1/2: .* choose it in \[0, 1\)"),
        ("geometric:sigma_min=20", None, r"sigma_min is 20: .* choose it in \(0, 20\)"),
        ("geometric:sigma_min=0", None, "sigma_min is 0"),
        ("geometric:sigma_max=-1", None, "sigma_max is -1"),
        ("linear", "0", "'linear': horizon is 0: no time is left to unmask; use T > 0"),
        ("linear", "oo", "horizon is oo: only finite"),
        ("constant", "-oo", "horizon is -oo: only finite"),
        ("constant", "nan", "horizon is nan"),
    ],
)
def test_parse_errors(text: str, horizon: str | None, message: str) -> None:
    with pytest.raises(ClockError, match=message) as caught:
        parse_schedule(text, horizon)
    assert "\n" not in str(caught.value)


# Manners


def test_values_are_values() -> None:
    schedule = geometric()
    assert hash(schedule) == hash(geometric()) and pickle.loads(pickle.dumps(schedule)) == schedule
    with pytest.raises(AttributeError):
        schedule.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        SCHEDULES["mine"] = SCHEDULES["linear"]  # type: ignore[index]


def test_working_precision_does_not_matter() -> None:
    schedule = NoiseSchedule.from_mask_probability((t + t**2) / 2)
    usual = schedule.time_at("1/3", digits=60), schedule.time_at(0.3), geometric().clock_at(0.9)
    with mpmath.workdps(5):
        assert usual == (schedule.time_at("1/3", digits=60), schedule.time_at(0.3), geometric().clock_at(0.9))
