r"""Articles: standalone documents that ``pdflatex`` compiles with ``texlive-latex-recommended``, and their PDFs."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from symguide.errors import SymguideError
from symguide.latex.notation import escape

__all__ = ["compile_pdf", "document"]

_PREAMBLE = r"""\documentclass[11pt,a4paper]{article}
\usepackage[margin=25mm]{geometry}
\usepackage{amsmath,amssymb,amsthm,array,booktabs,graphicx,longtable}
\usepackage[hidelinks,bookmarks=false]{hyperref}
\allowdisplaybreaks
\addtolength{\jot}{2pt}
\renewcommand{\labelitemi}{$\bullet$}
\newcommand{\verdict}[1]{{\unskip\nobreak\hfil\penalty50\hskip2em\hbox{}\nobreak\hfil\textit{#1}\parfillskip=0pt\par}}
\setlength{\emergencystretch}{4em}
\newtheorem*{claim}{Theorem}
\theoremstyle{definition}
\newtheorem{step}{Step}
\setcounter{secnumdepth}{0}
\setcounter{tocdepth}{1}
"""


def document(title: str, sections: Iterable[tuple[str, str]], contents: bool = False) -> str:
    r"""A standalone article: a plain title, and sections as pairs (plain heading, LaTeX body), empty ones left out.

    With ``contents``, a table of them comes first.

    >>> from sympy import Eq, log
    >>> from symguide.latex.formulas import equations
    >>> from symguide.symbols import s, u
    >>> source = document("One token", [("Law", equations([Eq(s, -log(u))]).display), ("Nothing", "")])
    >>> source.count(r"\section"), r"\title{One token}" in source
    (1, True)
    """
    parts = [(f"\\section{{{escape(heading)}}}\n" if heading else "", text.strip()) for heading, text in sections]
    body = "\n\n".join(heading + text for heading, text in parts if text)
    head = f"{_PREAMBLE}\n\\title{{{escape(title)}}}\n\\author{{}}\n\\date{{}}\n\\begin{{document}}\n\\maketitle\n"
    head += "\\tableofcontents\n" if contents else ""
    return f"{head}\n{body}\n\n\\end{{document}}\n"


def compile_pdf(source: str, path: str | os.PathLike[str], figures: Mapping[str, bytes] = MappingProxyType({})) -> Path:
    """Run ``pdflatex`` twice in a temporary folder and put the PDF in place; a PDF that was there stays if it fails.

    ``figures`` are the files that the source includes, by name.

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
        for file, content in figures.items():
            (folder / file).write_bytes(content)
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
