/** Names at their groups' places, the largest first, none over another. */
import type { Camera } from "./camera";
import type { Group } from "./groups";

export interface Placed {
  group: Group;
  x: number;
  y: number;
}

const MOST = 48;
const HEIGHT = 20;
const GAP = 6;
const SMALL = 16;
const LIFT = 16;
const LONGEST = 220;
export const FONT = "600 12.5px system-ui, sans-serif";

const widths = new Map<string, number>();
let measuring: CanvasRenderingContext2D | null = null;

/** Which names are shown where their middles are, in pixels. `first` comes before the others. */
export function placeNames(groups: readonly Group[], camera: Camera, first: Group | null): Placed[] {
  const placed: (Placed & { half: number })[] = [];
  const candidates =
    first !== null && first.anchor !== null ? [first, ...groups.filter((group) => group !== first)] : groups;
  for (const group of candidates) {
    if (group.anchor === null) continue;
    const at = camera.toScreen(group.anchor);
    const x = at.x;
    const y = group.spread * camera.scale < SMALL ? at.y - LIFT : at.y; // a small group is not hidden by its name
    if (x < 0 || y < 0 || x > camera.width || y > camera.height) continue;
    const half = Math.min(LONGEST, widthOf(group.label)) / 2 + GAP;
    const free = placed.every((other) => Math.abs(other.x - x) > other.half + half || Math.abs(other.y - y) > HEIGHT);
    if (free) placed.push({ group, x, y, half });
    if (placed.length === MOST) break;
  }
  return placed;
}

function widthOf(text: string): number {
  const known = widths.get(text);
  if (known !== undefined) return known;
  measuring ??= document.createElement("canvas").getContext("2d");
  if (measuring === null) return LONGEST;
  measuring.font = FONT;
  const width = measuring.measureText(text).width;
  widths.set(text, width);
  return width;
}
