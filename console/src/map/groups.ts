/** The run's groups as a tree, and which of them each point belongs to, on any level, after what was merged. */
import type { Schemas, Shown } from "../api/types";
import type { Spot } from "./camera";
import { css, type Ground, looks, noiseColour, type Look } from "./palette";
import type { Points } from "./points";

const FEW = 5;

export interface Group {
  id: string;
  label: string;
  keywords: readonly string[];
  summary: string | null;
  count: number;
  parent: Group | null;
  children: Group[];
  level: number;
  proposed: boolean;
  nearest: readonly string[];
  /** The mean of its points, which the run knows before they have come. */
  centre: Spot | null;
  /** Where its name stands, and how far from there half of its points are; see `anchors.ts`. */
  anchor: Spot | null;
  spread: number;
}

export interface Source {
  groups: readonly Shown<Schemas["ClusterGroup"]>[];
  centres: ReadonlyMap<string, { x: number; y: number }>;
  merged: Readonly<Record<string, string>>;
  noise: number;
}

export class Groups {
  /** Largest first. */
  readonly all: readonly Group[];
  readonly depth: number;
  readonly noise: number;
  private readonly byId: ReadonlyMap<string, Group>;
  private readonly merged: Readonly<Record<string, string>>;

  /** Centres are those of the map once its points have begun to arrive. */
  constructor(source: Source, points: Points | null) {
    const centre = (id: string): Spot | null => {
      const found = source.centres.get(id);
      return found === undefined || points === null ? null : points.placed(found.x, found.y);
    };
    const all = source.groups.map((group) => made(group, centre(group.cluster_id)));
    this.byId = new Map(all.map((group) => [group.id, group]));
    source.groups.forEach(({ parent_cluster_id: parent }, number) => {
      const above = parent === null ? undefined : this.byId.get(parent);
      if (above === undefined) return;
      all[number]!.parent = above;
      above.children.push(all[number]!);
    });
    this.all = all.sort((one, other) => other.count - one.count);
    this.depth = 1 + Math.max(0, ...all.map(({ level }) => level));
    this.noise = source.noise;
    this.merged = source.merged;
  }

  find(id: string | null): Group | null {
    return id === null ? null : (this.byId.get(id) ?? null);
  }

  /** Those that are told apart on a level: its own, and the finest where there are none so deep. */
  on(level: number): Group[] {
    return this.all.filter((group) => group.level === level || (group.level < level && group.children.length === 0));
  }

  /** The broadest level that tells something: one or two groups of groups would paint all in one colour. */
  get telling(): number {
    const levels = Array.from({ length: this.depth }, (_, level) => level);
    return levels.find((level) => this.on(level).length >= FEW) ?? this.depth - 1;
  }

  /** For each name of the points' groups, the group on that level; null is noise. */
  owners(names: readonly string[], level: number): (Group | null)[] {
    return names.map((name) => {
      let group = this.find(this.merged[name] ?? name);
      while (group !== null && group.level > level && group.parent !== null) group = group.parent;
      return group;
    });
  }
}

/** Whether a group is another or below it. */
export function isWithin(group: Group | null, above: Group): boolean {
  for (let each = group; each !== null; each = each.parent) if (each === above) return true;
  return false;
}

function made(group: Shown<Schemas["ClusterGroup"]>, centre: Spot | null): Group {
  return {
    id: group.cluster_id,
    label: group.label || group.cluster_id,
    keywords: group.keywords,
    summary: group.summary,
    count: group.member_count,
    parent: null,
    children: [],
    level: group.hierarchy_level,
    proposed: group.proposed,
    nearest: group.representative_documents,
    centre,
    anchor: centre,
    spread: 0,
  };
}

/** How the groups of a level look, by id. */
export class Looks {
  private readonly byId: ReadonlyMap<string, Look>;

  constructor(
    groups: readonly Group[],
    private readonly ground: Ground,
  ) {
    const found = looks(
      groups.map(({ centre }) => centre ?? { x: 0, y: 0 }),
      ground,
    );
    this.byId = new Map(groups.map(({ id }, number) => [id, found[number]!]));
  }

  of(group: Group | null): Look {
    const own = group === null ? undefined : this.byId.get(group.id);
    return own ?? { colour: noiseColour(this.ground), shape: 0 };
  }

  css(group: Group | null): string {
    return css(this.of(group).colour);
  }

  /** The look of a group of another level: of the one here that it is part of, or that is part of it. */
  near(group: Group): string {
    for (let each: Group | null = group; each !== null; each = each.parent)
      if (this.byId.has(each.id)) return this.css(each);
    for (let each: Group | undefined = group; each !== undefined; each = each.children[0])
      if (this.byId.has(each.id)) return this.css(each);
    return this.css(null);
  }
}
