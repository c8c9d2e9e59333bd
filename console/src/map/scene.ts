/**
 * What is on the map and how it is looked at: points, groups, the camera, what is chosen; and the frames that show it.
 *
 * It lives beside the components: they hold it, listen to its signals, and tell it what was done.
 */
import { signal } from "@preact/signals";

import { readBatches } from "./arrow";
import { anchor } from "./anchors";
import { Camera, type Spot, type View } from "./camera";
import { type Group, Groups, isWithin, Looks, type Source } from "./groups";
import { type Placed, placeNames } from "./names";
import type { Ground } from "./palette";
import { Points } from "./points";
import { type Brush, NoWebGL, Renderer } from "./renderer";

/** A choice of points by a loop around them. */
export interface Selection {
  points: Uint32Array;
  /** How many of them each group has, largest first; null is noise. */
  shares: readonly { group: Group | null; count: number }[];
}

/** The level of the groups that are told apart: a number, or as deep as one has zoomed. */
export type Level = number | "zoom";

/** A moving picture is its first slice, which must be there at once; what is added to a still one may take longer. */
const SLICE_MILLISECONDS = { first: 28, more: 120 } as const;
const SLICES = { first: 60_000, more: 200_000 } as const;
const LEAST_SLICE = 10_000;
const STILL_MILLISECONDS = 140;
const REACH_PIXELS = 10;
const GLIDE_MILLISECONDS = 320;
const FULL = 63;
const FAINT = 9;
const ZOOM_PER_LEVEL = 2.6;

type Slice = keyof typeof SLICES;

export class Scene {
  /** Points that have arrived, and of how many. */
  readonly progress = signal({ loaded: 0, total: 0 });
  readonly fault = signal<unknown>(null);
  /** Whether there is a canvas to draw on. */
  readonly drawing = signal<"yes" | "lost" | "none">("yes");
  readonly groups = signal<Groups>(new Groups({ groups: [], centres: new Map(), merged: {}, noise: 0 }, null));
  readonly looks = signal<Looks>(new Looks([], "light"));
  readonly shown = signal<number>(0);
  readonly hovered = signal<{ point: number; at: Spot } | null>(null);
  readonly chosen = signal<Group | null>(null);
  readonly picked = signal<number | null>(null);
  readonly selection = signal<Selection | null>(null);
  /** Called with the view once it has come to rest. */
  onRest: (view: View) => void = () => undefined;
  /** Called after each frame, to lay names and marks over it. */
  onFrame: (names: readonly Placed[]) => void = () => undefined;

  points: Points | null = null;
  /** The member that is picked once its point has arrived. */
  awaited: number | null = null;
  camera = new Camera(1, 1);
  private renderer: Renderer | null = null;
  private canvas: HTMLCanvasElement | null = null;
  private source: Source | null = null;
  private owners: (Group | null)[] = [];
  private level: Level = "zoom";
  private ground: Ground = "light";
  private ratio = 1;
  private dirty = true;
  private drawn = 0;
  private readonly slices: Record<Slice, number> = { ...SLICES };
  private asked: { slice: Slice; at: number } | null = null;
  private moved = 0;
  private frame = 0;
  private wanted: View | null = null;
  private glide: { from: View; to: View; start: number } | null = null;
  private lookedAt: Group | null = null;
  private readonly abort = new AbortController();

  /** Read the stream to its end; what arrives is drawn at once. */
  async load(open: (signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>): Promise<void> {
    try {
      for await (const batch of readBatches(await open(this.abort.signal))) {
        const points = this.points ?? this.begin(new Points(batch));
        points.add(batch);
        this.renderer?.add(points.loaded - batch.length, batch.length);
        this.progress.value = { loaded: points.loaded, total: points.total };
        if (this.awaited !== null) this.pickMember(this.awaited);
        if (points.loaded === batch.length || points.loaded === points.total) anchor(this.groups.peek(), points);
        this.request();
      }
    } catch (error) {
      if (!this.abort.signal.aborted) this.fault.value = error;
    }
  }

  /** Draw on a canvas from now on. */
  mount(canvas: HTMLCanvasElement): void {
    this.canvas = canvas;
    canvas.addEventListener("webglcontextlost", this.onLost);
    canvas.addEventListener("webglcontextrestored", this.onRestored);
    this.connect();
  }

  close(): void {
    this.abort.abort();
    cancelAnimationFrame(this.frame);
    this.canvas?.removeEventListener("webglcontextlost", this.onLost);
    this.canvas?.removeEventListener("webglcontextrestored", this.onRestored);
    this.renderer?.close();
  }

  resize(width: number, height: number): void {
    this.camera.width = width;
    this.camera.height = height;
    this.ratio = Math.min(2, devicePixelRatio);
    this.renderer?.resize(width, height, this.ratio);
    this.redraw();
  }

  setSource(source: Source): void {
    this.source = source;
    this.regroup();
  }

  setGround(ground: Ground): void {
    this.ground = ground;
    this.recolour();
  }

  setLevel(level: Level): void {
    this.level = level;
    this.relevel(true);
  }

  /** Look from there, at once or gliding. */
  look(view: View, glide = false): void {
    if (this.points === null) this.wanted = view;
    else if (glide && !matchMedia("(prefers-reduced-motion: reduce)").matches)
      this.glide = { from: this.camera.view, to: view, start: performance.now() };
    else this.camera.look(view);
    this.redraw();
  }

  pan(dx: number, dy: number): void {
    this.glide = null;
    this.camera.pan(dx, dy);
    this.touched();
  }

  zoom(place: Spot, factor: number): void {
    this.glide = null;
    this.camera.zoomAt(place, factor);
    this.touched();
  }

  zoomBy(factor: number): void {
    this.zoom({ x: this.camera.width / 2, y: this.camera.height / 2 }, factor);
  }

  hover(at: Spot | null): void {
    const point = at === null ? -1 : this.pointAt(at);
    if (point === (this.hovered.peek()?.point ?? -1)) return;
    this.hovered.value = point < 0 ? null : { point, at: this.camera.toScreen(this.points!.spot(point)) };
    this.lookedAt = point < 0 ? null : this.groupOf(point);
    this.onFrame(this.names());
  }

  /** Make a group stand out for a moment, from the list. */
  emphasise(group: Group | null): void {
    if (this.lookedAt === group) return;
    this.lookedAt = group;
    this.onFrame(this.names());
  }

  pointAt(at: Spot): number {
    if (this.points === null) return -1;
    const chosen = this.chosen.peek();
    const hidden = (group: number) => chosen !== null && !isWithin(this.owners[group] ?? null, chosen);
    return this.points.nearest(
      this.camera.toMap(at),
      REACH_PIXELS / this.camera.scale,
      chosen === null ? () => false : hidden,
    );
  }

  /** The group that a point is told to be of, on the present level. */
  groupOf(point: number): Group | null {
    return this.owners[this.points!.group[point]!] ?? null;
  }

  choose(group: Group | null, fly = false): void {
    this.chosen.value = group;
    this.recolour();
    if (group !== null && fly) this.flyTo(group);
  }

  /** Pick the point of a member, at once or when it arrives. */
  pickMember(member: number): void {
    const point = this.points?.find(member) ?? null;
    if (point === null) this.awaited = member;
    else this.pick(point);
  }

  pick(point: number | null): void {
    this.awaited = null;
    this.picked.value = point;
    this.onFrame(this.names());
  }

  select(path: readonly Spot[]): void {
    if (this.points === null || path.length < 3) return;
    const points = this.points.within(path.map((place) => this.camera.toMap(place)));
    const counts = new Map<Group | null, number>();
    for (const point of points) counts.set(this.groupOf(point), (counts.get(this.groupOf(point)) ?? 0) + 1);
    const shares = [...counts]
      .map(([group, count]) => ({ group, count }))
      .sort((one, other) => other.count - one.count);
    this.selection.value = points.length === 0 ? null : { points, shares };
    this.mark();
  }

  /** The group whose name stands out. */
  get standsOut(): Group | null {
    return this.lookedAt ?? this.chosen.peek();
  }

  /** Take back what was chosen last. */
  back(): void {
    if (this.selection.peek() !== null) return this.unselect();
    this.pick(null);
    this.choose(null);
  }

  unselect(): void {
    this.selection.value = null;
    this.mark();
  }

  private begin(points: Points): Points {
    const { width, height } = this.camera;
    this.points = points;
    this.camera = new Camera(points.width, points.height);
    Object.assign(this.camera, { width, height });
    if (this.wanted !== null) this.camera.look(this.wanted);
    this.regroup();
    this.connect();
    return points;
  }

  private connect(): void {
    if (this.canvas === null || this.points === null) return;
    try {
      this.renderer = new Renderer(this.canvas, this.points);
    } catch (error) {
      if (!(error instanceof NoWebGL)) throw error;
      this.drawing.value = "none";
      return;
    }
    this.renderer.resize(this.camera.width, this.camera.height, this.ratio);
    this.recolour();
    this.mark();
  }

  private readonly onLost = (event: Event) => {
    event.preventDefault(); // or it would never be restored
    this.renderer = null;
    if (!this.abort.signal.aborted) this.drawing.value = "lost";
  };

  private readonly onRestored = () => {
    this.drawing.value = "yes";
    this.connect();
  };

  /** The groups have changed, or the coordinates have become known. */
  private regroup(): void {
    if (this.source === null) return;
    const groups = new Groups(this.source, this.points);
    if (this.points !== null) anchor(groups, this.points);
    this.groups.value = groups;
    this.chosen.value = groups.find(this.chosen.peek()?.id ?? null);
    this.relevel(true);
  }

  private relevel(anyway: boolean): void {
    const { depth } = this.groups.peek();
    const deeper = Math.floor(Math.log(Math.max(1, this.camera.view.zoom)) / Math.log(ZOOM_PER_LEVEL));
    const shown = Math.min(depth - 1, this.level === "zoom" ? this.groups.peek().telling + deeper : this.level);
    if (!anyway && shown === this.shown.peek()) return;
    this.shown.value = shown;
    this.owners = this.groups.peek().owners(this.points?.names ?? [], shown);
    this.recolour();
  }

  private recolour(): void {
    const groups = this.groups.peek();
    const looks = new Looks(groups.on(this.shown.peek()), this.ground);
    this.looks.value = looks;
    const chosen = this.chosen.peek();
    const names = this.points?.names ?? [];
    const finest = chosen === null ? [] : groups.owners(names, Infinity);
    const table = new Uint8Array(4 * names.length);
    this.owners.forEach((group, number) => {
      const { colour, shape } = looks.of(group);
      const strength =
        chosen === null ? (group === null ? FULL >> 1 : FULL) : isWithin(finest[number]!, chosen) ? FULL : FAINT;
      table.set([...colour, 4 * strength + shape], 4 * number);
    });
    this.renderer?.look(table);
    this.redraw();
  }

  private mark(): void {
    const points = this.points;
    if (points === null) return;
    const marks = new Uint8Array(points.total);
    for (const point of this.selection.peek()?.points ?? []) marks[point] = 255;
    this.renderer?.mark(marks);
    this.redraw();
  }

  private flyTo(group: Group): void {
    const points = this.points;
    if (points === null) return;
    const finest = this.groups
      .peek()
      .owners(points.names, Infinity)
      .map((each) => isWithin(each, group));
    const xs: number[] = [];
    const ys: number[] = [];
    const step = Math.max(1, Math.floor(points.loaded / 200_000));
    for (let point = 0; point < points.loaded; point += step) {
      if (!finest[points.group[point]!]) continue;
      const { x, y } = points.spot(point);
      xs.push(x);
      ys.push(y);
    }
    if (xs.length === 0) return;
    xs.sort((one, other) => one - other);
    ys.sort((one, other) => one - other);
    const at = (values: number[], share: number) => values[Math.floor((values.length - 1) * share)]!;
    this.look(this.camera.around({ x: at(xs, 0.02), y: at(ys, 0.02) }, { x: at(xs, 0.98), y: at(ys, 0.98) }), true);
  }

  /** The view was changed by hand. */
  private touched(): void {
    if (this.hovered.peek() !== null) this.hovered.value = null;
    this.redraw();
  }

  private redraw(): void {
    this.dirty = true;
    this.moved = performance.now();
    this.request();
  }

  private request(): void {
    if (this.frame === 0 && !this.abort.signal.aborted) this.frame = requestAnimationFrame(this.onAnimationFrame);
  }

  private readonly onAnimationFrame = (now: number) => {
    this.frame = 0;
    if (this.glide !== null) this.advance(now);
    const { renderer } = this;
    if (renderer === null) return this.over(now);
    if (!renderer.idle) return this.request();
    this.adapt(now);
    if (this.dirty) {
      this.dirty = false;
      this.drawn = 0;
      renderer.clear();
    }
    const loaded = this.points?.loaded ?? 0;
    const slice = this.drawn === 0 ? "first" : "more";
    const count = Math.min(this.slices[slice], loaded - this.drawn);
    if (count > 0) {
      renderer.draw(this.drawn, count, this.camera, this.brush(loaded));
      this.asked = { slice, at: now };
      this.drawn += count;
    }
    this.over(now);
  };

  /** Names and marks over the picture, and the next frame if there is more to do. */
  private over(now: number): void {
    this.relevel(false);
    this.onFrame(this.names());
    this.tell();
    const resting = this.glide === null && now - this.moved > STILL_MILLISECONDS;
    if (this.moved > 0 && resting) {
      this.moved = 0;
      this.onRest(this.camera.view);
    }
    const more = this.renderer !== null && this.drawn < (this.points?.loaded ?? 0);
    if (more || this.dirty || this.glide !== null || this.moved > 0) this.request();
  }

  /** How far the picture is, for who waits for it: tests, measurements. */
  private tell(): void {
    if (this.canvas === null) return;
    const { total } = this.progress.peek();
    this.canvas.dataset["drawn"] = String(this.drawn);
    this.canvas.dataset["whole"] = String(total > 0 && this.drawn === total && !this.dirty);
  }

  private advance(now: number): void {
    const { from, to, start } = this.glide!;
    const share = Math.min(1, (now - start) / GLIDE_MILLISECONDS);
    const eased = 1 - (1 - share) ** 3;
    const between = (a: number, b: number) => a + (b - a) * eased;
    this.camera.look({
      x: between(from.x, to.x),
      y: between(from.y, to.y),
      zoom: from.zoom * (to.zoom / from.zoom) ** eased,
    });
    if (share === 1) this.glide = null;
    this.dirty = true;
    this.moved = performance.now();
  }

  /** As many points a frame as are drawn in its time. */
  private adapt(now: number): void {
    if (this.asked === null) return;
    const { slice, at } = this.asked;
    const share = (now - at) / SLICE_MILLISECONDS[slice];
    const wanted = this.slices[slice] * (share > 4 ? 0.5 : share > 1 ? 0.83 : 1.25);
    this.slices[slice] = Math.round(Math.max(LEAST_SLICE, Math.min(wanted, this.points?.total ?? wanted)));
    this.asked = null;
  }

  /** Many points are small and let others through; zooming in makes them larger. */
  private brush(count: number): Brush {
    const size = Math.min(
      14,
      Math.max(1.3, 24 * Math.max(1, count) ** -0.2) * Math.max(1, this.camera.view.zoom) ** 0.3,
    );
    const covered =
      (count * size ** 2) / (this.camera.width * this.camera.height * Math.max(1, this.camera.view.zoom) ** 1.2);
    return {
      size: size * this.ratio,
      opacity: Math.max(0.3, 0.9 / (1 + 0.35 * covered)),
      marking: this.selection.peek() !== null,
    };
  }

  private names(): Placed[] {
    const groups = this.groups.peek();
    const chosen = this.chosen.peek();
    const shown = chosen === null ? groups.on(this.shown.peek()) : [chosen, ...chosen.children];
    return placeNames(shown, this.camera, this.standsOut);
  }
}
