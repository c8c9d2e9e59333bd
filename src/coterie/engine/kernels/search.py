"""Which rows are near: blocks of products, held against what is kept for each row so far."""

import numpy as np
from numba import njit

CHUNK = 64
"""Scores that are compared at a time with the worst one kept: as many as a few vector instructions take."""

REACH = np.float32(1.25)
"""Of a row's neighbours' neighbours, those within so many times the squared projected distance of its furthest
neighbour are compared in full: a third to a half, among them nearly all that are worth it."""


@njit(cache=True, nogil=True)
def _keep(scores, indices, score, index):
    """Put a score into a row's best ones, which fall from left to right."""
    at = len(scores) - 1
    if score < scores[at] or (score == scores[at] and index >= indices[at]):
        return
    while at > 0 and (score > scores[at - 1] or (score == scores[at - 1] and index < indices[at - 1])):
        scores[at] = scores[at - 1]
        indices[at] = indices[at - 1]
        at -= 1
    scores[at] = score
    indices[at] = index


@njit(cache=True, nogil=True)
def _any_above(products, halves, worst):
    """Whether any product of a chunk, less its half, is as good as the worst score kept.

    Counted over a fixed length, which the compiler makes vectors of; the same goes for the two below.
    """
    hits = 0
    for at in range(CHUNK):
        hits += 1 if products[at] - halves[at] >= worst else 0
    return hits > 0


@njit(cache=True, nogil=True)
def _any_above_theirs(products, half, worst):
    hits = 0
    for at in range(CHUNK):
        hits += 1 if products[at] - half >= worst[at] else 0
    return hits > 0


@njit(cache=True, nogil=True)
def _any_within(products, squares, most):
    hits = 0
    for at in range(CHUNK):
        hits += 1 if squares[at] - 2 * products[at] <= most else 0
    return hits > 0


@njit(cache=True, nogil=True)
def keep_best_of_rows(table, halves, first_row, ids, scores, indices):
    """Of a table of products (r, c) keep for each row the best `table - halves[column]`, its own id left out.

    `ids` (c) are the columns' ids, `first_row` is the first row's; `scores`, `indices` (r, k) are what is kept.
    """
    rows, columns = table.shape
    last = scores.shape[1] - 1
    for row in range(rows):
        worst = scores[row, last]
        for start in range(0, columns, CHUNK):
            end = min(start + CHUNK, columns)
            if end - start == CHUNK and not _any_above(table[row, start:end], halves[start:end], worst):
                continue
            for column in range(start, end):
                score = table[row, column] - halves[column]
                if score >= worst and ids[column] != first_row + row:
                    _keep(scores[row], indices[row], score, ids[column])
                    worst = scores[row, last]


@njit(cache=True, nogil=True)
def keep_best_of_columns(table, halves, first_row, first_column, scores, indices):
    """The same for each column, over the rows: `table - halves[row]`; `scores`, `indices` are (c, k)."""
    rows, columns = table.shape
    last = scores.shape[1] - 1
    worst = scores[:, last].copy()
    for row in range(rows):
        half = halves[row]
        for start in range(0, columns, CHUNK):
            end = min(start + CHUNK, columns)
            if end - start == CHUNK and not _any_above_theirs(table[row, start:end], half, worst[start:end]):
                continue
            for column in range(start, end):
                score = table[row, column] - half
                if score >= worst[column] and first_row + row != first_column + column:
                    _keep(scores[column], indices[column], score, first_row + row)
                    worst[column] = scores[column, last]


@njit(cache=True, nogil=True, fastmath=True)
def _squared(a, b):
    total = np.float32(0.0)
    for at in range(len(a)):
        difference = a[at] - b[at]
        total += difference * difference
    return total


@njit(cache=True, nogil=True)
def sort_by_distance(matrix, rows, candidates, indices, distances):
    """Of each row's candidates (r, c), ids or -1, the nearest k by their distances in full, nearest first.

    `rows` (r) are the rows' ids; `indices`, `distances` (n, k) are written for these.
    """
    kept = indices.shape[1]
    for at_row in range(len(rows)):
        row = rows[at_row]
        own = matrix[row]
        scores = np.full(kept, -np.inf, np.float32)
        ids = np.full(kept, np.int32(2147483647), np.int32)
        for candidate in candidates[at_row]:
            if candidate >= 0:
                _keep(scores, ids, -_squared(own, matrix[candidate]), candidate)
        for at in range(kept):
            if scores[at] == -np.inf:
                indices[row, at] = -1
                distances[row, at] = np.inf
            else:
                indices[row, at] = ids[at]
                distances[row, at] = np.sqrt(-scores[at])


@njit(cache=True, nogil=True)
def explore(matrix, projected, rows, lists, tried, indices, distances):
    """Compare rows with their neighbours' neighbours, in full; the nearer ones take the places of those in the list.

    `rows` (r) are ids; `lists` (n, k) are the neighbours to go by, `tried` (r, c) what a row was compared with before,
    -1 for nobody; `indices`, `distances` (n, k) are what is kept, and written for these rows only. What is further in
    `projected` (n, p) than REACH times the furthest of the list, in squares, is not compared.
    """
    kept = lists.shape[1]
    met = np.zeros(len(lists), np.int32)
    scores = np.empty(kept, np.float32)
    for at_row in range(len(rows)):
        row, stamp = rows[at_row], np.int32(at_row + 1)
        own, flat, most = matrix[row], projected[row], np.float32(0.0)
        met[row] = stamp
        for candidate in tried[at_row]:
            if candidate >= 0:
                met[candidate] = stamp
        for at in range(kept):
            scores[at] = -(distances[row, at] ** 2)
            if lists[row, at] >= 0:
                most = max(most, REACH * _squared(flat, projected[lists[row, at]]))
        for near in lists[row]:
            if near < 0:
                break
            for further in lists[near]:
                if further < 0:
                    break
                if met[further] != stamp:
                    met[further] = stamp
                    if _squared(flat, projected[further]) <= most or scores[kept - 1] == -np.inf:
                        _keep(scores, indices[row], -_squared(own, matrix[further]), further)
        for at in range(kept):
            distances[row, at] = np.sqrt(-scores[at])


@njit(cache=True, nogil=True)
def distances_of_pairs(matrix, left, right, distances):
    """The distance of each pair of rows."""
    for at in range(len(left)):
        distances[at] = np.sqrt(_squared(matrix[left[at]], matrix[right[at]]))


@njit(cache=True, nogil=True)
def keep_nearest_outside(table, squares, own_squares, rows, columns, component, core, alpha, found, found_in, reach):
    """Of products of rows (r) with columns (c): for each row its two best columns in two other components.

    Best by mutual reachability, whose squares `reach` (r, 2) keeps; `found` (r, 2) are the columns' ids, `found_in`
    their components. `rows`, `columns` are ids; `component`, `core` (core distances squared) are by id.
    """
    for r in range(len(rows)):
        row = rows[r]
        own, own_core, base = component[row], core[row], own_squares[r]
        first, second = reach[r, 0], reach[r, 1]
        for start in range(0, len(columns), CHUNK):
            end = min(start + CHUNK, len(columns))
            if end - start == CHUNK and not _any_within(table[r, start:end], squares[start:end], second / alpha - base):
                continue
            for c in range(start, end):
                column = columns[c]
                other = component[column]
                if other == own:
                    continue
                weight = max((base + squares[c] - 2 * table[r, c]) * alpha, own_core, core[column])
                if weight > second:
                    continue
                if weight < first or (weight == first and column < found[r, 0]):
                    if other != found_in[r, 0]:
                        reach[r, 1], found[r, 1], found_in[r, 1] = first, found[r, 0], found_in[r, 0]
                    reach[r, 0], found[r, 0], found_in[r, 0] = weight, column, other
                elif other != found_in[r, 0] and (
                    weight < reach[r, 1] or (weight == reach[r, 1] and column < found[r, 1])
                ):
                    reach[r, 1], found[r, 1], found_in[r, 1] = weight, column, other
                first, second = reach[r, 0], reach[r, 1]


@njit(cache=True, nogil=True)
def add_rows(matrix, labels, sums):
    """Add each row to the sum of its label's, (k, d) of doubles."""
    for row in range(len(matrix)):
        total = sums[labels[row]]
        for at in range(matrix.shape[1]):
            total[at] += matrix[row, at]
