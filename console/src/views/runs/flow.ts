/** Where the parts of a flow between two runs stand: bars of groups at both sides, bands of documents between them. */
import type { Groups, Schemas } from "../../api/types";

export type Comparison = Schemas["CompareResponse"];
export type Fate = "stays" | "split" | "merged" | "born" | "died" | "noise" | "absent" | "others";

/** A group of one run as a bar. */
export interface Bar {
  key: string;
  /** The group's id, where it is one group and not noise, absence or many together. */
  group: string | null;
  label: string;
  fate: Fate;
  documents: number;
  y: number;
  height: number;
}

/** Documents that went from a bar to another; the edges are heights on either side. */
export interface Band {
  from: Bar;
  to: Bar;
  documents: number;
  fate: Fate;
  left: [top: number, bottom: number];
  right: [top: number, bottom: number];
}

export interface Flow {
  before: Bar[];
  after: Bar[];
  bands: Band[];
  height: number;
}

export const NOISE = "-1";
const ABSENT = "";
const OTHERS = "\0others";
/** What is no group, by its key: what it is called on either side. */
const OTHER: Partial<Record<string, { fate: Fate; from: string; to: string }>> = {
  [NOISE]: { fate: "noise", from: "Noise", to: "Noise" },
  [ABSENT]: { fate: "absent", from: "Not in the earlier run", to: "Not in the later run" },
  [OTHERS]: { fate: "others", from: "Other groups", to: "Other groups" },
};
/** Bars of a side at most; the rest stand together as one. */
const MOST = 40;
const LEAST_HEIGHT = 20;
const GAP = 8;
const SWEEPS = 3;

type Pairs = readonly { from: string; to: string; documents: number }[];

/** The whole picture, `target` pixels high or as much more as the labels need. */
export function layOut(
  told: Comparison,
  groups: readonly [Groups, Groups],
  onlyChanged: boolean,
  target: number,
): Flow {
  const fates = [fatesBefore(told), fatesAfter(told)] as const;
  const flows = told.flows.map((each) => ({
    from: each.from ?? ABSENT,
    to: each.to ?? ABSENT,
    documents: each.documents,
  }));
  const wanted = onlyChanged ? flows.filter((each) => isChange(told, fates, each.from, each.to)) : flows;
  const shown = gather(wanted, fates);
  const bars = [barsOf(shown, "from", fates[0], groups[0]), barsOf(shown, "to", fates[1], groups[1])] as const;
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    arrange(bars[1], bars[0], shown, "to", "from");
    arrange(bars[0], bars[1], shown, "from", "to");
  }
  const total = Math.max(1, ...bars.map((side) => sum(side.map((bar) => bar.documents))));
  const height = Math.max(...bars.map((side) => stack(side, target / total)));
  return { before: bars[0], after: bars[1], bands: bandsOf(told, shown, bars), height };
}

function fatesBefore(told: Comparison): Map<string, Fate> {
  const merged = told.merged.flatMap((each) => each.sources.map((source) => [source, "merged"] as const));
  const split = told.split.map((each) => [each.cluster_id, "split"] as const);
  const died = told.died.map((each) => [each.cluster_id, "died"] as const);
  return new Map<string, Fate>([...died, ...merged, ...split]);
}

function fatesAfter(told: Comparison): Map<string, Fate> {
  const born = told.born.map((each) => [each.cluster_id, "born"] as const);
  const parts = told.split.flatMap((each) => each.parts.map((part) => [part, "split"] as const));
  const merged = told.merged.map((each) => [each.cluster_id, "merged"] as const);
  return new Map<string, Fate>([...born, ...parts, ...merged]);
}

function isChange(
  told: Comparison,
  fates: readonly [Map<string, Fate>, Map<string, Fate>],
  from: string,
  to: string,
): boolean {
  const resized = (id: string) =>
    [...told.grown, ...told.shrunk, ...told.drifted].some((each) => each.cluster_id === id);
  return fates[0].has(from) || fates[1].has(to) || resized(from) || resized(to);
}

/** The flows with small groups that stayed as they were put together, where there are too many to draw. */
function gather(flows: Pairs, fates: readonly [Map<string, Fate>, Map<string, Fate>]): Pairs {
  const kept = [keep(flows, "from", fates[0]), keep(flows, "to", fates[1])] as const;
  const found = new Map<string, { from: string; to: string; documents: number }>();
  for (const { from, to, documents } of flows) {
    const pair = { from: kept[0].has(from) ? from : OTHERS, to: kept[1].has(to) ? to : OTHERS, documents: 0 };
    const key = `${pair.from}\0\0${pair.to}`;
    const held = found.get(key) ?? pair;
    held.documents += documents;
    found.set(key, held);
  }
  return [...found.values()];
}

function keep(flows: Pairs, side: "from" | "to", fates: Map<string, Fate>): Set<string> {
  const rank = (id: string) => (id === NOISE || id === ABSENT ? 0 : fates.has(id) ? 1 : 2);
  const sizes = [...sizesOf(flows, side)].sort(([a, many], [b, few]) => rank(a) - rank(b) || few - many);
  return new Set(sizes.slice(0, MOST).map(([id]) => id));
}

function sizesOf(flows: Pairs, side: "from" | "to"): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const each of flows) sizes.set(each[side], (sizes.get(each[side]) ?? 0) + each.documents);
  return sizes;
}

function barsOf(flows: Pairs, side: "from" | "to", fates: Map<string, Fate>, groups: Groups): Bar[] {
  const labels = new Map(groups.groups.map((each) => [each.cluster_id, each.label]));
  const bars = [...sizesOf(flows, side)].map(([key, documents]): Bar => {
    const other = OTHER[key];
    const label = other?.[side] ?? labels.get(key) ?? key;
    return {
      key,
      documents,
      group: other ? null : key,
      label,
      fate: other?.fate ?? fates.get(key) ?? "stays",
      y: 0,
      height: 0,
    };
  });
  return bars.sort((a, b) => b.documents - a.documents);
}

/** Put bars where most of their documents are on the other side, so that few bands cross; what is no group goes last. */
function arrange(own: Bar[], other: readonly Bar[], flows: Pairs, side: "from" | "to", across: "from" | "to"): void {
  const places = new Map(other.map((bar, place) => [bar.key, place]));
  const pulls = new Map<string, number>();
  for (const bar of own) {
    const mine = flows.filter((each) => each[side] === bar.key && !isNone(each[across]));
    pulls.set(
      bar.key,
      sum(mine.map((each) => each.documents * places.get(each[across])!)) /
        (sum(mine.map((each) => each.documents)) || NaN),
    );
  }
  const weight = (bar: Bar) => (isNone(bar.key) ? Infinity : pulls.get(bar.key) || 0);
  own.sort((a, b) => (weight(a) === weight(b) ? b.documents - a.documents : weight(a) - weight(b)));
}

function isNone(key: string): boolean {
  return key in OTHER;
}

/** Set the bars below one another; the height of all. */
function stack(bars: Bar[], pixelsPerDocument: number): number {
  let y = 0;
  for (const bar of bars) {
    bar.y = y;
    bar.height = Math.max(LEAST_HEIGHT, bar.documents * pixelsPerDocument);
    y += bar.height + GAP;
  }
  return Math.max(0, y - GAP);
}

function bandsOf(told: Comparison, flows: Pairs, bars: readonly [Bar[], Bar[]]): Band[] {
  const [before, after] = bars.map((side) => new Map(side.map((bar, place) => [bar.key, { bar, place, used: 0 }])));
  const ordered = flows.map((each) => ({ ...each, left: before!.get(each.from)!, right: after!.get(each.to)! }));
  const edges = new Map(ordered.map((each) => [each, { left: [0, 0], right: [0, 0] } as Pick<Band, "left" | "right">]));
  for (const side of ["left", "right"] as const) {
    const across = side === "left" ? "right" : "left";
    for (const each of [...ordered].sort((a, b) => a[across].place - b[across].place)) {
      const thick = (each.documents / each[side].bar.documents) * each[side].bar.height;
      const top = each[side].bar.y + each[side].used;
      edges.get(each)![side] = [top, top + thick];
      each[side].used += thick;
    }
  }
  return ordered.map((each) => ({
    from: each.left.bar,
    to: each.right.bar,
    documents: each.documents,
    fate: fateOf(told, each.from, each.to),
    ...edges.get(each)!,
  }));
}

function fateOf(told: Comparison, from: string, to: string): Fate {
  if (isNone(from) || isNone(to)) return from === NOISE || to === NOISE ? "noise" : "absent";
  if (told.split.some((each) => each.cluster_id === from && each.parts.includes(to))) return "split";
  if (told.merged.some((each) => each.cluster_id === to && each.sources.includes(from))) return "merged";
  return "stays";
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
