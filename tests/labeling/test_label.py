"""Labels of many groups at once, from a model that is a function."""

import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.labeling.answers import Answer
from coterie.labeling.asking import Asker, Budget
from coterie.labeling.label import MOST_ERRORS, Outcome, label_groups
from coterie.labeling.model import ProviderError, Reply
from coterie.labeling.options import Options
from coterie.labeling.prompts import Message, Subject
from coterie.labeling.sampling import diverse, pool_of, spread


class Told:
    """A model that answers by a function of the user's message."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def complete(self, messages: Sequence[Message], schema: dict[str, Any]) -> Reply:
        self.asked.append(messages[1]["content"])
        return Reply(self.answer(messages[1]["content"]), 10)

    def close(self) -> None:
        """Nothing is open."""


def subjects(count: int) -> list[Subject]:
    return [Subject(f"cl_{n}", count - n, f"m{n}", (f"document {n}",), (f"word{n}",)) for n in range(count)]


def label(
    model: Told,
    groups: Sequence[Subject],
    known: dict[str, Answer] | None = None,
    taken: Sequence[tuple[str, str]] = (),
    tick: Callable[[float], None] = lambda done: None,
) -> tuple[Outcome, dict[str, Answer]]:
    asker = Asker(model, Options(enabled=True), Budget(10**9), pause=lambda seconds: None)
    kept: dict[str, Answer] = {}
    outcome = label_groups(groups, known or {}, taken, asker, tick, lambda s, a: kept.update({s.id: a}), 3)
    return outcome, kept


def test_groups_are_asked_about_once_and_kept_as_they_come() -> None:
    model = Told(lambda asked: json.dumps({"label": re.findall(r"document (\d+)", asked)[0] + " things"}))
    outcome, kept = label(model, subjects(10), {"cl_3": Answer(label="Known")})
    assert len(model.asked) == 9
    assert outcome.reused == 1
    assert outcome.answers["cl_3"].label == "Known"
    assert kept == {name: answer for name, answer in outcome.answers.items() if name != "cl_3"}
    assert outcome.errors == []


def test_a_label_that_clashes_is_asked_for_again_and_then_told_apart() -> None:
    def answer(asked: str) -> str:
        better = "already called" in asked and "document 1" in asked
        return json.dumps({"label": "Apples" if better else "Fruit"})

    model = Told(answer)
    outcome, kept = label(model, subjects(3))
    assert [outcome.answers[f"cl_{n}"].label for n in range(3)] in (
        ["Fruit", "Apples", "Fruit (word2)"],
        ["Fruit (word0)", "Apples", "Fruit"],
    )
    assert len(model.asked) == 5
    assert kept == outcome.answers
    again = [asked for asked in model.asked if "already called" in asked]
    assert all('"Fruit"' in asked for asked in again)


def test_known_labels_and_those_of_people_go_first() -> None:
    model = Told(lambda asked: json.dumps({"label": "FRUIT"}))
    outcome, _ = label(model, subjects(2), {"cl_1": Answer(label="Fruit")}, [("cl_9", "Berries")])
    assert outcome.answers["cl_1"].label == "Fruit"
    assert outcome.answers["cl_0"].label == "FRUIT (word0)"


def test_a_group_does_not_clash_with_itself_nor_one_that_stays_with_any() -> None:
    groups = [*subjects(2), replace(subjects(3)[2], stays=True)]
    model = Told(lambda asked: json.dumps({"label": "Fruit" if "document 1" not in asked else "Boats"}))
    outcome, _ = label(model, groups, taken=[("cl_0", "fruit"), ("cl_2", "Berries")])
    assert [outcome.answers[f"cl_{n}"].label for n in range(3)] == ["Fruit", "Boats", "Fruit"]
    assert len(model.asked) == 3


def test_labels_that_are_told_apart_are_answers_still() -> None:
    outcome, _ = label(Told(lambda asked: json.dumps({"label": "x" * 80})), subjects(3))
    assert all(Answer.model_validate(each.model_dump()) == each for each in outcome.answers.values())


def test_a_client_that_fails_in_its_own_way_is_given_up_like_others() -> None:
    def fail(asked: str) -> str:
        raise UnicodeEncodeError("ascii", "sk-secret", 0, 1, "no")

    model = Told(fail)
    outcome, _ = label(model, subjects(50))
    assert outcome.answers == {}
    assert "UnicodeEncodeError" in outcome.errors[-1]
    assert "secret" not in " ".join(outcome.errors)
    assert len(model.asked) < 50


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(["a", "A", "b", "b (2)", "ß", "SS"]), min_size=1, max_size=12), st.sets(st.just("a")))
def test_labels_are_unique_whatever_the_model_says(labels: list[str], taken: set[str]) -> None:
    groups = subjects(len(labels))

    def answer(asked: str) -> str:
        return json.dumps({"label": labels[int(re.findall(r"document (\d+)", asked)[0])]})

    outcome, _ = label(Told(answer), groups, taken=[("cl_99", each) for each in sorted(taken)])
    folded = [each.label.casefold() for each in outcome.answers.values()]
    assert len(folded) == len(set(folded)) == len(labels)
    assert not taken & set(folded)


def test_what_went_wrong_is_told_once_for_all_groups_and_bounded() -> None:
    def fail(asked: str) -> str:
        number = re.findall(r"document (\d+)", asked)[0]
        raise ProviderError(f"no {number}" if number.startswith("1") else "no")

    model = Told(fail)
    asker = Asker(model, Options(enabled=True), Budget(10**9), pause=lambda seconds: None)
    asker._failures = -(10**6)
    outcome = label_groups(subjects(200), {}, [], asker, lambda done: None, lambda s, a: None, 2)
    assert outcome.answers == {}
    assert len(outcome.errors) == MOST_ERRORS
    assert outcome.errors[0] == "cl_0, cl_2, cl_3 and 86 more: no; labels by keywords"
    assert "other errors" in outcome.errors[-1]


def test_a_job_that_ends_ends_the_asking() -> None:
    class Ended(Exception):
        pass

    gate = threading.Event()

    def slow(asked: str) -> str:
        gate.wait(5)
        return json.dumps({"label": "x"})

    def tick(done: float) -> None:
        gate.set()
        raise Ended

    model = Told(slow)
    with pytest.raises(Ended):
        label(model, subjects(50), tick=tick)
    assert len(model.asked) < 50


def test_samples_are_near_the_middle_and_differ() -> None:
    random = np.random.default_rng(0)
    vectors = np.vstack([random.normal(0, 0.01, (50, 2)), random.normal(0, 0.01, (50, 2)) + np.array([1, 0])]).astype(
        np.float32
    )
    chosen = diverse(vectors, np.zeros(2, np.float32), 2)
    assert chosen[0] == np.linalg.norm(vectors, axis=1).argmin()
    assert chosen[1] >= 50
    assert len(diverse(np.ones((9, 2), np.float32), np.ones(2, np.float32), 5)) == 1
    assert len(diverse(np.empty((0, 2), np.float32), np.ones(2, np.float32), 5)) == 0
    assert pool_of(np.arange(10_000), 10).max() < 9_000
    assert pool_of(np.arange(2), 10).tolist() == [0, 1]
    assert spread(3, 9).tolist() == [0, 4, 8]
    assert spread(3, 0).tolist() == []
