"""Tables in a terminal: what contexts look like, and that numbers stay whole however little room there is."""

from fractions import Fraction

import pytest
from rich.console import Console, Group
from rich.text import Text

from symguide.answers.answer import answer
from symguide.display.answers import answer_tables
from symguide.display.tables import Column, side_by_side, token_text
from symguide.instances.datasets import load
from symguide.laws.mixture import ClassMixture, Problem


def labelled(*labels: str, length: int = 2) -> Problem:
    law = {(0,) * length: 1}
    return ClassMixture.of(len(labels), length, {"a": (1, law)}, labels=labels).problem("a")


def printed(tables: Group, width: int) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"), color_system=None)  # noqa: SIM115
    console.print(tables)
    console.file.close()
    return console.export_text()


@pytest.mark.parametrize(
    ("labels", "context", "text"),
    [
        (("n", "o"), (0, None), "n_"),
        (("a", " "), (0, 1), "a␣"),
        (("no", "yes"), (1, None), "yes M"),
        (("a", "\x1b"), (0, 1), "a \\x1b"),
        (("a", "\n"), (1, 0), "\\n a"),
    ],
)
def test_labels(labels: tuple[str, ...], context: tuple[int | None, ...], text: str) -> None:
    assert token_text(labelled(*labels), context) == text


def test_long_tuples_are_told_by_their_runs() -> None:
    problem = load("hypercubes:D=20")
    assert token_text(problem, (2,) * 4 + (3,) * 15 + (None,)) == "(2 ×4, 3 ×15, M)"
    assert token_text(load("hypercubes-5d"), (2, 2, 3, 3, None)) == "(2, 2, 3, 3, M)"


def test_long_labels_wrap_and_numbers_do_not() -> None:
    label = "(" + ", ".join("23" for _ in range(60)) + ")"
    columns = [Column(f"w = {w}", [(Text("8.2300e-20"), Text(""))]) for w in range(4)]
    text = printed(Group(*side_by_side(Text("Law"), ("", [Text(label)]), columns, 50, [(0, 1)])), 50)
    assert text.count("8.2300e-20") == 4
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 50


def test_what_is_not_listed_is_not_called_zero() -> None:
    found = answer(load("hypercubes:D=40"), [Fraction(0), Fraction(3)], top=2)
    assert not any(result.whole for result in found.results)
    text = printed(answer_tables(found, [], 2, 80), 80)
    law = text[text.index("Terminal law") : text.index("Functionals")]
    assert "the most probable at each w, others left out" in law
    rows = [line for line in law.splitlines() if line.strip().startswith("(")]
    assert len(rows) == 4 and all(line.count("–") == 1 for line in rows)
    assert not any(line.rstrip().endswith(" 0") for line in rows)
