"""Labels from keywords, no two of a run the same."""

from collections.abc import Collection, Iterable, Sequence

LABEL_WORDS = 3
MAX_LABEL = 200
"""Characters of a label."""


def unique_labels(
    keywords: Sequence[Sequence[str]], others: Collection[str] = (), fallback: str = "group"
) -> list[str]:
    """A label per group from its keywords; no two groups get the same one, nor one of the `others`, whatever the case
    of their letters."""
    labels: list[str] = []
    taken = {label.casefold() for label in others}
    for number, words in enumerate(keywords):
        label = first_free(_candidates(words, f"{fallback} {number + 1}"), taken)
        taken.add(label.casefold())
        labels.append(label)
    return labels


def told_apart(label: str, words: Sequence[str], taken: Collection[str], most: int = MAX_LABEL) -> str:
    """The label, or if it is among the folded ones `taken`, with a keyword that tells it apart, or else a number; of
    at most so many characters."""
    own = [word for word in words if word.casefold() not in label.casefold()]
    return first_free((label, *(f"{cut(label, most - len(word) - 3)} ({word})" for word in own)), taken, most)


def first_free(labels: Iterable[str], taken: Collection[str], most: int = MAX_LABEL) -> str:
    """The first label that is free, none of those being so the first one with a number."""
    base = None
    for label in (cut(each, most) for each in labels):
        if label.casefold() not in taken:
            return label
        base = base or label
    number = 2
    while (label := f"{cut(base or 'group', most - 10)} ({number})").casefold() in taken:
        number += 1
    return label


def cut(text: str, most: int = MAX_LABEL) -> str:
    """A text of so many characters at most."""
    return text if len(text) <= most else text[: max(most - 1, 0)].rstrip() + "…"


def _candidates(words: Sequence[str], fallback: str) -> Iterable[str]:
    """Labels for a group: its best words, then a further one in the place of the last, then more of them."""
    if not words:
        return [fallback]
    size = 1 if ": " in words[0] else min(LABEL_WORDS, len(words))
    head = list(words[: size - 1])
    swapped = [", ".join([*head, word]) for word in words[size - 1 :]]
    longer = [", ".join(words[:length]) for length in range(size + 1, len(words) + 1)]
    return [*swapped, *longer]
