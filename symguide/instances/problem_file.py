"""Problem files: class mixtures and pairs of laws as JSON, read exactly and never evaluated."""

import json
from collections.abc import Iterator, Mapping, Set
from difflib import get_close_matches
from fractions import Fraction
from functools import partial
from math import log10
from os import PathLike
from pathlib import Path
from reprlib import Repr
from typing import Any

from symguide.errors import DataError, NotExactError
from symguide.laws.law import Law, TableLaw
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import ClassMixture, Problem
from symguide.numbers.number import canonical_string, is_exact, read_number
from symguide.numbers.numeral import LONGEST

__all__ = ["parse_problem", "read_problem", "write_problem"]

_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict, _SHORT.maxstring, _SHORT.maxother = 2, 6, 4, 60, 60


class _Literal(str):
    """A JSON number that is no integer, as spelled: ``0.25``, and the ``NaN`` that Python's reader lets by."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


# --- reading ----------------------------------------------------------------------------------------------------------


def read_problem(path: str | PathLike[str], target: str | None = None) -> Problem:
    """The problem in a JSON file; ``target`` overrides the file's own.

    See :func:`parse_problem` for what a file may hold.

    Raises
    ------
    DataError
        For a file that cannot be read as UTF-8 text, and as :func:`parse_problem`.

    >>> read_problem("no such file.json")
    Traceback (most recent call last):
    symguide.errors.DataError: no such file.json: there is no such file, so there is no problem to solve; check the path
    """
    return parse_problem(_read_text(path), target, _printable(path))


def parse_problem(text: str, target: str | None = None, name: str = "problem") -> Problem:
    """The problem that a JSON text describes: ``p(·|z)`` and ``p(·) = Σ_k a_k p(·|k)``, or a pair of laws.

    A class mixture has the keys ``vocabulary``, ``length``, ``classes`` and optionally ``target`` and ``labels``; a
    single class is its own target. For two laws that need not come from one mixture, ``pair`` stands in place of
    ``classes`` and ``target``; its laws are lists of token tuples, or Markov laws along the positions, as
    ``{"initial": [π_0, …], "transitions": [[P_00, …], …]}`` with one matrix, or one for each pair of neighbours.

    Numbers are integers, decimals, or texts such as ``"1/9"``, all read exactly. A law, or the priors, in which
    decimals occur may miss one by 1e-12: it is then divided by its sum, exactly, and ``Problem.notes`` says so.

    Raises
    ------
    DataError
        For malformed JSON (with line and column), unknown, missing and repeated keys, values of a wrong type, data that
        are no probabilities on the token grid, and a target that is missing or no class.

    >>> parse_problem('''{"vocabulary": 2, "length": 1, "target": "b", "classes": {
    ...     "a": {"prior": "2/3", "law": [[[0], 0.25], [[1], 0.75]]},
    ...     "b": {"prior": "1/3", "law": [[[1], 1]]}}}''').unconditional.weight((1,))
    Fraction(5, 6)
    >>> parse_problem('{"vocabulary": 2, "length": 1, "classes": {"a": {"prior": 1, "law": [[[0], 0.9]]}}}')
    Traceback (most recent call last):
    symguide.errors.DataError: problem: class 'a': the weights sum to 9/10, not to 1, so they are no probabilities; ...
    """
    document = _decode(text, name)
    if "pair" in document:
        return _pair(document, target, name)
    mixture = _mixture(document, name)
    own = document.get("target")
    if own is not None and own not in mixture.laws:
        raise DataError(f"{name}: target {_show(own)} is no class, so nothing guides to it; {_choices(mixture)}")
    chosen = target if target is not None else own
    if chosen is None:
        if len(mixture.laws) > 1:
            raise DataError(f"{name}: there is no target, so it is open where to guide; {_choices(mixture)}")
        (chosen,) = mixture.laws
    return mixture.problem(chosen)


def _read_text(path: str | PathLike[str]) -> str:
    name = _printable(path)
    try:
        return Path(path).read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise DataError(f"{name}: there is no such file, so there is no problem to solve; check the path") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: byte {error.start} is no UTF-8, so the text cannot be read; save the file as UTF-8"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{name}: it cannot be read ({reason}), so there is no problem to solve; name a JSON file"
        ) from None


def _printable(path: str | PathLike[str]) -> str:
    name = str(Path(path))
    return name if name.isprintable() else repr(name)


def _decode(text: str, name: str) -> dict[str, Any]:
    """The JSON object of a text, its numbers as spelled; no key is repeated."""
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise DataError(f"{name}: the file is empty, so there is no problem to solve; write classes or a pair of laws")
    try:
        document = json.loads(
            text,
            object_pairs_hook=partial(_object, name),
            parse_int=lambda digits: int(digits) if len(digits) <= LONGEST else _Literal(digits),
            parse_float=_Literal,
            parse_constant=_Literal,
        )
    except json.JSONDecodeError as error:
        raise DataError(
            f"{name}: malformed JSON at line {error.lineno}, column {error.colno} ({error.msg}), so nothing can be "
            "read; correct it there"
        ) from None
    except RecursionError:
        raise DataError(f"{name}: the JSON is nested too deeply, so it is no problem file; flatten it") from None
    variant, optional = "classes", {"labels", "target"}
    if isinstance(document, dict) and "pair" in document:
        variant, optional = "pair", {"labels"}
        for key in ("classes", "target"):
            if key in document:
                raise DataError(f"{name}: a pair of laws has no {key}, so it is open which is meant; keep one form")
    _check_object(document, name, {"vocabulary", "length", variant}, optional)
    for key in ("vocabulary", "length"):
        if type(document[key]) is not int or document[key] < 1:
            raise DataError(
                f"{name}: {key} is {_show(document[key])}, so there are no token tuples; give a positive integer"
            )
    return document


def _object(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise DataError(f"{name}: key {_show(key)} is listed twice, so its value is ambiguous; keep one")
        members[key] = value
    return members


def _check_object(value: Any, where: str, required: Set[str], optional: Set[str] = frozenset()) -> None:
    if not isinstance(value, dict):
        raise DataError(
            f"{where} is {_show(value)}, so its parts have no names; write an object with {_listed(required)}"
        )
    known = required | optional
    for key in value:
        if key not in known:
            near = get_close_matches(key, known, 1)
            remedy = f"did you mean {near[0]!r}?" if near else f"drop it, or use one of {_listed(known)}"
            raise DataError(f"{where}: key {_show(key)} is unknown here, so it would change nothing; {remedy}")
    for key in sorted(required):
        if key not in value:
            raise DataError(f"{where}: key {key!r} is missing, so the data are incomplete; add it")


def _mixture(document: Mapping[str, Any], name: str) -> ClassMixture:
    grid = document["vocabulary"], document["length"]
    if "target" in document:
        _check_text(document["target"], f"{name}: target")
    classes = document["classes"]
    if not isinstance(classes, dict):
        raise DataError(
            f"{name}: classes is {_show(classes)}, so the classes have no names; write an object by class name"
        )
    read: dict[str, tuple[object, TableLaw]] = {}
    for key, data in classes.items():
        where = f"{name}: class {_show(key)}"
        _check_text(key, f"{name}: the class name")
        _check_object(data, where, {"prior", "law"})
        read[key] = _scalar(data["prior"], f"{where}: prior"), _law(data["law"], grid, where)
    rounded = any(_is_decimal(prior) for prior, _ in read.values())
    return ClassMixture.of(*grid, read, labels=_labels(document, name), name=name, decimal=rounded)


def _pair(document: Mapping[str, Any], target: str | None, name: str) -> Problem:
    _check_object(document["pair"], f"{name}: pair", {"conditional", "unconditional"})
    if target is not None:
        raise DataError(
            f"{name}: it holds a pair of laws without classes, so target {target!r} has no meaning; drop it"
        )
    grid = document["vocabulary"], document["length"]
    laws = {
        key: _pair_law(document["pair"][key], grid, f"{name}: {key} law") for key in ("conditional", "unconditional")
    }
    notes = tuple(f"the {key} law was divided by its sum" for key, law in laws.items() if law.rescaled)
    return Problem(laws["conditional"], laws["unconditional"], labels=_labels(document, name), name=name, notes=notes)


def _pair_law(given: Any, grid: tuple[int, int], where: str) -> TableLaw | MarkovLaw:
    """A law listed by its support or, as an object, a Markov law along the positions."""
    if not isinstance(given, dict):
        return _law(given, grid, where)
    _check_object(given, where, {"initial", "transitions"})
    for key in ("initial", "transitions"):
        if not isinstance(given[key], list):
            raise DataError(f"{where}: {key} is {_show(given[key])}, so it holds no probabilities; write a list")
    numbers = list(_flat([given["initial"], given["transitions"]]))
    for number in numbers:
        _scalar(number, f"{where}: a probability")
    # One matrix is a list of rows, several are a list of matrices.
    length = grid[1] if _depth(given["transitions"]) < 3 else None
    rounded = any(map(_is_decimal, numbers))
    law = MarkovLaw.of(given["initial"], given["transitions"], length, where, decimal=rounded)
    if (law.vocabulary, law.length) != grid:
        raise DataError(
            f"{where}: its matrices speak of (N, D) = {(law.vocabulary, law.length)}, the file of {grid}; "
            "give both one grid"
        )
    return law


def _flat(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def _depth(value: Any) -> int:
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _law(entries: Any, grid: tuple[int, int], where: str) -> TableLaw:
    shape = 'a list of pairs such as [[0, 1], "1/2"]'
    if not isinstance(entries, list):
        raise DataError(f"{where}: the law is {_show(entries)}, so it lists no token tuples; write {shape}")
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], list):
            raise DataError(f"{where}: entry {_show(entry)} is no pair of tokens and probability; write {shape}")
        tokens, weight = entry
        for token in tokens:
            if type(token) is not int:
                raise DataError(f"{where}: token {_show(token)} is no integer; number the vocabulary from 0")
        _scalar(weight, f"{where}: weight of {_show(tokens)}")
    return TableLaw.from_mapping(*grid, entries, where, decimal=any(_is_decimal(weight) for _, weight in entries))


def _labels(document: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    if "labels" not in document:
        return None
    labels = document["labels"]
    if not isinstance(labels, list):
        raise DataError(f"{name}: labels is {_show(labels)}, so no token has one; write a list of texts, one per token")
    for label in labels:
        _check_text(label, f"{name}: a label")
    return tuple(labels)


def _check_text(value: Any, what: str) -> None:
    if not isinstance(value, str) or isinstance(value, _Literal):
        raise DataError(f"{what} is {_show(value)}, which names nothing; write a text in double quotes")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(f"{what} is {_show(value)}, half of a character, which cannot be printed; write it whole")


def _scalar(value: Any, what: str) -> Any:
    """The value itself, unless it is no JSON number or text: lists and objects may be huge."""
    if value is None or isinstance(value, list | dict | bool):
        spelled = json.dumps(value) if value is None or isinstance(value, bool) else _show(value)
        raise DataError(f"{what} is {spelled}: a number belongs here; write a fraction or a decimal")
    return value


def _is_decimal(value: object) -> bool:
    """Whether a number is spelled with a point or an exponent, so that it may have been rounded."""
    return isinstance(value, str) and any(mark in value for mark in ".eE")


def _show(value: object) -> str:
    """A value in an error: one line, cut short where it is long or deep."""
    return _SHORT.repr(value)


def _listed(keys: Set[str]) -> str:
    return ", ".join(map(repr, sorted(keys)))


def _choices(mixture: ClassMixture) -> str:
    return f"choose one of {', '.join(map(repr, mixture.laws))}"


# --- writing ----------------------------------------------------------------------------------------------------------


def write_problem(data: Problem | ClassMixture, target: str | None = None) -> str:
    """The JSON text of a problem or a mixture: what :func:`parse_problem` reads back, exactly where the data are exact.

    Of a problem made from a mixture only the target class is known, so all others are written as one class with the law
    ``(p(x) − a_z p(x|z)) / (1 − a_z)``: the chain guided to ``z`` depends on nothing else. ``target`` is for a mixture,
    which has none of its own. Floats are written as the decimals that Python prints; name, source and notes are no part
    of a file.

    Raises
    ------
    DataError
        For data with symbols, laws not listed by their support, a target that is no class, and laws of a problem that
        fit no mixture.
    NotExactError
        For a floating-point problem made from a mixture.

    >>> law = TableLaw.from_mapping(2, 1, {(0,): "1/3", (1,): "2/3"})
    >>> print(write_problem(ClassMixture.of(2, 1, {"a": (1, law)}), "a"), end="")
    {
      "vocabulary": 2,
      "length": 1,
      "target": "a",
      "classes": {
        "a": {
          "prior": "1",
          "law": [
            [[0], "1/3"],
            [[1], "2/3"]
          ]
        }
      }
    }
    """
    name = data.name
    if isinstance(data, Problem):
        if target is not None:
            raise DataError(f"{name}: a problem has its target already, so {target!r} would be lost; leave it out")
        if data.target is None and data.prior is None:
            laws = {"conditional": data.conditional, "unconditional": data.unconditional}
            pair = {key: _spell_pair_law(law, f"{name}: {key} law") for key, law in laws.items()}
            return _layout({**_heading(data.conditional, None, data.labels), "pair": pair}) + "\n"
        data, target = data.classes or _two_classes(data), data.target
    elif target is not None and target not in data.laws:
        raise DataError(f"{name}: target {target!r} is no class, so nothing guides to it; {_choices(data)}")
    classes = {
        key: {
            "prior": _spell(data.priors[key], f"{name}: class {key!r}: prior"),
            "law": _spell_law(law, f"{name}: class {key!r}"),
        }
        for key, law in data.laws.items()
    }
    return _layout({**_heading(next(iter(data.laws.values())), target, data.labels), "classes": classes}) + "\n"


def _two_classes(problem: Problem) -> ClassMixture:
    """The target class and everything else, from ``p(·|z)``, ``p(·)`` and ``a_z``."""
    name, target, prior = problem.name, problem.target, problem.prior
    if target is None or prior is None:
        raise DataError(
            f"{name}: target is {target!r} and its prior {prior}, so no mixture is meant; give both or none"
        )
    conditional, marginal = _table(problem.conditional, name), _table(problem.unconditional, name)
    numbers = prior, *conditional.weights.values(), *marginal.weights.values()
    if not all(map(is_exact, numbers)):
        raise NotExactError(
            f"{name}: its floats do not determine the other classes exactly; write the mixture it was made from"
        )
    share = _rational(prior, f"{name}: prior")
    rest = {x: _rational(p, f"{name}: weight of {list(x)}") for x, p in marginal.weights.items()}
    for x, p in conditional.weights.items():
        rest[x] = rest.get(x, Fraction(0)) - share * _rational(p, f"{name}: weight of {list(x)}")
    if not 0 < share <= 1 or any(p < 0 for p in rest.values()):
        raise DataError(
            f"{name}: the unconditional law is no mixture with {share} of the conditional law, so there are no classes "
            "to write; drop target and prior to write a pair"
        )
    classes: dict[str, tuple[object, Any]] = {target: (share, conditional)}
    if share < 1:
        classes[f"not {target}"] = 1 - share, {x: p / (1 - share) for x, p in rest.items()}
    return ClassMixture.of(problem.vocabulary, problem.length, classes, labels=problem.labels, name=name)


def _table(law: Law, where: str) -> TableLaw:
    if not isinstance(law, TableLaw):
        raise DataError(
            f"{where}: a {type(law).__name__} is not listed by its support, as a file is; tabulate it first"
        )
    return law


def _rational(value: object, what: str) -> Fraction:
    number = read_number(value, what, DataError)
    if not isinstance(number, Fraction):
        raise DataError(f"{what} is {number}: a file holds fractions and decimals only; substitute numbers first")
    return number


def _spell(value: object, what: str) -> str | float:
    if isinstance(value, float):
        return value
    number = _rational(value, what)
    digits = int((number.numerator.bit_length() + number.denominator.bit_length()) * log10(2))
    if digits > LONGEST:
        raise DataError(f"{what} has {digits} digits, but numbers are read up to {LONGEST}; round it")
    return canonical_string(number)


def _spell_law(law: Law, where: str) -> list[list[Any]]:
    weights = _table(law, where).weights
    return [[list(tokens), _spell(weight, f"{where}: weight of {list(tokens)}")] for tokens, weight in weights.items()]


def _spell_pair_law(law: Law, where: str) -> Any:
    if not isinstance(law, MarkovLaw):
        return _spell_law(law, where)
    return {key: _spell_array(getattr(law, key).tolist(), f"{where}: {key}") for key in ("initial", "transitions")}


def _spell_array(values: Any, what: str) -> Any:
    return [_spell_array(part, what) for part in values] if isinstance(values, list) else _spell(values, what)


def _heading(law: Law, target: str | None, labels: tuple[str, ...] | None) -> dict[str, Any]:
    optional = {"target": target, "labels": labels}
    return {"vocabulary": law.vocabulary, "length": law.length} | {k: v for k, v in optional.items() if v is not None}


def _layout(value: Any, margin: str = "") -> str:
    """JSON with a line for each member of an object and each token tuple of a law."""
    inner = margin + "  "
    match value:
        case dict():
            start, end = "{}"
            parts = [f"{json.dumps(key)}: {_layout(member, inner)}" for key, member in value.items()]
        case [[*_], *_]:
            start, end = "[]"
            parts = map(json.dumps, value)
        case _:
            return json.dumps(value)
    return "\n".join([start, ",\n".join(inner + part for part in parts), margin + end])
