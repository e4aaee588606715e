"""The published families of noise schedules, by name."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import cast

import sympy
from sympy import Expr
from sympy.codegen.cfunctions import expm1, log1p

from symguide.errors import ClockError
from symguide.numbers.number import Number, read_number, shown, to_sympy
from symguide.schedules.noise_schedule import NoiseSchedule, as_spelled, read_horizon
from symguide.symbols import t, tau, u

__all__ = [
    "SCHEDULES",
    "ScheduleKind",
    "constant",
    "cosine",
    "cosine_mdlm",
    "geometric",
    "linear",
    "log_linear",
    "parse_schedule",
    "polynomial",
]

_LARGEST_POWER = 10_000
"""The highest power of a time that is taken."""

_MD4 = "Shi et al. (MD4), arXiv:2406.04329, its masking schedules"
_MDLM = "Sahoo et al. (MDLM), arXiv:2406.07524"
_SEDD = "Lou et al. (SEDD), arXiv:2310.16834, its noise schedules"


def _read_parameter(
    value: object, name: str, low: Number, high: Number | None = None, closed: bool = False
) -> tuple[Number, Expr]:
    """A family's parameter in ``(low, high)``, or in ``[low, high)`` if ``closed``."""
    what = "noise schedule {!r}: {}".format(*name.split(":"))
    number = as_spelled(read_number(value, what, ClockError))
    expr = to_sympy(number)
    below = (expr - low).is_negative if closed else (expr - low).is_nonpositive
    if below or expr.is_real is False or (high is not None and (expr - high).is_nonnegative):
        interval = f"{'[' if closed else '('}{low}, {'oo' if high is None else high})"
        raise ClockError(f"{what} is {number}: alpha is no decreasing probability then; choose it in {interval}")
    return number, expr


def constant(horizon: object = 10) -> NoiseSchedule:
    """``α = e^{−t}``: every token is masked at rate 1, and ``T`` only says for how long.

    At the default ``T = 10`` a token is clean with probability 4.5e-5; with ``T = oo``, ``u = 1 − e^{−t}``.

    Source: He, Rojas, Tao, arXiv:2506.10971, whose forward process masks at rate 1.

    >>> constant().mask_fraction, constant("oo").mask_fraction
    ((1 - exp(-t))/(1 - exp(-10)), 1 - exp(-t))
    """
    end = read_horizon(horizon, "constant", infinite=True)
    inverse = -sympy.log(1 - u * (1 - sympy.exp(-end)))
    source = "He, Rojas, Tao, arXiv:2506.10971"
    return NoiseSchedule("constant", sympy.exp(-t), end, (), source, inverse, -sympy.exp(-t) * expm1(-tau))


def linear(horizon: object = 1) -> NoiseSchedule:
    """``α = 1 − t/T``, so that ``u = t/T``.

    Source: Shi et al. (MD4), arXiv:2406.04329, its masking schedules.

    >>> linear(2).mask_fraction
    t/2
    """
    end = read_horizon(horizon, "linear")
    return NoiseSchedule("linear", 1 - t / end, end, (), _MD4, u * end, tau / end)


def log_linear(epsilon: object = Fraction(1, 1000), horizon: object = 1) -> NoiseSchedule:
    """``α = 1 − (1 − ε) t/T``: the hazard is ``1/t`` and ``u = t/T``, whatever ``0 ≤ ε < 1``.

    Source: Lou et al. (SEDD), arXiv:2310.16834, its log-linear noise; Sahoo et al.
    (MDLM), arXiv:2406.07524. The default is that of both codes.

    >>> log_linear().hazard
    1/t
    """
    end = read_horizon(horizon, "log-linear")
    number, eps = _read_parameter(epsilon, "log-linear:epsilon", 0, 1, closed=True)
    alpha, revealed = 1 - (1 - eps) * t / end, (1 - eps) * tau / end
    return NoiseSchedule("log-linear", alpha, end, (("epsilon", number),), f"{_SEDD}; {_MDLM}", u * end, revealed)


def polynomial(k: object = 2, horizon: object = 1) -> NoiseSchedule:
    """``α = 1 − (t/T)^k`` with ``k > 0``: the hazard is ``k/t``.

    Source: Shi et al. (MD4), arXiv:2406.04329, its masking schedules.

    >>> polynomial("1/2").clock_at("1/16")
    log(4)
    """
    end = read_horizon(horizon, "polynomial")
    number, power = _read_parameter(k, "polynomial:k", 0)
    if (power - _LARGEST_POWER).is_positive:
        raise ClockError(
            f"noise schedule 'polynomial': k is {shown(number)}: exact powers of times would have too many digits; "
            f"choose it in (0, {_LARGEST_POWER}]"
        )
    alpha, inverse = 1 - (t / end) ** power, end * u ** (1 / power)
    revealed = -cast(Expr, expm1(power * log1p(-tau / end)))
    return NoiseSchedule("polynomial", alpha, end, (("k", number),), _MD4, inverse, revealed)


def cosine(horizon: object = 1) -> NoiseSchedule:
    """``α = 1 − cos(π/2 (1 − t/T)) = 1 − sin(π/2 t/T)``: the hazard vanishes at the start.

    Source: Shi et al. (MD4), arXiv:2406.04329, its masking schedules.

    >>> cosine().time_at("1/2")
    1/3
    """
    end = read_horizon(horizon, "cosine")
    masked, inverse = cast(Expr, sympy.sin(sympy.pi * t / (2 * end))), 2 * end * sympy.asin(u) / sympy.pi
    return NoiseSchedule("cosine", 1 - masked, end, (), _MD4, inverse, 2 * sympy.sin(sympy.pi * tau / (4 * end)) ** 2)


def cosine_mdlm(epsilon: object = Fraction(1, 1000), horizon: object = 1) -> NoiseSchedule:
    """``α = ε + (1 − ε) cos(π/2 t/T)``: the hazard is about ``2/t`` near the end, and ``u = 2 sin²(π/4 t/T)``.

    Source: Sahoo et al. (MDLM), arXiv:2406.07524; the class ``CosineNoise`` of its code, with this default.

    >>> cosine_mdlm().mask_fraction
    1 - cos(pi*t/2)
    """
    end = read_horizon(horizon, "cosine-mdlm")
    number, eps = _read_parameter(epsilon, "cosine-mdlm:epsilon", 0, 1, closed=True)
    alpha = eps + (1 - eps) * sympy.cos(sympy.pi * t / (2 * end))
    inverse = 4 * end * sympy.asin(sympy.sqrt(u / 2)) / sympy.pi
    revealed = (1 - eps) * sympy.sin(sympy.pi * tau / (2 * end))
    return NoiseSchedule("cosine-mdlm", alpha, end, (("epsilon", number),), _MDLM, inverse, revealed)


def geometric(sigma_min: object = Fraction(1, 10000), sigma_max: object = 20, horizon: object = 1) -> NoiseSchedule:
    """``α = exp(−σ)``, ``σ = σ_min^{1 − t/T} σ_max^{t/T}``: ``α(0) < 1``, so that masks are left at the end.

    Source: Lou et al. (SEDD), arXiv:2310.16834, its geometric noise; defaults as configured in its code.

    >>> geometric(1, 2).alpha
    exp(-2**t)
    """
    end = read_horizon(horizon, "geometric")
    top, high = _read_parameter(sigma_max, "geometric:sigma_max", 0)
    bottom, low = _read_parameter(sigma_min, "geometric:sigma_min", 0, top)
    sigma, stretch = low * (high / low) ** (t / end), sympy.log(high / low)
    inverse = end * sympy.log(-sympy.log(1 - u * (1 - sympy.exp(-high))) / low) / stretch
    to_go = -high * expm1(-stretch * tau / end)  # σ_max − σ
    parameters = ("sigma_min", bottom), ("sigma_max", top)
    return NoiseSchedule(
        "geometric", sympy.exp(-sigma), end, parameters, _SEDD, inverse, -sympy.exp(-sigma) * expm1(-to_go)
    )


@dataclass(frozen=True, slots=True)
class ScheduleKind:
    """A published family of schedules: what builds a member, and one line on it.

    >>> SCHEDULES["geometric"].parameters
    ('sigma_min', 'sigma_max')
    """

    build: Callable[..., NoiseSchedule]
    description: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names that ``build`` takes besides the horizon; all have defaults."""
        return tuple(name for name in inspect.signature(self.build).parameters if name != "horizon")

    @property
    def source(self) -> str:
        """Whom to cite."""
        return self.build().source


SCHEDULES: Mapping[str, ScheduleKind] = MappingProxyType(
    {
        "constant": ScheduleKind(constant, "alpha = exp(-t), T = 10 unless given"),
        "linear": ScheduleKind(linear, "alpha = 1 - t/T"),
        "log-linear": ScheduleKind(log_linear, "alpha = 1 - (1 - epsilon) t/T, hazard 1/t"),
        "polynomial": ScheduleKind(polynomial, "alpha = 1 - (t/T)^k"),
        "cosine": ScheduleKind(cosine, "alpha = 1 - cos(pi/2 (1 - t/T))"),
        "cosine-mdlm": ScheduleKind(cosine_mdlm, "alpha = epsilon + (1 - epsilon) cos(pi/2 t/T)"),
        "geometric": ScheduleKind(
            geometric, "alpha = exp(-sigma_min^(1 - t/T) sigma_max^(t/T)), masks left at the end"
        ),
    }
)
"""Read-only: the published families by name."""


def parse_schedule(text: str, horizon: object = None) -> NoiseSchedule:
    """Read ``NAME[:key=value,…]``, its numbers exactly; without a horizon the family's own holds.

    Raises
    ------
    ClockError
        For an unknown name or key, a key given twice, and values that the family refuses.

    >>> parse_schedule("polynomial:k=3", horizon=2).alpha
    1 - t**3/8
    >>> parse_schedule("linear:k=3")
    Traceback (most recent call last):
    symguide.errors.ClockError: noise schedule 'linear' has no parameter 'k', so it would change nothing; it takes none
    """
    name, colon, rest = text.partition(":")
    kind = SCHEDULES.get(name)
    if kind is None:
        raise ClockError(
            f"noise schedule {name!r} is unknown, so there is no clock; choose one of {', '.join(SCHEDULES)}"
        )
    given: dict[str, str] = {}
    for item in rest.split(",") if colon else ():
        key, _, value = (part.strip() for part in item.partition("="))
        if key not in kind.parameters:
            takes = " and ".join(kind.parameters) or "none"
            raise ClockError(
                f"noise schedule {name!r} has no parameter {key!r}, so it would change nothing; it takes {takes}"
            )
        if key in given:
            raise ClockError(f"noise schedule {name!r}: {key} is given twice, so its value is ambiguous; give it once")
        given[key] = value
    return kind.build(**given) if horizon is None else kind.build(**given, horizon=horizon)
