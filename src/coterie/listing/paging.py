"""Which page a list request got, and where its neighbours are."""

from typing import Any

from coterie.listing.tree import ListQuery


def pagination(total: int, query: ListQuery, path: str, next_cursor: str | None = None) -> dict[str, Any]:
    """The `pagination` object of a list's response.

    `path` is the request's path; the same body posted to `next_page` or `previous_page` gives the neighbour,
    and null says that there is none. From an offset past the end, the previous page is the last one. The same body with
    `next_cursor` as its `cursor` gives the rows after the last one of this page.
    """
    limit, offset = query.limit, query.offset
    following = offset + limit if offset + limit < total else None
    return {
        "total": total,
        "page": offset // limit + 1,
        "page_size": limit,
        "total_pages": -(-total // limit),
        "next_page": _link(path, limit, following),
        "previous_page": _link(path, limit, _before(total, limit, offset)),
        "next_cursor": next_cursor,
    }


def _before(total: int, limit: int, offset: int) -> int | None:
    if offset == 0 or total == 0:
        return None
    if offset >= total:
        return (total - 1) // limit * limit
    return max(0, offset - limit)


def _link(path: str, limit: int, offset: int | None) -> str | None:
    return None if offset is None else f"{path}?limit={limit}&offset={offset}"
