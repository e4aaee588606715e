"""How answers look to people: laws at several strengths side by side, what guidance lifts and what it suppresses."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil, isfinite, log10
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from symguide.answers.answer import PATHS, Answer, Quantity, Result
from symguide.display.tables import Column, side_by_side, token_text
from symguide.laws.composition import Composition
from symguide.laws.law import Context
from symguide.laws.mixture import Problem
from symguide.numbers.number import Number
from symguide.schedules.guidance_schedule import GuidanceSchedule

__all__ = ["answer_tables", "most_probable"]

MOST_ROWS = 20
"""Rows of a law that are shown unless a number was asked for."""

MOST_CHANGED = 5
"""Rows of what guidance lifts most, and of what it suppresses most."""

_LONGEST_EXACT = 9
"""Exact fractions up to this many characters stand beside their decimals."""

_ROUNDING = 1e-12
"""Functionals in double precision below this are rounding."""

_FUNCTIONALS: Mapping[str, str] = {
    "entropy": "entropy H(X), nats",
    "posterior": "E[p(z|X)]",
    "reciprocal_posterior": "E[1/p(z|X)]",
    "kl_to_class": "KL to the class law p(·|z)",
    "kl_to_tilted": "KL to the tilted law",
    "tv_to_tilted": "TV to the tilted law",
    "mean_unmasking_clock": "mean last reveal, s = -ln u",
}


def answer_tables(answer: Answer, times: Sequence[Number], top: int | None, width: int) -> Group:
    """Everything ``solve`` has to say.

    Parameters
    ----------
    answer
        The results, over ``w``, then ``u``.
    times
        The times behind the mask fractions, if times were asked for.
    top
        How many token tuples of every law to show; :data:`MOST_ROWS` of a long law if ``None``.
    width
        Columns of the terminal.

    >>> from symguide.answers.answer import answer
    >>> from symguide.instances.datasets import load
    >>> tables = answer_tables(answer(load("xor"), [Fraction(1)], [Fraction(1, 2)]), [], None, 80)
    >>> [str(part) for part in tables.renderables if isinstance(part, Text)][:2]
    ['Terminal law   × relative to p(x|z)', 'Distance to the terminal law   TV(P(u), P(0))']
    """
    by_strength: dict[Number | GuidanceSchedule | Composition, list[Result]] = {}
    for result in answer.results:
        by_strength.setdefault(result.w, []).append(result)
    first = [results[0] for results in by_strength.values()]
    parts: list[RenderableType] = [_title(answer)]
    parts += _law_tables(answer.problem, first, top, width)
    if answer.results[0].u is not None:
        parts += _survival_tables(list(by_strength.values()), times, width)
    parts += _functional_tables(first, width)
    for result in answer.results:
        if result.states is not None:
            parts += _state_tables(answer.problem, result, top, width)
    return Group(*parts)


def _title(answer: Answer) -> RenderableType:
    problem = answer.problem
    title = Text(problem.name, "bold")
    toward = "a pair of laws" if problem.target is None else f"target {problem.target}"
    title.append(f"   {toward}, {answer.rule} rule, N = {problem.vocabulary}, D = {problem.length}", "not bold")
    lines = [title, Text(f"{answer.path}: {PATHS[answer.path]}", "dim")]
    if problem.source:
        lines.append(Text(problem.source, "dim"))
    lines += [Text(f"note: {note}", "yellow") for note in answer.notes]
    return Padding(Group(*lines), (0, 0, 1, 0), expand=False)


def most_probable(law: Mapping[Context, Quantity], count: int) -> list[Context]:
    """The most probable contexts of a law, of equals the first; rational probabilities are compared exactly.

    >>> law = {(0,): Quantity(0.25, Fraction(1, 4)), (1,): Quantity(0.5, Fraction(1, 2)), (2,): Quantity(0.25, None)}
    >>> most_probable(law, 2)
    [(1,), (0,)]
    """

    def size(context: Context) -> Any:
        quantity = law[context]
        return quantity.exact if isinstance(quantity.exact, Fraction) else quantity.value

    return sorted(law, key=size, reverse=True)[:count]


def _law_tables(problem: Problem, results: Sequence[Result], top: int | None, width: int) -> list[RenderableType]:
    count = MOST_ROWS if top is None else top
    most = [most_probable(result.terminal, count) for result in results]
    shown = list(dict.fromkeys(x for law in most for x in law))
    size, whole = max(len(result.terminal) for result in results), all(result.whole for result in results)
    if top is None and size <= MOST_ROWS:
        shown = sorted(set(shown))
    heading = Text("Terminal law", "bold cyan")
    if not whole:
        heading.append("   the most probable at each w, others left out", "not bold dim")
    elif size > len(shown):
        left_out = f"{size - len(shown):,} of {size:,} left out"
        heading.append(f"   the {count} most probable at each w, {left_out}", "not bold dim")
    elif any(result.w != 0 for result in results):
        heading.append("   × relative to p(x|z)", "not bold dim")
    columns = [
        _strength(problem, result, shown, set(mine)).without_stray(1)
        for result, mine in zip(results, most, strict=True)
    ]
    exact = any(cell[1] for column in columns for cell in column.cells)
    choices = [(0, 1, 2), (0, 1), (0,)] if exact else [(0, 2), (0,)]
    tables = side_by_side(heading, ("", _words(problem, shown)), columns, width, choices)
    return tables + (_changes(problem, results, width) if whole and size > len(shown) else [])


def _words(problem: Problem, contexts: Iterable[Context]) -> list[Text]:
    return [Text(token_text(problem, context)) for context in contexts]


def _strength(
    problem: Problem, result: Result, shown: Sequence[Context], mine: Collection[Context], decimals: int | None = None
) -> Column:
    """Probabilities at one strength with their ratios to ``p(x|z)``; all but ``mine`` are dimmed."""
    values = [result.terminal.get(x) for x in shown]
    if decimals is None:
        decimals = _decimals(quantity.value for quantity in values if quantity)
    cells = []
    for x, quantity in zip(shown, values, strict=True):
        if quantity is None and not result.whole:
            cells.append((Text("–", "dim"), Text(""), Text("")))
            continue
        value = Text("0" if quantity is None else _number(quantity.value, decimals), "" if x in mine else "dim")
        ratio = _ratio(quantity.value if quantity else 0.0, _plain(problem, x)) if result.w != 0 else Text("")
        cells.append((value, Text(_short_exact(quantity), "dim"), ratio))
    return Column(f"w = {result.w}", cells)


def _plain(problem: Problem, context: Context) -> float:
    """``p(x|z)``, from which guidance departs."""
    return float(problem.conditional.weight(context))


def _changes(problem: Problem, results: Sequence[Result], width: int) -> list[RenderableType]:
    """What guidance lifts and what it suppresses, by the probability moved at the largest ``|w|``: the table of the
    most probable shows little of the latter. The posterior ``p(z|x)`` says why.
    """
    guided = [result for result in results if result.w != 0]
    if not guided:
        return []
    strongest = max(guided, key=_size)
    everything = {*strongest.terminal, *(x for result in results for x in result.terminal)}
    moved = {x: (q.value if (q := strongest.terminal.get(x)) else 0.0) - _plain(problem, x) for x in everything}
    ordered = sorted(moved, key=lambda x: (-moved[x], x))
    lifted = [x for x in ordered[:MOST_CHANGED] if moved[x] > _ROUNDING]
    suppressed = [x for x in ordered[: -MOST_CHANGED - 1 : -1] if moved[x] < -_ROUNDING]
    tables: list[RenderableType] = []
    for verb, shown in (("Lifted", lifted), ("Suppressed", suppressed)):
        if not shown:
            continue
        heading = Text(f"{verb} most", "bold cyan")
        heading.append(f"   by the probability moved from p(x|z) to w = {strongest.w}", "not bold dim")
        plain = [_plain(problem, x) for x in shown]
        decimals = _decimals(plain)
        columns = [Column("p(x|z)", [(Text(_number(value, decimals)), Text(""), Text("")) for value in plain])]
        if problem.prior is not None:
            of_class = [_of_class(problem, x) for x in shown]
            columns.insert(0, Column("p(z|x)", [(Text(value), Text(""), Text("")) for value in of_class]))
        columns += [_strength(problem, result, shown, shown, decimals) for result in guided]
        tables += side_by_side(heading, ("", _words(problem, shown)), columns, width, [(0, 2), (0,)])
    return tables


def _size(result: Result) -> Any:
    """``|w|``: of the mean strength where guidance varies in time, of the strongest condition of several."""
    if isinstance(result.w, Composition):
        return max(abs(strength) for _, strength in result.w.conditions)
    return abs(result.w.mean if isinstance(result.w, GuidanceSchedule) else result.w)


def _of_class(problem: Problem, context: Context) -> str:
    """``p(z|x) = a_z p(x|z) / p(x)``."""
    whole = float(problem.unconditional.weight(context))
    return f"{float(problem.prior or 0) * _plain(problem, context) / whole:.3f}" if whole else "–"


def _survival_tables(
    by_strength: Sequence[Sequence[Result]], times: Sequence[Number], width: int
) -> list[RenderableType]:
    heading = Text("Distance to the terminal law", "bold cyan").append("   TV(P(u), P(0))", "not bold dim")
    points = [result.u for result in by_strength[0]]
    if times:
        pairs = zip(times, points, strict=True)
        labels = [Text(str(time)).append(f"   u = {_brief(u)}", "not bold dim") for time, u in pairs]
    else:
        labels = [Text(_brief(u)) for u in points]
    columns = [
        Column(f"w = {results[0].w}", [(Text(_survival(r)), Text(_short_exact(r.tv), "dim")) for r in results])
        for results in by_strength
    ]
    return side_by_side(heading, ("t" if times else "u", labels), columns, width, [(0, 1), (0,)])


def _functional_tables(results: Sequence[Result], width: int) -> list[RenderableType]:
    heading = Text("Functionals of the terminal law", "bold cyan")
    rows: dict[str, Callable[[Result], Quantity | None]] = {
        label: lambda result, name=name: result.functionals[name] for name, label in _FUNCTIONALS.items()
    }
    if not all(result.whole for result in results):  # some functionals do not exist at that size
        rows = {label: read for label, read in rows.items() if any(map(read, results))}
    if any(result.dead is not None for result in results):
        rows["probability of a dead context"] = lambda result: result.dead
    columns = []
    for result in results:
        quantities = [read(result) for read in rows.values()]
        cells = [(Text(_value(q)), Text(_short_exact(q), "dim")) for q in quantities]
        columns.append(Column(f"w = {result.w}", cells))
    return side_by_side(heading, ("", [Text(label) for label in rows]), columns, width, [(0, 1), (0,)])


def _state_tables(problem: Problem, result: Result, top: int | None, width: int) -> list[RenderableType]:
    assert result.states is not None
    count = MOST_ROWS if top is None else top
    shown = most_probable(result.states, count)
    if len(result.states) <= count:
        shown = list(result.states)
    heading = Text(f"Law at w = {result.w}, u = {_brief(result.u)}", "bold cyan")
    if len(result.states) > len(shown):
        heading.append(f"   the {len(shown)} most probable of {len(result.states):,} contexts", "not bold dim")
    quantities = [result.states[x] for x in shown]
    decimals = _decimals(q.value for q in quantities)
    cells = [(Text(_number(q.value, decimals)), Text(_short_exact(q), "dim")) for q in quantities]
    labels = [Text(token_text(problem, x)) for x in shown]
    return side_by_side(heading, ("", labels), [Column("probability", cells)], width, [(0, 1), (0,)])


def _brief(value: Number | None) -> str:
    """A mask fraction in a heading: exact where that is short."""
    text = str(value)
    return text if value is None or len(text) <= 12 else f"{float(value):.6g}"


# --- numbers ----------------------------------------------------------------------------------------------------------


def _decimals(values: Iterable[float]) -> int:
    """Decimals at which a column shows four digits of its median."""
    ordered = sorted(abs(value) for value in values if value and isfinite(value))
    median = ordered[len(ordered) // 2] if ordered else 1.0
    return min(7, max(4, 3 + ceil(-log10(median))))


def _number(value: float, decimals: int = 4) -> str:
    if value == 0 or not isfinite(value):
        return "0" if value == 0 else "∞"
    if abs(value) >= 1e6 or abs(value) < 10.0 ** (1 - decimals):
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.{decimals}f}"


def _value(quantity: Quantity | None) -> str:
    """A functional; what floating point cannot tell from zero is not spelled out."""
    if quantity is None:
        return "–"
    if quantity.exact is None and abs(quantity.value) < _ROUNDING:
        return "≈ 0"
    return _number(quantity.value)


def _short_exact(quantity: Quantity | None) -> str:
    """The exact fraction where it is short and says more than the decimals."""
    exact = None if quantity is None else quantity.exact
    if not isinstance(exact, Fraction) or exact.denominator == 1:
        return ""
    digits = 0.30103 * (exact.numerator.bit_length() + exact.denominator.bit_length())
    if digits > _LONGEST_EXACT + 1 or len(str(exact)) > _LONGEST_EXACT:
        return ""
    return str(exact)


def _ratio(value: float, plain: float) -> Text:
    """How many times more probable than without guidance, green where lifted and red where suppressed."""
    if plain == 0:
        return Text("new" if value else "", "magenta")
    value /= plain
    shown = f"{value:.2f}" if 0.095 <= value < 100 else f"{value:.2g}" if value < 0.1 else f"{value:.3g}"
    style = "green" if value >= 1.005 else "red" if value < 0.995 else "dim"
    return Text(f"×{shown}", style)


def _survival(result: Result) -> str:
    """TV, or its logarithms where it underflows."""
    if result.tv is None:
        return ""
    if result.tv.value > 1e-300 or result.log_minus_log_tv is None:
        return _number(result.tv.value)
    if result.log_tv is not None and result.log_tv > -1e7:
        return f"exp({result.log_tv:.6g})"
    return f"exp(-exp({result.log_minus_log_tv:.4f}))"
