import { useEffect, useRef, useState } from "preact/hooks";

import { api, take } from "../../api/client";
import { followTask } from "../../api/events";
import type { Schemas, Task } from "../../api/types";
import { Bars } from "../../ui/Bars";
import { Button } from "../../ui/Button";
import { useSettled } from "../../ui/load";
import { Progress, messageOf } from "../../ui/states";
import { Table } from "../../ui/Table";
import { counted, figure, seconds } from "../../ui/texts";
import { type Draft, PREVIEW_SAMPLE, previewOf, withConfig } from "./draft";
import { METHODS } from "./methods";

interface Props {
  draft: Draft;
  ready: boolean;
  onUse: (draft: Draft) => void;
}

const SETTLE_MILLISECONDS = 700;
const SUGGESTION = { sample_size: 2_000, time_budget_seconds: 30 };

/** Tries the draft on a sample, or has the service look for parameters. */
export function Trial({ draft, ready, onUse }: Props) {
  const [shows, show] = useState<"nothing" | "preview" | "suggestions">("nothing");
  return (
    <section class="card stack tight" aria-label="Try it">
      <div class="row">
        <h2>Try it</h2>
        <span class="muted small">{`On a sample of ${PREVIEW_SAMPLE.toLocaleString()} documents; nothing is kept.`}</span>
        <span class="row push">
          <Button disabled={!ready} onClick={() => show("suggestions")}>
            Suggest
          </Button>
          <Button disabled={!ready} onClick={() => show("preview")}>
            Preview
          </Button>
        </span>
      </div>
      {ready && shows === "preview" && <Preview draft={draft} />}
      {ready && shows === "suggestions" && <Suggestions draft={draft} onUse={onUse} />}
    </section>
  );
}

type Outcome = { answer: Schemas["ExecuteClusterResponse"]; took: number } | { error: unknown };

/**
 * What would come of the draft, again after each change that has settled. One request is under way at a time: the worker
 * finishes what it began, and only the newest draft is asked for next.
 */
function Preview({ draft }: { draft: Draft }) {
  const wanted = useSettled(JSON.stringify(previewOf(draft)), SETTLE_MILLISECONDS);
  const [asked, setAsked] = useState<string | null>(null);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const done = useRef<string | null>(null);
  const gone = useRef(false);
  useEffect(() => () => void (gone.current = true), []);
  useEffect(() => {
    if (asked !== null || (outcome !== null && wanted === done.current)) return;
    setAsked(wanted);
    const begun = performance.now();
    take(api.POST("/v1/clusters/execute", { body: JSON.parse(wanted) }))
      .then((answer): Outcome => ({ answer, took: (performance.now() - begun) / 1000 }))
      .catch((error: unknown): Outcome => ({ error }))
      .then((found) => {
        if (gone.current) return;
        done.current = wanted;
        setOutcome(found);
        setAsked(null);
      });
  }, [wanted, asked]);
  return (
    <div aria-live="polite" aria-busy={asked !== null} class={asked !== null && outcome !== null ? "stale" : ""}>
      {outcome === null && <p class="muted">Grouping the sample…</p>}
      {outcome !== null && "error" in outcome && <p class="notice bad">{messageOf(outcome.error)}</p>}
      {outcome !== null && "answer" in outcome && <Found {...outcome} />}
    </div>
  );
}

function Found({ answer, took }: { answer: Schemas["ExecuteClusterResponse"]; took: number }) {
  const groups = answer.centroids.filter((each) => each.hierarchy_level === 0);
  const sizes = groups.map((each) => each.num_members ?? 0);
  const noise = (answer.metrics ?? {}).noise_ratio ?? 0;
  return (
    <div class="stack tight">
      <p>
        <strong>{counted(answer.num_clusters, "group")}</strong> in {counted(answer.num_documents, "document")}
        {noise > 0 && `, ${(noise * 100).toFixed(1)}% noise`}
        <span class="muted">{` · silhouette ${figure(answer.metrics?.silhouette_score)} · ${seconds(took)}`}</span>
      </p>
      <Bars
        label="Sizes of the groups"
        rows={groups.map((each, at) => ({ name: each.label ?? each.cluster_id, value: sizes[at]! }))}
      />
      {(answer.warnings ?? []).map((warning) => (
        <p key={warning} class="notice warn">
          {warning}
        </p>
      ))}
    </div>
  );
}

interface Suggestion {
  rank: number;
  vector_config: Schemas["VectorBasedConfig"];
  groups: number;
  noise_ratio: number;
  stability: number;
  score: number;
}

function Suggestions({ draft, onUse }: { draft: Draft; onUse: (draft: Draft) => void }) {
  const [task, setTask] = useState<Task | null>(null);
  const [error, setError] = useState<unknown>(null);
  const sources = JSON.stringify([draft.collections, draft.vector]);
  useEffect(() => {
    const abort = new AbortController();
    const body = {
      ...SUGGESTION,
      collection_ids: [...draft.collections],
      feature_vector: { vector_name: draft.vector },
    };
    take(api.POST("/v1/clusters/suggest", { body: body as Schemas["SuggestClustersRequest"], signal: abort.signal }))
      .then((begun) => followTask(begun.task_id, setTask, abort.signal))
      .catch((refused: unknown) => abort.signal.aborted || setError(refused));
    return () => abort.abort();
  }, [sources]);
  const state = (task?.additional_data ?? {}) as { progress?: number; suggestions?: Suggestion[] };
  if (error !== null) return <p class="notice bad">{messageOf(error)}</p>;
  if (task?.error_message) return <p class="notice bad">{task.error_message}</p>;
  if (state.suggestions === undefined)
    return <Progress value={state.progress ?? 0} label="Trying algorithms and parameters" />;
  return (
    <Table
      caption="Suggestions"
      rows={state.suggestions}
      id={(row) => String(row.rank)}
      columns={[
        { key: "method", title: "Method", cell: (row) => <span class="main">{nameOf(row)}</span> },
        {
          key: "params",
          title: "Parameters",
          cell: (row) => <code>{written(row.vector_config.algorithm_params)}</code>,
        },
        { key: "groups", title: "Groups", right: true, cell: (row) => row.groups },
        { key: "noise", title: "Noise", right: true, cell: (row) => `${(row.noise_ratio * 100).toFixed(0)}%` },
        { key: "stability", title: "Stable", right: true, cell: (row) => row.stability.toFixed(2) },
        { key: "score", title: "Score", right: true, cell: (row) => row.score.toFixed(2) },
        {
          key: "use",
          title: "",
          cell: (row) => <Button onClick={() => onUse(withConfig(draft, row.vector_config))}>Use</Button>,
        },
      ]}
    />
  );
}

function nameOf({ vector_config: { clustering_method, dimensionality_reduction } }: Suggestion): string {
  const reduction = (dimensionality_reduction as { method?: string } | null | undefined)?.method;
  return (reduction ? `${reduction.toUpperCase()} + ` : "") + METHODS[clustering_method].title;
}

function written(params: unknown): string {
  return Object.entries((params ?? {}) as Record<string, unknown>)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(" ");
}
