/** The map's points in columns, filled while they arrive; each in the order of the stream, so that any beginning is a fair sample. */
import type { Batch } from "./arrow";
import type { Spot } from "./camera";

const STEPS = 65_535;
const METADATA = "coterie";
const BEYOND_16_BITS = 65_536;

/** What the stream says of itself (docs/executions.md). */
interface Told {
  run_id: string;
  members: number;
  points: number;
  stride: number;
  hop: number;
  x: [number, number];
  y: [number, number];
}

export class Points {
  /** Places in steps, 0 to 65,535 in both directions, up being up. */
  readonly x: Uint16Array;
  readonly y: Uint16Array;
  /** Each point's group, a number in `names`. */
  readonly group: Uint16Array | Uint32Array;
  readonly names: readonly string[];
  readonly total: number;
  readonly members: number;
  /** The map's extent: its longer side is 1. */
  readonly width: number;
  readonly height: number;
  loaded = 0;
  private readonly told: Told;
  private readonly starts: number[] = [];

  constructor(first: Batch) {
    this.told = JSON.parse(first.metadata.get(METADATA) ?? "{}") as Told;
    this.total = this.told.points;
    this.members = this.told.members;
    this.names = first.dictionaries.get("cluster_id") ?? [];
    this.x = new Uint16Array(this.total);
    this.y = new Uint16Array(this.total);
    this.group = this.names.length > BEYOND_16_BITS ? new Uint32Array(this.total) : new Uint16Array(this.total);
    const longer = Math.max(this.told.x[1], this.told.y[1]);
    this.width = this.told.x[1] / longer;
    this.height = this.told.y[1] / longer;
  }

  add(batch: Batch): void {
    this.starts.push(this.loaded);
    this.x.set(batch.columns.get("x")!, this.loaded);
    this.y.set(batch.columns.get("y")!, this.loaded);
    this.group.set(batch.columns.get("cluster_id")!, this.loaded);
    this.loaded += batch.length;
  }

  /** The number of the run's member that a point is. */
  member(point: number): number {
    let batch = this.starts.length - 1;
    while (this.starts[batch]! > point) batch -= 1;
    const { stride, hop } = this.told;
    return ((batch * hop) % stride) + stride * (point - this.starts[batch]!);
  }

  /** The point that a member is; null while it has not arrived, and for one that is not drawn. */
  find(member: number): number | null {
    const { stride, hop } = this.told;
    const batch = this.starts.findIndex((_, at) => (at * hop) % stride === member % stride);
    if (batch < 0) return null;
    const point = this.starts[batch]! + Math.floor(member / stride);
    return point < (this.starts[batch + 1] ?? this.loaded) ? point : null;
  }

  spot(point: number): Spot {
    return { x: (this.x[point]! / STEPS) * this.width, y: (this.y[point]! / STEPS) * this.height };
  }

  /** Where coordinates of the run are on the map. */
  placed(x: number, y: number): Spot {
    const { x: across, y: up } = this.told;
    return { x: ((x - across[0]) / across[1] / STEPS) * this.width, y: ((y - up[0]) / up[1] / STEPS) * this.height };
  }

  /** The point nearest to a spot, if one is within `reach` and not hidden; -1 without. */
  nearest(spot: Spot, reach: number, hidden: (group: number) => boolean): number {
    const x = (spot.x / this.width) * STEPS;
    const y = (spot.y / this.height) * STEPS;
    const across = (this.width / STEPS) ** 2;
    const up = (this.height / STEPS) ** 2;
    let best = reach ** 2;
    let found = -1;
    for (let point = 0; point < this.loaded; point += 1) {
      const dx = this.x[point]! - x;
      const dy = this.y[point]! - y;
      const distance = dx * dx * across + dy * dy * up;
      if (distance < best && !hidden(this.group[point]!)) {
        best = distance;
        found = point;
      }
    }
    return found;
  }

  /** The points inside a polygon, by the even-odd rule. */
  within(polygon: readonly Spot[]): Uint32Array {
    const corners = polygon.map(({ x, y }) => ({ x: (x / this.width) * STEPS, y: (y / this.height) * STEPS }));
    const left = Math.min(...corners.map(({ x }) => x));
    const right = Math.max(...corners.map(({ x }) => x));
    const low = Math.min(...corners.map(({ y }) => y));
    const high = Math.max(...corners.map(({ y }) => y));
    const found: number[] = [];
    for (let point = 0; point < this.loaded; point += 1) {
      const x = this.x[point]!;
      const y = this.y[point]!;
      if (x >= left && x <= right && y >= low && y <= high && inside(corners, x, y)) found.push(point);
    }
    return Uint32Array.from(found);
  }
}

function inside(corners: readonly Spot[], x: number, y: number): boolean {
  let odd = false;
  for (let at = 0, before = corners.length - 1; at < corners.length; before = at, at += 1) {
    const a = corners[at]!;
    const b = corners[before]!;
    if (a.y > y !== b.y > y && x < ((b.x - a.x) * (y - a.y)) / (b.y - a.y) + a.x) odd = !odd;
  }
  return odd;
}
