"""Where answers go: stdout and stderr, files that are written whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from symguide.errors import ChainTooLargeError, DataError, SymguideError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "busy",
    "check_folder",
    "check_pdflatex",
    "otherwise",
    "publish",
    "say",
    "write",
    "write_json",
]


def say(line: str) -> None:
    """One line for people who wait or whose request failed."""
    if sys.stderr is not None:
        print(" ".join(line.split()), file=sys.stderr)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """A spinner on stderr while something runs, for people only."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from symguide.display.tables import screen

    with screen(to_stderr=True).status(what):
        yield


@contextmanager
def otherwise(remedy: str) -> Iterator[None]:
    """Chains that are too large are refused with what this command can do about them, if anything special."""
    try:
        yield
    except ChainTooLargeError as error:
        if not remedy:
            raise
        what, *_ = str(error).rpartition("; ")
        raise ChainTooLargeError(f"{what}; {remedy}") from None


def write(texts: Mapping[str, str]) -> None:
    """Write texts to files, all or none: each goes to a file beside its place, and only then do all move.

    ``-`` is stdout, and what is no regular file, such as a pipe, is written to as it is.
    """
    from pathlib import Path

    waiting: list[tuple[str, Path]] = []
    at_once: list[tuple[str, str]] = []
    try:
        for name, text in texts.items():
            path = Path(os.path.realpath(name))
            if path.is_dir():
                raise DataError(f"{name}: this is a directory, so nothing can be written to it; name a file")
            if name == "-" or (path.exists() and not path.is_file()):
                at_once.append((name, text))
            else:
                waiting.append((_beside(path, text), path))
        for name, text in at_once:
            if name == "-":
                sys.stdout.write(text)
                sys.stdout.flush()
            else:
                Path(name).write_text(text, encoding="utf-8")
        while waiting:
            os.replace(*waiting[0])
            del waiting[0]
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise DataError(f"{name}: {error.strerror}, so nothing was written; choose another place") from None
    finally:
        for temporary, _ in waiting:
            os.unlink(temporary)


def _beside(path: Path, text: str) -> str:
    """A temporary file in the folder of ``path`` with its text and the rights it has or would get."""
    import tempfile

    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(13, "Permission denied")
    number, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(number, "w", encoding="utf-8") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~umask)
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def write_json(document: Any) -> None:
    import json

    print(json.dumps(document, allow_nan=False))


def check_folder(name: str) -> None:
    """Refuse a folder that cannot be made or written to, before anything takes time."""
    if not name:
        raise DataError("--out has no value, so proofs have no place; name a folder")
    place = os.path.abspath(name)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise DataError(f"--out is {name}: {place} is no directory, so nothing can be written there; name another")
    if not os.access(place, os.W_OK | os.X_OK):
        raise DataError(f"--out is {name}: {place} may not be written to, so proofs have no place; name another")


def check_pdflatex() -> None:
    from shutil import which

    if which("pdflatex") is None:
        raise SymguideError(
            "--pdf: pdflatex is not installed, so there can be no PDF; install texlive-latex-recommended, or drop --pdf"
        )


def publish(
    folder: str, documents: Mapping[str, str], pdf: bool, figures: Mapping[str, Mapping[str, bytes]]
) -> list[list[str]]:
    """Documents, their PDFs and the files of their figures, into a folder: all are made in a folder of their own and
    moved when all are there.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from symguide.latex.article import compile_pdf

    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=place, prefix=".unfinished-") as unfinished:
            made = Path(unfinished)
            for stem, source in documents.items():
                (made / f"{stem}.tex").write_text(source, encoding="utf-8")
                for name, content in figures[stem].items():
                    (made / name).write_bytes(content)
                if pdf:
                    compile_pdf(source, made / f"{stem}.pdf", figures[stem])
            kinds = (".tex", ".pdf") if pdf else (".tex",)
            files = [[*(f"{stem}{kind}" for kind in kinds), *figures[stem]] for stem in documents]
            for file in dict.fromkeys(file for written in files for file in written):
                os.replace(made / file, place / file)
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}, so the documents were not written; name another place") from None
    return [[str(place / file) for file in written] for written in files]
