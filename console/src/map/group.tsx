/** A group beside the map: what it is, who is in it, and what a person says of it. */
import { useState } from "preact/hooks";

import { api, take } from "../api/client";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Field } from "../ui/Field";
import { useLoad } from "../ui/load";
import { count, counted } from "../ui/texts";
import { complain, tell } from "../ui/toasts";
import type { Group } from "./groups";
import { Extremes, GroupMembers } from "./members";
import type { Scene } from "./scene";

interface Props {
  id: string;
  run: string;
  /** Pins and merges are said of the newest run, and hold in those to come. */
  newest: boolean;
  scene: Scene;
  group: Group;
  onChanged: () => void;
}

export function GroupPanel({ id, run, newest, scene, group, onChanged }: Props) {
  const leaf = group.children.length === 0;
  return (
    <section aria-label={`Group ${group.label}`} class="stack" data-chosen={group.id}>
      <div>
        <Button kind="quiet" icon="back" onClick={() => scene.back()}>
          All groups
        </Button>
      </div>
      <Title key={group.id + group.label} id={id} run={run} newest={newest} group={group} colour={scene.looks.value.near(group)} onChanged={onChanged} />
      <p class="muted small num">
        {counted(group.count, "document")}
        {group.parent && (
          <>
            {" in "}
            <button type="button" class="link" onClick={() => scene.choose(group.parent, true)}>
              {group.parent.label}
            </button>
          </>
        )}
      </p>
      {group.summary && <p>{group.summary}</p>}
      {group.keywords.length > 0 && (
        <div class="row tight" aria-label="Keywords" role="group">
          {group.keywords.map((word) => (
            <span class="chip" key={word}>
              {word}
            </span>
          ))}
        </div>
      )}
      {!leaf && <Parts scene={scene} group={group} />}
      {newest && <Deeds id={id} scene={scene} group={group} onChanged={onChanged} />}
      <Extremes run={run} group={group.id} total={group.count} sorted={leaf} key={`far-${group.id}`} />
      <GroupMembers run={run} group={group.id} total={group.count} key={group.id} />
    </section>
  );
}

/** The label, to be changed where it stands. */
function Title({ id, run, newest, group, colour, onChanged }: Omit<Props, "scene"> & { colour: string }) {
  const [given, setGiven] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const save = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await rename(id, run, newest, group.id, given ?? "");
      tell(given?.trim() ? `Renamed to ${given.trim()}` : "The group has its own name back");
      setGiven(null);
      onChanged();
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  if (given === null) {
    return (
      <div class="title">
        <i class="dot" style={{ background: colour }} />
        <h2>{group.label}</h2>
        <Button kind="quiet" icon="edit" label="Rename" onClick={() => setGiven(group.label)} />
      </div>
    );
  }
  return (
    <form class="row tight" onSubmit={(event) => void save(event)}>
      <input
        aria-label="Label"
        ref={(element) => element?.focus()}
        value={given}
        maxLength={200}
        placeholder="empty: its own name"
        onInput={(event) => setGiven(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && setGiven(null)}
      />
      <Button kind="primary" type="submit" disabled={busy}>
        Save
      </Button>
      <Button onClick={() => setGiven(null)}>Cancel</Button>
    </form>
  );
}

/** In the newest run for good, in an older one for that run alone. */
async function rename(id: string, run: string, newest: boolean, group: string, label: string): Promise<void> {
  if (newest) await take(api.PATCH("/v1/clusters/{cluster_id}/groups/{group_id}", { params: { path: { cluster_id: id, group_id: group } }, body: { label } }));
  else await take(api.PATCH("/v1/clusters/{cluster_id}/executions/{run_id}/labels", { params: { path: { cluster_id: id, run_id: run } }, body: { labels: { [group]: label } } }));
}

function Parts({ scene, group }: { scene: Scene; group: Group }) {
  return (
    <ul class="groups" aria-label="Groups in it">
      {group.children.map((part) => (
        <li key={part.id}>
          <button type="button" onClick={() => scene.choose(part, true)}>
            <i class="dot" style={{ background: scene.looks.value.near(part) }} />
            <span class="cut">{part.label}</span>
            <span class="num muted">{count(part.count)}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Pin and merge. */
function Deeds({ id, scene, group, onChanged }: Pick<Props, "id" | "scene" | "group" | "onChanged">) {
  const [merging, setMerging] = useState(false);
  const path = { cluster_id: id, group_id: group.id };
  const { data, reload } = useLoad(`${id}/${group.id}`, (signal) => take(api.GET("/v1/clusters/{cluster_id}/groups/{group_id}", { params: { path }, signal })));
  const pinned = data?.pinned ?? false;
  const pin = async () => {
    try {
      await take(api.PATCH("/v1/clusters/{cluster_id}/groups/{group_id}", { params: { path }, body: { pinned: !pinned } }));
      tell(pinned ? "Later runs may name it anew" : "Later runs keep its name");
      reload();
    } catch (error) {
      complain(error);
    }
  };
  const unmerge = async (part: string) => {
    try {
      await take(api.POST("/v1/clusters/{cluster_id}/groups/{group_id}/unmerge", { params: { path: { cluster_id: id, group_id: part } } }));
      tell("The two are apart again");
      reload();
      onChanged();
    } catch (error) {
      complain(error);
    }
  };
  const siblings = scene.groups.value.all.filter((other) => other !== group && other.parent === group.parent && other.children.length === 0);
  return (
    <div class="row">
      <Button icon="pin" aria-pressed={pinned} disabled={data === null} onClick={() => void pin()}>
        {pinned ? "Pinned" : "Pin"}
      </Button>
      {group.children.length === 0 && siblings.length > 0 && (
        <Button icon="merge" onClick={() => setMerging(true)}>
          Merge…
        </Button>
      )}
      {data?.merged_groups.map((part) => (
        <Button key={part} kind="quiet" onClick={() => void unmerge(part)}>
          Take {part} out
        </Button>
      ))}
      {merging && <Merge id={id} scene={scene} group={group} siblings={siblings} onClose={() => setMerging(false)} onChanged={onChanged} />}
    </div>
  );
}

function Merge({ id, scene, group, siblings, onClose, onChanged }: Pick<Props, "id" | "scene" | "group" | "onChanged"> & { siblings: readonly Group[]; onClose: () => void }) {
  const [into, setInto] = useState(nearest(group, siblings).id);
  const [busy, setBusy] = useState(false);
  const merge = async () => {
    setBusy(true);
    try {
      await take(api.POST("/v1/clusters/{cluster_id}/groups/{group_id}/merge", { params: { path: { cluster_id: id, group_id: group.id } }, body: { into } }));
      tell(`${group.label} is a part of ${scene.groups.peek().find(into)?.label ?? into} now`);
      scene.choose(scene.groups.peek().find(into));
      onClose();
      onChanged();
    } catch (error) {
      complain(error);
      setBusy(false);
    }
  };
  const actions = (
    <>
      <Button onClick={onClose}>Keep it</Button>
      <Button kind="primary" disabled={busy} onClick={() => void merge()}>
        Merge
      </Button>
    </>
  );
  return (
    <Dialog title={`Merge ${group.label}`} onClose={onClose} actions={actions}>
      <Field label="Into" hint="The group becomes a part of this one, now and in the runs to come. It can be taken out again.">
        {(wiring) => (
          <select {...wiring} value={into} onChange={(event) => setInto(event.currentTarget.value)}>
            {siblings.map((other) => (
              <option key={other.id} value={other.id}>
                {other.label} ({count(other.count)})
              </option>
            ))}
          </select>
        )}
      </Field>
    </Dialog>
  );
}

/** What is most likely meant: the one beside it. */
function nearest(group: Group, others: readonly Group[]): Group {
  const distance = ({ centre }: Group) => (centre === null || group.centre === null ? Infinity : Math.hypot(centre.x - group.centre.x, centre.y - group.centre.y));
  return others.reduce((best, other) => (distance(other) < distance(best) ? other : best));
}
