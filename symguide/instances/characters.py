"""Character models of languages: a Markov pair fitted to words and their frequencies."""

import string
from collections.abc import Sequence
from fractions import Fraction
from importlib import import_module
from math import lcm

from symguide.errors import DataError
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import Problem

__all__ = ["LETTERS", "character_models"]

LETTERS = (*string.ascii_lowercase, " ")
"""The tokens of character models: ``a..z`` and the space between words."""


def character_models(
    target: str = "fr",
    languages: Sequence[str] = ("en", "fr"),
    length: int = 30,
    top: int | None = 5000,
    smoothing: object = 1,
) -> Problem:
    """Character models of languages as a Markov pair: one language, guided away from the mixture of all.

    Text is words of ``a..z`` with a space between, drawn by their frequencies (per million words); a token is a letter
    or the space, ``N = 27``. The conditional law is fitted to the target language, the unconditional one to the text of
    all languages in equal parts: a Markov law too, which the mixture of the fitted ones would not be.

    Parameters
    ----------
    target, languages
        Codes of wordfreq's ``best`` lists.
    length
        ``D``, the number of characters.
    top
        The commonest words of each list are used; ``None`` for all.
    smoothing
        Words per million added to every pair of characters.

    Raises
    ------
    DataError
        For unknown languages, a target that is not among them, and where wordfreq is not installed.

    References
    ----------
    Speer, wordfreq 3, doi:10.5281/zenodo.7199437.

    >>> problem = character_models("fr", length=12, top=100)
    >>> after_q = problem.conditional.conditional((LETTERS.index("q"), *[None] * 11), 1)
    >>> LETTERS[max(after_q, key=after_q.get)]
    'u'
    """
    if target not in languages:
        raise DataError(
            f"characters: target {target!r} is not among the languages {', '.join(languages)}, so it is open where to "
            "guide; choose one of them"
        )
    texts = {language: _word_counts(language, top) for language in languages}
    merged: dict[tuple[int, ...], Fraction] = {}
    for text in texts.values():
        for word, count in text.items():
            merged[word] = merged.get(word, Fraction(0)) + count / len(texts)
    strong, weak = (
        MarkovLaw.fit(text, len(LETTERS), length, smoothing, anywhere=True, name="characters")
        for text in (texts[target], merged)
    )
    return Problem(
        strong,
        weak,
        labels=LETTERS,
        name=f"characters of {target} against {'+'.join(languages)}",
        source="Speer, wordfreq 3, https://github.com/rspeer/wordfreq, doi:10.5281/zenodo.7199437",
    )


def _word_counts(language: str, top: int | None) -> dict[tuple[int, ...], Fraction]:
    """Words between spaces, as tokens, with their counts per million."""
    try:
        wordfreq = import_module("wordfreq")
    except ImportError:
        raise DataError(
            "characters: wordfreq is not installed, so there are no words; pip install symguide[examples]"
        ) from None
    available = wordfreq.available_languages("best")
    if language not in available:
        raise DataError(
            f"characters: wordfreq has no list for language {language!r}, so it has no words; "
            f"choose of {', '.join(sorted(available))}"
        )
    frequencies = wordfreq.get_frequency_dict(language, wordlist="best")
    letters = set(string.ascii_lowercase)
    chosen = sorted((x for x in frequencies if set(x) <= letters), key=lambda x: (-frequencies[x], x))[:top]
    if not chosen:
        raise DataError(
            f"characters: language {language!r} has no words of letters a..z, so there is no text; choose another"
        )
    exact = {frequency: Fraction(repr(frequency)) for frequency in {frequencies[word] for word in chosen}}
    scale = lcm(*(frequency.denominator for frequency in exact.values()))
    counts = {word: int(exact[frequencies[word]] * scale) for word in chosen}
    whole = sum(counts.values())
    token = {letter: j for j, letter in enumerate(LETTERS)}
    return {
        tuple(token[letter] for letter in f" {word} "): Fraction(count * 10**6, whole) for word, count in counts.items()
    }
