"""The pagination of a response."""

import pytest

from coterie.listing.paging import pagination
from coterie.listing.tree import NEWEST_FIRST, ListQuery

PATH = "/v1/clusters/list"


@pytest.mark.parametrize(
    ("total", "limit", "offset", "page", "pages", "following", "previous"),
    [
        (0, 10, 0, 1, 0, None, None),
        (0, 10, 30, 4, 0, None, None),
        (10, 10, 0, 1, 1, None, None),
        (11, 10, 0, 1, 2, 10, None),
        (30, 10, 10, 2, 3, 20, 0),
        (30, 10, 20, 3, 3, None, 10),
        (30, 10, 5, 1, 3, 15, 0),
        (25, 10, 90, 10, 3, None, 20),
        (30, 10, 30, 4, 3, None, 20),
    ],
)
def test_pagination(
    total: int, limit: int, offset: int, page: int, pages: int, following: int | None, previous: int | None
) -> None:
    def link(at: int | None) -> str | None:
        return None if at is None else f"{PATH}?limit={limit}&offset={at}"

    assert pagination(total, ListQuery(None, NEWEST_FIRST, (), limit, offset), PATH) == {
        "total": total,
        "page": page,
        "page_size": limit,
        "total_pages": pages,
        "next_page": link(following),
        "previous_page": link(previous),
        "next_cursor": None,
    }
