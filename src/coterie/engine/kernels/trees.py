"""Spanning trees edge by edge, and the tree of densities that they make."""

from heapq import heappop, heappush

import numpy as np
from numba import njit


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
def walk(starts, to, weights, order, sources, steps):
    """Prim's walk over a connected graph from row 0: rows in the order they are reached, from where, by which weight.

    Row r's edges are `to[starts[r]:starts[r + 1]]`. Of equally near rows the first is next, from the row that was
    reached first.
    """
    rows = len(starts) - 1
    reached = np.zeros(rows, np.bool_)
    heap = [(np.float32(0.0), np.int64(0), np.int64(0))]
    count = 0
    while len(heap) > 0:
        weight, row, since = heappop(heap)
        if reached[row]:
            continue
        reached[row] = True
        order[count], steps[count] = row, weight
        sources[count] = order[since]
        for at in range(starts[row], starts[row + 1]):
            if not reached[to[at]]:
                heappush(heap, (weights[at], np.int64(to[at]), np.int64(count)))
        count += 1


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
