"""Tables on disk whose rows are written once, by their key: CSV that grows row by row, and Parquet made of it.

Rows are appended as they come, so that whatever ends a program leaves a file that the next run continues. When all is
done they are sorted, so that the file does not depend on who computed what when.
"""

import csv
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from symguide.errors import DataError

try:
    import fcntl
except ImportError:  # where there are no such locks, two programs on one file are nobody's business but the user's
    fcntl = None

__all__ = ["KEY", "SUFFIXES", "RowFile", "check_place", "row_file"]

KEY = "key"
"""The column that tells rows apart."""

SUFFIXES = (".csv", ".parquet")
"""What a table may be called."""

Row = Mapping[str, "str | float | None"]


@dataclass(frozen=True, slots=True)
class RowFile:
    """An open table: what it holds, and where new rows go.

    Attributes
    ----------
    columns
        ``{name: str | float}``, in order; :data:`KEY` is one.
    keys
        Of all rows that are there.

    >>> with tempfile.TemporaryDirectory() as folder, row_file(f"{folder}/table.csv", {"key": str}, []) as rows:
    ...     rows.append([{"key": "a"}, {"key": "a"}]), rows.append([{"key": "a"}])
    (1, 0)
    """

    columns: Mapping[str, type]
    keys: set[str]
    _stream: BinaryIO

    def append(self, rows: Iterable[Row]) -> int:
        """Write those rows whose keys are new, at once and to the end; how many there were."""
        fresh = {str(row[KEY]): [_spelled(row[name]) for name in self.columns] for row in rows}
        fresh = {key: row for key, row in fresh.items() if key not in self.keys}
        self._stream.write(_csv(fresh.values()))
        self._stream.flush()
        self.keys.update(fresh)
        return len(fresh)


def check_place(path: str | os.PathLike[str]) -> Path:
    """Where a table goes, refused where it cannot: nothing is made yet.

    Raises
    ------
    DataError
        For an unknown suffix, a folder that is missing or may not be written to, a file that may not, and Parquet
        without its library.

    >>> check_place("table.xlsx")
    Traceback (most recent call last):
    symguide.errors.DataError: table.xlsx: tables are written as .csv or .parquet, so its format is open; name it so
    """
    place = Path(os.path.realpath(path))
    if place.suffix not in SUFFIXES:
        raise DataError(f"{path}: tables are written as {' or '.join(SUFFIXES)}, so its format is open; name it so")
    if place.is_dir():
        raise DataError(f"{path}: this is a directory, so nothing can be written to it; name a file")
    if not place.parent.is_dir():
        raise DataError(f"{path}: there is no directory {place.parent}, so nothing can be written there; make it")
    if not os.access(place.parent, os.W_OK | os.X_OK) or (place.exists() and not os.access(place, os.R_OK | os.W_OK)):
        raise DataError(f"{path}: it may not be written to, so rows have no place; choose another")
    if place.suffix == ".parquet":
        _parquet(path)
    return place


@contextmanager
def row_file(path: str | os.PathLike[str], columns: Mapping[str, type], order: Sequence[str]) -> Iterator[RowFile]:
    """Open or continue a table, and sort it by some columns in the end, whatever ends the work on it.

    Rows go to the CSV file itself, or to ``NAME.parquet.rows.csv`` beside a Parquet file, which they join in the end. A
    last line that was cut off is dropped.

    Raises
    ------
    DataError
        As :func:`check_place`; for a file that holds something else, and for one that another program writes to.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for _ in range(2):
    ...         with row_file(f"{folder}/table.csv", {"key": str, "x": float}, ["x"]) as rows:
    ...             _ = rows.append([{"key": "b", "x": 0.5}, {"key": "a", "x": 0.25}])
    ...     print(Path(f"{folder}/table.csv").read_text(), end="")
    key,x
    a,0.25
    b,0.5
    """
    place = check_place(path)
    journal = place if place.suffix == ".csv" else place.with_name(f"{place.name}.rows.csv")
    names = list(columns)
    finished = _read_parquet(path, place, names) if journal != place and place.exists() else []
    with _alone(path, journal) as stream:
        held = finished + _read_csv(path, stream, names)
        rows = RowFile(columns, {row[names.index(KEY)] for row in held}, stream)
        try:
            yield rows
        finally:
            stream.seek(0)
            table = _sorted(finished + _read_csv(path, stream, names), columns, order)
            if journal == place:
                text = _csv([names, *table])
                stream.seek(0)
                if stream.read() != text:
                    _replace(place, lambda target: target.write(text))
            else:
                parquet, made = _parquet(path), _arrow_table(table, columns)
                if not place.exists() or len(table) > len(finished):
                    _replace(place, lambda target: parquet.write_table(made, target))
                journal.unlink()


@contextmanager
def _alone(path: str | os.PathLike[str], journal: Path) -> Iterator[BinaryIO]:
    """A file for reading and writing that no other program has open this way."""
    try:
        stream = os.fdopen(os.open(journal, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}, so rows have no place; choose another") from None
    with stream:
        busy = DataError(f"{path}: another program writes rows to it, so they would be doubled; let it finish first")
        if fcntl is not None:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise busy from None
            except OSError:
                pass  # a file system without locks
        if not journal.exists() or not os.path.samestat(os.fstat(stream.fileno()), journal.stat()):
            raise busy
        yield stream


def _read_csv(path: str | os.PathLike[str], stream: BinaryIO, names: list[str]) -> list[list[str]]:
    """The complete rows of a table, whatever is cut off behind them removed; a new file gets its header."""
    stream.seek(0)
    content = stream.read()
    header = _csv([names])
    if not header.startswith(content[: len(header)]):
        raise _other(path, names)
    whole = content[: _complete(content)]
    if not whole:
        whole = header
        stream.seek(0)
        stream.write(header)
    if len(content) > len(whole):
        stream.truncate(len(whole))
    stream.seek(len(whole))
    try:
        rows = list(csv.reader(io.StringIO(whole.decode("utf-8"), newline=""), strict=True))[1:]
    except (UnicodeDecodeError, csv.Error):
        raise _other(path, names) from None
    if any(len(row) != len(names) for row in rows):
        raise _other(path, names)
    return rows


def _complete(content: bytes) -> int:
    """How long the part up to the last line end that is not inside quotes is."""
    end, at, quotes = 0, 0, 0
    for line in io.BytesIO(content):
        at += len(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0 and line.endswith(b"\n"):
            end = at
    return end


def _other(path: str | os.PathLike[str], names: Sequence[str]) -> DataError:
    return DataError(
        f"{path}: it holds something else than the {len(names)} columns {names[0]}, {names[1]}, .., {names[-1]} of "
        "this table, so rows cannot be added; name another file"
    )


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8")


def _spelled(value: str | float | None) -> str:
    """In full: the double that is read back is the one that was written."""
    return "" if value is None else repr(float(value)) if not isinstance(value, str) else value


def _sorted(rows: Iterable[list[str]], columns: Mapping[str, type], order: Sequence[str]) -> list[list[str]]:
    """In order, every key once; missing values come first."""
    names = list(columns)
    places = [(names.index(name), columns[name]) for name in (*order, KEY)]

    def rank(row: list[str]) -> list[tuple[bool, Any]]:
        return [(row[j] != "", kind(row[j]) if row[j] != "" else None) for j, kind in places]

    once = {row[names.index(KEY)]: row for row in rows}
    return sorted(once.values(), key=rank)


def _replace(place: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file whole or not at all, with the rights that it has or would get."""
    number, temporary = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}-")
    try:
        with os.fdopen(number, "wb") as target:
            write(target)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, place.stat().st_mode & 0o777 if place.exists() else 0o666 & ~umask)
        os.replace(temporary, place)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _parquet(path: str | os.PathLike[str]) -> Any:
    try:
        return import_module("pyarrow.parquet")
    except ImportError:
        raise DataError(
            f"{path}: Parquet is written by pyarrow, which is not installed; pip install 'symguide[parquet]', or name "
            "a .csv file"
        ) from None


def _read_parquet(path: str | os.PathLike[str], place: Path, names: list[str]) -> list[list[str]]:
    arrow = import_module("pyarrow")
    try:
        table = _parquet(path).read_table(place)
    except (arrow.ArrowException, OSError):
        raise _other(path, names) from None
    if table.column_names != names:
        raise _other(path, names)
    return [[_spelled(row[name]) for name in names] for row in table.to_pylist()]


def _arrow_table(rows: Sequence[Sequence[str]], columns: Mapping[str, type]) -> Any:
    arrow = import_module("pyarrow")
    kinds = {str: arrow.string(), float: arrow.float64()}
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [
        arrow.array([kind(value) if value != "" else None for value in column], kinds[kind])
        for column, kind in zip(values, columns.values(), strict=True)
    ]
    return arrow.table(arrays, names=list(columns))
