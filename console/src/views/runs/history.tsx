import { useState } from "preact/hooks";

import { api, take } from "../../api/client";
import type { Cluster, Execution } from "../../api/types";
import { href, place, setQuery } from "../../router";
import { Button, LinkButton } from "../../ui/Button";
import { Confirm } from "../../ui/Dialog";
import { useLoad } from "../../ui/load";
import { ErrorState, Skeleton, Status } from "../../ui/states";
import { type Column, Pages, Table } from "../../ui/Table";
import { Ago, count, figure, seconds } from "../../ui/texts";
import { complain, tell } from "../../ui/toasts";
import { Quality } from "./quality";

const PAGE = 25;

interface Props {
  cluster: Cluster;
  /** Grows when runs have ended: the list is then read anew. */
  turn: number;
  onChanged: () => void;
}

/** The runs of a definition, their quality over time, and two of them to compare. */
export function RunsSection({ cluster, turn, onChanged }: Props) {
  const id = cluster.cluster_id;
  const { query } = place.value;
  const offset = Math.max(0, Number(query.get("runs")) || 0);
  const [deleting, setDeleting] = useState<Execution | null>(null);
  const { data, error, reload } = useLoad(`${id}/${offset}/${turn}/${cluster.task_id}`, (signal) =>
    take(
      api.POST("/v1/clusters/{cluster_id}/executions/list", {
        params: { path: { cluster_id: id }, query: { limit: PAGE, offset } },
        body: {},
        signal,
      }),
    ),
  );
  if (error !== null) return <ErrorState error={error} onRetry={reload} />;
  if (data === null) return <Skeleton />;
  const runs = data.results as Execution[];
  if (runs.length === 0) return <NoRuns />;
  const chosen = (query.get("compare") ?? "").split(",").filter(Boolean);
  const choose = (run: Execution) => {
    const next = chosen.includes(run.run_id)
      ? chosen.filter((each) => each !== run.run_id)
      : [...chosen, run.run_id].slice(-2);
    setQuery({ compare: next.join(",") }, true);
  };
  return (
    <section class="stack tight" aria-label="Runs">
      <div class="row">
        <h2>Runs</h2>
        <span class="push">
          <CompareButton id={id} chosen={oldestFirst(chosen, runs)} />
        </span>
      </div>
      <Quality runs={runs} />
      <Table
        caption="Runs, the newest first"
        columns={columnsOf(cluster, chosen, choose, setDeleting)}
        rows={runs}
        id={(run) => run.run_id}
        selected={(run) => chosen.includes(run.run_id)}
      />
      {data.total_count > PAGE && (
        <Pages
          total={data.total_count}
          offset={offset}
          limit={PAGE}
          what="runs"
          onOffset={(to) => setQuery({ runs: to || null })}
        />
      )}
      {deleting && <DeleteRun id={id} run={deleting} onClose={() => setDeleting(null)} onDeleted={onChanged} />}
    </section>
  );
}

function NoRuns() {
  return (
    <section class="empty">
      <h2>Never run</h2>
      <p>Press Run: the groups show up here, and on the map.</p>
    </section>
  );
}

/** The older one first, whichever was ticked first, as far as the page of runs tells. */
function oldestFirst(chosen: readonly string[], runs: readonly Execution[]): string[] {
  const place = (id: string) => runs.findIndex((run) => run.run_id === id);
  return [...chosen].sort((a, b) => place(b) - place(a));
}

function CompareButton({ id, chosen }: { id: string; chosen: readonly string[] }) {
  const [a, b] = chosen;
  if (a === undefined || b === undefined) return <span class="muted small">Tick two runs to compare them</span>;
  return (
    <LinkButton icon="compare" href={href(["clusters", id, "compare", a, b])}>
      Compare the two
    </LinkButton>
  );
}

function columnsOf(
  cluster: Cluster,
  chosen: readonly string[],
  choose: (run: Execution) => void,
  remove: (run: Execution) => void,
): readonly Column<Execution>[] {
  const id = cluster.cluster_id;
  return [
    {
      key: "tick",
      title: "",
      cell: (run) => <Tick run={run} on={chosen.includes(run.run_id)} onChange={() => choose(run)} />,
    },
    { key: "when", title: "Started", cell: (run) => <When run={run} /> },
    { key: "status", title: "Status", cell: (run) => <StatusOf run={run} /> },
    { key: "took", title: "Took", right: true, cell: (run) => tookOf(run) },
    { key: "groups", title: "Groups", right: true, cell: (run) => (isDone(run) ? count(run.num_clusters) : "–") },
    { key: "documents", title: "Documents", right: true, cell: (run) => (isDone(run) ? count(run.num_points) : "–") },
    {
      key: "noise",
      title: "Noise",
      right: true,
      cell: (run) => (run.metrics.noise_ratio === undefined ? "–" : `${(run.metrics.noise_ratio * 100).toFixed(1)}%`),
    },
    { key: "silhouette", title: "Silhouette", right: true, cell: (run) => figure(run.metrics.silhouette_score) },
    {
      key: "more",
      title: "",
      cell: (run) => (
        <span class="row tight" style={{ flexWrap: "nowrap", justifyContent: "flex-end" }}>
          {isDone(run) && cluster.cluster_type === "vector" && (
            <LinkButton
              kind="quiet"
              icon="map"
              label="The run's map"
              href={href(["clusters", id, "map"], { run: run.run_id })}
            />
          )}
          {run.status !== "pending" && run.status !== "processing" && (
            <Button kind="quiet" icon="trash" label="Delete the run" onClick={() => remove(run)} />
          )}
        </span>
      ),
    },
  ];
}

const isDone = (run: Execution) => run.status === "completed";

function Tick({ run, on, onChange }: { run: Execution; on: boolean; onChange: () => void }) {
  if (!isDone(run)) return null;
  return (
    <input
      type="checkbox"
      aria-label={`Compare the run of ${new Date(run.created_at).toLocaleString()}`}
      checked={on}
      onChange={onChange}
    />
  );
}

function When({ run }: { run: Execution }) {
  return (
    <span class="row tight">
      <Ago at={run.created_at} />
      {run.run_name && <span class="chip">{run.run_name}</span>}
      {run.mode !== "full" && <span class="chip">{run.mode}</span>}
    </span>
  );
}

function StatusOf({ run }: { run: Execution }) {
  return (
    <span title={run.error_message ?? undefined}>
      <Status of={run.status} />
    </span>
  );
}

function tookOf(run: Execution): string {
  if (!run.completed_at) return "–";
  return seconds((Date.parse(run.completed_at) - Date.parse(run.created_at)) / 1000);
}

interface DeleteProps {
  id: string;
  run: Execution;
  onClose: () => void;
  onDeleted: () => void;
}

function DeleteRun({ id, run, onClose, onDeleted }: DeleteProps) {
  const [busy, setBusy] = useState(false);
  const remove = async () => {
    setBusy(true);
    try {
      const path = { cluster_id: id, run_id: run.run_id };
      await take(api.DELETE("/v1/clusters/{cluster_id}/executions/{run_id}", { params: { path } }));
      tell("Deleted the run.");
      onDeleted();
    } catch (refused) {
      complain(refused);
    }
    onClose();
  };
  return (
    <Confirm title="Delete this run?" deed="Delete the run" busy={busy} onDo={() => void remove()} onClose={onClose}>
      <p>Its groups and files go. If it is the newest result, the definition shows the one before.</p>
    </Confirm>
  );
}
