r"""Closed forms as LaTeX: equations, contexts, terminal law and total variation, abridged where they are long."""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sympy import Add, Basic, Expr, Mul, Ne, Pow, cancel, exp
from sympy.core.relational import Relational

from symguide.chains.chain import Chain
from symguide.chains.expansion import expand
from symguide.chains.naming import plain
from symguide.chains.ode import KolmogorovSystem
from symguide.closed_forms.solution import Solution, powers_of_u
from symguide.errors import ChainTooLargeError, SymguideError
from symguide.latex.formulas import SHOWN, WIDTH, Fragment, Row, aligned, in_use, left_out, pack, width
from symguide.latex.notation import state, tex
from symguide.laws.law import Context
from symguide.numbers.arithmetic import FLOATS
from symguide.numbers.exp_dd import confluent_equal, exp_dd
from symguide.schedules.noise_schedule import NoiseSchedule
from symguide.symbols import s, symbol, u

__all__ = [
    "FORMS",
    "Listing",
    "abbreviations",
    "closed_form",
    "context_form",
    "excerpt",
    "ode",
    "schedule_equations",
    "shared_form",
    "terminal_form",
    "tv_form",
]

FORMS = ("divided differences", "powers of u")
"""The ways to write a closed form: valid whichever exit rates coincide, and as the papers have it."""

ROWS = 80
"""Rows, about two pages, after which a list that may be abridged stops; it says how much it leaves out."""
WIDEST = 15
"""About how many parts of an expression a row holds; longer formulas are not even set."""
MOST_TERMS = 5_000
"""Terms of a closed form up to which :func:`excerpt` keeps the whole chain."""


@dataclass(frozen=True, slots=True)
class Listing(Fragment):
    """A fragment that lists formulas: their right-hand sides, and how many more there would be.

    >>> from symguide.chains.family import representative
    >>> from symguide.closed_forms.solution import solve
    >>> listing = closed_form(solve(representative(2)), limit=1)
    >>> listing.shown, listing.missing
    ((exp(s*(-Z_1 - Z_2)),), 3)
    """

    shown: tuple[Expr, ...] = ()
    missing: int = 0


def _listing(
    rows: Iterable[Row], limit: int | None, total: int, what: str, more: Iterable[str] = (), longest: int = ROWS
) -> Listing:
    """The first rows, as many as the limits allow, none too long; then how many of ``total`` are left out."""
    kept: list[Row] = []
    room = ROWS
    for left, right, *sign in rows if limit is None else islice(rows, 4 * limit):
        if limit is not None:
            needed = len(aligned([(left, right, *sign)]).rows) if _size(right) <= WIDEST * longest else ROWS + 1
            if needed > longest:
                continue
            room -= needed
            if room < 0 or len(kept) == limit:
                break
        kept.append((left, right, *sign))
    block = aligned(kept, [*left_out(len(kept), total, what), *more])
    return Listing(block.rows, tuple(right for _, right, *_ in kept), total - len(kept))


def _size(expression: Expr) -> int:
    """How many parts an expression has once it is written out, where shared parts stand each time."""
    known: dict[Basic, int] = {}
    stack: list[Basic] = [expression]
    while stack:
        part = stack[-1]
        waiting = [inner for inner in part.args if inner not in known]
        if waiting:
            stack += waiting
        else:
            known[stack.pop()] = 1 + sum(known[inner] for inner in part.args)
    return known[expression]


def closed_form(
    solution: Solution, form: str = "divided differences", limit: int | None = SHOWN, whole: Chain[Any] | None = None
) -> Listing:
    r"""The closed form of every context, start first.

    Parameters
    ----------
    solution
        The solved chain.
    form
        ``"divided differences"``, valid whichever exit rates coincide, in ``s``; or ``"powers of u"``, followed by the
        conditions under which it holds. Conditions that numbers decide are not printed; a context whose powers of ``u``
        do not exist, because rates with different names are equal at this strength, keeps its divided differences.
    limit
        How many contexts are printed, fewer where they are long; a row says how many are not. ``None``: all.
    whole
        The chain of which the solution holds an :func:`excerpt`, to count what is left out.

    Raises
    ------
    SymguideError
        For an unknown form.

    >>> from symguide.chains.family import representative
    >>> from symguide.closed_forms.solution import solve
    >>> print(closed_form(solve(representative(1)), "powers of u").rows[0])
    P_{(\mathrm{M})}(u) &= u^{Z_{z,w}}
    """
    rows, conditions = _contexts(solution, form, range(len(solution.states))[:limit])
    total = len(solution.states) if whole is None else len(whole.states)
    return _listing(rows, limit, total, "contexts", _conditions(conditions))


def context_form(solution: Solution, context: Context, form: str = "divided differences") -> Listing:
    r"""The closed form of one context, in full; ``form`` as in :func:`closed_form`.

    >>> from symguide.chains.family import representative
    >>> from symguide.closed_forms.solution import solve
    >>> solved = solve(representative(1))
    >>> print(context_form(solved, solved.states[0]).rows[0])
    P_{(\mathrm{M})}(s) &= e^{- s Z_{z,w}}
    """
    rows, conditions = _contexts(solution, form, [solution.states.index(context)])
    return _listing(rows, None, 1, "contexts", _conditions(conditions))


def _contexts(solution: Solution, form: str, places: Sequence[int]) -> tuple[list[Row], set[Relational]]:
    if form not in FORMS:
        raise SymguideError(f"form {form!r} is unknown, so nothing is written; use {' or '.join(map(repr, FORMS))}")
    values = solution.expansion.at(s, [solution.expansion.terms[place] for place in places])
    rows: list[Row] = []
    conditions: set[Relational] = set()
    for place, value in zip(places, values, strict=True):
        argument = "s"
        if form == "powers of u" and (found := _as_powers(value, solution)) is not None:
            value, argument = found[0], "u"
            conditions |= found[1]
        rows.append((state(solution.states[place], argument), value))
    return rows, conditions


def tv_form(
    solution: Solution, form: str = "divided differences", limit: int | None = SHOWN, whole: Chain[Any] | None = None
) -> Listing:
    r"""``TV`` to the terminal law in closed form; ``form`` and ``whole`` as in :func:`closed_form`.

    ``limit`` counts the terms, which come by how many tokens are revealed.

    >>> from symguide.chains.family import representative
    >>> from symguide.closed_forms.solution import solve
    >>> print(tv_form(solve(representative(1)), "powers of u").rows[0])
    \mathrm{TV}(u) &= u^{Z_{z,w}}
    """
    if isinstance(solution.named.chain.vocabulary, Expr):
        value, total, shown = solution.tv, 1, 1
    else:
        terms, total = _tv_terms(solution, limit, solution.named.chain if whole is None else whole)
        value, shown = solution.expansion.at(s, [terms])[0], len(terms)
    found = _as_powers(value, solution) if form == "powers of u" else None
    argument, written, conditions = ("s", value, set()) if found is None else ("u", *found)
    more = [*left_out(shown, total, "terms"), *_conditions(conditions)]
    return Listing(aligned([(rf"\mathrm{{TV}}({argument})", written)], more).rows, (value,), total - shown)


def _tv_terms(solution: Solution, limit: int | None, whole: Chain[Any]) -> tuple[dict[Any, Expr], int]:
    """The first terms of TV by the number of rates in them, which is that of tokens revealed, and how many there are.

    An excerpt holds them in full where it holds every context that shows so many tokens, and knows them anyway where
    that number decides the exit rate.
    """
    if whole.paces is not None and (own := solution.named.chain.paces) is not None:
        terms = solution.expansion.births(own)
        return dict(islice(terms.items(), limit)), len(terms)
    lively = {whole.states[place] for place in whole.transient}
    terms = solution.expansion.combine(place for place, context in enumerate(solution.states) if context in lively)
    first = sorted(terms, key=lambda nodes: (len(nodes), nodes))[:limit]
    total = len(terms)
    if len(solution.states) < len(whole.states):
        total = len(expand(whole.map(lambda rate: 1.0, FLOATS)).combine(whole.transient))
    return {nodes: terms[nodes] for nodes in first}, total


def terminal_form(solution: Solution, limit: int | None = SHOWN, whole: Chain[Any] | None = None) -> Listing:
    r"""The terminal law, ``u → 0``; ``limit`` and ``whole`` as in :func:`closed_form`.

    >>> from symguide.chains.family import representative
    >>> from symguide.closed_forms.solution import solve
    >>> print(terminal_form(solve(representative(1))).rows[0])
    P_{(x_{1})}(0) &= \frac{\left(\frac{p_{1}(x_{1} \mid z)}{p_{1}(x_{1})}\right)^{w} p_{1}(x_{1} \mid z)}{Z_{z,w}}
    """
    law = solution.terminal
    rows: list[Row] = [(state(x, "0"), value) for x, value in zip(law.states, law.probabilities, strict=True)]
    return _listing(rows, limit, len(rows) if whole is None else len(whole.terminal), "terminal contexts")


def ode(system: KolmogorovSystem, limit: int | None = SHOWN, whole: Chain[Any] | None = None) -> Listing:
    r"""The Kolmogorov equations with their initial values; ``limit`` and ``whole`` as in :func:`closed_form`.

    >>> from symguide.chains.family import representative
    >>> from symguide.chains.ode import kolmogorov
    >>> print(ode(kolmogorov(representative(1))).rows[0])
    \frac{d}{d s} P_{(\mathrm{M})}(s) &= - Z_{z,w}\, P_{(\mathrm{M})}(s)
    """
    start, *others = system.initial.items()
    rest = r",\quad P_x = 0 \text{ for every other context } x" if others else ""
    rows: list[Row] = [(equation.lhs, equation.rhs) for equation in system.equations[:limit]]
    total = len(system.equations) if whole is None else len(whole.states)
    return _listing(rows, limit, total, "equations", [f"{tex(start[0])} &= {tex(start[1])}{rest}"])


def abbreviations(solution: Solution, used: Iterable[Expr], limit: int | None = SHOWN) -> Listing:
    r"""What the abbreviations in some expressions stand for; ``limit`` as in :func:`closed_form`.

    >>> from symguide.chains.family import representative
    >>> from symguide.closed_forms.solution import solve
    >>> solved = solve(representative(1))
    >>> abbreviations(solved, [solved.tv]).missing
    0
    """
    meanings = in_use(solution.definitions, used)
    rows: list[Row] = [(tex(key), value) for key, value in meanings.items()]
    return _listing(rows, limit, len(rows), "abbreviations", longest=ROWS // 8)


def excerpt(chain: Chain[Any], limit: int = SHOWN) -> Chain[Any]:
    """The part of a large chain that an abridged document shows; a chain whose closed form is short as it is.

    It holds the contexts with the fewest reveals, as many as make ``limit`` terms, and the first terminal contexts with
    every way that leads to them. Predecessors of its contexts are in it, so their probabilities are those of the whole
    chain.

    >>> from symguide.chains.family import rate_symbols
    >>> chain = rate_symbols(3, 2)
    >>> excerpt(chain) is chain
    True
    """
    units = chain.map(lambda rate: 1.0, FLOATS)
    try:
        expand(units, MOST_TERMS)
    except ChainTooLargeError:
        pass
    else:
        return chain
    wanted = [*chain.states[:limit], *(chain.states[place] for place in chain.terminal[:limit])]
    for revealed in range(chain.length):
        early = [x for x in chain.states if chain.length - x.count(None) <= revealed]
        part = units.ancestors(early)
        if len(expand(part).combine(range(len(early)))) >= limit:
            break
    return chain.ancestors(dict.fromkeys((*early, *wanted)))


def shared_form(solution: Solution, room: float = 4.0) -> Solution:
    r"""The same closed form with reveal rates wider than ``room`` em abbreviated, one name per distinct rate.

    ``r_i(v|x)`` is the rate at which ``v`` is revealed at position ``i`` of ``x``; ``definitions`` says what it is.

    >>> from symguide.chains.family import representative
    >>> from symguide.closed_forms.solution import solve
    >>> shared_form(solve(representative(1)))[tuple(solve(representative(1)).states[1])]
    r_1(x_1)*exp_dd((0, Z), s)
    """
    chain = solution.named.chain
    names: dict[Expr, Expr] = {}
    for reveals in chain.incoming:
        for reveal in reveals:
            if reveal.rate not in names and width(tex(reveal.rate)) > room:
                source = chain.states[reveal.source]
                given = "" if all(token is None for token in source) else f"|{plain(source)}"
                names[reveal.rate] = symbol(f"r_{reveal.position + 1}({reveal.token}{given})", positive=True)
    if not names:
        return solution
    meanings = {**solution.definitions, **{name: rate for rate, name in names.items()}}
    incoming = tuple(
        tuple(replace(reveal, rate=names.get(reveal.rate, reveal.rate)) for reveal in reveals)
        for reveals in chain.incoming
    )
    named = replace(solution.named, chain=replace(chain, incoming=incoming), definitions=meanings)
    return Solution(named, expand(named.chain))


def schedule_equations(schedule: NoiseSchedule | None = None) -> Fragment:
    r"""The mask fraction in time, with the concrete ``α`` where a schedule is given.

    >>> print(schedule_equations().rows[0])
    u &= \frac{1 - \alpha(t)}{1 - \alpha(T)}, \qquad s = - \ln u
    """
    general = Fragment((r"u &= \frac{1 - \alpha(t)}{1 - \alpha(T)}, \qquad s = - \ln u",))
    if schedule is None:
        return general
    concrete = {r"\alpha(t)": schedule.alpha, "T": schedule.horizon, "u": schedule.mask_fraction}
    return general + aligned({**concrete, r"\beta(t)": cancel(schedule.hazard)}.items())


def _as_powers(expression: Expr, solution: Solution) -> tuple[Expr, set[Relational]] | None:
    """Powers of ``u`` and the conditions that stay open; ``None`` where a condition fails."""
    shown, conditions = powers_of_u(_quotients(expression, solution.named.chain.exit_rate(0)))
    pairs = {atom.nodes for atom in expression.atoms(exp_dd) if len(atom.nodes) == 2}
    conditions |= {Ne(*nodes) for nodes in pairs if confluent_equal(*nodes) is None}
    open_conditions = set()
    for condition in conditions:
        same = confluent_equal(*map(solution.spell_out, condition.args))
        if same:
            return None
        if same is None:
            open_conditions.add(condition)
    return shown, open_conditions


def _quotients(expression: Expr, slow: Expr) -> Expr:
    """One rate, and two distinct ones, as the papers write them: ``u^a`` and ``(u^a − u^Λ)/(Λ − a)``."""
    known: dict[Expr, Expr] = {}
    for atom in expression.atoms(exp):
        known[atom] = u ** -atom.args[0].as_independent(s)[0]
    for atom in expression.atoms(exp_dd):
        if len(atom.nodes) == 2 and confluent_equal(*atom.nodes) is not True:
            a, b = atom.nodes if atom.nodes[0] != slow else atom.nodes[::-1]
            a, b = (b, a) if b == 0 else (a, b)
            known[atom] = Mul(Add(u**a, -(u**b)), Pow(b - a, -1))
    return expression.xreplace(known)


def _conditions(conditions: Iterable[Relational]) -> list[str]:
    shown = sorted(rf"{tex(item.args[0])} \neq {tex(item.args[1])}" for item in conditions)
    if not shown:
        return []
    first, *more = pack([[text + r",\ "] for text in shown[:-1]] + [[shown[-1]]], WIDTH / 2)
    return [rf"&\text{{where }} {first}", *(rf"&\qquad {line}" for line in more)]
