import { api, take } from "../../api/client";
import type { Execution, Groups } from "../../api/types";
import { go, href, place, setQuery } from "../../router";
import { Button, LinkButton } from "../../ui/Button";
import { Check, Field } from "../../ui/Field";
import { useLoad } from "../../ui/load";
import { EmptyState, ErrorState, Skeleton } from "../../ui/states";
import { Pages, Table } from "../../ui/Table";
import { count, figure } from "../../ui/texts";
import { useTitle } from "../../ui/title";
import { Changes } from "./changes";
import { type Comparison, NOISE } from "./flow";
import { FlowChart } from "./FlowChart";
import "./runs.css";

const PAGE = 25;
const MOST_RUNS = 200;

/** What changed from one run of a definition to another. */
export default function CompareView({ id, before, after }: { id: string; before: string; after: string }) {
  useTitle(`Runs of ${id} compared`);
  const { data, error, loading, reload } = useLoad(`${id}/${before}/${after}`, (signal) =>
    read(id, before, after, signal),
  );
  return (
    <>
      <div class="head">
        <div>
          <p class="crumbs">
            <a href={href(["clusters"])}>Clusters</a> / <a href={href(["clusters", id])}>{id}</a>
          </p>
          <h1>Two runs compared</h1>
        </div>
      </div>
      <div class="stack">
        <Runs id={id} before={before} after={after} />
        {error !== null ? (
          <ErrorState error={error} onRetry={reload} />
        ) : data === null ? (
          <>
            <p class="muted small">Laying the runs side by side. Large ones take a while.</p>
            <Skeleton lines={8} />
          </>
        ) : (
          <Told id={id} loading={loading} {...data} />
        )}
      </div>
    </>
  );
}

async function read(id: string, before: string, after: string, signal: AbortSignal) {
  const path = { cluster_id: id, run_id: before, other_run_id: after };
  const groups = (run_id: string) =>
    take(
      api.GET("/v1/clusters/{cluster_id}/executions/{run_id}/groups", {
        params: { path: { cluster_id: id, run_id } },
        signal,
      }),
    );
  const [told, ...both] = await Promise.all([
    take(api.GET("/v1/clusters/{cluster_id}/executions/{run_id}/compare/{other_run_id}", { params: { path }, signal })),
    groups(before),
    groups(after),
  ]);
  return { told, groups: both as [Groups, Groups] };
}

/** Which runs are compared: chosen among the completed ones. */
function Runs({ id, before, after }: { id: string; before: string; after: string }) {
  const { data, error } = useLoad(`${id}/runs`, (signal) =>
    take(
      api.POST("/v1/clusters/{cluster_id}/executions/list", {
        params: { path: { cluster_id: id }, query: { limit: MOST_RUNS } },
        body: { filters: { AND: [{ field: "status", operator: "eq", value: "completed" }] } },
        signal,
      }),
    ),
  );
  const runs = (data?.results ?? []) as Execution[];
  const to = (a: string, b: string) => go(href(["clusters", id, "compare", a, b]));
  const choice = (label: string, value: string, onChoose: (run: string) => void) => (
    <Field label={label} fault={error === null ? null : "The list of runs could not be read."}>
      {(wiring) => (
        <select {...wiring} value={value} onChange={(event) => onChoose(event.currentTarget.value)}>
          {!runs.some((run) => run.run_id === value) && <option value={value}>{value}</option>}
          {runs.map((run) => (
            <option key={run.run_id} value={run.run_id}>
              {nameOf(run)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
  return (
    <div class="card runs">
      {choice("Earlier run", before, (run) => to(run, after))}
      <Button icon="compare" label="Swap the runs" onClick={() => to(after, before)} />
      {choice("Later run", after, (run) => to(before, run))}
    </div>
  );
}

function nameOf(run: Execution): string {
  const when = new Date(run.created_at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return `${run.run_name ? run.run_name + " · " : ""}${when} · ${count(run.num_clusters)} groups`;
}

interface ToldProps {
  id: string;
  told: Comparison;
  groups: [Groups, Groups];
  loading: boolean;
}

function Told({ id, told, groups, loading }: ToldProps) {
  const onlyChanged = place.value.query.get("only") === "changed";
  const labels = new Map(
    [...groups[0].groups, ...groups[1].groups].map((each) => [each.cluster_id, each.label ?? each.cluster_id]),
  );
  const labelOf = (group: string) => labels.get(group) ?? group;
  const mapOf = (run: string, group: string) => href(["clusters", id, "map"], { run, group });
  if (told.flows.length === 0) {
    return (
      <EmptyState
        title="Neither run has documents"
        action={<LinkButton href={href(["clusters", id])}>To the definition</LinkButton>}
      >
        There is nothing to compare. Choose other runs above.
      </EmptyState>
    );
  }
  return (
    <div class="stack" aria-busy={loading}>
      <dl class="card facts">
        <Fact name="Adjusted Rand index" value={figure(told.agreement.ari)} />
        <Fact name="Adjusted mutual information" value={figure(told.agreement.ami)} />
        <Fact name="Documents in both" value={count(told.documents.in_both)} />
        <Fact name="Only in the earlier" value={count(told.documents.only_before)} />
        <Fact name="Only in the later" value={count(told.documents.only_after)} />
      </dl>
      <section class="card stack tight" aria-labelledby="flow">
        <div class="row">
          <h2 id="flow">Where documents went</h2>
          <span class="push">
            <Check
              label="Only what changed"
              checked={onlyChanged}
              onChange={(on) => setQuery({ only: on ? "changed" : null })}
            />
          </span>
        </div>
        <FlowChart told={told} groups={groups} onlyChanged={onlyChanged} mapOf={mapOf} />
        <div class="key">
          <span>stays</span>
          <span class="split">splits</span>
          <span class="merged">merges</span>
          <span class="born">new</span>
          <span class="died">gone</span>
        </div>
      </section>
      <h2>What changed</h2>
      <Changes told={told} labelOf={labelOf} mapOf={mapOf} />
      <h2>All flows</h2>
      <Flows told={told} labelOf={labelOf} mapOf={mapOf} />
    </div>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="num">{value}</dd>
    </div>
  );
}

interface FlowsProps {
  told: Comparison;
  labelOf: (group: string) => string;
  mapOf: (run: string, group: string) => string;
}

function Flows({ told, labelOf, mapOf }: FlowsProps) {
  const offset = Number(place.value.query.get("offset")) || 0;
  const end = (run: string, group: string | null) =>
    group === null ? (
      <span class="muted">not in this run</span>
    ) : group === NOISE ? (
      "Noise"
    ) : (
      <a href={mapOf(run, group)}>{labelOf(group)}</a>
    );
  const columns = [
    { key: "from", title: "From", cell: (row: Comparison["flows"][number]) => end(told.before, row.from) },
    { key: "to", title: "To", cell: (row: Comparison["flows"][number]) => end(told.after, row.to) },
    {
      key: "documents",
      title: "Documents",
      right: true,
      cell: (row: Comparison["flows"][number]) => count(row.documents),
    },
  ];
  return (
    <div>
      <Table
        caption="Flows of documents between the runs"
        columns={columns}
        rows={told.flows.slice(offset, offset + PAGE)}
        id={(row) => `${row.from}>${row.to}`}
      />
      <Pages
        total={told.flows.length}
        offset={offset}
        limit={PAGE}
        what="flows"
        onOffset={(to) => setQuery({ offset: to || null })}
      />
      {told.flows_total > told.flows.length && (
        <p class="small muted">
          The largest {count(told.flows.length)} of {count(told.flows_total)} flows.
        </p>
      )}
    </div>
  );
}
