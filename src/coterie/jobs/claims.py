"""Which task a worker takes next, and what it lets go of.

A task waits while it is open and nobody has it. Of those that a worker can take, it takes one of the organization that
has the fewest in hand; of that, the oldest. Tasks with one lock run one after the other.

A task that a worker left keeps its workspace, which is that worker's scratch folder as its version of the steps
understands it: a worker of the same workspace goes on with the steps that are recorded, and while one lives no other
takes the task. Once none does, whoever takes it begins anew.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, false, func, or_, select, update

from coterie.jobs import queue
from coterie.store.tables import IN_HAND, UNWANTED, WAITING, tasks, workers

PRESENT = workers.c.seen_at > 0
"""Workers that have not said goodbye. One that died is present until another has noticed."""

_HELD = (IN_HAND, tasks.c.owner > "")  # a range, so that SQLite goes by the index of these


@dataclass(frozen=True)
class Claimant:
    """A worker as a task sees it: the kinds that it knows, its workspace, the bytes that one of its jobs may take, how
    many it does at a time, and how many tasks an organization may have in hand over all workers."""

    id: str
    kinds: Collection[str]
    workspace: str
    memory: int
    slots: int
    organization_jobs: int | None = None


def find(tx: Connection, claimant: Claimant) -> Row[Any] | None:
    """The task that a worker is to take next; None if there is none for it, or if it has its hands full.

    A worker that was declared dead takes none until it has said again that it lives.
    """
    if _count_of(tx, claimant.id) >= claimant.slots:
        return None
    organizations = _waiting_organizations(tx, claimant.organization_jobs)
    if not organizations:
        return None
    crew = tx.execute(select(workers.c.id, workers.c.workspace, workers.c.memory).where(PRESENT)).all()
    if all(each.id != claimant.id for each in crew):
        return None
    takes = _takes(claimant, crew)
    return next((row for each in organizations for row in _oldest(tx, each, takes)), None)


def claim(tx: Connection, claimant: Claimant, now: str) -> Row[Any] | None:
    """Take the next task, as a new attempt if its workspace is another one; the task as it is then."""
    row = find(tx, claimant)
    if row is None:
        return None
    anew = row.workspace not in (None, claimant.workspace)
    taken = update(tasks).where(tasks.c.pk == row.pk, tasks.c.owner.is_(None))
    values = {"owner": claimant.id, "dispatched_at": now, "workspace": claimant.workspace}
    return tx.execute(taken.values(**values, attempt=row.attempt + anew).returning(tasks)).first()


def in_hand(tx: Connection, owner: str) -> list[Row[Any]]:
    """The tasks that a worker has."""
    return list(tx.execute(select(tasks).where(IN_HAND, tasks.c.owner == owner)).all())


def unwanted(tx: Connection, kinds: Collection[str]) -> list[Row[Any]]:
    """The tasks that nobody has and whose end was asked for."""
    return list(tx.execute(select(tasks).where(UNWANTED, tasks.c.kind.in_(kinds))).all())


def leave(tx: Connection, owner: str) -> None:
    """Let go of the tasks that a worker has as it stops."""
    tx.execute(_left().where(tasks.c.owner == owner))


def is_bereft(tx: Connection) -> bool:
    """Whether a task is in the hands of a worker that is there no more."""
    return tx.scalar(select(tasks.c.pk).where(*_bereft()).limit(1)) is not None


def recover(tx: Connection) -> int:
    """Let go of the tasks that dead workers had, and count it; how many there were."""
    return tx.execute(_left().where(*_bereft()).values(recoveries=tasks.c.recoveries + 1)).rowcount


def move(tx: Connection, row: Row[Any], memory: int) -> bool:
    """Let go of a task that needs more memory than its worker has; False if no worker has declared so much."""
    if (largest_memory(tx) or 0) < memory:
        return False
    anew = {"attempt": row.attempt + 1, "workspace": None, "memory_needed": memory}
    tx.execute(_left().where(tasks.c.pk == row.pk).values(**anew))
    return True


def largest_memory(tx: Connection) -> int | None:
    """The bytes that a job of the largest worker may take."""
    largest: int | None = tx.scalar(select(func.max(workers.c.memory)).where(PRESENT))
    return largest


def _left() -> Any:
    return update(tasks).where(*_HELD).values(owner=None, dispatched_at=None)


def _bereft() -> tuple[Any, ...]:
    return *_HELD, tasks.c.owner.not_in(select(workers.c.id))


def _count_of(tx: Connection, owner: str) -> int:
    return tx.scalar(select(func.count()).select_from(tasks).where(IN_HAND, tasks.c.owner == owner)) or 0


def _waiting_organizations(tx: Connection, most: int | None) -> list[str]:
    """Those for which tasks wait: first those with the fewest in hand, of these the one that waits the longest.

    Each is one look into the index at the next name, however many of its tasks wait.
    """
    found = select(func.min(tasks.c.org_id).label("id")).where(WAITING).cte("found", recursive=True)
    later = select(func.min(tasks.c.org_id)).where(WAITING, tasks.c.org_id > found.c.id).scalar_subquery()
    found = found.union_all(select(later).where(found.c.id.is_not(None)))
    oldest = select(func.min(tasks.c.pk)).where(WAITING, tasks.c.org_id == found.c.id).scalar_subquery()
    waiting = tx.execute(select(found.c.id, oldest.label("pk")).where(found.c.id.is_not(None))).all()
    if not waiting:
        return []
    held = Counter(tx.scalars(select(tasks.c.org_id).where(*_HELD)))
    ranked = sorted((held[row.id], row.pk, row.id) for row in waiting)
    return [name for count, _, name in ranked if most is None or count < most]


def _takes(claimant: Claimant, crew: Sequence[Row[Any, Any, Any]]) -> list[Any]:
    """What must hold of a task for the worker to take it, beside its lock."""
    largest = max(each.memory or 0 for each in crew)
    others = dict[str, int]()
    for each in crew:
        if each.workspace not in (None, claimant.workspace):
            others[each.workspace] = max(others.get(each.workspace, 0), each.memory or 0)
    theirs = [
        and_(tasks.c.workspace == workspace, func.coalesce(tasks.c.memory_needed, 0) <= memory)
        for workspace, memory in others.items()
    ]
    return [
        tasks.c.kind.in_(claimant.kinds),
        or_(tasks.c.workspace.is_(None), ~or_(false(), *theirs)),
        or_(
            tasks.c.memory_needed.is_(None),
            tasks.c.memory_needed <= claimant.memory,
            tasks.c.memory_needed > largest,  # who had so much is gone: whoever takes it says what there is
        ),
    ]


def _oldest(tx: Connection, org_id: str, takes: Collection[Any]) -> Iterator[Row[Any]]:
    earlier = tasks.alias("earlier")
    blocked = (
        select(earlier.c.pk)
        .where(earlier.c.lock == tasks.c.lock, earlier.c.status.in_(queue.OPEN), earlier.c.pk < tasks.c.pk)
        .exists()
    )
    free = or_(tasks.c.lock.is_(None), ~blocked)
    own = select(tasks).where(WAITING, tasks.c.org_id == org_id, ~tasks.c.cancel_requested, *takes, free)
    yield from tx.execute(own.order_by(tasks.c.pk).limit(1))
