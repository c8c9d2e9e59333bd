/** The picture and what is done on it by hand and by keyboard. */
import { useEffect, useRef, useState } from "preact/hooks";

import { Button } from "../ui/Button";
import { EmptyState, messageOf } from "../ui/states";
import { count, counted } from "../ui/texts";
import { theme } from "../ui/theme";
import { HoverCard } from "./card";
import { listen } from "./gestures";
import { Overlay } from "./overlay";
import type { Scene } from "./scene";

interface Props {
  id: string;
  run: string;
  name: string;
  scene: Scene;
}

const STEP_PIXELS = 60;
const ZOOM_STEP = 1.5;

export function Stage({ id, run, name, scene }: Props) {
  const stage = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [loops, setLoops] = useState(false);
  const looping = useRef(false);
  looping.current = loops;
  useEffect(() => scene.mount(canvas.current!), [scene]);
  useEffect(() => follow(stage.current!, scene), [scene]);
  useEffect(
    () =>
      attach(
        stage.current!,
        scene,
        () => looping.current,
        () => setLoops(false),
      ),
    [scene],
  );
  useGround(scene);
  const { loaded, total } = scene.progress.value;
  const lost = scene.drawing.value;
  return (
    <div
      class={loops ? "stage loops" : "stage"}
      ref={stage}
      tabIndex={0}
      role="application"
      aria-label={`Map of ${name}`}
      aria-describedby="map-help"
      data-loaded={loaded}
      data-total={total}
      onKeyDown={(event) => onKey(event, scene)}
    >
      <canvas ref={canvas} aria-hidden="true" />
      <div class="names" aria-hidden="true" />
      <svg class="loop" aria-hidden="true">
        <path />
      </svg>
      <div class="ring" hidden />
      <div class="ring picked" hidden />
      {lost === "none" && (
        <div class="over" data-controls>
          <EmptyState title="The map cannot be drawn">
            This browser has no WebGL 2. The groups and their members are in the list beside.
          </EmptyState>
        </div>
      )}
      {lost === "lost" && <div class="over note">The graphics processor was lost; the map returns with it.</div>}
      {scene.fault.value !== null && (
        <div class="over" data-controls>
          <EmptyState title="The points did not arrive">{messageOf(scene.fault.value)}</EmptyState>
        </div>
      )}
      <HoverCard id={id} run={run} scene={scene} />
      <div class="tools" data-controls role="toolbar" aria-label="Look at the map">
        <Button icon="plus" label="Zoom in (+)" onClick={() => scene.zoomBy(ZOOM_STEP)} />
        <Button icon="minus" label="Zoom out (−)" onClick={() => scene.zoomBy(1 / ZOOM_STEP)} />
        <Button icon="fit" label="See all (0)" onClick={() => scene.look(scene.camera.home, true)} />
        <Button
          icon="lasso"
          label="Select with a loop (or drag with Shift)"
          aria-pressed={loops}
          onClick={() => setLoops(!loops)}
        />
      </div>
      <div class="foot" data-controls role="status">
        {loaded < total || total === 0 ? `${count(loaded)} of ${count(total)} documents` : told(scene)}
      </div>
      <p class="hidden" id="map-help">
        Arrow keys move the map, plus and minus zoom, 0 shows all, Escape takes back what is chosen. The list of groups
        after the map offers the same.
      </p>
    </div>
  );
}

function told(scene: Scene): string {
  const { points } = scene;
  const members = points!.members;
  const drawn =
    members > points!.total ? `${count(points!.total)} of ${count(members)} documents` : counted(members, "document");
  const { noise } = scene.groups.value;
  return `${drawn} · ${counted(scene.groups.value.on(scene.shown.value).length, "group")}${noise > 0 ? ` · ${count(noise)} in none` : ""}`;
}

/** Keep the picture as large as its place. */
function follow(stage: HTMLElement, scene: Scene): () => void {
  const observer = new ResizeObserver(() => scene.resize(stage.clientWidth, stage.clientHeight));
  observer.observe(stage);
  return () => observer.disconnect();
}

function attach(stage: HTMLElement, scene: Scene, drawsLoops: () => boolean, onLooped: () => void): () => void {
  const rings = [...stage.querySelectorAll<HTMLElement>(".ring")];
  const overlay = new Overlay(stage.querySelector(".names")!, stage.querySelector(".loop path")!, rings);
  const spot = (point: number | null | undefined) =>
    point === null || point === undefined ? null : scene.camera.toScreen(scene.points!.spot(point));
  scene.onFrame = (names) => {
    overlay.names(names, scene.looks.peek(), scene.standsOut);
    overlay.circle([spot(scene.hovered.peek()?.point), spot(scene.picked.peek())]);
  };
  return listen(stage, {
    pan: (dx, dy) => scene.pan(dx, dy),
    zoom: (place, factor) => scene.zoom(place, factor),
    hover: (place) => scene.hover(place),
    click: (place, target) => {
      const named = target.closest<HTMLElement>("[data-group]")?.dataset["group"];
      const point = named === undefined ? scene.pointAt(place) : -1;
      scene.pick(point < 0 ? null : point);
      scene.choose(point < 0 ? scene.groups.peek().find(named ?? null) : scene.groupOf(point));
    },
    loop: (path) => overlay.loop(path),
    looped: (path) => {
      scene.select(path);
      onLooped();
    },
    drawsLoops,
  });
}

const MOVES: Record<string, readonly [number, number]> = {
  ArrowLeft: [1, 0],
  ArrowRight: [-1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

function onKey(event: KeyboardEvent, scene: Scene): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const move = MOVES[event.key];
  if (move !== undefined) scene.pan(move[0] * STEP_PIXELS, move[1] * STEP_PIXELS);
  else if (event.key === "+" || event.key === "=") scene.zoomBy(ZOOM_STEP);
  else if (event.key === "-") scene.zoomBy(1 / ZOOM_STEP);
  else if (event.key === "0") scene.look(scene.camera.home, true);
  else if (event.key === "Escape") scene.back();
  else return;
  event.preventDefault();
}

/** Draw for the background there is: as the theme says, or the system. */
function useGround(scene: Scene): void {
  const chosen = theme.value;
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const apply = () =>
      scene.setGround(chosen === "dark" || (chosen === "system" && system.matches) ? "dark" : "light");
    apply();
    system.addEventListener("change", apply);
    return () => system.removeEventListener("change", apply);
  }, [chosen, scene]);
}
