/**
 * Looks of groups: seven hues that people with any colour vision tell apart (Okabe and Ito 2008, without black, tuned to
 * either background), each in three lightnesses, each of these in four shapes that show when points are large.
 *
 * Of more groups than hues, those that lie side by side get different ones.
 */
import type { Spot } from "./camera";

export interface Look {
  colour: readonly [number, number, number];
  shape: number;
}

const HUES = {
  light: ["#0072b2", "#d98200", "#009e73", "#cc4d00", "#b3589a", "#2d9fe0", "#a39200"],
  dark: ["#3d9be0", "#f2ad2e", "#1fc198", "#f0763a", "#dd8fbe", "#7cc9f7", "#e6dc58"],
} as const;
const NOISE = { light: "#b4b6bb", dark: "#50545c" } as const;
const LIGHTNESSES = { light: [0, -0.3, 0.32], dark: [0, -0.3, 0.42] } as const;
const SHAPES = 4;
const NEIGHBOURS = 6;
const EVENNESS = 0.05;

export type Ground = keyof typeof HUES;

export function noiseColour(ground: Ground): readonly [number, number, number] {
  return parse(NOISE[ground]);
}

/** A look for each centre, given by falling size. */
export function looks(centres: readonly Spot[], ground: Ground): Look[] {
  const hues: number[] = [];
  const used = HUES[ground].map(() => 0);
  return centres.map((centre, number) => {
    const hue = leastLike(centre, centres.slice(0, number), hues, used);
    const turn = used[hue]!;
    hues.push(hue);
    used[hue] = turn + 1;
    const lightnesses = LIGHTNESSES[ground];
    const shift = lightnesses[turn % lightnesses.length]!;
    return { colour: shifted(parse(HUES[ground][hue]!), shift), shape: Math.floor(turn / lightnesses.length) % SHAPES };
  });
}

/** The hue that the nearest have least, of equals the one that is used least. */
function leastLike(centre: Spot, others: readonly Spot[], hues: readonly number[], used: readonly number[]): number {
  const near = nearest(centre, others);
  const costs = used.map((times) => times * EVENNESS);
  near.forEach((other, rank) => (costs[hues[other]!]! += 1 / (1 + rank)));
  return costs.indexOf(Math.min(...costs));
}

function nearest({ x, y }: Spot, others: readonly Spot[]): number[] {
  const found: { number: number; distance: number }[] = [];
  others.forEach((other, number) => {
    const distance = (other.x - x) ** 2 + (other.y - y) ** 2;
    const last = found[NEIGHBOURS - 1];
    if (last !== undefined && last.distance <= distance) return;
    const at = found.findIndex((each) => each.distance > distance);
    found.splice(at < 0 ? found.length : at, 0, { number, distance });
    found.length = Math.min(found.length, NEIGHBOURS);
  });
  return found.map(({ number }) => number);
}

export function css([red, green, blue]: Look["colour"]): string {
  return `rgb(${red} ${green} ${blue})`;
}

function parse(hex: string): [number, number, number] {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** Towards white by a positive share, towards black by a negative one. */
function shifted(colour: [number, number, number], share: number): [number, number, number] {
  const end = share < 0 ? 0 : 255;
  const mixed = colour.map((value) => Math.round(value + (end - value) * Math.abs(share)));
  return [mixed[0]!, mixed[1]!, mixed[2]!];
}
