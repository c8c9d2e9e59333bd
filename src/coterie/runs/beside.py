"""Which groups stand beside a group: what its label must tell it apart from."""

from collections import defaultdict
from collections.abc import Sequence
from heapq import nsmallest

import numpy as np

from coterie.labeling.prompts import NEIGHBOURS
from coterie.runs.found import Group


class Beside:
    """The nearest groups of the same kind: those that hold documents, or those above them of one level. Near is by
    centroid, or else of the same parent and close in order. The centroids of a kind are put together once."""

    def __init__(self, groups: Sequence[Group], *, by_centroid: bool) -> None:
        self._groups = groups
        self._kinds: defaultdict[tuple[bool, int], list[int]] = defaultdict(list)
        for number, group in enumerate(groups):
            self._kinds[_kind(group)].append(number)
        self._centroids = {
            kind: np.array([groups[number].centroid for number in own], np.float32)
            for kind, own in self._kinds.items()
            if by_centroid
        }

    def of(self, number: int) -> list[int]:
        """The numbers of the NEIGHBOURS nearest ones, the nearest first."""
        own = self._groups[number]
        kind = self._kinds[_kind(own)]
        if not self._centroids:

            def apart(other: int) -> tuple[bool, int]:
                return self._groups[other].parent != own.parent, abs(other - number)

            return nsmallest(NEIGHBOURS, (other for other in kind if other != number), key=apart)
        far = np.linalg.norm(self._centroids[_kind(own)] - np.array(own.centroid, np.float32), axis=1)
        nearest = (kind[at] for at in np.argsort(far, kind="stable")[: NEIGHBOURS + 1])
        return [other for other in nearest if other != number][:NEIGHBOURS]


def _kind(group: Group) -> tuple[bool, int]:
    return group.leaf, 0 if group.leaf else group.level
