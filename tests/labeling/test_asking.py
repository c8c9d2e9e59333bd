"""Asking a server that misbehaves in every way: what a group gets, and what is said about it."""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from coterie.labeling.asking import ATTEMPTS, GIVE_UP, MOST_RETRY_AFTER, Asker, Budget, Stopped, Unlabelled
from coterie.labeling.chat import MAX_RESPONSE, Chat
from coterie.labeling.options import Options, Parameters
from coterie.labeling.prompts import Subject
from coterie.labeling.providers import Provider
from labeling.scripted import Answered, Server, named, refused, said, serving

KEY = "sk-verysecretkey123456"
SUBJECT = Subject("cl_0", 3, "m", ("apples are red", "pears are green"), ("apple", "pear"))


class Clock:
    """Time that passes only where something pauses."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds

    def now(self) -> float:
        return self.seconds


@contextmanager
def asking(
    script: Callable[..., Answered], *, seconds: float = 5, budget: int = 100_000, until: float = 1e9, key: str = KEY
) -> Iterator[tuple[Asker, Server, Clock]]:
    with serving(script) as server:
        clock = Clock()
        model = Chat(Provider("openai", "m", server.url, key), Parameters(), seconds)
        options = Options(enabled=True)
        asker = Asker(model, options, Budget(budget), clock.pause, clock.now, random.Random(0), until=until)
        try:
            yield asker, server, clock
        finally:
            model.close()


def test_a_label_as_it_should_be() -> None:
    with asking(lambda *_: named("Fruit")) as (asker, server, clock):
        answer = asker.ask(SUBJECT)
    assert answer.model_dump() == {"label": "Fruit", "summary": "All about it.", "keywords": ["one", "two"]}
    assert clock.pauses == []
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    asked = server.asked[0]
    assert asked["response_format"]["json_schema"]["schema"]["required"] == ["label", "summary", "keywords"]
    assert (asked["model"], asked["temperature"], asked["max_tokens"]) == ("m", 0, 400)


def test_a_provider_that_is_busy_is_asked_again_when_it_says() -> None:
    busy = [refused(429, **{"Retry-After": "7"}), refused(429, **{"Retry-After": "100000"}), named("Fruit")]
    with asking(lambda number, _: busy[number]) as (asker, _, clock):
        assert asker.ask(SUBJECT).label == "Fruit"
    assert 7 <= clock.pauses[0] <= 8
    assert MOST_RETRY_AFTER <= clock.pauses[1] <= MOST_RETRY_AFTER + 1


@pytest.mark.parametrize(
    ("said_so", "least"), [("Wed, 21 Oct 2099 07:28:00 GMT", MOST_RETRY_AFTER), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)]
)
def test_a_provider_may_say_when_as_a_date(said_so: str, least: float) -> None:
    busy = [refused(429, **{"Retry-After": said_so}), named("Fruit")]
    with asking(lambda number, _: busy[number]) as (asker, _, clock):
        assert asker.ask(SUBJECT).label == "Fruit"
    assert [least <= pause <= least + 1 for pause in clock.pauses] == [True]


def test_answers_are_asked_for_unpacked_and_packed_ones_are_not_unpacked() -> None:
    packed = Answered(gzip.compress(named("Fruit").body), headers={"Content-Encoding": "gzip"})
    with asking(lambda *_: packed) as (asker, server, _), pytest.raises(Unlabelled, match="too much"):
        asker.ask(SUBJECT)
    assert server.headers[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (refused(500), "answered 500"),
        (refused(503), "answered 503"),
        (refused(429), "answered 429"),
        (Answered(b"<html>no</html>"), "no chat completion"),
        (Answered(b'{"choices": []}'), "no chat completion"),
        (Answered(b'{"choices": [{"message": {"content": "{\\"lab', cut_at=20), "broke off"),
        (Answered(b" " * (MAX_RESPONSE + 10)), "too much"),
    ],
)
def test_what_may_pass_is_tried_again_with_growing_pauses_and_then_given_up(bad: Answered, message: str) -> None:
    with asking(lambda *_: bad) as (asker, server, clock):
        with pytest.raises(Unlabelled, match=message):
            asker.ask(SUBJECT)
        assert len(server.asked) == ATTEMPTS
    assert len(clock.pauses) == ATTEMPTS - 1
    assert all(0 <= pause <= 2**at for at, pause in enumerate(clock.pauses))


def test_what_passed_is_forgotten() -> None:
    answers = [refused(500), Answered(b"x", cut_at=0), named("Fruit")]
    with asking(lambda number, _: answers[number]) as (asker, _, _clock):
        assert asker.ask(SUBJECT).label == "Fruit"


def test_an_answer_that_trickles_in_is_not_waited_for() -> None:
    slow = Answered(named("Fruit").body, drip_seconds=0.03)
    with asking(lambda *_: slow, seconds=0.1) as (asker, _, _clock), pytest.raises(Unlabelled, match="too slowly"):
        asker.ask(SUBJECT)


@pytest.mark.parametrize(
    "content",
    [
        'Sure! Here it is:\n```json\n{"label": "Fruit"}\n```\nAnything else?',
        '<think>{"label": "Hmm"}</think>{"label": "Fruit"}',
        'A note {about} it: {"label": "Fruit", "keywords": "a, b", "more": {"x": 1}}',
        '{"label": "Fruit", "keywords": ["apple", "apple", "app',
        '{"note": 1} {"label": "<b>Fruit</b>"}',
    ],
)
def test_json_is_found_amid_prose(content: str) -> None:
    with asking(lambda *_: said(content)) as (asker, server, _):
        assert asker.ask(SUBJECT).label == "Fruit"
        assert len(server.asked) == 1


def test_a_label_in_another_language_is_a_label() -> None:
    with asking(lambda *_: named("Φρούτα και λαχανικά 果物")) as (asker, _, _clock):
        assert asker.ask(SUBJECT).label == "Φρούτα και λαχανικά 果物"


@pytest.mark.parametrize(
    "content",
    [
        "",
        None,
        "no",
        '{"name": "Fruit"}',
        '{"label": 3}',
        '{"label": ""}',
        json.dumps({"label": "x" * 81}),
        '["Fruit"]',
    ],
)
def test_a_useless_answer_may_be_repaired_once(content: str | None) -> None:
    answers = [said(content), named("Fruit")]
    with asking(lambda number, _: answers[number]) as (asker, server, clock):
        assert asker.ask(SUBJECT).label == "Fruit"
    assert "of no use" in server.asked[1]["messages"][-1]["content"]
    assert clock.pauses == []
    with asking(lambda *_: said(content)) as (asker, server, _):
        with pytest.raises(Unlabelled, match="of no use"):
            asker.ask(SUBJECT)
        assert len(server.asked) == 2


def test_servers_that_take_less_are_asked_for_less() -> None:
    def script(_: int, body: dict[str, object]) -> Answered:
        for name in ("response_format", "max_tokens", "temperature"):
            if name in body:
                hint = "use max_completion_tokens" if name == "max_tokens" else ""
                return refused(400, f"unsupported: {name} {hint}")
        return named("Fruit")

    with asking(script) as (asker, server, _):
        assert asker.ask(SUBJECT).label == "Fruit"
        asked = len(server.asked)
        assert asker.ask(SUBJECT).label == "Fruit"
        assert len(server.asked) == asked + 1
    assert server.asked[-1]["max_completion_tokens"] == 400


def test_a_400_that_says_nothing_is_tried_without_a_schema() -> None:
    def script(_: int, body: dict[str, object]) -> Answered:
        return Answered(b"", 400) if "response_format" in body else named("Fruit")

    with asking(script) as (asker, _, _clock):
        assert asker.ask(SUBJECT).label == "Fruit"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_keys_that_a_provider_repeats_are_hidden(status: int) -> None:
    echo = f"Incorrect key {KEY}, also sk-very********3456 and Bearer abc.def, for org-abcdefgh\u202e\n"
    with asking(lambda *_: refused(status, echo)) as (asker, _, _clock):
        with pytest.raises(Unlabelled) as raised:
            asker.ask(SUBJECT)
        said_then = f"{raised.value} {asker.stopped} {raised.value.__cause__!r}"
    for secret in (KEY, "very", "3456", "abc.def", "abcdefgh", "\u202e"):
        assert secret not in said_then
    assert str(status) in said_then


def test_a_provider_that_refuses_the_key_is_asked_once() -> None:
    with asking(lambda *_: refused(401)) as (asker, server, _):
        with pytest.raises(Unlabelled):
            asker.ask(SUBJECT)
        with pytest.raises(Stopped, match="refuses the key"):
            asker.ask(SUBJECT)
        assert len(server.asked) == 1


def test_a_provider_that_fails_again_and_again_is_left_alone() -> None:
    with asking(lambda *_: refused(500)) as (asker, server, _):
        for _ in range(GIVE_UP):
            with pytest.raises(Unlabelled):
                asker.ask(SUBJECT)
        with pytest.raises(Stopped, match="in a row"):
            asker.ask(SUBJECT)
        assert len(server.asked) == GIVE_UP * ATTEMPTS


def test_redirections_are_not_followed() -> None:
    with serving(lambda *_: named("Elsewhere")) as other:
        away = Answered(b"", 307, {"Location": f"{other.url}/chat/completions"})
        with asking(lambda *_: away) as (asker, _, _clock), pytest.raises(Unlabelled, match="307"):
            asker.ask(SUBJECT)
        assert other.asked == []


def test_a_budget_is_kept_by_what_the_provider_counts() -> None:
    with asking(lambda *_: said('{"label": "Fruit"}', tokens=600), budget=1_700) as (asker, server, _):
        asker.ask(SUBJECT)
        assert asker.budget.spent == 600
        asker.ask(SUBJECT)
        with pytest.raises(Stopped, match="COTERIE_LABELING_TOKEN_BUDGET"):
            asker.ask(SUBJECT)
        assert len(server.asked) == 2
        assert asker.budget.spent == 1_200


def test_the_time_for_all_ends_it() -> None:
    with asking(lambda *_: refused(429, **{"Retry-After": "30"}), until=50) as (asker, server, _):
        with pytest.raises(Stopped, match="COTERIE_LABELING_STEP_SECONDS"):
            asker.ask(SUBJECT)
        assert len(server.asked) == 2


def test_a_server_of_ones_own_needs_no_key() -> None:
    with asking(lambda *_: named("Fruit"), key="none") as (asker, _, _clock):
        assert asker.ask(SUBJECT).label == "Fruit"
