"""Keywords and labels where the answer is obvious."""

from coterie.labeling.keywords import Terms, unique_labels, words_of


def keywords(*groups: list[dict[str, object]]) -> list[list[str]]:
    terms = Terms(len(groups))
    for number, payloads in enumerate(groups):
        for payload in payloads:
            terms.add(number, payload)
    return terms.keywords()


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


def test_words_are_folded_and_numbers_and_data_left_out() -> None:
    assert words_of("STRASSE Straße 2024 x") == ["strasse", "strasse"]
    assert words_of("data:text/plain,apple") == []


def test_no_two_groups_have_one_label() -> None:
    same = ["apple", "pie", "tree", "juice"]
    labels = unique_labels([same, same, same[:3], [], []])
    assert labels[0] == "apple, pie, tree"
    assert labels[1] == "apple, pie, tree, juice"
    assert len(set(labels)) == 5
    assert labels[3].startswith("group")
    assert unique_labels([["digit: 1", "x: 2"], ["digit: 1", "y: 2"]]) == ["digit: 1", "digit: 1, y: 2"]
