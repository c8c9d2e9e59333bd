"""The story of labels by a language model: what is known already, then a request a group, then labels that clash.

Nothing here fails a run: groups that got no answer keep their keywords, and the outcome says why.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Protocol

from coterie.labeling.answers import MAX_LABEL, Answer
from coterie.labeling.asking import LATE, Asker, Stopped, Unlabelled
from coterie.labeling.prompts import MAX_SHOWN, Subject, clean
from coterie.labeling.unique import told_apart

MOST_ERRORS = 20
TICK_SECONDS = 0.5
MOST_TAKEN = 20
"""Labels of other groups that a group is shown when its own was one of them."""


class Tick(Protocol):
    """Called between answers, with the share (0..1) that is done. It may raise to end it all."""

    def __call__(self, done: float) -> None: ...


Owned = tuple[str, str]
"""A group, and a label that it has whatever a model says."""

Keep = Callable[[Subject, Answer], None]
"""Called with each answer as it comes, to be kept."""


@dataclass
class Outcome:
    """Answers by group, how many were known from before, and what went wrong, in words."""

    answers: dict[str, Answer] = field(default_factory=dict)
    reused: int = 0
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Asking:
    """How groups are asked about: who asks, on which threads, and who is told."""

    pool: ThreadPoolExecutor
    asker: Asker
    tick: Tick
    keep: Keep


def label_groups(
    subjects: Sequence[Subject],
    known: Mapping[str, Answer],
    taken: Iterable[Owned],
    asker: Asker,
    tick: Tick,
    keep: Keep,
    concurrency: int,
) -> Outcome:
    """Labels for groups, the most important first; of some the answers are `known`. No two get the same label, nor one
    of those `taken` by other groups. Raises what `tick` raises, after requests under way were given up."""
    outcome = Outcome({each.id: known[each.id] for each in subjects if each.id in known})
    outcome.reused = len(outcome.answers)
    failures: dict[str, str] = {}
    unknown = [each for each in subjects if each.id not in known]
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="coterie-label")
    asking = _Asking(pool, asker, tick, keep)
    try:
        for subject, found in _ask_all(asking, [(each, ()) for each in unknown], (0.0, 0.9)):
            if isinstance(found, Answer):
                keep(subject, found)
                outcome.answers[subject.id] = found
            else:
                failures[subject.id] = found
        _tell_apart(asking, [each for each in subjects if not each.stays], known, taken, outcome.answers)
    finally:
        asker.stop("it was given up")
        pool.shutdown(wait=False, cancel_futures=True)
    outcome.errors = _told([(each.id, failures[each.id]) for each in subjects if each.id in failures])
    return outcome


def _ask_all(
    asking: _Asking, asked: Sequence[tuple[Subject, Sequence[str]]], shares: tuple[float, float]
) -> Iterable[tuple[Subject, Answer | str]]:
    """Of each group its answer or why there is none, as they come."""
    begin, end = shares
    asker = asking.asker
    waiting: dict[Future[Answer | str], Subject] = {
        asking.pool.submit(copy_context().run, _outcome, asker, subject, taken): subject for subject, taken in asked
    }
    total = len(waiting)
    while waiting:
        done, _ = wait(waiting, TICK_SECONDS, FIRST_COMPLETED)
        for future in done:
            yield waiting.pop(future), future.result()
        asking.tick(begin + (end - begin) * (total - len(waiting)) / total)
        if waiting and asker.abandoned:
            asker.stop(LATE)
            yield from ((subject, f"not asked: {LATE}") for subject in waiting.values())
            return


def _outcome(asker: Asker, subject: Subject, taken: Sequence[str]) -> Answer | str:
    try:
        return asker.ask(subject, taken)
    except Unlabelled as error:
        return str(error)
    except Stopped as error:
        return f"not asked: {error}"


def _tell_apart(
    asking: _Asking,
    subjects: Sequence[Subject],
    known: Mapping[str, Answer],
    taken: Iterable[Owned],
    answers: dict[str, Answer],
) -> None:
    """Groups whose label another one has are asked once more, that label shown; then a keyword tells them apart."""
    used: dict[str, str] = {}
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for owner, label in taken:
        used[label.casefold()] = label
        owners[label.casefold()].add(owner)
    clashing = []
    for subject in sorted(subjects, key=lambda each: each.id not in known):
        answer = answers.get(subject.id)
        if answer is None:
            continue
        folded = answer.label.casefold()
        if owners[folded] - {subject.id}:
            clashing.append(subject)
        else:
            owners[folded].add(subject.id)
        used.setdefault(folded, answer.label)
    shown = {each.id: _near(answers[each.id].label, used.values()) for each in clashing}
    again = [(each, shown[each.id]) for each in clashing if asking.asker.stopped is None]
    second = dict(_by_id(_ask_all(asking, again, (0.9, 1.0))))
    for subject in clashing:
        answer = second.get(subject.id, answers[subject.id])
        label = told_apart(answer.label, [*answer.keywords, *subject.keywords], used, MAX_LABEL)
        used[label.casefold()] = label
        answers[subject.id] = answer.model_copy(update={"label": label})
        asking.keep(subject, answers[subject.id])


def _by_id(found: Iterable[tuple[Subject, Answer | str]]) -> Iterable[tuple[str, Answer]]:
    return ((subject.id, answer) for subject, answer in found if isinstance(answer, Answer))


def _near(label: str, used: Iterable[str]) -> list[str]:
    """The label itself and others that share a word with it."""
    words = set(label.casefold().split())
    others = [each for each in used if each.casefold() != label.casefold() and words & set(each.casefold().split())]
    return [label, *others][:MOST_TAKEN]


def _told(failures: Sequence[tuple[str, str]]) -> list[str]:
    """What went wrong, the same for several groups told once, the most frequent first."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for identity, message in failures:
        groups[message].append(identity)
    counts = Counter({message: len(ids) for message, ids in groups.items()})
    lines = []
    for message, count in counts.most_common(MOST_ERRORS):
        some = ", ".join(clean(identity, MAX_SHOWN) for identity in groups[message][:3])
        more = f" and {count - 3} more" if count > 3 else ""
        lines.append(f"{some}{more}: {message}; labels by keywords")
    if len(counts) > MOST_ERRORS:
        lines[-1] = f"{len(counts) - MOST_ERRORS + 1} other errors; labels by keywords"
    return lines
