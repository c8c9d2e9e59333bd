"""Keywords and labels where the answer is obvious."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.labeling import terms as bounds
from coterie.labeling.keywords import keywords_of
from coterie.labeling.terms import Terms
from coterie.labeling.unique import MAX_LABEL, told_apart, unique_labels


def keywords(
    *groups: list[dict[str, object]], fields: tuple[str, ...] = (), parents: tuple[int, ...] = ()
) -> list[list[str]]:
    terms = Terms(len(groups), fields)
    for number, payloads in enumerate(groups):
        for payload in payloads:
            terms.add(number, payload)
    return keywords_of(terms, parents)


def test_words_that_tell_groups_apart_come_first_and_shared_ones_not_at_all() -> None:
    found = keywords(
        [{"text": "the apple pie and the apple tree"}, {"text": "apple juice, document"}],
        [{"text": "a river, the river bank"}, {"body": {"inner": ["river boat document"]}}],
    )
    assert found[0][0] == "apple"
    assert found[1][0] == "river"
    assert "document" not in found[0] + found[1]
    assert "the" not in found[0]


def test_payloads_without_words_are_described_by_their_values() -> None:
    thumbnail = "data:image/png;base64,AAAA"
    found = keywords([{"digit": 3, "thumbnail": thumbnail}] * 3, [{"digit": 8, "ok": True}] * 2)
    assert found[0] == ["digit: 3"]
    assert set(found[1]) == {"digit: 8", "ok: true"}


def test_a_value_of_a_single_document_says_nothing_about_a_group() -> None:
    found = keywords([{"number": number, "kind": 1} for number in range(9)], [{"number": 9, "kind": 2}] * 3)
    assert found[0] == ["kind: 1"]


def test_a_phrase_takes_the_place_of_its_words_and_alike_words_are_said_once() -> None:
    texts = ["the stock market fell", "stock market news and stocks", "shares of the stock market", "stock markets"]
    found = keywords([{"t": text} for text in texts], [{"t": "a boat on a river"}, {"t": "river boats"}])
    assert found[0][0] == "stock market"
    assert sum("stock" in word for word in found[0]) == 1
    assert [word for word in found[1] if word.startswith("boat")] == ["boat"]


def test_stop_words_are_those_of_the_language_of_each_group() -> None:
    german = ["Der Zug fährt nicht nach Berlin, weil er zu spät ist", "Die Bahn und der Zug sind nicht pünktlich"]
    french = ["Le train ne va pas à Paris parce qu'il est en retard", "La gare et le train ne sont pas à l'heure"]
    found = keywords([{"t": text} for text in german], [{"t": text} for text in french])
    assert found[0][0] == "zug"
    assert found[1][0] == "train"
    assert not {"der", "die", "nicht", "weil", "le", "la", "ne", "pas", "est"} & {*found[0], *found[1]}


def test_text_without_spaces_is_cut_and_put_together_again() -> None:
    found = keywords([{"t": "深度机器学习"}] * 4, [{"t": "国际足球比赛"}] * 4)
    assert set("".join(found[0])) == set("深度机器学习")
    assert set("".join(found[1])) == set("国际足球比赛")
    assert max(map(len, found[0])) > 2


def test_only_the_named_fields_are_read() -> None:
    payloads = [{"title": "apple pie", "body": "river boat"}] * 2
    found = keywords(payloads, [{"title": "piano"}], fields=("metadata.title",))
    assert "river" not in " ".join(found[0])
    assert found[0] == ["apple pie"]


def test_groups_are_set_against_those_beside_them() -> None:
    fruit = [[{"t": "fruit apple"}] * 3, [{"t": "fruit pear"}] * 3]
    stone = [[{"t": "stone granite"}] * 3, [{"t": "stone marble"}] * 3]
    found = keywords([], *fruit, [], *stone, parents=(-1, 0, 0, -1, 3, 3))
    assert "fruit" in " ".join(found[0])
    assert "stone" in " ".join(found[3])
    assert "apple" in " ".join(found[1])
    assert "pear" not in " ".join(found[1])


def test_what_is_kept_of_many_documents_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_WORDS", 100)
    monkeypatch.setattr(bounds, "LEAST_WORDS", 10)
    monkeypatch.setattr(bounds, "MOST_VALUES", 5)
    monkeypatch.setattr(bounds, "MOST_DISTINCT", 30)
    terms = Terms(2)
    for number in range(1_000):
        terms.add(0, {"t": f"word{chr(97 + number % 26)}x and some more words", "n": number})
    assert len(terms.words[0]) <= 100
    assert len(terms.values[0]) <= 10
    assert len(terms.vocabulary) <= 30
    terms.add(1, {"t": "some"})
    assert len(keywords_of(terms)) == 2


def test_a_run_that_found_nothing_has_no_keywords_and_an_empty_group_has_none() -> None:
    assert keywords() == []
    assert keywords([], []) == [[], []]
    assert keywords([{}], [{"t": "apple"}]) == [[], ["apple"]]


def test_no_two_groups_have_one_label() -> None:
    same = ["apple", "pie", "tree", "juice"]
    labels = unique_labels([same, same, same[:3], [], []])
    assert labels[0] == "apple, pie, tree"
    assert labels[1] == "apple, pie, juice"
    assert len(set(labels)) == 5
    assert labels[3].startswith("group")
    assert unique_labels([["digit: 1", "x: 2"], ["digit: 1", "y: 2"]]) == ["digit: 1", "y: 2"]
    assert unique_labels([["apple"]], ["APPLE"]) == ["apple (2)"]


def test_a_label_is_told_apart_by_a_keyword_or_a_number() -> None:
    assert told_apart("Fruit", ["fruit", "apple"], set()) == "Fruit"
    assert told_apart("Fruit", ["fruit", "apple"], {"fruit"}) == "Fruit (apple)"
    assert told_apart("Fruit", [], {"fruit", "fruit (2)"}) == "Fruit (3)"
    assert told_apart("x" * 80, ["apple"], {"x" * 80}, 80) == "x" * 71 + "… (apple)"
    assert len(told_apart("x" * 80, [], {"x" * 80}, 80)) <= 80


WORDS = st.lists(st.text(min_size=1, max_size=300), max_size=6)


@given(st.lists(WORDS, max_size=12), st.lists(st.text(max_size=300), max_size=5))
def test_labels_are_unique_and_short_whatever_the_keywords(groups: list[list[str]], others: list[str]) -> None:
    labels = unique_labels(groups, others)
    folded = [label.casefold() for label in labels]
    assert len(set(folded)) == len(groups)
    assert not set(folded) & {other.casefold() for other in others}
    assert all(0 < len(label) <= MAX_LABEL for label in labels)


def test_keywords_do_not_depend_on_the_order_of_the_documents() -> None:
    words = ["apple", "river", "piano", "stone", "cloud", "train"]
    dice = random.Random(1)
    groups = [[{"t": " ".join(dice.choices(words, k=6))} for _ in range(20)] for _ in range(3)]
    shuffled = [dice.sample(group, len(group)) for group in groups]
    assert keywords(*groups) == keywords(*shuffled)
