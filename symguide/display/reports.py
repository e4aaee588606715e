"""How checks look to people: what ``verify`` and ``prove`` found, and what ``list`` names."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Column as TableColumn
from rich.table import Table
from rich.text import Text

from symguide.checks.verification import Report
from symguide.display.tables import VERDICT_STYLES, plain_table, screen, verdict_text
from symguide.evidence import Verdict
from symguide.laws.mixture import Problem
from symguide.proofs.derivation import Derivation, Outcome, Progress, Proof

__all__ = ["evidence_tables", "listing", "progress_bar", "proof_tables"]


def evidence_tables(problem: Problem, rule: str, reports: Sequence[tuple[str, Report]], verdict: Verdict) -> Group:
    """What ``verify`` found: per strength, one line per check.

    >>> from symguide.instances.datasets import load
    >>> print(evidence_tables(load("xor"), "rate", [], Verdict.PROVED).renderables[-1])
    Verdict: proved
    """
    toward = "a pair of laws" if problem.target is None else f"target {problem.target}"
    heading = Text(problem.name, "bold").append(f"   {toward}, {rule} rule", "not bold")
    parts: list[RenderableType] = [heading, *(Text(f"note: {note}", "yellow") for note in problem.notes), Text("")]
    for title, report in reports:
        rows = [(item.check, verdict_text(item.verdict), Text(item.detail, "dim")) for item in report.evidence]
        parts.append(plain_table(title, ("check", "verdict", "what was seen"), rows, whole=(0, 1), gap=2))
        parts += [Text(f"  not checked: {note}", "dim") for note in report.notes]
    return Group(*parts, Text("Verdict: ").append(verdict_text(verdict)))


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


def proof_tables(proofs: Sequence[Proof], files: Sequence[str], width: int = 80) -> Group:
    """What ``prove`` found: every step and instance, then one line per derivation, and the files written.

    >>> print(proof_tables([], ["law.tex", "law.pdf"]).renderables[-1])
    Written: law.tex, law.pdf
    """
    parts: list[RenderableType] = []
    for proof in proofs:
        rows = [_outcome_row("", outcome, width) for outcome in proof.steps]
        rows += [_outcome_row("on ", outcome, width) for outcome in proof.instances]
        title = f"{proof.derivation.name}: {proof.derivation.title}"
        parts.append(plain_table(title, ("checked", "verdict", "what was seen"), rows, whole=(0, 1), gap=2))
    parts.append(_summary(proofs))
    if files:
        parts.append(Text("Written: ").append(", ".join(files)))
    return Group(*parts)


def _summary(proofs: Sequence[Proof]) -> RenderableType:
    """One line per derivation: how many of its checks came out how."""
    outcomes = {proof.derivation.name: (*proof.steps, *proof.instances) for proof in proofs}
    found = {name: [item.verdict for outcome in given for item in outcome.evidence] for name, given in outcomes.items()}
    seen = {verdict for verdicts in found.values() for verdict in verdicts}
    counted = [verdict for verdict in sorted(_HEADS, reverse=True) if verdict.passes or verdict in seen]
    rows = []
    for proof in proofs:
        name = proof.derivation.name
        not_run = sum(bool(outcome.not_run) for outcome in outcomes[name])
        data = f"{len(proof.instances) - not_run}" + (f" of {len(proof.instances)}" if not_run else "")
        counts = [
            Text(str(found[name].count(verdict)), VERDICT_STYLES[verdict] if verdict in found[name] else "dim")
            for verdict in counted
        ]
        rows.append((name, verdict_text(proof.verdict), *counts, data, f"{proof.seconds:.1f} s"))
    heads = ("derivation", "verdict", *(_HEADS[verdict] for verdict in counted), "data", "time")
    title = "Summary   checks by what they are worth, and sets of data"
    return plain_table(title, heads, rows, range(1, len(heads)), gap=2)


_HEADS = {
    Verdict.PROVED: "proved",
    Verdict.ENCLOSED: "enclosed",
    Verdict.AGREES: "agree",
    Verdict.UNKNOWN: "unknown",
    Verdict.REFUTED: "refuted",
}


def _in_lines(name: str, room: int) -> str:
    """The name of an instance, broken after its commas where it is wider than there is room.

    >>> _in_lines("words:length=2,languages=en+fr+de,top=25", 22).splitlines()
    ['words:length=2,', 'languages=en+fr+de,', 'top=25']
    """
    lines = [""]
    for part in re.findall(r"[^,]+,? ?", name):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > room:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _outcome_row(prefix: str, outcome: Outcome, width: int) -> tuple[Text, Text, Text]:
    name = Text(prefix, "not bold dim").append(_in_lines(outcome.name, max(24, width // 3 - 4)), "bold")
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
        word = "agrees" if verdict is Verdict.AGREES and count == 1 else _HEADS[verdict]
        parts.append(Text(f"{count} ").append(word, VERDICT_STYLES[verdict]))
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
        "guidance_schedules": "Guidance schedules (--guidance-schedule)",
        "samplers": "Samplers (--sampler)",
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
        if "rule" in item:
            what.append(f"; {item['rule']} rule", "dim")
        if item.get("parameters"):
            what.append(f"; defaults {','.join(f'{key}={value}' for key, value in item['parameters'].items())}", "dim")
        rows.append((item["name"], what, Text(f"[{sources.index(item['source']) + 1}]", "dim")))
    notes = Table.grid(padding=(0, 1, 0, 0))
    for number, source in enumerate(sources, 1):
        notes.add_row(Text(f"[{number}]", "dim"), Text(source, "dim"))
    table = plain_table(title, ("name", "what it is", ""), rows, whole=(0, 2))
    return Group(table, Padding(notes, (0, 0, 1, 2), expand=False))
