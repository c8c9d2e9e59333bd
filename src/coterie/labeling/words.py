"""The words of a text in any script: letters with their marks, folded to lower case, and phrases of two.

Chinese, Japanese, Thai, Lao, Khmer and Burmese are written without spaces. Without a dictionary a run of such
characters is cut into overlapping pairs (as Lucene's CJKBigramFilter does), short runs of Chinese characters and runs
of kana stay whole, and pairs that often follow each other are joined again.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise

MAX_TEXT = 2_000
"""Characters of one text that are read."""

MAX_WORD = 40
SHORT_RUN = 3
"""A run of Chinese characters up to this length counts as one word."""

LONGEST = 8
"""Characters of a term that is put together of pieces."""

TOGETHER = 0.7
"""Pieces of one term occur about as often as each other: at least to this share."""

_MARKS = "".join(chr(code) for code in range(0x300, 0xFE30) if unicodedata.category(chr(code))[0] == "M")
_WORD = re.compile(rf"(?:[^\W_]|[{_MARKS}])+")
_NOISE = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+\.\w+|\b[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b|<[^<>]{1,200}>", re.I)
"""Links, addresses, hashes and tags say nothing about a subject."""

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af々"
_KANA = "\u3041-\u30ff"
_SOUTHEAST = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_UNSPACED = re.compile(rf"[{_HAN}]+|[\u3041-\u309f]+|[\u30a0-\u30ff]+|[{_SOUTHEAST}]+|[^{_HAN}{_KANA}{_SOUTHEAST}]+")
_IS_HAN = re.compile(rf"[{_HAN}]+")
_IS_SOUTHEAST = re.compile(rf"[{_SOUTHEAST}]+")
_SYLLABLE = re.compile(rf"[^{_MARKS}][{_MARKS}]*")
_PARTICLES = frozenset("的了是在和也就都而及與与着呢吗吧啊")


def words_of(text: str) -> list[str]:
    """The words of a text in their order: two letters or more, no numbers, nothing of links, data and hashes."""
    if text.startswith("data:"):
        return []
    folded = unicodedata.normalize("NFC", _NOISE.sub(" ", text[:MAX_TEXT])).lower()
    if folded.isascii():
        return [word for word in _WORD.findall(folded) if _is_word(word)]
    return [word for run in _WORD.findall(folded) for word in _pieces(run) if _is_word(word)]


def phrase(first: str, second: str) -> str:
    """Two words that follow each other, written as one; pairs of characters that overlap share the one in between."""
    if _is_unspaced(first) and _is_unspaced(second):
        return first + second[1:] if first[-1] == second[0] else first + second
    return f"{first} {second}"


def joined(one: str, other: str, times: int, other_times: int) -> str | None:
    """Two terms of a text without spaces as the one that they are pieces of: they overlap, and occur about as often."""
    if not (_is_unspaced(one) and _is_unspaced(other)) or len(one) + len(other) > LONGEST:
        return None
    if other in one:
        return one
    if min(times, other_times) < TOGETHER * max(times, other_times):
        return None
    for shared in (2, 1):
        if one[-shared:] == other[:shared]:
            return one + other[shared:]
        if other[-shared:] == one[:shared]:
            return other + one[shared:]
    return None


def alike(one: str, other: str) -> bool:
    """Whether two terms share a word, or one in another form of it: `stock`, `stocks`, `stock market`."""
    return any(_same_stem(mine, theirs) for mine in _parts(one) for theirs in _parts(other))


def _is_word(word: str) -> bool:
    if not 2 <= len(word) <= MAX_WORD:
        return False
    digits = sum(map(str.isnumeric, word)) if not word.isalpha() else 0
    return 2 * digits < len(word)


def _pieces(run: str) -> Iterator[str]:
    for part in _UNSPACED.findall(run):
        if _IS_HAN.fullmatch(part):
            pairs: Iterable[str] = [part] if len(part) <= SHORT_RUN else map("".join, pairwise(part))
            yield from (pair for pair in pairs if not _PARTICLES & set(pair))
        elif _IS_SOUTHEAST.fullmatch(part):
            syllables = _SYLLABLE.findall(part)
            yield from map("".join, pairwise(syllables))
        else:
            yield part


def _is_unspaced(word: str) -> bool:
    return not word.isascii() and (_IS_HAN.fullmatch(word) or _IS_SOUTHEAST.fullmatch(word)) is not None


def _parts(term: str) -> list[str]:
    if _is_unspaced(term) and len(term) > 2:
        return [term[at : at + 2] for at in range(len(term) - 1)]
    return term.split()


def _same_stem(one: str, other: str) -> bool:
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    shared = next((at for at, letter in enumerate(short) if letter != long[at]), len(short))
    if shared == len(short):
        return len(short) >= 4 and len(long) - len(short) <= 3
    return shared >= 5 and len(long) - shared <= 3
