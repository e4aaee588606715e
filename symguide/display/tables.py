"""Tables in a terminal, no wider than it is: texts, and columns of numbers side by side."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from symguide.evidence import Verdict
from symguide.laws.law import Context, format_context
from symguide.laws.mixture import Problem
from symguide.symbols import MASK

__all__ = [
    "VERDICT_STYLES",
    "Column",
    "plain_table",
    "screen",
    "side_by_side",
    "token_text",
    "verdict_text",
]

_SHORT = 16
"""Bare tokens up to which a context is spelled out."""
_NARROWEST = 24
"""Columns of a terminal that labels keep in any case."""

VERDICT_STYLES: Mapping[Verdict, str] = {
    Verdict.REFUTED: "bold white on red",
    Verdict.UNKNOWN: "bold yellow",
    Verdict.AGREES: "cyan",
    Verdict.ENCLOSED: "green",
    Verdict.PROVED: "bold green",
}
"""How verdicts look."""


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

    Long tuples are told by their runs: ``(3 ×36, M ×4)``.

    >>> from symguide.laws.mixture import ClassMixture
    >>> spelled = ClassMixture.of(2, 2, {"a": (1, {(0, 1): 1})}, labels=("n", "o")).problem("a")
    >>> token_text(spelled, (0, 1)), token_text(spelled, (None, 1))
    ('no', '_o')
    """
    if problem.labels is None:
        return format_context(context) if len(context) <= _SHORT else _runs(context)
    # What a terminal would obey is spelled out.
    labels = [label if label.isprintable() else repr(label)[1:-1] for label in problem.labels]
    if all(len(label) == 1 for label in labels):
        return "".join("_" if token is None else labels[token].replace(" ", "␣") for token in context)
    return " ".join(MASK if token is None else labels[token] for token in context)


def _runs(context: Context) -> str:
    """A long context by its runs: ``(3 ×36, M ×4)``."""
    runs = [(MASK if token is None else str(token), len(list(run))) for token, run in groupby(context)]
    return "(" + ", ".join(token if count == 1 else f"{token} ×{count}" for token, count in runs) + ")"


def verdict_text(verdict: Verdict) -> Text:
    """A verdict in its colour.

    >>> print(verdict_text(Verdict.AGREES))
    agrees numerically
    """
    return Text(str(verdict), VERDICT_STYLES[verdict])


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


def side_by_side(
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

    narrowest = max((wide(c, choices[-1]) for c in columns), default=0)
    longest = max([len(labels[0]), *(label.cell_len for label in labels[1])])
    # Long labels wrap, numbers never.
    label_width = min(longest, max(_NARROWEST, width - 2 - max(narrowest, width // 2)))
    room = width - 2 - label_width
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
        table.add_column(labels[0], style="bold", width=label_width, overflow="fold")
        for column in block:
            table.add_column(Text(column.title), no_wrap=True, min_width=wide(column, parts) - gap)
        lines = [column.lines(parts) for column in block]
        for row, label in enumerate(labels[1]):
            table.add_row(label, *(cells[row] for cells in lines))
        tables.append(Padding(table, (0, 0, 1, 2), expand=False))
    return tables


def plain_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], whole: Sequence[int] = (0,), gap: int = 3
) -> Group:
    """A table of texts under a heading; the columns ``whole`` stay in one piece, the others wrap.

    >>> print(plain_table("Answers", ["question", "answer"], [["6 * 7", 42]]).renderables[0])
    Answers
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, gap - 1, 0, 0))
    for j, column in enumerate(columns):
        table.add_column(column, style="bold" if j == 0 else "", no_wrap=j in whole, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return Group(Text(title, "bold cyan"), Padding(table, (0, 0, 1, 2), expand=False))
