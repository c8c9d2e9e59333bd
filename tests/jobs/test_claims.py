"""Which task a worker takes next: fair shares, caps, locks, memory, kinds, and whose steps it can go on with."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from coterie.api.context import Services
from coterie.jobs import claims, queue
from coterie.jobs.claims import Claimant
from coterie.store.tables import organizations, tasks, workers

NOW = "2026-01-01T00:00:00.000000Z"
ANN = Claimant("ann", {"kind"}, "1.here", memory=1000, slots=10_000)
BOB = replace(ANN, id="bob")
Put = Callable[..., list[str]]


@pytest.fixture
def put(services: Services) -> Put:
    """Writes some tasks of an organization, all with the same columns."""

    def write(org: str, count: int = 1, **columns: Any) -> list[str]:
        with services.db.write() as tx:
            if tx.scalar(select(organizations.c.id).where(organizations.c.id == org)) is None:
                tx.execute(
                    insert(organizations).values(id=org, internal_id=org, name=org, metadata="{}", created_at=NOW)
                )
            written = [
                str(queue.submit(tx, queue.NewTask(org, "ns_x", "kind", "engine_cluster_build", {}), NOW)["task_id"])
                for _ in range(count)
            ]
            if columns:
                tx.execute(update(tasks).where(tasks.c.id.in_(written)).values(**columns))
        return written

    return write


@pytest.fixture(autouse=True)
def crew(services: Services) -> None:
    for each in (ANN, BOB):
        enlist(services, each)


def enlist(services: Services, worker: Claimant) -> None:
    own = {"id": worker.id, "workspace": worker.workspace, "memory": worker.memory, "seen_at": time.time()}
    with services.db.write() as tx:
        tx.execute(workers.delete().where(workers.c.id == worker.id))
        tx.execute(insert(workers).values(host="h", pid=1, started_at=NOW, **own))


def take(services: Services, worker: Claimant = ANN) -> Any:
    with services.db.write() as tx:
        return claims.claim(tx, worker, NOW)


def taken(services: Services, worker: Claimant = ANN) -> str | None:
    row = take(services, worker)
    return None if row is None else str(row.id)


def end(services: Services, task: str) -> None:
    with services.db.write() as tx:
        tx.execute(update(tasks).where(tasks.c.id == task).values(status=queue.COMPLETED))


def test_a_thousand_tasks_of_one_organization_do_not_hold_up_another_s_one(services: Services, put: Put) -> None:
    many = put("a", 1000)
    assert taken(services) == many[0]
    [one] = put("b")
    assert taken(services, BOB) == one
    assert [taken(services), taken(services, BOB)] == many[1:3]


def test_the_organization_that_has_the_fewest_in_hand_is_next(services: Services, put: Put) -> None:
    a, b = put("a", 5), put("b", 3)
    assert [taken(services) for _ in range(6)] == [a[0], b[0], a[1], b[1], a[2], b[2]]
    end(services, a[0])
    end(services, a[1])
    c = put("c", 2)
    assert [taken(services) for _ in range(4)] == [c[0], a[3], c[1], a[4]]
    assert taken(services) is None


def test_an_organization_has_no_more_in_hand_than_it_may(services: Services, put: Put) -> None:
    a, b = put("a", 5), put("b", 1)
    ann, bob = (replace(each, organization_jobs=2) for each in (ANN, BOB))
    assert [taken(services, each) for each in (ann, bob, ann, bob)] == [a[0], b[0], a[1], None]
    end(services, a[1])
    assert [taken(services, ann), taken(services, bob)] == [a[2], None]


def test_a_worker_takes_no_more_than_it_has_slots_for(services: Services, put: Put) -> None:
    [first, second] = put("a", 2)
    ann = replace(ANN, slots=1)
    assert [taken(services, ann), taken(services, ann)] == [first, None]
    end(services, first)
    assert taken(services, ann) == second


def test_of_a_lock_one_task_is_in_hand_the_oldest_first(services: Services, put: Put) -> None:
    [first, second] = put("a", 2, lock="l")
    [free] = put("a")
    assert [taken(services), taken(services, BOB), taken(services)] == [first, free, None]
    with services.db.write() as tx:
        claims.leave(tx, ANN.id)
    assert [taken(services, BOB), taken(services)] == [first, None]
    end(services, first)
    assert taken(services) == second


def test_a_kind_that_a_worker_does_not_know_is_left_alone(services: Services, put: Put) -> None:
    [new] = put("a", kind="of a newer version")
    [known] = put("a")
    assert [taken(services), taken(services)] == [known, None]
    assert taken(services, replace(BOB, kinds={"of a newer version"})) == new


def test_a_worker_that_was_declared_dead_takes_nothing(services: Services, put: Put) -> None:
    [task] = put("a")
    with services.db.write() as tx:
        tx.execute(workers.delete().where(workers.c.id == ANN.id))
    assert [taken(services), taken(services, BOB)] == [None, task]


def test_a_task_that_is_to_end_is_not_taken(services: Services, put: Put) -> None:
    [task] = put("a", cancel_requested=True)
    assert taken(services) is None
    with services.db.read() as tx:
        assert [row.id for row in claims.unwanted(tx, ANN.kinds)] == [task]
        assert claims.unwanted(tx, {"another"}) == []


def test_what_needs_more_memory_is_left_to_a_worker_that_declared_it(services: Services, put: Put) -> None:
    large = replace(BOB, memory=4000)
    enlist(services, large)
    [task] = put("a")
    row = take(services)
    with services.db.write() as tx:
        assert not claims.move(tx, row, 4001)
        assert claims.move(tx, row, 2000)
    assert taken(services) is None
    found = take(services, large)
    assert (found.id, found.attempt, found.memory_needed) == (task, 1, 2000)


def test_what_no_worker_has_the_memory_for_is_taken_by_any_to_say_so(services: Services, put: Put) -> None:
    [task] = put("a", memory_needed=2000)
    assert taken(services) == task


def test_steps_are_gone_on_with_where_their_files_are(services: Services, put: Put) -> None:
    elsewhere = replace(BOB, workspace="1.there")
    enlist(services, elsewhere)
    [task] = put("a")
    assert (take(services).attempt, taken(services, elsewhere)) == (0, None)
    with services.db.write() as tx:
        claims.leave(tx, ANN.id)
    assert taken(services, elsewhere) is None  # one of its workspace lives
    row = take(services)
    assert (row.id, row.attempt, row.recoveries) == (task, 0, 0)


def test_a_workspace_whose_workers_are_too_small_keeps_no_task(services: Services, put: Put) -> None:
    large = replace(BOB, workspace="1.there", memory=ANN.memory + 1)
    enlist(services, large)
    [task] = put("a", workspace=ANN.workspace, memory_needed=large.memory)
    assert taken(services) is None
    row = take(services, large)
    assert (row.id, row.attempt, row.workspace) == (task, 1, "1.there")


@pytest.mark.parametrize("workspace", ["1.there", "2.here"])
def test_what_nobody_can_go_on_with_is_begun_anew(services: Services, put: Put, workspace: str) -> None:
    other = replace(BOB, workspace=workspace)
    enlist(services, other)
    [task] = put("a")
    take(services)
    with services.db.write() as tx:
        tx.execute(workers.delete().where(workers.c.id == ANN.id))
        assert (claims.is_bereft(tx), claims.recover(tx), claims.is_bereft(tx)) == (True, 1, False)
    row = take(services, other)
    assert (row.id, row.attempt, row.recoveries, row.workspace) == (task, 1, 1, workspace)


def test_one_task_is_taken_once(services: Services, put: Put) -> None:
    [task] = put("a")
    with services.db.read() as tx:
        assert claims.find(tx, ANN) is not None
        assert claims.find(tx, BOB) is not None
    assert [taken(services), taken(services, BOB)] == [task, None]
