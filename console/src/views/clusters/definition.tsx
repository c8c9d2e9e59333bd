import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { api, take } from "../../api/client";
import type { Cluster } from "../../api/types";
import { go, href, place, setQuery } from "../../router";
import { Button, LinkButton } from "../../ui/Button";
import { Confirm } from "../../ui/Dialog";
import { useLoad } from "../../ui/load";
import { ErrorState, Outdated, Skeleton, Status } from "../../ui/states";
import { Ago, count, counted } from "../../ui/texts";
import { useTitle } from "../../ui/title";
import { complain, tell } from "../../ui/toasts";
import { Running } from "../runs/running";
import { RunsSection } from "../runs/history";
import { isBusy } from "./busy";
import { EditDialog } from "./edit";
import { GroupsSection } from "./groups";
import { methodOf, paramsOf } from "./methods";
import { titleOf } from "./ParamsForm";

/** A definition: what it says, what it is doing, what came of it so far. */
export default function DefinitionView({ id }: { id: string }) {
  const path = { cluster_identifier: id };
  const found = useLoad(id, (signal) =>
    take(api.GET("/v1/clusters/{cluster_identifier}", { params: { path }, signal })),
  );
  useTitle(found.data?.cluster_name ?? id);
  // Counts the runs that have ended while this page is open: what depends on them is read anew.
  const [turn, setTurn] = useState(0);
  if (found.data === null) {
    return found.error === null ? <Skeleton lines={8} /> : <ErrorState error={found.error} onRetry={found.reload} />;
  }
  const cluster = found.data as Cluster;
  const changed = () => {
    found.reload();
    setTurn((before) => before + 1);
  };
  return (
    <>
      {found.error !== null && <Outdated error={found.error} onRetry={found.reload} />}
      <Head cluster={cluster} onChanged={changed} />
      <div class="stack">
        {isBusy(cluster) && <Running taskId={cluster.task_id!} onEnded={changed} />}
        {cluster.error && !isBusy(cluster) && (
          <p class="notice bad" role="alert">
            {cluster.error}
          </p>
        )}
        <Facts cluster={cluster} />
        <GroupsSection cluster={cluster} turn={turn} />
        <RunsSection cluster={cluster} turn={turn} onChanged={changed} />
        <Settings cluster={cluster} />
      </div>
      {place.value.query.has("edit") && (
        <EditDialog cluster={cluster} onClose={() => setQuery({ edit: null })} onSaved={changed} />
      )}
    </>
  );
}

function Head({ cluster, onChanged }: { cluster: Cluster; onChanged: () => void }) {
  const [deleting, setDeleting] = useState(false);
  const id = cluster.cluster_id;
  return (
    <div class="head">
      <div>
        <nav class="crumbs" aria-label="Where you are">
          <a href={href(["clusters"])}>Clusters</a> /
        </nav>
        <div class="row">
          <h1>{cluster.cluster_name || id}</h1>
          <Status of={cluster.task_id === null && cluster.last_run_id === null ? "never run" : cluster.status} />
        </div>
        {cluster.description && <p class="muted">{cluster.description}</p>}
      </div>
      <div class="actions">
        {cluster.last_run_id !== null && cluster.cluster_type === "vector" && (
          <LinkButton icon="map" href={href(["clusters", id, "map"])}>
            Map
          </LinkButton>
        )}
        <Button kind="quiet" icon="edit" label="Edit" onClick={() => setQuery({ edit: 1 })} />
        <Button kind="quiet" icon="trash" label="Delete" onClick={() => setDeleting(true)} />
        <RunButtons cluster={cluster} onStarted={onChanged} />
      </div>
      {deleting && <DeleteDialog cluster={cluster} onClose={() => setDeleting(false)} />}
    </div>
  );
}

function RunButtons({ cluster, onStarted }: { cluster: Cluster; onStarted: () => void }) {
  const [busy, setBusy] = useState(false);
  const run = async (mode: "full" | "assign") => {
    setBusy(true);
    try {
      const path = { cluster_id: cluster.cluster_id };
      await take(api.POST("/v1/clusters/{cluster_id}/execute", { params: { path }, body: { mode } }));
      onStarted();
    } catch (refused) {
      complain(refused);
    }
    setBusy(false);
  };
  const held = busy || isBusy(cluster);
  return (
    <>
      {cluster.last_run_id !== null && cluster.cluster_type === "vector" && (
        <Button disabled={held} label="New documents join the groups there are" onClick={() => void run("assign")}>
          Add new documents
        </Button>
      )}
      <Button kind="primary" icon="play" disabled={held} onClick={() => void run("full")}>
        Run
      </Button>
    </>
  );
}

function DeleteDialog({ cluster, onClose }: { cluster: Cluster; onClose: () => void }) {
  const [busy, setBusy] = useState(false);
  const name = cluster.cluster_name || cluster.cluster_id;
  const remove = async () => {
    setBusy(true);
    try {
      await take(api.DELETE("/v1/clusters/{cluster_id}", { params: { path: { cluster_id: cluster.cluster_id } } }));
      tell(`Deleted ${name}.`);
      go(href(["clusters"]));
    } catch (refused) {
      complain(refused);
      setBusy(false);
    }
  };
  return (
    <Confirm
      title={`Delete ${name}?`}
      deed="Delete the definition"
      busy={busy}
      onDo={() => void remove()}
      onClose={onClose}
    >
      <p>
        Its runs, their groups and their files go with it, and the names that you gave to groups. The documents stay.
      </p>
    </Confirm>
  );
}

function Facts({ cluster }: { cluster: Cluster }) {
  const noise = cluster.cluster_stats?.noise_points ?? 0;
  const documents = cluster.num_documents_clustered;
  return (
    <dl class="card facts">
      <Fact title="Groups">{count(cluster.num_clusters)}</Fact>
      <Fact title="Documents">{count(documents)}</Fact>
      <Fact title="In no group">
        {documents ? `${count(noise)} (${((noise / documents) * 100).toFixed(1)}%)` : "–"}
      </Fact>
      <Fact title="Method">{methodOf(cluster)}</Fact>
      <Fact title="Collections">
        {cluster.collection_ids.map((name) => (
          <a key={name} href={href(["data", name])} style={{ marginRight: "8px" }}>
            {name}
          </a>
        ))}
      </Fact>
      <Fact title="Last run">
        <Ago at={cluster.last_executed_at} />
      </Fact>
    </dl>
  );
}

function Fact({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd class="num">{children}</dd>
    </div>
  );
}

/** What the definition says, in full. */
function Settings({ cluster }: { cluster: Cluster }) {
  const {
    clustering_method: _,
    feature_extractor_name: vectors,
    ...config
  } = (cluster.vector_config ?? {}) as Record<string, unknown>;
  const options = Object.entries(config).filter(([key]) => !key.endsWith("_parameters") && key !== "algorithm_params");
  const lines: [string, unknown][] = [
    ...(vectors ? ([["vectors", vectors]] as [string, unknown][]) : []),
    ...Object.entries(paramsOf(cluster)),
    ...options,
    ...(cluster.attribute_config ? Object.entries(cluster.attribute_config) : []),
    ["filters", cluster.filters],
    ["retention", cluster.retention],
    ["automatic runs", cluster.auto_execute_on_batch ? automatic(cluster) : null],
    ["metadata", cluster.metadata],
  ];
  return (
    <section class="card" aria-label="Settings">
      <h2>Settings</h2>
      <dl class="facts">
        {lines
          .filter(([, value]) => value !== null && value !== undefined)
          .map(([key, value]) => (
            <Fact key={key} title={titleOf(key)}>
              {typeof value === "object" ? <code>{JSON.stringify(value)}</code> : String(value)}
            </Fact>
          ))}
        <Fact title="Id">
          <code>{cluster.cluster_id}</code>
        </Fact>
        <Fact title="Created">
          <Ago at={cluster.created_at} />
        </Fact>
      </dl>
    </section>
  );
}

function automatic(cluster: Cluster): string {
  const least = cluster.auto_execute_min_documents;
  return `after new documents${least ? `, from ${counted(least, "document")} on` : ""}, every ${cluster.auto_execute_cooldown_seconds} s at most`;
}
