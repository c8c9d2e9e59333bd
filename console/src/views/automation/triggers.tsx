import { api, take } from "../../api/client";
import type { Schemas, Shown } from "../../api/types";
import { href, place, setQuery } from "../../router";
import { Button } from "../../ui/Button";
import { useLoad } from "../../ui/load";
import { EmptyState, ErrorState, Skeleton, Status } from "../../ui/states";
import { Pages, Table } from "../../ui/Table";
import { Ago } from "../../ui/texts";
import { NewTrigger } from "./new-trigger";
import { told } from "./schedule";
import { Options } from "./schedule-fields";
import { TriggerDialog } from "./trigger";

export type Trigger = Shown<Schemas["TriggerModel"]>;

const PAGE = 25;
const STATUSES = { "": "Any status", active: "Active", paused: "Paused", failed: "Failed", disabled: "Deleted" };

/** The namespace's triggers, by their status. */
export function Triggers() {
  const query = place.value.query;
  const offset = Number(query.get("offset")) || 0;
  const status = (query.get("status") || null) as Schemas["TriggerStatus"] | null;
  const { data, error, reload } = useLoad(JSON.stringify([status, offset]), (signal) => read(status, offset, signal));
  const open = query.get("trigger");
  const make = () => setQuery({ new: 1 });
  return (
    <>
      <div class="row bar">
        <select
          aria-label="Status"
          value={status ?? ""}
          onChange={(event) => setQuery({ status: event.currentTarget.value, offset: null })}
        >
          <Options of={STATUSES} />
        </select>
        <span class="push">
          <Button kind="primary" icon="plus" onClick={make}>
            New trigger
          </Button>
        </span>
      </div>
      {error !== null ? (
        <ErrorState error={error} onRetry={reload} />
      ) : data === null ? (
        <Skeleton />
      ) : data.total > 0 ? (
        <>
          <Table
            caption="Triggers"
            columns={columnsOf(data.names)}
            rows={data.triggers}
            id={(row) => row.trigger_id}
            selected={(row) => row.trigger_id === open}
          />
          <Pages
            total={data.total}
            offset={offset}
            limit={PAGE}
            what="triggers"
            onOffset={(to) => setQuery({ offset: to || null })}
          />
        </>
      ) : status !== null ? (
        <EmptyState
          title="No trigger has this status"
          action={<Button onClick={() => setQuery({ status: null })}>Show all</Button>}
        >
          Triggers of another status are there or not.
        </EmptyState>
      ) : (
        <EmptyState title="No triggers yet" action={<Button onClick={make}>New trigger</Button>}>
          A trigger runs a definition by itself: at times, every so often, when documents come, or when a condition
          holds.
        </EmptyState>
      )}
      {query.has("new") && (
        <NewTrigger
          onClose={() => setQuery({ new: null }, true)}
          onMade={(id) => {
            reload();
            setQuery({ new: null, trigger: id }, true);
          }}
        />
      )}
      {open !== null && (
        <TriggerDialog id={open} onChanged={reload} onClose={() => setQuery({ trigger: null, page: null })} />
      )}
    </>
  );
}

/** A page of triggers, and the names of the definitions that they run. */
async function read(status: Schemas["TriggerStatus"] | null, offset: number, signal: AbortSignal) {
  const { triggers, total } = await take(
    api.POST("/v1/clusters/triggers/list", { body: { status, offset, limit: PAGE }, signal }),
  );
  const ids = [...new Set(triggers.flatMap((each) => each.cluster_id ?? []))];
  const filters = { AND: [{ field: "cluster_id", operator: "in" as const, value: ids }] };
  const found =
    ids.length === 0
      ? []
      : (await take(api.POST("/v1/clusters/list", { params: { query: { limit: PAGE } }, body: { filters }, signal })))
          .results;
  return {
    triggers: triggers as Trigger[],
    total,
    names: new Map(found.map((each) => [each.cluster_id!, each.cluster_name ?? each.cluster_id!])),
  };
}

function columnsOf(names: ReadonlyMap<string, string>) {
  const here = Object.fromEntries(place.value.query);
  return [
    {
      key: "when",
      title: "When",
      cell: (row: Trigger) => (
        <a class="main" href={href(["automation"], { ...here, trigger: row.trigger_id })}>
          {told(row.trigger_type, row.schedule_config)}
        </a>
      ),
    },
    {
      key: "runs",
      title: "Runs",
      cell: (row: Trigger) =>
        row.cluster_id === null ? (
          <span class="muted">a configuration of its own</span>
        ) : (
          <a href={href(["clusters", row.cluster_id])}>{names.get(row.cluster_id) ?? row.cluster_id}</a>
        ),
    },
    {
      key: "status",
      title: "Status",
      cell: (row: Trigger) => <Status of={row.status === "disabled" ? "deleted" : row.status} />,
    },
    { key: "last", title: "Last fired", cell: (row: Trigger) => <Ago at={row.last_triggered_at} /> },
    { key: "next", title: "Next", cell: (row: Trigger) => <Ago at={row.next_scheduled_at} /> },
  ];
}
