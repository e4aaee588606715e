r"""Closed forms as LaTeX fragments and as articles that ``pdflatex`` compiles with ``texlive-latex-recommended``."""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sympy import (
    Add,
    Basic,
    Expr,
    Mul,
    Ne,
    Pow,
    cancel,
    exp,
)
from sympy.core.relational import Relational

from symguide.errors import SymguideError
from symguide.exp_dd import confluent_equal, exp_dd
from symguide.expansion import expand
from symguide.latex import (
    SHOWN,
    WIDTH,
    Fragment,
    Row,
    aligned,
    context_tex,
    definitions,
    equations,
    escape,
    left_out,
    pack,
    state,
    tex,
    width,
)
from symguide.mixture import Problem
from symguide.naming import plain
from symguide.ode import KolmogorovSystem, kolmogorov
from symguide.schedule import NoiseSchedule
from symguide.solution import Solution, powers_of_u
from symguide.symbols import s, symbol, u

__all__ = [
    "NOTATION",
    "closed_form",
    "compile_pdf",
    "document",
    "notation_table",
    "ode",
    "schedule_equations",
    "shared_form",
    "solution_document",
    "terminal_form",
    "tv_form",
]

NOTATION: tuple[tuple[str, str], ...] = (
    (r"D,\ N", "number of positions; number of tokens without the mask"),
    (r"\mathrm{M}", "the mask"),
    (r"x_S", "tokens revealed at the positions $S$; a context shows some tokens and masks elsewhere"),
    (r"z,\ w", "target class; guidance strength: $-1$ unconditional, $0$ conditional"),
    (r"s = -\ln u", "clock: $0$ at the start, where all is masked"),
    (r"u = \frac{1 - \alpha(t)}{1 - \alpha(T)}", "mask fraction; $\\alpha(t)$ is the probability of a clean token"),
    (r"P_x", "probability of the context $x$ along the guided reverse chain"),
    (r"q_i(v \mid x_S)", r"raw reveal intensity, $p_i(v \mid x_S, z)^{1+w}\, p_i(v \mid x_S)^{-w}$"),
    (r"r_i(v \mid x_S)", r"reveal rate: $q_i(v \mid x_S)$, or $q_i(v \mid x_S) / Z_i(x_S)$ for the normalised rule"),
    (
        r"Z_i(x_S)",
        r"$\sum_v q_i(v \mid x_S)$; $Z_{z,w}$ for one token, $c_{x_1} = Z_2(x_1)$ and $d_{x_2} = Z_1(x_2)$ for two",
    ),
    (r"\Lambda_x", r"exit rate of $x$: the sum of its reveal rates (where $c$, $d$ or $Z$ do not name it)"),
    (r"p_{z,w}", r"tilted law, $p_{z,w}(x) \propto p(x \mid z)^{1+w}\, p(x)^{-w}$"),
    (
        r"\mathcal{E}_{s}\left[\Lambda_0, \ldots, \Lambda_n\right]",
        r"$s^{n} \exp[-\Lambda_0 s, \ldots, -\Lambda_n s]$, a divided difference of $\exp$; for distinct rates "
        r"$\sum_j u^{\Lambda_j} \prod_{i \neq j} (\Lambda_i - \Lambda_j)^{-1}$",
    ),
    (r"\mathrm{TV}(u)", r"total variation between the law at $u$ and the terminal law, $u \to 0$"),
)
"""The symbols of every document, as pairs (mathematics, meaning)."""


def closed_form(solution: Solution, form: str = "divided differences", limit: int = SHOWN) -> Fragment:
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
        How many contexts are printed; the last row says how many are not.

    Raises
    ------
    SymguideError
        For an unknown form.

    >>> from symguide.family import representative
    >>> from symguide.solution import solve
    >>> print(closed_form(solve(representative(1)), "powers of u").rows[0])
    P_{(\mathrm{M})}(u) &= u^{Z_{z,w}}
    """
    if form not in ("divided differences", "powers of u"):
        raise SymguideError(
            f"form {form!r} is unknown, so nothing is written; use 'divided differences' or 'powers of u'"
        )
    rows: list[Row] = []
    conditions: set[Relational] = set()
    for context, probability in list(zip(solution.states, solution.probabilities, strict=True))[:limit]:
        shown, argument = probability, "s"
        if form == "powers of u":
            found = _as_powers(probability, solution)
            if found is not None:
                shown, argument = found[0], "u"
                conditions |= found[1]
        rows.append((state(context, argument), shown))
    missing = left_out(limit, len(solution.states), "contexts")
    return aligned(rows, [*missing, *_conditions(conditions)])


def tv_form(solution: Solution, form: str = "divided differences") -> Fragment:
    r"""``TV`` to the terminal law in closed form; ``form`` as in :func:`closed_form`.

    >>> from symguide.family import representative
    >>> from symguide.solution import solve
    >>> print(tv_form(solve(representative(1)), "powers of u").rows[0])
    \mathrm{TV}(u) &= u^{Z_{z,w}}
    """
    found = _as_powers(solution.tv, solution) if form == "powers of u" else None
    if found is None:
        return aligned([(r"\mathrm{TV}(s)", solution.tv)])
    return aligned([(r"\mathrm{TV}(u)", found[0])], _conditions(found[1]))


def shared_form(solution: Solution, room: float = 4.0) -> Solution:
    r"""The same closed form with reveal rates wider than ``room`` em abbreviated, one name per distinct rate.

    ``r_i(v|x)`` is the rate at which ``v`` is revealed at position ``i`` of ``x``; ``definitions`` says what it is.

    >>> from symguide.family import representative
    >>> from symguide.solution import solve
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


def terminal_form(solution: Solution, limit: int = SHOWN) -> Fragment:
    r"""The terminal law, ``u → 0``; ``limit`` as in :func:`closed_form`.

    >>> from symguide.family import representative
    >>> from symguide.solution import solve
    >>> print(terminal_form(solve(representative(1))).rows[0])
    P_{(x_{1})}(0) &= \frac{\left(\frac{p_{1}(x_{1} \mid z)}{p_{1}(x_{1})}\right)^{w} p_{1}(x_{1} \mid z)}{Z_{z,w}}
    """
    law = solution.terminal
    pairs = list(zip(law.states, law.probabilities, strict=True))
    rows = [(state(context, "0"), value) for context, value in pairs[:limit]]
    return aligned(rows, left_out(limit, len(pairs), "terminal contexts"))


def ode(system: KolmogorovSystem, limit: int = SHOWN) -> Fragment:
    r"""The Kolmogorov equations with their initial values; ``limit`` as in :func:`closed_form`.

    >>> from symguide.family import representative
    >>> print(ode(kolmogorov(representative(1))).rows[0])
    \frac{d}{d s} P_{(\mathrm{M})}(s) &= - Z_{z,w}\, P_{(\mathrm{M})}(s)
    """
    block = equations(system.equations[:limit])
    missing = left_out(limit, len(system.equations), "equations")
    start, *others = system.initial.items()
    rest = r",\quad P_x = 0 \text{ for every other context } x" if others else ""
    initial = [f"{tex(start[0])} &= {tex(start[1])}{rest}"]
    return Fragment((*block.rows, *missing, *initial))


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


# --- documents --------------------------------------------------------------------------------------------------------

_PREAMBLE = r"""\documentclass[11pt,a4paper]{article}
\usepackage[margin=25mm]{geometry}
\usepackage{amsmath,amssymb,amsthm,array,booktabs,longtable}
\usepackage[hidelinks,bookmarks=false]{hyperref}
\allowdisplaybreaks
\addtolength{\jot}{2pt}
\renewcommand{\labelitemi}{$\bullet$}
\newcommand{\verdict}[1]{{\unskip\nobreak\hfil\penalty50\hskip2em\hbox{}\nobreak\hfil\textit{#1}\parfillskip=0pt\par}}
\setlength{\emergencystretch}{4em}
\newtheorem*{claim}{Theorem}
\theoremstyle{definition}
\newtheorem{step}{Step}
"""


def document(title: str, sections: Iterable[tuple[str, str]]) -> str:
    r"""A standalone article: a plain title, and sections as pairs (plain heading, LaTeX body), empty ones left out.

    >>> from sympy import Eq, log
    >>> from symguide.symbols import s, u
    >>> source = document("One token", [("Law", equations([Eq(s, -log(u))]).display), ("Nothing", "")])
    >>> source.count(r"\section"), r"\title{One token}" in source
    (1, True)
    """
    parts = [(f"\\section*{{{escape(heading)}}}\n" if heading else "", text.strip()) for heading, text in sections]
    body = "\n\n".join(heading + text for heading, text in parts if text)
    head = f"{_PREAMBLE}\n\\title{{{escape(title)}}}\n\\author{{}}\n\\date{{}}\n\\begin{{document}}\n\\maketitle\n"
    return f"{head}\n{body}\n\n\\end{{document}}\n"


def notation_table(entries: Iterable[tuple[str, str]] = NOTATION) -> str:
    r"""A table of symbols: pairs (mathematics, meaning).

    >>> print(notation_table([("u", "mask fraction")]).splitlines()[2])
    $u$ & mask fraction \\
    """
    lines = [rf"${symbol}$ & {meaning} \\" for symbol, meaning in entries]
    columns = r"@{}>{\raggedright\arraybackslash}p{0.25\textwidth}>{\raggedright\arraybackslash}p{0.69\textwidth}@{}"
    return "\n".join([rf"\begin{{longtable}}{{{columns}}}", r"\toprule", *lines, r"\bottomrule", r"\end{longtable}"])


def solution_document(
    solution: Solution,
    problem: Problem | None = None,
    rule: str = "rate",
    schedule: NoiseSchedule | None = None,
    limit: int = SHOWN,
) -> str:
    r"""The closed form of a guided chain as an article: equations, closed forms both ways, TV, terminal law, notation.

    Parameters
    ----------
    solution
        The solved chain.
    problem, rule
        The data and the guidance rule it came from, to be told in the text.
    schedule
        The noise schedule to spell out; without one ``α`` stays a function.
    limit
        How many contexts each list shows; the text says how many it leaves out.

    >>> from symguide.family import representative
    >>> from symguide.solution import solve
    >>> source = solution_document(solve(representative(2)))
    >>> source.startswith(r"\documentclass"), r"d_{x_{2}}" in source
    (True, True)
    """
    solution = shared_form(solution)
    system = kolmogorov(solution.named)
    forms = [closed_form(solution, form, limit) for form in ("divided differences", "powers of u")]
    # With a symbolic N the chain is seen along one sequence, so its contexts are not all that TV sums over.
    whole = isinstance(solution.named.chain.vocabulary, int)
    survival = [tv_form(solution, form).display for form in ("divided differences", "powers of u")] if whole else []
    used = [
        *solution.probabilities[:limit],
        *solution.terminal.probabilities[:limit],
        *([solution.tv] if whole else []),
    ]
    used += [equation.rhs for equation in system.equations[:limit]]
    return document(
        "Closed form of the guided reverse chain" + (f": {problem.name}" if problem else ""),
        [
            ("Problem", _story(solution, problem, rule)),
            ("Notation", notation_table()),
            ("Kolmogorov equations", ode(system, limit).display),
            (
                "Closed form",
                "As divided differences of the exponential, valid whichever exit rates coincide:\n"
                + forms[0].display
                + "\nIn powers of $u = e^{-s}$:\n"
                + forms[1].display,
            ),
            ("Distance to the terminal law", "\n".join(survival)),
            ("Terminal law", terminal_form(solution, limit).display),
            ("Abbreviations", _abbreviations(solution, used)),
            ("Noise schedule", _schedule_story(schedule)),
        ],
    )


def _story(solution: Solution, problem: Problem | None, rule: str) -> str:
    chain, strength = solution.named.chain, solution.named.w
    rates = "raw intensities" if rule == "rate" else "intensities divided by their sum at each position"
    tokens = f"N = {chain.vocabulary}" if isinstance(chain.vocabulary, int) else "N"
    lines = [
        f"Masked diffusion on $D = {chain.length}$ positions with ${tokens}$ tokens, guided by {rates} "
        f"({escape(rule)} rule). The chain starts from ${context_tex(chain.start)}$ "
        f"and has {len(chain.states)} contexts."
    ]
    if problem is not None:
        lines.append(
            (f"The target class is \\emph{{{escape(problem.target)}}}." if problem.target else "Two laws are compared.")
            + (f" Data: {escape(problem.source)}." if problem.source else "")
        )
        lines += [f"Note: {escape(note)}." for note in problem.notes]
        if problem.labels and problem.labels != tuple(map(str, range(problem.vocabulary))):
            names = ", ".join(f"{index}~=~{escape(label)}" for index, label in enumerate(problem.labels))
            lines.append(f"Tokens: {names}.")
    if strength.free_symbols:
        lines.append(
            "The formulas hold for every $w > -1$"
            + (", and for $w = -1$ too." if chain.includes_unconditional else "; $w = -1$ is a chain of its own.")
        )
    else:
        lines.append(f"The guidance strength is $w = {tex(strength)}$.")
    return "\n\n".join(lines)


def _abbreviations(solution: Solution, used: Sequence[Basic]) -> str:
    block = definitions(solution.definitions, used)
    return ("Rates that are the same function of $w$ share one name.\n" + block.display) if block.rows else ""


def _schedule_story(schedule: NoiseSchedule | None) -> str:
    block = schedule_equations(schedule).display
    if schedule is None:
        return "The mask fraction $u$ stands for any noise schedule:\n" + block
    source = f" ({escape(schedule.source)})" if schedule.source else ""
    return f"The noise schedule is \\emph{{{escape(schedule.name)}}}{source}, with hazard $\\beta(t)$:\n" + block


def compile_pdf(source: str, path: str | os.PathLike[str]) -> Path:
    """Run ``pdflatex`` twice in a temporary folder and put the PDF in place; a PDF that was there stays if it fails.

    Raises
    ------
    SymguideError
        Where ``pdflatex`` is missing or refuses the source (with the first error of its log), and where the PDF cannot
        be written.

    >>> compile_pdf("no document", "missing/folder/law.pdf")
    Traceback (most recent call last):
    symguide.errors.SymguideError: missing/folder/law.pdf: ...
    """
    target = Path(path)
    program = shutil.which("pdflatex")
    if not target.parent.is_dir():
        raise SymguideError(f"{target}: there is no folder {target.parent}, so the PDF has no place; create it")
    if program is None:
        raise SymguideError(
            f"{target}: pdflatex is not installed, so there is no PDF; "
            "install texlive-latex-recommended, or keep to the .tex"
        )
    with tempfile.TemporaryDirectory(prefix="symguide-") as name:
        folder = Path(name)
        (folder / "document.tex").write_text(source, encoding="utf-8")
        command = [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "document.tex"]
        settings = {**os.environ, "max_print_line": "1000", "TEXINPUTS": ":", "openout_any": "p"}
        for _ in range(2):
            done = subprocess.run(
                command, cwd=folder, env=settings, stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
            if done.returncode:
                report = done.stdout.decode("utf-8", "replace").splitlines()
                first = next((line for line in report if line.startswith("!")), report[-1] if report else "no output")
                raise SymguideError(
                    f"{target}: pdflatex stopped with {first.removeprefix('!').strip()!r}, so there is no PDF; "
                    "mend the source or install the package it lacks"
                )
        try:
            # Beside the target, so that the last move is one step on one file system.
            with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".pdf", delete=False) as beside:
                beside.write((folder / "document.pdf").read_bytes())
            os.chmod(beside.name, 0o644)
            os.replace(beside.name, target)
        except OSError as problem:
            raise SymguideError(
                f"{target}: {problem.strerror}, so the PDF was not written; choose another path"
            ) from None
    return target
