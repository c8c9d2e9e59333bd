/** Where names stand: amid a group's points and on one of them, for the mean of a bent or torn group may lie in the void. */
import type { Spot } from "./camera";
import { type Group, type Groups } from "./groups";
import type { Points } from "./points";

const LOOKED_AT = 200_000;

/** Give each group its anchor, and how far half of its points are from it. */
export function anchor(groups: Groups, points: Points): void {
  const owners = groups.owners(points.names, Infinity);
  const found = new Map<Group, number[]>();
  const last = Math.min(points.loaded, LOOKED_AT); // the first ones are a fair sample of all
  for (let point = 0; point < last; point += 1) {
    for (let group = owners[points.group[point]!] ?? null; group !== null; group = group.parent) {
      const own = found.get(group);
      if (own === undefined) found.set(group, [point]);
      else own.push(point);
    }
  }
  for (const [group, own] of found) {
    const spots = own.map((point) => points.spot(point));
    const middle = { x: median(spots.map(({ x }) => x)), y: median(spots.map(({ y }) => y)) };
    group.anchor = spots.reduce((best, spot) => (apart(spot, middle) < apart(best, middle) ? spot : best));
    group.spread = median(spots.map((spot) => apart(spot, middle)));
  }
}

function apart(one: Spot, other: Spot): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

function median(values: number[]): number {
  return Float64Array.from(values).sort()[values.length >> 1]!;
}
