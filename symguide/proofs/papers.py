"""Derivations that were run, as documents: theorem, proof, what was checked and how strongly, notation, sources."""

import re
from collections.abc import Sequence

from symguide.evidence import Evidence, Verdict
from symguide.latex.article import document
from symguide.latex.formulas import equations
from symguide.latex.notation import NOTATION, escape, notation_table
from symguide.proofs.derivation import REFERENCES, Derivation, Proof

__all__ = ["proof_document"]


def proof_document(proofs: Sequence[Proof], title: str = "") -> str:
    r"""Theorem, proof, table of the checks made and how strong each is, notation, references: an article in LaTeX.

    Several proofs are sections of one article, with a table of contents.

    >>> from sympy import Eq
    >>> from symguide.proofs.identities import identities
    >>> from symguide.symbols import u
    >>> from symguide.proofs.derivation import Claim, Step, run
    >>> shown = (Eq((1 + u) ** 2, 1 + 2 * u + u**2, evaluate=False),)
    >>> step = Step("square", "A square.", shown, "Multiplying out.", identities())
    >>> source = proof_document([run(Derivation("square", "A square", Claim("A square.", shown), (), (step,)))])
    >>> r"\begin{claim}" in source, "proved" in source
    (True, True)
    """
    heading = title or (proofs[0].derivation.title if len(proofs) == 1 else "Exact laws of guided masked diffusion")
    sections: list[tuple[str, str]] = []
    for proof in proofs:
        parts = [
            ("Theorem", _theorem(proof.derivation)),
            ("Proof", _argument(proof)),
            ("What was checked", _table(proof)),
            ("Figures" if len(proof.derivation.figures) > 1 else "Figure", _figures(proof.derivation)),
        ]
        if len(proofs) > 1:
            inner = "\n\n".join(f"\\subsection{{{name}}}\n{text}" for name, text in parts if text)
            parts = [(proof.derivation.title, inner)]
        sections += parts
    cited = list(dict.fromkeys(key for proof in proofs for key in proof.derivation.citations))
    sections += [("Notation", notation_table(NOTATION)), ("", _bibliography(cited))]
    return document(heading, sections, contents=len(proofs) > 1)


def _theorem(derivation: Derivation) -> str:
    cites = rf" \cite{{{','.join(derivation.citations)}}}" if derivation.citations else ""
    assumptions = "\n".join(rf"\item {text}" for text in derivation.assumptions)
    listed = f"\\textbf{{Assumptions.}}\n\\begin{{itemize}}\n{assumptions}\n\\end{{itemize}}" if assumptions else ""
    claim = f"{derivation.claim.statement}\n{equations(derivation.claim.content).display}"
    return f"{listed}\n\n\\begin{{claim}}{cites and f'[{cites.strip()}]'}\n{claim}\n\\end{{claim}}"


def _argument(proof: Proof) -> str:
    parts = [r"\setcounter{step}{0}"]
    for step, outcome in zip(proof.derivation.steps, proof.steps, strict=False):  # the claim comes last, without text
        parts.append(
            f"\\begin{{step}}[{escape(step.name)}]\n{step.statement}\n{equations(step.content).display}\n"
            f"{step.justification} \\verdict{{{outcome.verdict}}}\n\\end{{step}}"
        )
    return "\n\n".join(parts)


def _figures(derivation: Derivation) -> str:
    """Figures beside the document; where a file is not, its name."""
    return "\n\n".join(
        f"\\begin{{center}}\n\\IfFileExists{{{figure.file}}}"
        f"{{\\includegraphics[width=0.8\\textwidth]{{{figure.file}}}}}{{\\texttt{{{escape(figure.file)}}}}}\n\n"
        f"{figure.caption}\n\\end{{center}}"
        for figure in derivation.figures
    )


def _table(proof: Proof) -> str:
    rows = [(outcome.name, item) for outcome in proof.steps for item in outcome.evidence]
    lines = [rf"{escape(name)} & {item.verdict} & {escape(item.detail)} \\" for name, item in rows]
    table = _longtable("Step & Verdict & What was seen", lines)
    text = (
        "The machine checked the displayed formulas; the words between them are the reader's to follow. "
        f"The weakest step makes the theorem \\emph{{{proof.verdict}}}.\n\n{table}"
    )
    if not proof.instances:
        return text
    lines = []
    for outcome in proof.instances:
        if outcome.not_run:
            verdict, seen = "not run", outcome.not_run
        else:
            verdict, seen = str(outcome.verdict), _by_verdict(outcome.evidence)
        lines.append(rf"{_breakable(outcome.name)} & {verdict} & {escape(seen)} \\")
    instances = _longtable("Instance & Verdict & What was seen", lines)
    remark = "The same closed form on data: instances corroborate the theorem and are no part of its proof."
    return f"{text}\n\n{remark}\n\n{instances}"


def _breakable(name: str) -> str:
    """The name of an instance, which has no spaces to break lines at, broken after its signs."""
    return re.sub("(?<=[,=+:/])", r"\\allowbreak{}", escape(name))


def _by_verdict(evidence: Sequence[Evidence]) -> str:
    """``proved: mass, residual; enclosed: balls; agrees numerically: integration (…)``: numerical checks in detail."""
    parts = []
    for verdict in sorted({item.verdict for item in evidence}, reverse=True):
        items = [item for item in evidence if item.verdict is verdict]
        full = verdict < Verdict.ENCLOSED
        parts.append(f"{verdict}: " + ", ".join(f"{x.check} ({x.detail})" if full else x.check for x in items))
    return "; ".join(parts)


def _longtable(head: str, lines: Sequence[str]) -> str:
    columns = r"@{}>{\raggedright\arraybackslash}p{0.27\textwidth}l>{\raggedright\arraybackslash}p{0.47\textwidth}@{}"
    rows = "\n".join(lines)
    return (
        f"\\begin{{longtable}}{{{columns}}}\n\\toprule\n{head} \\\\\n\\midrule\n\\endhead\n"
        f"{rows}\n\\bottomrule\n\\end{{longtable}}"
    )


def _bibliography(keys: Sequence[str]) -> str:
    if not keys:
        return ""
    items = []
    for key in keys:
        source = REFERENCES[key]
        where = rf"\href{{{source.address}}}{{{escape(source.where)}}}" if source.address else escape(source.where)
        items.append(rf"\bibitem{{{key}}} {escape(source.authors)}. \emph{{{escape(source.title)}}}. {where}.")
    listed = "\n".join(items)
    return f"\\begin{{thebibliography}}{{{len(keys)}}}\n{listed}\n\\end{{thebibliography}}"
