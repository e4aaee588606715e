"""The Kolmogorov forward equations of a guided chain as SymPy equations: on the clock, in time, in reversed time."""

from collections.abc import Mapping
from dataclasses import dataclass

from sympy import Add, Derivative, Eq, Expr, Function, Integer, Symbol

from symguide.chains.naming import NamedChain, plain
from symguide.errors import ClockError
from symguide.laws.law import Context
from symguide.schedules.noise_schedule import NoiseSchedule
from symguide.symbols import s, t, tau

__all__ = ["VARIABLES", "KolmogorovSystem", "kolmogorov", "unknown"]

VARIABLES: Mapping[str, Symbol] = {"clock": s, "time": t, "reversed": tau}
"""What the equations may run in: the clock ``s``, time ``t``, reversed time ``τ = T − t``."""


@dataclass(frozen=True, slots=True)
class KolmogorovSystem:
    """A linear system ``dP/dx = A P`` with its initial values.

    Attributes
    ----------
    variable
        ``s``, ``t`` or ``tau``.
    states
        Contexts, in the order of the equations; the start is the first.
    unknowns
        ``P_x`` as applied SymPy functions of the variable.
    equations
        One SymPy equation per context.
    initial
        ``{P_x at the start: 1 or 0}``; in time the start is ``t = T``.
    definitions
        What the abbreviations in the equations stand for.

    >>> from symguide.chains.family import representative
    >>> system = kolmogorov(representative(1))
    >>> system.initial
    {P_(M)(0): 1, P_(x_1)(0): 0}
    """

    variable: Symbol
    states: tuple[Context, ...]
    unknowns: tuple[Expr, ...]
    equations: tuple[Eq, ...]
    initial: Mapping[Expr, Integer]
    definitions: Mapping[Expr, Expr]


def unknown(context: Context, variable: Expr) -> Expr:
    """``P_x`` as a function of the clock or of time.

    >>> unknown((None, 2), s)
    P_(M,2)(s)
    """
    return Function(f"P_({plain(context)})")(variable)


def kolmogorov(named: NamedChain, variable: str = "clock", schedule: NoiseSchedule | None = None) -> KolmogorovSystem:
    """The forward equations of a chain with named rates.

    On the clock ``dP_x/ds = Σ_{i∈S} r_i(x_i|x_{S∖i}) P_{x_{S∖i}} − Λ(x) P_x``; in time ``dP/dt = −β(t) ·`` (right-hand
    side); in reversed time ``τ = T − t`` the factor is ``β(T − τ)``. Without a schedule ``β`` stays a function and
    ``T`` a symbol.

    Parameters
    ----------
    named
        The chain; spelled-out rates come from its definitions.
    variable
        ``"clock"``, ``"time"`` or ``"reversed"``.
    schedule
        The noise schedule, for the last two.

    Raises
    ------
    ClockError
        For an unknown variable, and for reversed time from an infinite horizon.

    References
    ----------
    He, Rojas, Tao, arXiv:2506.10971, the guided reverse dynamics.

    >>> from symguide.chains.family import rate_symbols
    >>> from symguide.chains.naming import named
    >>> from symguide.symbols import w
    >>> kolmogorov(named(rate_symbols(1, 1), w)).equations
    (Eq(Derivative(P_(M)(s), s), -Z*P_(M)(s)), Eq(Derivative(P_(0)(s), s), r(M->0)*P_(M)(s)))
    """
    if variable not in VARIABLES:
        raise ClockError(
            f"variable {variable!r} is unknown, so no equation can be written; choose {', '.join(VARIABLES)}"
        )
    x = VARIABLES[variable]
    horizon = Symbol("T", positive=True) if schedule is None else schedule.horizon
    if variable == "reversed" and horizon.is_infinite:
        raise ClockError(
            f"noise schedule {'' if schedule is None else schedule.name!r} has an infinite horizon, so reversed time "
            "T - t never starts; give a finite horizon"
        )
    hazard = Function("beta")(t) if schedule is None else schedule.hazard
    factor: Expr = {
        "clock": Integer(1),
        "time": -hazard,
        "reversed": hazard.subs(t, horizon - tau),
    }[variable]
    chain = named.chain
    unknowns = tuple(unknown(context, x) for context in chain.states)
    equations = []
    for state, reveals in enumerate(chain.incoming):
        inflow = [reveal.rate * unknowns[reveal.source] for reveal in reveals]
        balance = Add(*inflow, -chain.exit_rate(state) * unknowns[state])
        equations.append(Eq(Derivative(unknowns[state], x), factor * balance, evaluate=False))
    begin = horizon if variable == "time" else Integer(0)
    initial = {unknown(context, begin): Integer(1 if state == 0 else 0) for state, context in enumerate(chain.states)}
    return KolmogorovSystem(x, chain.states, unknowns, tuple(equations), initial, named.definitions)
