import { useState } from "preact/hooks";

import { api, take } from "../../api/client";
import type { Cluster, Schemas, Shown } from "../../api/types";
import { href } from "../../router";
import { Button } from "../../ui/Button";
import { useLoad } from "../../ui/load";
import { ErrorState, Skeleton } from "../../ui/states";
import { type Column, Table } from "../../ui/Table";
import { count, counted } from "../../ui/texts";

type Group = Shown<Schemas["ClusterGroup"]>;

const SHOWN = 20;

/** The groups of the newest completed run, the largest first. */
export function GroupsSection({ cluster, turn }: { cluster: Cluster; turn: number }) {
  const path = { cluster_id: cluster.cluster_id };
  const [all, showAll] = useState(false);
  const run = cluster.last_run_id;
  const { data, error, reload } = useLoad(run === null ? null : `${run}/${turn}`, (signal) =>
    take(api.GET("/v1/clusters/{cluster_id}/groups", { params: { path }, signal })),
  );
  if (run === null) return null;
  if (error !== null) return <ErrorState error={error} onRetry={reload} />;
  if (data === null) return <Skeleton />;
  const groups = (data.groups as Group[]).filter((group) => group.hierarchy_level === 0);
  const branches = data.groups.length - groups.length;
  const columns = columnsOf(cluster, groups[0]?.member_count ?? 1);
  return (
    <section class="stack tight" aria-label="Groups">
      <div class="row">
        <h2>Groups</h2>
        <span class="muted small">
          {`${counted(groups.length, "group")} of the newest run`}
          {branches > 0 && `, under ${counted(branches, "group of groups", "groups of groups")}`}
        </span>
      </div>
      {groups.length === 0 ? (
        <p class="notice">
          Nothing stands close enough together to be a group. Smaller groups may: lower the smallest size.
        </p>
      ) : (
        <Table
          caption="Groups"
          columns={columns}
          rows={all ? groups : groups.slice(0, SHOWN)}
          id={(group) => group.cluster_id}
        />
      )}
      {!all && groups.length > SHOWN && (
        <div>
          <Button kind="quiet" onClick={() => showAll(true)}>{`Show all ${count(groups.length)}`}</Button>
        </div>
      )}
    </section>
  );
}

function columnsOf(cluster: Cluster, largest: number): readonly Column<Group>[] {
  const onMap = cluster.cluster_type === "vector";
  return [
    {
      key: "label",
      title: "Group",
      cell: (group) => {
        const name = group.label || group.cluster_id;
        return onMap ? (
          <a class="main" href={href(["clusters", cluster.cluster_id, "map"], { group: group.cluster_id })}>
            {name}
          </a>
        ) : (
          <span class="main">{name}</span>
        );
      },
    },
    {
      key: "size",
      title: "Documents",
      right: true,
      cell: (group) => <Size of={group.member_count} largest={largest} />,
    },
    { key: "keywords", title: "Keywords", cell: (group) => <Keywords group={group} /> },
    { key: "id", title: "Id", cell: (group) => <code class="muted">{group.cluster_id}</code> },
  ];
}

function Size({ of, largest }: { of: number; largest: number }) {
  return (
    <span class="share">
      <span class="bar" style={{ width: `${(of / Math.max(1, largest)) * 100}%` }} />
      {count(of)}
    </span>
  );
}

const MOST_KEYWORDS = 6;

function Keywords({ group }: { group: Group }) {
  return (
    <span class="row tight">
      {group.proposed && <span class="badge warn">new, proposed</span>}
      {group.keywords.slice(0, MOST_KEYWORDS).map((word) => (
        <span key={word} class="chip" title={word}>
          {word}
        </span>
      ))}
    </span>
  );
}
