"""The built-in instances, each with its source: the papers' examples, and real words and digits."""

import inspect
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fractions import Fraction
from importlib import import_module
from itertools import product
from math import lcm, log10
from types import MappingProxyType, ModuleType
from typing import Any, TypeAlias

from symguide.errors import DataError
from symguide.instances.characters import character_models
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.products import ProductLaw
from symguide.numbers.numeral import shortened

__all__ = ["DATASETS", "Dataset", "load", "load_mixture"]

_HE = "He, Rojas, Tao, What Exactly Does Guidance Do in Masked Discrete Diffusion Models, arXiv:2506.10971"
_WORDFREQ = "Speer, wordfreq 3, https://github.com/rspeer/wordfreq, doi:10.5281/zenodo.7199437"
_DIGITS = (
    "Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998), "
    "doi:10.24432/C50P49, as shipped by scikit-learn's load_digits"
)

_OWN = "an example of this package's own"

_LARGEST = 10**6
"""Tokens that a hypercube's support lists in all; a larger one is a product."""
_MOST_POSITIONS, _MOST_TOKENS = 10_000, 100_000
_INK = 8
"""A pixel of the digits counts the inked points of a 4 × 4 block, 0..16; it is set when at least half of them are."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A family of built-in instances.

    Attributes
    ----------
    factory
        What makes the mixture, or the pair of laws; its keyword parameters all have defaults.
    description, source
        One line on what it is, and whom to cite.
    target
        The class guided to unless another is asked for; ``None`` for pairs.

    >>> DATASETS["hypercubes"].parameters
    {'D': 5, 'side': 3, 'overlap': 1}
    """

    factory: Callable[..., ClassMixture | Problem]
    description: str
    source: str
    target: str | None

    @property
    def parameters(self) -> dict[str, Any]:
        """The factory's parameters with their defaults."""
        return {name: parameter.default for name, parameter in inspect.signature(self.factory).parameters.items()}


def load(spec: str, target: str | None = None) -> Problem:
    """A built-in instance as a problem, guided to its default target or to another class.

    See :func:`load_mixture` for how an instance is named. A pair of laws has no classes:

    * ``characters:target=fr,languages=en+fr,length=30,top=5000``: Markov models of the letters of text, one language
      against all; see :func:`symguide.instances.characters.character_models`.

    Raises
    ------
    DataError
        As :func:`load_mixture`, and for a target that is no class, or given for a pair.

    >>> problem = load("hypercubes:D=2,side=2,overlap=1")
    >>> problem.target, problem.vocabulary, problem.unconditional.weight((1, 1))
    ('high', 3, Fraction(1, 4))
    """
    mixture = _made(spec)
    if isinstance(mixture, Problem):
        if target is not None:
            raise DataError(
                f"{mixture.name}: it is a pair of laws without classes, so target {target!r} has no meaning; drop it"
            )
        return mixture
    if target is None:
        only = next(iter(mixture.laws)) if len(mixture.laws) == 1 else None
        target = only or DATASETS[_name(spec)].target or ""
        if target not in mixture.laws:
            raise DataError(
                f"{mixture.name}: the usual target {target!r} is not among its classes, so it is open where to guide; "
                f"choose a target: {', '.join(map(repr, mixture.laws))}"
            )
    return mixture.problem(target)


def load_mixture(spec: str) -> ClassMixture:
    """The class mixture of a built-in instance ``NAME`` or ``NAME:key=value,…``.

    Priors are equal, and laws uniform on their supports unless the data say otherwise. Real data are

    * ``words:length=5,languages=en+fr+de,top=300``: the class is the language, its law the frequencies of wordfreq's
      ``best`` list, of words in ``a..z`` only, divided by their sum. The ``top`` commonest are kept, the first ones in
      the alphabet where frequencies tie; ``words-all`` keeps all words;
    * ``digits:patch=2x3,row=3,column=3``: the class is the digit, its law the counts of a patch of rows x columns whose
      upper left pixel is at ``row``, ``column``, both from 0. Pixels are tokens, row by row, 1 where at least half of
      the 16 points that a pixel counts are inked.

    Raises
    ------
    DataError
        For an unknown name or key, a key given twice, a value that is impossible, a missing extra, and for instances
        that are pairs of laws.

    >>> load_mixture("interval-overlap").laws["low"].weight((4,))
    Fraction(1, 6)
    >>> load_mixture("hypercubes:side=2,overlap=3")
    Traceback (most recent call last):
    symguide.errors.DataError: hypercubes: overlap is 3, but the side is 2, so the cubes cannot share as much; lower it
    """
    found = _made(spec)
    if isinstance(found, Problem):
        raise DataError(f"{found.name}: it is a pair of laws, so there is no mixture; load it as a problem")
    return found


def _made(spec: str) -> ClassMixture | Problem:
    name, rest = _name(spec), spec.partition(":")[2]
    dataset, known = DATASETS[name], DATASETS[name].parameters
    given: dict[str, Any] = {}
    for item in rest.split(",") if ":" in spec else ():
        key, equals, value = (part.strip() for part in item.partition("="))
        if key not in known:
            takes = ", ".join(known) or "none"
            near = "".join(f"; did you mean {match!r}?" for match in get_close_matches(key, known, 1, 0.5))
            raise DataError(
                f"{name}: there is no parameter {key!r}, so it would change nothing; it takes {takes}{near}"
            )
        if key in given:
            raise DataError(f"{name}: {key} is given twice, so its value is ambiguous; give it once")
        if not (equals and value):
            raise DataError(
                f"{name}: {key} has no value, so nothing can be read; write {key}={_EXAMPLES.get(key, '3')}"
            )
        given[key] = _READERS.get(key, _whole)(name, key, value)
    return replace(dataset.factory(**given), name=spec.strip(), source=dataset.source)


def _name(spec: str) -> str:
    name = spec.partition(":")[0].strip()
    if name not in DATASETS:
        near = "".join(f"did you mean {match!r}? " for match in get_close_matches(name, DATASETS, 1))
        raise DataError(
            f"there is no built-in instance {shortened(repr(name))}, so there are no data; {near}choose one of "
            f"{', '.join(DATASETS)}, or name a problem file"
        )
    return name


# --- reading parameters -----------------------------------------------------------------------------------------------


def _whole(name: str, key: str, value: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", value):
        raise DataError(f"{name}: {key} is {value!r}, so it counts nothing; give a whole number of at most nine digits")
    return int(value)


def _patch(name: str, key: str, value: str) -> tuple[int, int]:
    sizes = re.fullmatch("([0-9]{1,3})x([0-9]{1,3})", value)
    if sizes is None:
        raise DataError(f"{name}: {key} is {value!r}, so it has no sides; write rows x columns, such as 2x3")
    return int(sizes[1]), int(sizes[2])


def _languages(name: str, key: str, value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split("+"))


def _language(name: str, key: str, value: str) -> str:
    return value


_READERS: Mapping[str, Callable[[str, str, str], Any]] = {
    "patch": _patch,
    "languages": _languages,
    "target": _language,
}
_EXAMPLES = {"patch": "2x3", "languages": "en+fr+de", "target": "fr"}


def _at_least(name: str, lowest: int, **values: int) -> None:
    for key, value in values.items():
        if value < lowest:
            raise DataError(f"{name}: {key} is {value}, which leaves no data; give a whole number of at least {lowest}")


def _extra(module: str, what: str) -> ModuleType:
    """A package of the extra ``examples``, imported when its data are asked for: it is heavy, and it may be missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise DataError(
            f"{what}: {module.partition('.')[0]} cannot be imported ({error}), so there are no data; "
            'pip install "symguide[examples]"'
        ) from None


# --- the instances ----------------------------------------------------------------------------------------------------

_Support: TypeAlias = Iterable[tuple[int, ...]]


def _uniform(vocabulary: int, length: int, **supports: _Support) -> ClassMixture:
    """Classes with equal priors, each uniform on its support."""
    laws = {key: Counter(support) for key, support in supports.items()}
    return _counted(vocabulary, length, laws)


def _counted(
    vocabulary: int,
    length: int,
    counts: Mapping[str, Mapping[tuple[int, ...], int]],
    labels: tuple[str, ...] | None = None,
) -> ClassMixture:
    """Classes with equal priors, each with a law proportional to whole numbers."""
    prior = Fraction(1, len(counts))
    classes: dict[str, tuple[Fraction, dict[tuple[int, ...], Fraction]]] = {}
    for key, table in counts.items():
        whole = sum(table.values())
        classes[key] = prior, {tokens: Fraction(count, whole) for tokens, count in table.items()}
    return ClassMixture.of(vocabulary, length, classes, labels=labels)


def _cube(length: int, lowest: int, highest: int) -> _Support:
    return product(range(lowest, highest + 1), repeat=length)


def _diamonds() -> ClassMixture:
    grid = list(_cube(2, 0, 11))
    near = {key: [x for x in grid if abs(x[0] - c) + abs(x[1] - c) <= 3] for key, c in (("low", 3), ("high", 8))}
    return _uniform(12, 2, **near)


def _hypercubes(D: int = 5, side: int = 3, overlap: int = 1) -> ClassMixture:
    _at_least("hypercubes", 1, D=D, side=side)
    _at_least("hypercubes", 0, overlap=overlap)
    if overlap > side:
        raise DataError(
            f"hypercubes: overlap is {overlap}, but the side is {side}, so the cubes cannot share as much; lower it"
        )
    if D > _MOST_POSITIONS:
        raise DataError(f"hypercubes: D is {D}, more positions than the {_MOST_POSITIONS} that are carried; lower D")
    if side > _MOST_TOKENS:
        raise DataError(f"hypercubes: side is {side}, more tokens than the {_MOST_TOKENS} that are carried; lower side")
    start = side - overlap
    if log10(D) + D * log10(side) > log10(_LARGEST):
        weights = [{first + v: Fraction(1, side) for v in range(side)} for first in (0, start)]
        low, high = (ProductLaw.iid(side + start, D, table) for table in weights)
        half = Fraction(1, 2)
        return ClassMixture.of(side + start, D, {"low": (half, low), "high": (half, high)})
    return _uniform(side + start, D, low=_cube(D, 0, side - 1), high=_cube(D, start, start + side - 1))


def _slower_sampling() -> ClassMixture:
    return _counted(2, 2, {"target": {(0, 1): 8, (1, 1): 1}, "other": {(1, 0): 1, (1, 1): 1}})


def _words_all(length: int = 5, languages: tuple[str, ...] = ("en", "fr", "de")) -> ClassMixture:
    return _words(length, languages, None)


def _words(length: int = 5, languages: tuple[str, ...] = ("en", "fr", "de"), top: int | None = 300) -> ClassMixture:
    """One class per language: words of ``a..z`` only, by frequency, the ``top`` commonest (ties alphabetically)."""
    _at_least("words", 1, length=length, **({} if top is None else {"top": top}))
    wordfreq = _extra("wordfreq", "words")
    available, letters = wordfreq.available_languages("best"), set(string.ascii_lowercase)
    classes: dict[str, dict[tuple[int, ...], int]] = {}
    for language in languages:
        if language not in available:
            raise DataError(
                f"words: wordfreq has no list for language {language!r}, so it has no words; "
                f"choose of {', '.join(sorted(available))}"
            )
        if language in classes:
            raise DataError(f"words: language {language!r} is listed twice, so classes coincide; list it once")
        frequencies = wordfreq.get_frequency_dict(language, wordlist="best")
        words = (word for word in frequencies if len(word) == length and set(word) <= letters)
        chosen = sorted(words, key=lambda word: (-frequencies[word], word))[:top]
        if not chosen:
            raise DataError(
                f"words: language {language!r} has no words of {length} letters a..z, so its class is empty; "
                "choose another length"
            )
        # A list has few distinct frequencies. Each is read as the decimal that it spells.
        exact = {frequency: Fraction(repr(frequency)) for frequency in {frequencies[word] for word in chosen}}
        scale = lcm(*(frequency.denominator for frequency in exact.values()))
        classes[language] = {
            tuple(string.ascii_lowercase.index(letter) for letter in word): int(exact[frequencies[word]] * scale)
            for word in chosen
        }
    return _counted(26, length, classes, tuple(string.ascii_lowercase))


def _characters(
    target: str = "fr", languages: tuple[str, ...] = ("en", "fr"), length: int = 30, top: int = 5000
) -> Problem:
    _at_least("characters", 1, length=length, top=top)
    if length > _MOST_POSITIONS:
        raise DataError(
            f"characters: length is {length}, more positions than the {_MOST_POSITIONS} that are carried; lower it"
        )
    return character_models(target, languages, length, top)


def _digits(patch: tuple[int, int] = (2, 3), row: int = 3, column: int = 3) -> ClassMixture:
    """One class per digit: how often each pattern of a patch occurs, rows from ``row`` and columns from ``column``."""
    height, width = patch
    _at_least("digits", 1, height=height, width=width)
    _at_least("digits", 0, row=row, column=column)
    if row + height > 8 or column + width > 8:
        raise DataError(
            f"digits: a patch of {height}x{width} at row {row}, column {column} leaves the image of 8x8, "
            "rows and columns counted from 0; move it or shrink it"
        )
    data = _extra("sklearn.datasets", "digits").load_digits()
    inked = data.images[:, row : row + height, column : column + width].reshape(len(data.images), -1) >= _INK
    counts: dict[str, Counter[tuple[int, ...]]] = {str(digit): Counter() for digit in range(10)}
    for digit, pixels in zip(data.target.tolist(), inked.astype(int).tolist(), strict=True):
        counts[str(digit)][tuple(pixels)] += 1
    return _counted(2, height * width, counts, ("0", "1"))


DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        "interval-disjoint": Dataset(
            lambda: _uniform(10, 1, low=_cube(1, 0, 4), high=_cube(1, 5, 9)),
            "one token in {0..4} or {5..9}: disjoint classes",
            _HE,
            "high",
        ),
        "interval-overlap": Dataset(
            lambda: _uniform(10, 1, low=_cube(1, 0, 5), high=_cube(1, 4, 9)),
            "one token in {0..5} or {4..9}: classes that share 4 and 5",
            _HE,
            "high",
        ),
        "squares-overlap": Dataset(
            lambda: _uniform(5, 2, low=_cube(2, 0, 2), high=_cube(2, 2, 4)),
            "two tokens in {0..2}^2 or {2..4}^2: squares that share a corner",
            _HE,
            "high",
        ),
        "squares-disjoint": Dataset(
            lambda: _uniform(6, 2, low=_cube(2, 0, 2), high=_cube(2, 3, 5)),
            "two tokens in {0..2}^2 or {3..5}^2: squares disjoint in every projection",
            _HE,
            "high",
        ),
        "diamonds": Dataset(
            _diamonds,
            "two tokens at Manhattan distance <= 3 from (3, 3) or from (8, 8): overlapping only in projection",
            _HE,
            "low",
        ),
        "hypercubes-5d": Dataset(
            lambda: _hypercubes(), "five tokens in {0..2}^5 or {2..4}^5: cubes that share a corner", _HE, "high"
        ),
        "hypercubes": Dataset(_hypercubes, "D tokens in one of two cubes that overlap along the diagonal", _HE, "high"),
        "slower-sampling": Dataset(
            _slower_sampling,
            "two tokens, 8/9 (0, 1) + 1/9 (1, 1) against 1/2 (1, 0) + 1/2 (1, 1): more guidance may sample slower",
            _OWN,
            "target",
        ),
        "xor": Dataset(
            lambda: _uniform(2, 2, even=((0, 0), (1, 1)), any=_cube(2, 0, 1)),
            "two tokens, equal or any: the first reveal says nothing about the class",
            _OWN,
            "even",
        ),
        "words": Dataset(_words, "the commonest words of some languages; a token is a letter", _WORDFREQ, "en"),
        "words-all": Dataset(_words_all, "all words of some languages; a token is a letter", _WORDFREQ, "en"),
        "digits": Dataset(_digits, "a patch of handwritten digits; a token is a pixel, inked or not", _DIGITS, "3"),
        "characters": Dataset(
            _characters, "text of one language against text of several, as a pair of Markov laws", _WORDFREQ, None
        ),
    }
)
"""Read-only: the built-in instances by name."""
