"""The loops that NumPy has no words for, compiled by numba and kept on disk.

Every function works on its own rows only, takes what it writes to, and lets other threads run meanwhile. Ties go to the
smaller index, so that no result depends on the order in which blocks are done.
"""

from heapq import heappop, heappush

import numpy as np
from numba import njit

CHUNK = 64
"""Scores that are compared at a time with the worst one kept: as many as a few vector instructions take."""


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
def sort_by_distance(matrix, first_row, candidates, indices, distances):
    """Of each row's candidates (r, c), ids or -1, the nearest k by their distances in full, nearest first.

    Row r is `matrix[first_row + r]`; `indices`, `distances` (r, k) are written.
    """
    rows, count = candidates.shape
    kept = indices.shape[1]
    for row in range(rows):
        own = matrix[first_row + row]
        scores = np.full(kept, -np.inf, np.float32)
        ids = np.full(kept, np.int32(2147483647), np.int32)
        for at in range(count):
            candidate = candidates[row, at]
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
def explore(matrix, first_row, last_row, lists, tried, indices, distances):
    """Compare rows with their neighbours' neighbours, in full; the nearer ones take the places of those in the list.

    `lists` (n, k) are the neighbours to go by, `tried` (n, c) what a row was compared with before, -1 for nobody;
    `indices`, `distances` (n, k) are what is kept, and written for the rows from `first_row` to `last_row` only.
    """
    kept = lists.shape[1]
    met = np.zeros(len(lists), np.int32)
    scores = np.empty(kept, np.float32)
    for row in range(first_row, last_row):
        own, stamp = matrix[row], np.int32(row + 1)
        met[row] = stamp
        for at in range(tried.shape[1]):
            if tried[row, at] >= 0:
                met[tried[row, at]] = stamp
        for at in range(kept):
            scores[at] = -(distances[row, at] ** 2)
        for near in lists[row]:
            if near < 0:
                break
            for further in lists[near]:
                if further < 0:
                    break
                if met[further] != stamp:
                    met[further] = stamp
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


# -- spanning trees ---------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def find(parents, node):
    """The root of a node, with the way to it halved."""
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@njit(cache=True, nogil=True)
def roots(parents, component):
    """The root of every node."""
    for node in range(len(parents)):
        component[node] = find(parents, node)


@njit(cache=True, nogil=True)
def _is_less(weight, left, right, than_weight, than_left, than_right):
    """The order of edges: by weight, then by their ends, so that no two are equal."""
    if weight != than_weight:
        return weight < than_weight
    low, high = min(left, right), max(left, right)
    than_low, than_high = min(than_left, than_right), max(than_left, than_right)
    return low < than_low or (low == than_low and high < than_high)


@njit(cache=True, nogil=True)
def best_of_lists(indices, weights, starts, component, best_weight, best_from, best_to):
    """Of each component its lightest edge that a list has to another one.

    `indices`, `weights` (n, k) are sorted by weight; `starts` (n) tells from where on a list is worth reading, and is
    moved past what has come into its row's own component, which never leaves it.
    """
    rows, count = indices.shape
    for row in range(rows):
        own = component[row]
        at = starts[row]
        while at < count and (indices[row, at] < 0 or component[indices[row, at]] == own):
            at += 1
        starts[row] = at
        if at == count:
            continue
        weight, to = weights[row, at], indices[row, at]
        if _is_less(weight, row, to, best_weight[own], best_from[own], best_to[own]):
            best_weight[own], best_from[own], best_to[own] = weight, row, to


@njit(cache=True, nogil=True)
def improve(rows, to, weights, component, best_weight, best_from, best_to):
    """Take further edges, from rows to others, into each component's lightest one."""
    for at in range(len(rows)):
        row, target = rows[at], to[at]
        if target < 0 or component[target] == component[row]:
            continue
        own = component[row]
        if _is_less(weights[at], row, target, best_weight[own], best_from[own], best_to[own]):
            best_weight[own], best_from[own], best_to[own] = weights[at], row, target


@njit(cache=True, nogil=True)
def unite(parents, component, best_weight, best_from, best_to, left, right, weights, count):
    """Join each component along its lightest edge; the number of edges of the tree from then on."""
    for root in range(len(parents)):
        if component[root] != root or best_from[root] < 0:
            continue
        a, b = find(parents, best_from[root]), find(parents, best_to[root])
        if a == b:
            continue
        parents[max(a, b)] = min(a, b)
        left[count], right[count], weights[count] = best_from[root], best_to[root], best_weight[root]
        count += 1
    return count


@njit(cache=True, nogil=True)
def walk(starts, to, weights, order, steps):
    """Prim's walk over a connected graph from row 0: the rows in the order they are reached, and by which weight.

    Row r's edges are `to[starts[r]:starts[r + 1]]`. Of equally near rows the first is next.
    """
    rows = len(starts) - 1
    reached = np.zeros(rows, np.bool_)
    heap = [(np.float32(0.0), np.int64(0))]
    count = 0
    while len(heap) > 0:
        weight, row = heappop(heap)
        if reached[row]:
            continue
        reached[row] = True
        order[count], steps[count] = row, weight
        count += 1
        for at in range(starts[row], starts[row + 1]):
            if not reached[to[at]]:
                heappush(heap, (weights[at], np.int64(to[at])))


# -- the tree of densities --------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def link(left, right, size):
    """Edges, lightest first, to the binary tree of their merges: node n + i joins `left[i]` and `right[i]`.

    `left`, `right` (n - 1) hold rows and are overwritten by nodes; `size` (2n - 1) is written.
    """
    rows = len(left) + 1
    parents = np.arange(2 * rows - 1)
    size[:rows] = 1
    for at in range(rows - 1):
        a, b = find(parents, left[at]), find(parents, right[at])
        node = rows + at
        parents[a] = node
        parents[b] = node
        size[node] = size[a] + size[b]
        left[at], right[at] = a, b


@njit(cache=True, nogil=True)
def condense(left, right, size, lambdas, smallest):
    """The clusters of at least `smallest` rows in a tree of merges (Campello and others 2013, section 3).

    `lambdas` (n - 1) are the merges' densities. Answers the cluster that each row falls out of and at which density
    (n), and of each cluster its parent (-1 for the root, which is cluster 0), the density of its birth and its size.
    """
    rows = len(left) + 1
    begin = np.zeros(2 * rows - 1, np.int64)
    for node in range(2 * rows - 2, rows - 1, -1):
        begin[left[node - rows]] = begin[node]
        begin[right[node - rows]] = begin[node] + size[left[node - rows]]
    leaf = np.empty(rows, np.int64)
    for row in range(rows):
        leaf[begin[row]] = row
    of_row = np.zeros(rows, np.int64)
    at_density = np.zeros(rows, np.float64)
    limit = max(1, 2 * (rows // max(smallest, 1)) + 2)
    parent = np.full(limit, -1, np.int64)
    birth = np.zeros(limit, np.float64)
    members = np.zeros(limit, np.int64)
    members[0] = rows
    clusters = 1
    stack = [(2 * rows - 2, 0)]
    while len(stack) > 0:
        node, cluster = stack.pop()
        while node >= rows:
            density = lambdas[node - rows]
            a, b = left[node - rows], right[node - rows]
            if size[a] >= smallest and size[b] >= smallest:
                for child in (a, b):
                    parent[clusters] = cluster
                    birth[clusters] = density
                    members[clusters] = size[child]
                    stack.append((child, clusters))
                    clusters += 1
                node = -1
            else:
                for child in (a, b):
                    if size[child] < smallest:
                        for at in range(begin[child], begin[child] + size[child]):
                            of_row[leaf[at]] = cluster
                            at_density[leaf[at]] = density
                if size[a] >= smallest:
                    node = a
                elif size[b] >= smallest:
                    node = b
                else:
                    node = -1
        if node >= 0:  # a single row that is a cluster of its own, where `smallest` is 1
            of_row[node] = cluster
            at_density[node] = birth[cluster]
    return of_row, at_density, parent[:clusters], birth[:clusters], members[:clusters]


@njit(cache=True, nogil=True)
def stabilities(of_row, at_density, parent, birth, members, stability, peak):
    """Of each cluster the excess of mass (c), and the highest density at which anything leaves it (c)."""
    for row in range(len(of_row)):
        cluster = of_row[row]
        stability[cluster] += at_density[row] - birth[cluster]
        peak[cluster] = max(peak[cluster], at_density[row])
    for cluster in range(1, len(parent)):
        above = parent[cluster]
        stability[above] += (birth[cluster] - birth[above]) * members[cluster]
        peak[above] = max(peak[above], birth[cluster])


@njit(cache=True, nogil=True)
def select_by_excess_of_mass(parent, members, stability, largest, allow_root, chosen):
    """Mark the clusters whose mass exceeds that of all below them, none below another (ibid., section 5)."""
    clusters = len(parent)
    below = np.zeros(clusters, np.float64)
    for cluster in range(clusters - 1, -1, -1):
        if cluster == 0 and not allow_root:
            break
        worth = stability[cluster]
        if below[cluster] > worth or members[cluster] > largest:
            worth = below[cluster]
        else:
            chosen[cluster] = True
        if cluster > 0:
            below[parent[cluster]] += worth
    covered = np.zeros(clusters, np.bool_)
    for cluster in range(1, clusters):
        covered[cluster] = covered[parent[cluster]] or chosen[parent[cluster]]
    for cluster in range(clusters):
        chosen[cluster] = chosen[cluster] and not covered[cluster]


@njit(cache=True, nogil=True)
def labels_of(of_row, parent, chosen, label, labels):
    """Of each row the label of the chosen cluster that its own lies in, -1 if none; `label` (c) is by cluster."""
    clusters = len(parent)
    inside = np.full(clusters, -1, np.int32)
    for cluster in range(clusters):
        if chosen[cluster]:
            inside[cluster] = label[cluster]
        elif cluster > 0:
            inside[cluster] = inside[parent[cluster]]
    for row in range(len(of_row)):
        labels[row] = inside[of_row[row]]
