"""How answers look to people: tables in a terminal, no wider than it is."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, isfinite, log10
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Column as TableColumn
from rich.table import Table
from rich.text import Text

from symguide.answers import PATHS, Answer, Quantity, Result
from symguide.derivation import Derivation, Outcome, Progress, Proof
from symguide.evidence import Verdict
from symguide.law import Context, format_context
from symguide.mixture import Problem
from symguide.number import Number
from symguide.symbols import MASK
from symguide.verification import Report

__all__ = [
    "answer_tables",
    "evidence_tables",
    "listing",
    "most_probable",
    "plain_table",
    "progress_bar",
    "proof_tables",
    "screen",
    "token_text",
    "verdict_text",
]

MOST_ROWS = 20
"""Rows of a law that are shown unless a number was asked for."""

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

_VERDICT_STYLES: Mapping[Verdict, str] = {
    Verdict.REFUTED: "bold white on red",
    Verdict.UNKNOWN: "bold yellow",
    Verdict.AGREES: "cyan",
    Verdict.ENCLOSED: "green",
    Verdict.PROVED: "bold green",
}


def screen(to_stderr: bool = False) -> Console:
    """A console on stdout or stderr; colour and width follow the terminal, ``NO_COLOR`` and ``COLUMNS``.

    >>> screen(to_stderr=True).stderr
    True
    """
    return _Console(stderr=to_stderr, highlight=False)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # the command line decides; rich would exit as if a check had failed


def token_text(problem: Problem, context: Context) -> str:
    """A context as people read it: one-character labels make words, others stand apart, bare tokens make a tuple.

    >>> from symguide.mixture import ClassMixture
    >>> spelled = ClassMixture.of(2, 2, {"a": (1, {(0, 1): 1})}, labels=("n", "o")).problem("a")
    >>> token_text(spelled, (0, 1)), token_text(spelled, (None, 1))
    ('no', '_o')
    """
    labels = problem.labels
    if labels is None:
        return format_context(context)
    if all(len(label) == 1 for label in labels):
        return "".join("_" if token is None else labels[token] for token in context)
    return " ".join(MASK if token is None else labels[token] for token in context)


def verdict_text(verdict: Verdict) -> Text:
    """A verdict in its colour.

    >>> print(verdict_text(Verdict.AGREES))
    agrees numerically
    """
    return Text(str(verdict), _VERDICT_STYLES[verdict])


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


# --- columns side by side ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A column of cells; each cell has parts that stand under one another, the first one the value."""

    title: str
    cells: Sequence[Sequence[Text]]

    def without_stray(self, part: int) -> "Column":
        """The column without a part that fewer than half of its cells have."""
        if 2 * sum(bool(cell[part]) for cell in self.cells) >= len(self.cells):
            return self
        return Column(self.title, [(*cell[:part], Text(""), *cell[part + 1 :]) for cell in self.cells])

    def lines(self, parts: Sequence[int]) -> list[Text]:
        """The cells, reduced to some of their parts, as lines of one width."""
        widths = {j: max((cell[j].cell_len for cell in self.cells), default=0) for j in parts}
        out = []
        for cell in self.cells:
            line = Text()
            for j in parts:
                if widths[j]:
                    piece = cell[j].copy()
                    gap = widths[j] - piece.cell_len
                    line.append("  " if line.cell_len else "")
                    # Values end together, what follows them starts together.
                    line = line + Text(" " * gap) + piece if j == 0 else line + piece + Text(" " * gap)
            out.append(line)
        return out


def _side_by_side(
    heading: Text,
    labels: tuple[str, Sequence[Text]],
    columns: Sequence[Column],
    width: int,
    choices: Sequence[Sequence[int]],
) -> list[RenderableType]:
    """Tables of some columns under one heading: as many parts per cell as fit, and as many tables as that takes."""
    gap = 3

    def wide(column: Column, parts: Sequence[int]) -> int:
        return gap + max([len(column.title), *(line.cell_len for line in column.lines(parts))])

    room = width - 2 - max(len(labels[0]), *(label.cell_len for label in labels[1]))
    parts = next((p for p in choices if sum(wide(c, p) for c in columns) <= room), choices[-1])
    blocks: list[list[Column]] = [[]]
    used = 0
    for column in columns:
        if blocks[-1] and used + wide(column, parts) > room:
            blocks.append([])
            used = 0
        blocks[-1].append(column)
        used += wide(column, parts)
    tables: list[RenderableType] = [heading]
    for block in blocks:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, gap - 1, 0, 0), show_edge=False)
        table.add_column(labels[0], style="bold", no_wrap=True)
        for column in block:
            table.add_column(Text(column.title), no_wrap=True)
        lines = [column.lines(parts) for column in block]
        for row, label in enumerate(labels[1]):
            table.add_row(label, *(cells[row] for cells in lines))
        tables.append(Padding(table, (0, 0, 1, 2), expand=False))
    return tables


# --- answers ----------------------------------------------------------------------------------------------------------


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

    >>> from symguide.answers import answer
    >>> from symguide.datasets import load
    >>> tables = answer_tables(answer(load("xor"), [Fraction(1)], [Fraction(1, 2)]), [], None, 80)
    >>> [str(part) for part in tables.renderables if isinstance(part, Text)]
    ['Terminal law', 'Distance to the terminal law   TV(P(u), P(0))', 'Functionals of the terminal law']
    """
    by_strength: dict[Number, list[Result]] = {}
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
    shown = list(dict.fromkeys(x for result in results for x in most_probable(result.terminal, count)))
    size = max(len(result.terminal) for result in results)
    if top is None and size <= MOST_ROWS:
        shown = sorted(set(shown))
    heading = Text("Terminal law", "bold cyan")
    if size > len(shown):
        left_out = f"{size - len(shown):,} of {size:,} left out"
        heading.append(f"   the {count} most probable at each w, {left_out}", "not bold dim")
    columns = []
    for result in results:
        values = [result.terminal.get(x) for x in shown]
        decimals = _decimals(q.value for q in values if q)
        mine = set(most_probable(result.terminal, count))
        cells = []
        for x, quantity in zip(shown, values, strict=True):
            value = Text("0" if quantity is None else _number(quantity.value, decimals), "" if x in mine else "dim")
            plain = float(problem.conditional.weight(x))
            ratio = Text("") if result.w == 0 else _ratio(quantity.value if quantity else 0.0, plain)
            cells.append((value, Text(_short_exact(quantity), "dim"), ratio))
        columns.append(Column(f"w = {result.w}", cells).without_stray(1))
    exact = any(cell[1] for column in columns for cell in column.cells)
    choices = [(0, 1, 2), (0, 1), (0,)] if exact else [(0, 2), (0,)]
    tables = _side_by_side(heading, ("", [Text(token_text(problem, x)) for x in shown]), columns, width, choices)
    if size > len(shown) and problem.labels is not None:
        tables += _changes(problem, results)
    return tables


def _changes(problem: Problem, results: Sequence[Result]) -> list[RenderableType]:
    """What gains and what loses most by the strongest guidance, down and up: the table cannot show all that moves."""
    ordered = sorted(results, key=lambda result: result.w)
    ends = [ordered[0]] if ordered[0].w < 0 else []
    ends += [ordered[-1]] if ordered[-1].w > 0 else []
    grid = Table.grid(padding=(0, 3, 0, 0))
    for result in ends:
        change = {x: q.value - float(problem.conditional.weight(x)) for x, q in result.terminal.items()}
        title = f"w = {result.w}"
        for verb, style, sign in (("gain most", "green", -1), ("lose most", "red", 1)):
            most = sorted(change, key=lambda x: sign * change[x])[:3]
            shown = ", ".join(f"{token_text(problem, x)} {change[x]:+.4f}" for x in most)
            grid.add_row(title, verb, Text(shown, style))
            title = ""
    if not ends:
        return []
    heading = Text("Probability moved by guidance", "bold cyan").append("   against p(x|z)", "not bold dim")
    return [heading, Padding(grid, (0, 0, 1, 2), expand=False)]


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
    return _side_by_side(heading, ("t" if times else "u", labels), columns, width, [(0, 1), (0,)])


def _functional_tables(results: Sequence[Result], width: int) -> list[RenderableType]:
    heading = Text("Functionals of the terminal law", "bold cyan")
    rows: dict[str, Callable[[Result], Quantity | None]] = {
        label: lambda result, name=name: result.functionals[name] for name, label in _FUNCTIONALS.items()
    }
    if any(result.dead is not None for result in results):
        rows["probability of a dead context"] = lambda result: result.dead
    columns = []
    for result in results:
        quantities = [read(result) for read in rows.values()]
        cells = [(Text(_value(q)), Text(_short_exact(q), "dim")) for q in quantities]
        columns.append(Column(f"w = {result.w}", cells))
    return _side_by_side(heading, ("", [Text(label) for label in rows]), columns, width, [(0, 1), (0,)])


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
    return _side_by_side(heading, ("", labels), [Column("probability", cells)], width, [(0, 1), (0,)])


def _brief(value: Number | None) -> str:
    """A mask fraction in a heading: exact where that is short."""
    text = str(value)
    return text if value is None or len(text) <= 12 else f"{float(value):.6g}"


def evidence_tables(problem: Problem, rule: str, reports: Sequence[tuple[str, Report]], verdict: Verdict) -> Group:
    """What ``verify`` found: per strength, one line per check.

    >>> from symguide.datasets import load
    >>> print(evidence_tables(load("xor"), "rate", [], Verdict.PROVED).renderables[-1])
    Verdict: proved
    """
    toward = "a pair of laws" if problem.target is None else f"target {problem.target}"
    heading = Text(problem.name, "bold").append(f"   {toward}, {rule} rule", "not bold")
    parts: list[RenderableType] = [heading, *(Text(f"note: {note}", "yellow") for note in problem.notes), Text("")]
    for title, report in reports:
        rows = [(item.check, verdict_text(item.verdict), Text(item.detail, "dim")) for item in report.evidence]
        parts.append(plain_table(title, ("check", "verdict", "what was seen"), rows, whole=(0, 1)))
        parts += [Text(f"  not checked: {note}", "dim") for note in report.notes]
    return Group(*parts, Text("Verdict: ").append(verdict_text(verdict)))


# --- proofs and listings ----------------------------------------------------------------------------------------------


@contextmanager
def progress_bar(derivations: Sequence[Derivation]) -> Iterator[Callable[[Derivation], Progress]]:
    """A bar on stderr over all steps and instances of some derivations; it hands out what ``run`` reports to.

    >>> with progress_bar([]) as reporter:
    ...     callable(reporter)
    True
    """
    total = sum(len(derivation.steps) + len(derivation.instances) for derivation in derivations)
    console = screen(to_stderr=True)
    columns = (
        SpinnerColumn(),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", table_column=TableColumn(no_wrap=True)),
    )
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        before = 0

        def reporter(derivation: Derivation) -> Progress:
            nonlocal before
            start, before = before, before + len(derivation.steps) + len(derivation.instances)

            def tell(name: str, done: int, total: int) -> None:
                bar.update(task, completed=start + done, description=f"{derivation.name}: {name}" if name else "")

            return tell

        yield reporter


def proof_tables(proofs: Sequence[Proof], files: Sequence[str]) -> Group:
    """What ``prove`` found: every step and instance, then one line per derivation, and the files written.

    >>> print(proof_tables([], ["law.tex", "law.pdf"]).renderables[-1])
    Written: law.tex, law.pdf
    """
    parts: list[RenderableType] = []
    for proof in proofs:
        rows = [_outcome_row("", outcome) for outcome in proof.steps]
        rows += [_outcome_row("on ", outcome) for outcome in proof.instances]
        title = f"{proof.derivation.name}: {proof.derivation.title}"
        parts.append(plain_table(title, ("checked", "verdict", "what was seen"), rows, whole=(1,)))
    parts.append(_summary(proofs))
    if files:
        parts.append(Text("Written: ").append(", ".join(files)))
    return Group(*parts)


def _summary(proofs: Sequence[Proof]) -> RenderableType:
    """One line per derivation: how many of its checks came out how."""
    outcomes = {proof.derivation.name: (*proof.steps, *proof.instances) for proof in proofs}
    found = {name: [item.verdict for outcome in given for item in outcome.evidence] for name, given in outcomes.items()}
    usual = (Verdict.PROVED, Verdict.ENCLOSED, Verdict.AGREES)
    bad = [verdict for verdict in (Verdict.UNKNOWN, Verdict.REFUTED) if any(verdict in all_ for all_ in found.values())]
    rows = []
    for proof in proofs:
        name = proof.derivation.name
        not_run = sum(bool(outcome.not_run) for outcome in outcomes[name])
        instances = f"{len(proof.instances)}" + (f" ({not_run} not run)" if not_run else "")
        counts = [
            Text(str(found[name].count(verdict)), _VERDICT_STYLES[verdict] if verdict in found[name] else "dim")
            for verdict in (*usual, *bad)
        ]
        rows.append((name, len(proof.steps), instances, *counts, verdict_text(proof.verdict), f"{proof.seconds:.1f} s"))
    heads = ("derivation", "steps", "instances", "proved", "enclosed", "agree", *map(str, bad), "verdict", "time")
    title = "Summary   checks that are proved, enclosed in balls, or agree numerically"
    return plain_table(title, heads, rows, range(len(heads)))


def _outcome_row(prefix: str, outcome: Outcome) -> tuple[Text, Text, Text]:
    name = Text(prefix, "not bold dim").append(outcome.name, "bold")
    if outcome.not_run:
        return name, Text("not run", "yellow"), Text(outcome.not_run, "dim")
    weakest = [item for item in outcome.evidence if item.verdict == outcome.verdict]
    if len(outcome.evidence) == 1:
        seen = Text(weakest[0].detail, "dim")
    elif outcome.verdict.passes:
        seen = _tally([item.verdict for item in outcome.evidence])
    else:
        seen = Text("; ".join(f"{item.check}: {item.detail}" for item in weakest), "dim")
    return name, verdict_text(outcome.verdict), seen


def _tally(verdicts: Sequence[Verdict]) -> Text:
    """``6 proved, 1 enclosed``, strongest first."""
    parts = []
    for verdict in sorted(set(verdicts), reverse=True):
        count = verdicts.count(verdict)
        word = "agree numerically" if verdict is Verdict.AGREES and count > 1 else str(verdict)
        parts.append(Text(f"{count} ").append(word, _VERDICT_STYLES[verdict]))
    return Text(", ").join(parts)


def listing(listed: Mapping[str, Sequence[Mapping[str, Any]]]) -> Group:
    """What ``list`` names: how to call it, what it is, whom to cite.

    >>> tables = listing({"rules": [{"name": "rate", "description": "rate power", "source": "Nisonoff et al."}]})
    >>> len(tables.renderables)
    1
    """
    titles = {
        "instances": "Built-in instances (PROBLEM)",
        "schedules": "Noise schedules (--noise)",
        "rules": "Guidance rules (--rule)",
        "strengths": "Guidance strengths under other names",
        "derivations": "Derivations (symguide prove)",
    }
    return Group(*(_listing(titles[kind], items) for kind, items in listed.items()))


def _listing(title: str, items: Sequence[Mapping[str, Any]]) -> RenderableType:
    """One line per item; sources, often shared, follow once each."""
    sources = list(dict.fromkeys(item["source"] for item in items))
    rows = []
    for item in items:
        what = Text(item["description"])
        if "target" in item:
            what.append(f"; target {item['target']}", "dim")
        if item.get("parameters"):
            what.append(f"; defaults {','.join(f'{key}={value}' for key, value in item['parameters'].items())}", "dim")
        rows.append((item["name"], what, Text(f"[{sources.index(item['source']) + 1}]", "dim")))
    notes = Table.grid(padding=(0, 1, 0, 0))
    for number, source in enumerate(sources, 1):
        notes.add_row(Text(f"[{number}]", "dim"), Text(source, "dim"))
    table = plain_table(title, ("name", "what it is", ""), rows, whole=(0, 2))
    return Group(table, Padding(notes, (0, 0, 1, 2), expand=False))


def plain_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], whole: Sequence[int] = (0,)
) -> Group:
    """A table of texts under a heading; the columns ``whole`` stay in one piece, the others wrap.

    >>> print(plain_table("Answers", ["question", "answer"], [["6 * 7", 42]]).renderables[0])
    Answers
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for j, column in enumerate(columns):
        first = {"style": "bold", "max_width": 40} if j == 0 else {}
        table.add_column(column, no_wrap=j in whole, overflow="fold", **first)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return Group(Text(title, "bold cyan"), Padding(table, (0, 0, 1, 2), expand=False))
