"""Closed forms of the guided chain in SymPy: every context's probability, in shared form, with its conditions."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sympy import Expr, Function, Symbol, exp, log
from sympy.core.relational import Relational

from symguide.chains.chain import Chain
from symguide.chains.expansion import Expansion, expand
from symguide.chains.functionals import Distribution, terminal_law
from symguide.chains.naming import NamedChain, named
from symguide.errors import DataError, SymguideError
from symguide.latex.formulas import SHOWN, aligned, left_out
from symguide.latex.notation import state
from symguide.laws.law import Context, format_context
from symguide.numbers.arithmetic import SYMBOLIC
from symguide.numbers.exp_dd import in_powers
from symguide.schedules.noise_schedule import NoiseSchedule
from symguide.symbols import s, t, u, w

__all__ = ["MAX_SYMBOLIC_TERMS", "Solution", "in_time", "powers_of_u", "solve"]

MAX_SYMBOLIC_TERMS = 20_000
"""Terms beyond which closed forms are not built as SymPy expressions."""


@dataclass(frozen=True, repr=False)
class Solution:
    """The closed form of a guided chain.

    Expressions are in the clock ``s`` and in abbreviations (exit rates ``Λ``, ``c_v``, ``d_v``, normalisers ``Z``) that
    ``definitions`` resolves; divided differences ``exp_dd`` keep them valid whichever exit rates coincide.

    Attributes
    ----------
    named
        The chain over SymPy and the abbreviations.
    expansion
        The sum over reveal paths, per state.

    >>> from symguide.chains.family import representative
    >>> solve(representative(1)).tv
    exp(-s*Z)
    """

    named: NamedChain
    expansion: Expansion[Expr]

    def __repr__(self) -> str:
        return f"<Solution of {len(self.states)} contexts in {self.expansion.size} terms>"

    def _repr_latex_(self) -> str:
        shown = zip(self.states[:SHOWN], self.probabilities[:SHOWN], strict=True)
        rest = left_out(SHOWN, len(self.states), "contexts")
        return aligned([(state(context, "s"), value) for context, value in shown], rest)._repr_latex_()

    @property
    def states(self) -> tuple[Context, ...]:
        """Reachable contexts, start first."""
        return self.named.chain.states

    @property
    def definitions(self) -> Mapping[Expr, Expr]:
        """``{abbreviation: expression in w and the data}``."""
        return self.named.definitions

    @cached_property
    def probabilities(self) -> tuple[Expr, ...]:
        """``P_x(s)`` for every state, in order."""
        return tuple(self.expansion.probabilities(s))

    def __getitem__(self, context: Context) -> Expr:
        """``P_x(s)`` of one context.

        Raises
        ------
        DataError
            If guidance never reaches the context.
        """
        place = self.named.chain.index.get(tuple(context))
        if place is None:
            raise DataError(
                f"context {format_context(context)} is never reached from {format_context(self.states[0])}, "
                "so it has no closed form; ask for one of Solution.states"
            )
        return self.probabilities[place]

    @cached_property
    def tv(self) -> Expr:
        """``TV(P(s), P(∞))``, the survival function of the time at which the last token is revealed.

        Raises
        ------
        SymguideError
            For general laws seen along one sequence of several tokens: the contexts of other sequences count too.
        """
        chain = self.named.chain
        if isinstance(chain.vocabulary, Expr) and chain.length > 1:
            raise SymguideError(
                f"TV of {chain.length} tokens with a symbolic vocabulary sums over all sequences, but this solution "
                "follows one; sum its non-terminal probabilities over the tokens"
            )
        return self.expansion.survival(s)

    @cached_property
    def distribution(self) -> Distribution:
        """The law at clock ``s`` on all reachable contexts."""
        return Distribution(self.states, self.probabilities, SYMBOLIC)

    @cached_property
    def terminal(self) -> Distribution:
        """The terminal law, ``u → 0``: rational in the rates."""
        return terminal_law(self.named.chain)

    def spell_out(self, expression: Expr) -> Expr:
        """The expression with its abbreviations replaced by sums in ``w`` and the data."""
        return self.named.spell_out(expression)


def solve(chain: Chain[Any] | NamedChain, strength: Expr = w, limit: int = MAX_SYMBOLIC_TERMS) -> Solution:
    """Solve the Kolmogorov equations of a guided chain in closed form.

    ``P_x(s) = Σ_paths Π r · exp_dd((Λ_0, …, Λ_n), s)`` with the exit rates along each reveal path: one token gives
    ``P_v = (1 − u^Z) q(v)/Z``, two tokens ``P_{(v,M)} = q_1(v) (u^{c_v} − u^{Z_1+Z_2})/(Z_1 + Z_2 − c_v)``.

    Parameters
    ----------
    chain
        A chain of exponential sums (from :func:`symguide.chains.chain.guided_chain`) or one with named rates.
    strength
        The guidance strength, symbolic or a number.
    limit
        Largest number of terms.

    Raises
    ------
    ChainTooLargeError
        When the closed form has more terms than ``limit``.

    References
    ----------
    He, Rojas, Tao, arXiv:2506.10971: their one- and two-token solutions are the cases ``D = 1, 2``.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> solution = solve(guided_chain(guidance(load("interval-overlap"))))
    >>> solution[(4,)]
    exp_dd((0, Z), s)/6
    >>> solution.definitions
    {Z: 2*2**w/3 + 1/3}
    """
    prepared = chain if isinstance(chain, NamedChain) else named(chain, strength)
    return Solution(prepared, expand(prepared.chain, limit))


def powers_of_u(expression: Expr) -> tuple[Expr, frozenset[Relational]]:
    """An expression on the clock ``s``, rewritten in powers of ``u = e^{−s}``, with the conditions under which it
    holds.

    >>> from sympy import symbols
    >>> from symguide.numbers.exp_dd import exp_dd
    >>> a, b = symbols("a b", positive=True)
    >>> powers_of_u(exp_dd((a, b), s))
    (u**a/(-a + b) + u**b/(a - b), frozenset({Ne(a, b)}))
    """
    decays: dict[Any, Any] = {
        atom: u ** -atom.args[0].coeff(s) for atom in _exponentials(expression) if _is_decay(atom)
    }
    powers: Any = expression.xreplace(decays).subs(s, -log(u))
    return in_powers(powers)


def _exponentials(expression: Any) -> Any:
    return expression.atoms(exp)


def _is_decay(atom: Any) -> bool:
    return atom.args[0].coeff(s) * s == atom.args[0]


def in_time(expression: Expr, schedule: NoiseSchedule | None = None) -> Expr:
    """An expression in ``s`` or ``u``, rewritten in time ``t`` through ``u = (1 − α(t))/(1 − α(T))``.

    Without a schedule ``α`` stays a function and ``T`` a symbol, and closed forms come in powers of ``1 − α(t)``.

    >>> in_time(u**2)
    (1 - alpha(t))**2/(1 - alpha(T))**2
    """
    if schedule is None:
        alpha, horizon = Function("alpha"), Symbol("T", positive=True)
        fraction = (1 - alpha(t)) / (1 - alpha(horizon))
    else:
        fraction = schedule.mask_fraction
    return expression.subs(s, -log(u)).subs(u, fraction)
