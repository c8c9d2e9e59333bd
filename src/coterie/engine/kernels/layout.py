"""The loops of a map: how strongly neighbours are bound, and the descent that places them."""

import numpy as np
from numba import njit

TRIES = 64
"""Halvings in the search for a bandwidth."""

PUSHED = 5
"""Rows that are pushed away for each one that is pulled near."""

STEEPEST = np.float32(4.0)
"""A step along one axis is never longer, at the full rate."""

TINY = np.float32(1e-20)


@njit(cache=True, nogil=True)
def memberships(indices, distances, weights):
    """How strongly each of a row's neighbours (n, k) is bound to it, 0..1: exp(-(distance - nearest) / bandwidth), with
    the bandwidth at which they sum to log2(k); `weights` (n, k) is written, 0 where there is no neighbour."""
    rows, k = indices.shape
    wanted = np.log2(k)
    for row in range(rows):
        nearest, total, count = np.inf, 0.0, 0
        for at in range(k):
            if indices[row, at] >= 0:
                total += distances[row, at]
                count += 1
                if 0 < distances[row, at] < nearest:
                    nearest = distances[row, at]
        if count == 0:
            continue
        if nearest == np.inf:
            nearest = 0.0
        low, high, bandwidth = 0.0, np.inf, max(total / count, 1e-12)
        for _ in range(TRIES):
            reached = 0.0
            for at in range(k):
                if indices[row, at] >= 0:
                    reached += np.exp(-max(distances[row, at] - nearest, 0.0) / bandwidth)
            if abs(reached - wanted) < 1e-5:
                break
            if reached > wanted:
                high = bandwidth
            else:
                low = bandwidth
            bandwidth = 2 * low if high == np.inf else (low + high) / 2
            if bandwidth < 1e-3 * total / count:
                bandwidth = max(1e-3 * total / count, 1e-12)
                break
        for at in range(k):
            if indices[row, at] >= 0:
                weights[row, at] = np.exp(-max(distances[row, at] - nearest, 0.0) / bandwidth)


@njit(cache=True, nogil=True, fastmath=True)
def _square(own, other):
    total = np.float32(0)
    for axis in range(len(own)):
        total += (own[axis] - other[axis]) ** 2
    return total


@njit(cache=True, nogil=True, fastmath=True)
def _step(move, rate):
    return min(max(move, -STEEPEST), STEEPEST) * rate


@njit(cache=True, nogil=True)
def _random(state):
    """The next state of a generator of 64 bits (xorshift, Marsaglia 2003)."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@njit(cache=True, nogil=True, fastmath=True)
def descend(places, starts, tails, gaps, epochs, a, b, seed):
    """Move `places` (n, p) for so many epochs, in one thread and one order.

    Row i is pulled to `tails[starts[i]:starts[i + 1]]`, each every `gaps` epochs; with each pull, PUSHED rows drawn at
    random push it away. The curve is 1 / (1 + a distance^2b). A row moves once a pull: so the pushes do not wait for
    each other, which takes half the time of one after the other.
    """
    rows, dimensions = places.shape
    one, near, many = np.float32(1), np.float32(0.001), np.uint64(rows)
    pulling, pushing = np.float32(-2) * a * b, np.float32(2) * b
    due = gaps.copy()
    move = np.empty(dimensions, np.float32)
    state = np.uint64(seed) * np.uint64(2654435769) + np.uint64(88172645463325252)
    for epoch in range(1, epochs + 1):
        now, rate = np.float32(epoch), np.float32(1 - (epoch - 1) / epochs)
        for row in range(rows):
            own = places[row]
            for at in range(starts[row], starts[row + 1]):
                if due[at] > now:
                    continue
                due[at] += gaps[at]
                other = places[tails[at]]
                square = _square(own, other)
                power = square**b
                pull = pulling * power / (square * (a * power + one) + TINY)
                for axis in range(dimensions):
                    move[axis] = _step(pull * (own[axis] - other[axis]), rate)
                    other[axis] -= move[axis]
                for _ in range(PUSHED):
                    state = _random(state)
                    other = places[np.int64((state >> np.uint64(32)) * many >> np.uint64(32))]
                    square = _square(own, other)
                    push = pushing / ((near + square) * (a * square**b + one))
                    for axis in range(dimensions):
                        move[axis] += _step(push * (own[axis] - other[axis]), rate)
                for axis in range(dimensions):
                    own[axis] += move[axis]
