"""The steps of a run whose fit is on a sample: one process fits, and passes over the parts of the vectors do the rest.

No more of the vectors is in memory at a time than the sample, or a part in each process that works on one. What comes
of a part is put where the run's rows are; sums are added in the order of the parts. All else is as in a run that has
its vectors in memory, and so are the files that it leaves.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coterie.compute.executor import Executor, Poll
from coterie.engine.arrays import NOISE, Labels, Matrix, drawn
from coterie.engine.assign import reaches
from coterie.engine.coverage import Nearest, compared_with, join
from coterie.engine.kmeans import moved
from coterie.engine.quality import looked_at
from coterie.engine.specs import by_cosine
from coterie.runs import recognition
from coterie.runs.laying import LANDMARKS, Ties, anchors_of, ties_of
from coterie.runs.located import Located, read_located
from coterie.runs.part_stages import Space
from coterie.runs.plan import Plan
from coterie.runs.stages import by_density, mapped, spec_of

ROUNDS = 10
"""Rounds of k-means over all rows, at most: it begins where it ended on the sample."""

Shares = tuple[float, float]
"""Where a step is when something begins and ends, 0..1 of the job."""


@dataclass(frozen=True)
class Passes:
    """The passes of one run, whose scratch folder is `folder`."""

    executor: Executor
    polling: Callable[[str, float, float], Poll]
    plan: Plan
    folder: Path

    def gather(self, step: str, rows: NDArray[np.int64], shares: Shares, *, normalize: bool) -> Matrix:
        """The vectors (m, d) of some of the run's rows (m), rising."""
        return self._gathered(step, "read", {"normalize": normalize}, rows, shares)

    def fit(self) -> dict[str, Any]:
        """`vectors.npy`, the sample, to what `stages.fit` leaves of all rows."""
        fitted = self._stage("fit", "sample_stages:fit", (0.15, 0.3))
        space, rule = self._space, dict(self._arrays("rule") or {})
        if self._over_all:
            rule["centroids"] = self._lloyd(space, rule["centroids"], fitted["least_move"])
        labels = self._assigned(space, rule)
        reassigned = np.zeros(len(labels), bool)
        if self.plan.max_noise_ratio is not None:
            labels, reassigned = self._within_budget(space, labels, self.plan.max_noise_ratio)
        np.savez(self.folder / "assigned.npz", labels=labels, reassigned=reassigned)
        found: dict[str, Any] = self._stage("fit", "sample_stages:settle", (0.49, 0.5), over_all=self._over_all)
        return found

    def recognize(self) -> dict[str, Any]:
        """What `stages.recognize` leaves."""
        labels = self._parted(np.load(self.folder / "fitted.npz")["labels"])
        groups, dimensions = int(labels.max(initial=NOISE)) + 1, np.load(self.folder / "vectors.npy", "r").shape[1]
        sums, squares = np.zeros((groups, dimensions)), np.zeros(groups)
        normalize = {"normalize": self.plan.normalize}
        for _, (present, added, lengths) in self._each("recognize", "add", normalize, (0.5, 0.52), labels=labels):
            sums[present] += added
            squares[present] += lengths
        np.savez(self.folder / "sums.npz", labels=labels, sums=sums, squares=squares)
        found: dict[str, Any] = self._stage("recognize", "stages:recognize", (0.52, 0.52))
        return found

    def characterize(self) -> dict[str, Any]:
        """What `stages.characterize` leaves."""
        labels = np.load(self.folder / "labels.npy")
        distances = np.zeros(len(labels), np.float32)
        arguments = {"normalize": self.plan.normalize, "centroids": np.load(self.folder / "centroids.npy")}
        for rows, own in self._each("characterize", "measure", arguments, (0.52, 0.55), labels=labels):
            distances[rows] = own
        np.save(self.folder / "distances.npy", distances)
        if self.plan.metrics:
            density = by_density(asdict(self.plan))
            self._keep("characterize", looked_at(labels, density=density, seed=self.plan.seed), (0.55, 0.57))
        found: dict[str, Any] = self._stage("characterize", "stages:characterize", (0.57, 0.6))
        return found

    def draw(self) -> dict[str, Any]:
        """What `stages.draw` leaves."""
        ties = ties_of(self.folder, asdict(self.plan))
        landmarks = drawn(self._rows, LANDMARKS, self.plan.seed)
        if mapped(asdict(self.plan)) and ties.applied != "transform":
            self._keep("map", landmarks, (0.6, 0.68))
        else:
            anchors = anchors_of(ties, self._rows, self.plan.seed)
            self._keep("map", np.union1d(landmarks, anchors), (0.6, 0.62))
            self._lay(ties)
        drawn_map: dict[str, Any] = self._stage("map", "stages:draw", (0.69, 0.7))
        return drawn_map

    @cached_property
    def _located(self) -> list[Located]:
        return read_located(self.folder)

    @property
    def _rows(self) -> int:
        return sum(len(each.rows) for each in self._located)

    @property
    def _over_all(self) -> bool:
        """Whether the fit goes on over all rows: a k-means for which no sample was asked."""
        asked = self.plan.sample_size
        return self.plan.algorithm == "kmeans" and (asked is None or asked >= self._rows)

    @property
    def _space(self) -> Space:
        return {
            "normalize": self.plan.normalize,
            "whitening": self._arrays("whitening"),
            "reduction": self._arrays("reduction"),
            "cosine": by_cosine(spec_of(asdict(self.plan))),
        }

    def _arrays(self, name: str) -> dict[str, Any] | None:
        path = self.folder / f"{name}.npz"
        if not path.exists():
            return None
        with np.load(path) as held:
            return dict(held)

    def _stage(self, step: str, stage: str, shares: Shares, **arguments: Any) -> Any:
        """A stage that needs one process."""
        known = {"folder": str(self.folder), "plan": asdict(self.plan)}
        return self.executor.run(f"coterie.runs.{stage}", {**known, **arguments}, self.polling(step, *shares))

    def _each(
        self,
        step: str,
        stage: str,
        arguments: dict[str, Any],
        shares: Shares,
        *,
        only: NDArray[np.bool_] | None = None,
        **of_rows: NDArray[Any],
    ) -> Iterator[tuple[NDArray[np.int64], Any]]:
        """What a stage makes of each part, beside the run's rows that are in it, or `only` of some (n); it is given
        what is known `of_rows` (n each)."""
        located = self._located
        if only is not None:
            located = [each for each in (each.among(only) for each in located) if len(each.rows)]
        parts = [
            {
                "part": each.part,
                "chosen": each.chosen,
                **{name: values[each.rows] for name, values in of_rows.items()},
            }
            for each in located
        ]
        stage, poll = f"coterie.runs.part_stages:{stage}", self.polling(step, *shares)
        results = self.executor.map(stage, parts, arguments, poll)
        return zip((each.rows for each in located), results, strict=True)

    def _gathered(
        self, step: str, stage: str, arguments: dict[str, Any], rows: NDArray[np.int64], shares: Shares
    ) -> Matrix:
        wanted = np.zeros(self._rows, bool)
        wanted[rows] = True
        found: Matrix | None = None
        for own, vectors in self._each(step, stage, arguments, shares, only=wanted):
            if found is None:
                found = np.empty((len(rows), vectors.shape[1]), np.float32)
            found[np.searchsorted(rows, own)] = vectors
        return np.empty((0, 1), np.float32) if found is None else found

    def _keep(self, step: str, rows: NDArray[np.int64], shares: Shares) -> None:
        """The vectors of some rows for the stage to come."""
        vectors = self.gather(step, rows, shares, normalize=self.plan.normalize)
        np.savez(self.folder / "gathered.npz", rows=rows, vectors=vectors)

    def _lloyd(self, space: Space, centres: Matrix, least: float) -> Matrix:
        """The centres after a few rounds over all rows."""
        spec = spec_of(asdict(self.plan))
        rounds = min(ROUNDS, getattr(spec, "max_iter", ROUNDS))
        for number in range(rounds):
            sums, sizes = np.zeros(centres.shape), np.zeros(len(centres), np.int64)
            shares = (0.3 + 0.1 * number / rounds, 0.3 + 0.1 * (number + 1) / rounds)
            arguments = {"space": space, "centres": centres}
            for _, (own_sums, own_sizes) in self._each("fit", "sum_nearest", arguments, shares):
                sums += own_sums
                sizes += own_sizes
            before, centres = centres, moved(centres, sums, sizes)
            if float(((centres - before) ** 2).sum()) <= least:
                break
        return centres

    def _assigned(self, space: Space, rule: dict[str, Any]) -> Labels:
        """The labels (n) by the fit's numbers; where its space is a map, all places on it to `places.npy`."""
        sample = np.load(self.folder / "sample.npy")
        labels, rest = np.full(self._rows, NOISE, np.int32), np.ones(self._rows, bool)
        if not self._over_all:
            rest[sample] = False
            labels[sample] = np.load(self.folder / "sample_fit.npz")["labels"]
        map_ = mapped(asdict(self.plan))
        places = np.empty((self._rows, self.plan.vis_n_components), np.float32)
        arguments = {"space": space, "rule": rule, "mapped": map_}
        for rows, (own, placed) in self._each("fit", "assign", arguments, (0.4, 0.47), only=rest):
            labels[rows] = own
            if map_:
                places[rows] = placed
        if map_:
            places[sample] = np.load(self.folder / "space.npy")
            np.save(self.folder / "places.npy", places)
        return labels

    def _within_budget(self, space: Space, labels: Labels, most: float) -> tuple[Labels, NDArray[np.bool_]]:
        """The labels with at most this share of noise (`engine.coverage`), and which rows were moved."""
        chosen = compared_with(labels, most, seed=self.plan.seed)
        if len(chosen) == 0:
            return labels, np.zeros(len(labels), bool)
        sample = self._gathered("fit", "read_space", {"space": space}, chosen, (0.47, 0.48))
        of = labels[chosen]
        arguments = {"space": space, "sample": sample, "of": of, "reach": reaches(sample, of)}
        noise = labels == NOISE
        number = np.cumsum(noise) - 1
        count = int(noise.sum())
        found = Nearest(np.empty(count, np.int32), np.empty(count), np.empty(count, np.float32))
        for rows, own in self._each("fit", "place_noise", arguments, (0.48, 0.49), only=noise):
            at = number[rows]
            found.group[at], found.place[at], found.distance[at] = own
        return join(labels, most, found)

    def _parted(self, labels: Labels) -> Labels:
        """The labels with groups parted that people have split."""
        earlier = recognition.load(self.folder)
        if earlier is None or not (split := recognition.split_before(earlier, labels)):
            return labels
        nearest = np.full(len(labels), recognition.ABSENT, np.int32)
        only = np.isin(labels, list(split))
        centroids = earlier.grouping.centroids
        arguments = {"normalize": self.plan.normalize, "groups": split, "centroids": centroids}
        for rows, own in self._each("recognize", "split", arguments, (0.5, 0.5), only=only, labels=labels):
            nearest[rows] = own
        return recognition.part_again(earlier, split, nearest, labels)

    def _lay(self, ties: Ties) -> None:
        """Places of all rows to `places.npy`: the anchors', and those of others among them, but for what stays where it
        was."""
        self._stage("map", "sample_stages:place", (0.62, 0.64), rows=self._rows)
        held = self._arrays("anchors") or {}
        arguments = {
            "space": self._space,
            "anchors": held["anchors"],
            "places": held["places"],
            "seed": self.plan.seed,
        }
        places = np.empty((self._rows, held["places"].shape[1]), np.float32)
        for rows, own in self._each("map", "lay", arguments, (0.64, 0.69)):
            places[rows] = own
        places[held["rows"]] = held["places"]
        if ties.applied == "transform":
            places[ties.known] = ties.before
        np.save(self.folder / "places.npy", places)
