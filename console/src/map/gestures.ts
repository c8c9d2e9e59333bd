/** What hands do on the map: drag to move, wheel or pinch to zoom, click to choose, draw a loop to select. */
import type { Spot } from "./camera";

export interface Deeds {
  pan: (dx: number, dy: number) => void;
  zoom: (place: Spot, factor: number) => void;
  hover: (place: Spot | null) => void;
  click: (place: Spot, target: Element) => void;
  /** The loop as it is drawn; empty when it is given up. */
  loop: (path: readonly Spot[]) => void;
  looped: (path: readonly Spot[]) => void;
  /** Whether dragging draws a loop even without Shift. */
  drawsLoops: () => boolean;
}

const CLICK_PIXELS = 4;
const WHEEL_PIXELS = 400;
const LINE_PIXELS = 16;
const LOOP_STEP = 3;

/** Listen on an element until the returned function is called. */
export function listen(element: HTMLElement, deeds: Deeds): () => void {
  const held = new Map<number, Spot>();
  let start: Spot & { target: Element } = { x: 0, y: 0, target: element };
  let still = true;
  let loop: Spot[] | null = null;

  const at = (event: MouseEvent): Spot => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  const down = (event: PointerEvent) => {
    if (event.button !== 0 || (event.target as Element).closest("[data-controls]")) return;
    const place = at(event);
    if (held.size === 0) {
      start = { ...place, target: event.target as Element };
      still = true;
      loop = event.shiftKey || deeds.drawsLoops() ? [place] : null;
    } else {
      loop = null;
      deeds.loop([]);
    }
    held.set(event.pointerId, place);
    element.setPointerCapture(event.pointerId);
    element.focus({ preventScroll: true });
    event.preventDefault();
  };

  const move = (event: PointerEvent) => {
    const place = at(event);
    const before = held.get(event.pointerId);
    if (before === undefined) return deeds.hover((event.target as Element).closest("[data-controls]") ? null : place);
    held.set(event.pointerId, place);
    if (Math.hypot(place.x - start.x, place.y - start.y) > CLICK_PIXELS) still = false;
    if (loop !== null) {
      const last = loop.at(-1)!;
      if (Math.hypot(place.x - last.x, place.y - last.y) >= LOOP_STEP) loop.push(place);
      deeds.loop(loop);
    } else if (held.size === 1) {
      if (!still) deeds.pan(place.x - before.x, place.y - before.y);
    } else {
      pinch(event.pointerId, before, place);
    }
  };

  const pinch = (pointer: number, before: Spot, place: Spot) => {
    const other = [...held].find(([id]) => id !== pointer)?.[1];
    if (other === undefined) return;
    const span = (spot: Spot) => Math.max(1, Math.hypot(spot.x - other.x, spot.y - other.y));
    deeds.pan((place.x - before.x) / 2, (place.y - before.y) / 2);
    deeds.zoom({ x: (place.x + other.x) / 2, y: (place.y + other.y) / 2 }, span(place) / span(before));
  };

  const up = (event: PointerEvent) => {
    if (!held.delete(event.pointerId)) return;
    const path = loop;
    loop = null;
    if (event.type === "pointercancel") return deeds.loop([]);
    if (path !== null && !still) deeds.looped(path);
    else if (still && held.size === 0) deeds.click(at(event), start.target);
    if (path !== null) deeds.loop([]);
  };

  const wheel = (event: WheelEvent) => {
    if ((event.target as Element).closest("[data-controls]")) return;
    event.preventDefault();
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * LINE_PIXELS;
    deeds.zoom(at(event), 2 ** (-(event.ctrlKey ? 5 : 1) * (pixels / WHEEL_PIXELS)));
  };

  const leave = () => deeds.hover(null);
  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("pointerleave", leave);
  element.addEventListener("wheel", wheel, { passive: false });
  return () => {
    element.removeEventListener("pointerdown", down);
    element.removeEventListener("pointermove", move);
    element.removeEventListener("pointerup", up);
    element.removeEventListener("pointercancel", up);
    element.removeEventListener("pointerleave", leave);
    element.removeEventListener("wheel", wheel);
  };
}
