/** The map of a definition's run. Its address holds the run, the level, the chosen group and what is looked at. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { href, place, setQuery } from "../router";
import { Button, LinkButton } from "../ui/Button";
import { useLoad } from "../ui/load";
import { EmptyState, ErrorState, Skeleton } from "../ui/states";
import { count } from "../ui/texts";
import { complain } from "../ui/toasts";
import { ApiError } from "../api/client";
import type { View } from "./camera";
import { PointDocument } from "./card";
import { type Loaded, loadRun, openMap, runName } from "./data";
import { GroupPanel } from "./group";
import { GroupList } from "./list";
import "./map.css";
import { NumberedMembers } from "./members";
import { type Level, Scene, type Selection } from "./scene";
import { Stage } from "./stage";

/** The map of a definition's run: the address's `run`, or the newest completed one. */
export default function MapView({ id }: { id: string }) {
  const wanted = place.value.query.get("run");
  const { data, error, loading, reload } = useLoad(`${id}/${wanted}`, (signal) => loadRun(id, wanted, signal));
  useEffect(() => {
    if (error !== null && data !== null) complain(error); // the map stays
  }, [error]);
  if (error !== null && data === null) return <Unmapped id={id} error={error} onRetry={reload} />;
  if (data === null || (loading && wanted !== null && wanted !== data.run.run_id)) return <Skeleton />;
  return <RunMap key={data.run.run_id} id={id} loaded={data} reload={reload} />;
}

function Unmapped({ id, error, onRetry }: { id: string; error: unknown; onRetry: () => void }) {
  const none = error instanceof ApiError && (error.status === 404 || error.status === 400);
  if (!none) return <ErrorState error={error} onRetry={onRetry} />;
  return (
    <EmptyState
      title="There is no map"
      action={<LinkButton href={href(["clusters", id])}>To the definition</LinkButton>}
    >
      {error.message}
    </EmptyState>
  );
}

interface Props {
  id: string;
  loaded: Loaded;
  reload: () => void;
}

function RunMap({ id, loaded, reload }: Props) {
  const { name, run, newest, source } = loaded;
  const scene = useMemo(() => new Scene(), []);
  useEffect(() => {
    void scene.load((signal) => openMap(id, run.run_id, signal));
    return () => scene.close();
  }, [scene]);
  useEffect(() => scene.setSource(source), [scene, source]);
  useAddress(scene, run.run_id);
  const group = scene.chosen.value;
  const point = scene.picked.value;
  const selection = scene.selection.value;
  return (
    <div class="map">
      <Bar id={id} loaded={loaded} scene={scene} />
      <Stage id={id} run={run.run_id} name={name} scene={scene} />
      <aside
        aria-label="What the map shows"
        class={group !== null || selection !== null || point !== null ? "open" : ""}
      >
        {selection !== null && <Chosen id={id} run={run.run_id} scene={scene} selection={selection} />}
        {point !== null && (
          <section class="card picked-card" aria-label="Document">
            <PointDocument key={point} id={id} run={run.run_id} scene={scene} point={point} />
          </section>
        )}
        {group !== null && (
          <GroupPanel id={id} run={run.run_id} newest={newest} scene={scene} group={group} onChanged={reload} />
        )}
        {group === null && selection === null && <GroupList scene={scene} />}
      </aside>
    </div>
  );
}

/** Which run, and which level of its groups. */
function Bar({ id, loaded: { name, run, runs }, scene }: { id: string; loaded: Loaded; scene: Scene }) {
  const level = place.value.query.get("level") ?? "zoom";
  const { depth } = scene.groups.value;
  const all = runs.some((each) => each.run_id === run.run_id) ? runs : [run, ...runs];
  const leave = { x: null, y: null, zoom: null, group: null, level: null, document: null, members: null };
  return (
    <header class="bar">
      <LinkButton kind="quiet" icon="back" label="To the definition" href={href(["clusters", id])} />
      <h1 class="cut">
        {name}
        <span class="hidden">: map</span>
      </h1>
      <select
        aria-label="Run"
        value={run.run_id}
        onChange={(event) => setQuery({ ...leave, run: event.currentTarget.value })}
      >
        {all.map((each) => (
          <option key={each.run_id} value={each.run_id}>
            {runName(each)}
          </option>
        ))}
      </select>
      {depth > 1 && (
        <select
          aria-label="Level of groups"
          value={level}
          onChange={(event) =>
            setQuery({ level: event.currentTarget.value === "zoom" ? null : event.currentTarget.value })
          }
        >
          <option value="zoom">Finer as one zooms in (now {scene.shown.value + 1})</option>
          {Array.from({ length: depth }, (_, number) => (
            <option key={number} value={String(number)}>
              Level {number + 1}
              {number === 0 ? ", broadest" : number === depth - 1 ? ", finest" : ""}
            </option>
          ))}
        </select>
      )}
    </header>
  );
}

/** What a loop went around. */
function Chosen({ id, run, scene, selection }: { id: string; run: string; scene: Scene; selection: Selection }) {
  const numbers = useMemo(() => Array.from(selection.points, (point) => scene.points!.member(point)), [selection]);
  const total = selection.points.length;
  return (
    <section aria-label="Selection" class="stack" data-selected={total}>
      <div class="title">
        <h2>{count(total)} selected</h2>
        <Button kind="quiet" icon="close" label="Give up the selection" onClick={() => scene.unselect()} />
      </div>
      <ul class="groups" aria-label="Groups in the selection">
        {selection.shares.map(({ group, count: own }) => (
          <li key={group?.id ?? "-1"}>
            <button type="button" onClick={() => scene.choose(group, false)} disabled={group === null}>
              <i class="dot" style={{ background: scene.looks.value.css(group) }} />
              <span class="cut">{group?.label ?? "in no group"}</span>
              <span class="num muted">
                {count(own)} · {Math.round((100 * own) / total)}%
              </span>
              <i class="share" style={{ width: `${(100 * own) / total}%`, background: scene.looks.value.css(group) }} />
            </button>
          </li>
        ))}
      </ul>
      <NumberedMembers key={numbers.join().slice(0, 200)} id={id} run={run} numbers={numbers} />
    </section>
  );
}

/** The address follows the map, and the map the address. */
function useAddress(scene: Scene, run: string): void {
  const { query } = place.value;
  const [told, setTold] = useState("");
  const level = query.get("level");
  const group = query.get("group");
  const member = query.get("document");
  const view = ["x", "y", "zoom"].map((name) => query.get(name)).join();
  const groups = scene.groups.value;
  useEffect(() => scene.setLevel(levelOf(level)), [level]);
  useEffect(() => {
    const [x, y, zoom] = view.split(",").map(Number);
    if (view !== told && view !== ",," && [x, y, zoom].every(Number.isFinite))
      scene.look({ x: x!, y: y!, zoom: zoom! });
  }, [view]);
  useEffect(() => {
    scene.onRest = (seen: View) => {
      const rounded = { x: seen.x.toFixed(4), y: seen.y.toFixed(4), zoom: seen.zoom.toFixed(2) };
      setTold(Object.values(rounded).join());
      if (place.peek().query.has("zoom") || seen.zoom !== 1) setQuery(rounded, true);
    };
  }, [scene]);
  // Groups are made anew when they are read again: the chosen one is then another object, or a part of another group.
  useEffect(() => {
    const now = groups.find(scene.chosen.peek()?.id ?? null);
    if (groups.all.length > 0 && now !== scene.chosen.peek()) scene.choose(now);
  }, [groups]);
  useInStep(
    groups.all.length > 0,
    group,
    scene.chosen.value?.id ?? null,
    (id) => {
      const asked = groups.find(id);
      if (asked !== null || id === null) scene.choose(asked);
    },
    (id) => setQuery({ group: id, members: null }),
  );
  // After the group, and in its step of the history: a click on a point is one step.
  useInStep(
    true,
    member,
    memberOf(scene, run, scene.picked.value),
    (asked) => {
      const number = asked?.startsWith(`${run}.`) ? asked.slice(run.length + 1) : "";
      if (/^\d{1,15}$/.test(number)) scene.pickMember(Number(number));
      else scene.pick(null);
    },
    (picked) => setQuery({ document: picked }, true),
  );
}

/**
 * Keep what the address tells and what the map shows in step: whichever left what both last agreed on is followed, the
 * address first. Two effects that each followed the other would swap the two for ever when both change at once.
 */
function useInStep(
  ready: boolean,
  told: string | null,
  shown: string | null,
  follow: (told: string | null) => void,
  tell: (shown: string | null) => void,
): void {
  const agreed = useRef<string | null>(null);
  useEffect(() => {
    if (!ready) return;
    if (told !== agreed.current) {
      agreed.current = told;
      if (told !== shown) follow(told);
    } else if (shown !== agreed.current) {
      agreed.current = shown;
      tell(shown);
    }
  }, [ready, told, shown]);
}

/** The member that a point is, as the address has it: with its run, as another run's numbers are of other documents. */
function memberOf(scene: Scene, run: string, point: number | null): string | null {
  return point === null ? null : `${run}.${scene.points!.member(point)}`;
}

function levelOf(text: string | null): Level {
  const number = Number(text);
  return text !== null && Number.isInteger(number) && number >= 0 ? number : "zoom";
}
