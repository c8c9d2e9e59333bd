import { useState } from "preact/hooks";

import { api, take } from "../../api/client";
import type { Schemas, Shown } from "../../api/types";
import { href, place, setQuery } from "../../router";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { useLoad } from "../../ui/load";
import { ErrorState, Skeleton, Status } from "../../ui/states";
import { Pages, Table } from "../../ui/Table";
import { Ago, count, seconds } from "../../ui/texts";
import { complain } from "../../ui/toasts";
import { told } from "./schedule";
import type { Trigger } from "./triggers";

type Firing = Shown<Schemas["TriggerExecutionHistoryItem"]>;

const PAGE = 10;

interface Props {
  id: string;
  onChanged: () => void;
  onClose: () => void;
}

/** A trigger with its history; it can be paused, resumed and deleted. */
export function TriggerDialog({ id, onChanged, onClose }: Props) {
  const offset = Number(place.value.query.get("page")) || 0;
  const path = { trigger_id: id };
  const [asked, setAsked] = useState(false);
  const { data, error, reload } = useLoad(`${id}/${offset}`, async (signal) => {
    const [trigger, history] = await Promise.all([
      take(api.GET("/v1/clusters/triggers/{trigger_id}", { params: { path }, signal })),
      take(
        api.POST("/v1/clusters/triggers/{trigger_id}/history", {
          params: { path },
          body: { offset, limit: PAGE },
          signal,
        }),
      ),
    ]);
    return { trigger: trigger as Trigger, history };
  });
  const act = async (deed: Promise<unknown>) => {
    setAsked(false);
    try {
      await deed;
      reload();
      onChanged();
    } catch (fault) {
      complain(fault);
    }
  };
  const pause = () => act(take(api.POST("/v1/clusters/triggers/{trigger_id}/pause", { params: { path } })));
  const resume = () => act(take(api.POST("/v1/clusters/triggers/{trigger_id}/resume", { params: { path } })));
  const remove = () =>
    asked ? act(take(api.DELETE("/v1/clusters/triggers/{trigger_id}", { params: { path } }))) : setAsked(true);
  const status = data?.trigger.status;
  const actions = (
    <>
      {status !== undefined && status !== "disabled" && (
        <Button kind="danger" icon="trash" onClick={() => void remove()}>
          {asked ? "Yes, delete it" : "Delete"}
        </Button>
      )}
      {status === "active" && (
        <Button icon="stop" onClick={() => void pause()}>
          Pause
        </Button>
      )}
      {status !== undefined && status !== "active" && (
        <Button icon="play" onClick={() => void resume()}>
          Resume
        </Button>
      )}
    </>
  );
  return (
    <Dialog title="Trigger" wide onClose={onClose} actions={actions}>
      {error !== null ? (
        <ErrorState error={error} onRetry={reload} />
      ) : data === null ? (
        <Skeleton />
      ) : (
        <Told
          trigger={data.trigger}
          firings={data.history.executions as Firing[]}
          total={data.history.total}
          offset={offset}
        />
      )}
    </Dialog>
  );
}

function Told({
  trigger,
  firings,
  total,
  offset,
}: {
  trigger: Trigger;
  firings: Firing[];
  total: number;
  offset: number;
}) {
  const facts: [string, preact.ComponentChild][] = [
    ["Status", <Status of={trigger.status === "disabled" ? "deleted" : trigger.status} />],
    ["When", told(trigger.trigger_type, trigger.schedule_config)],
    [
      "Runs",
      trigger.cluster_id === null ? (
        "a configuration of its own"
      ) : (
        <a href={href(["clusters", trigger.cluster_id])}>{trigger.cluster_id}</a>
      ),
    ],
    ["Next", <Ago at={trigger.next_scheduled_at} />],
    ["Fired", count(trigger.execution_count)],
    ["Failures in a row", count(trigger.consecutive_failures)],
  ];
  const columns = [
    { key: "at", title: "Fired", cell: (row: Firing) => <Ago at={row.triggered_at} /> },
    { key: "status", title: "Status", cell: (row: Firing) => <Status of={row.status} /> },
    { key: "groups", title: "Groups", right: true, cell: (row: Firing) => count(row.num_clusters) },
    {
      key: "took",
      title: "Took",
      right: true,
      cell: (row: Firing) => (row.execution_time_ms === null ? "–" : seconds(row.execution_time_ms / 1000)),
    },
    {
      key: "said",
      title: "Run",
      cell: (row: Firing) =>
        row.error ??
        (row.run_id === null ? (
          "–"
        ) : trigger.cluster_id === null ? (
          <code>{row.run_id}</code>
        ) : (
          <a href={href(["clusters", trigger.cluster_id, "map"], { run: row.run_id })}>{row.run_id}</a>
        )),
    },
  ];
  return (
    <div class="stack">
      {trigger.description && <p>{trigger.description}</p>}
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {trigger.last_execution_error && <p class="notice bad">{trigger.last_execution_error}</p>}
      <h3>History</h3>
      {total === 0 ? (
        <p class="muted">It has not fired yet.</p>
      ) : (
        <div>
          <Table
            caption="History of the trigger"
            columns={columns}
            rows={firings}
            id={(row) => row.triggered_at + row.job_id}
          />
          <Pages
            total={total}
            offset={offset}
            limit={PAGE}
            what="firings"
            onOffset={(to) => setQuery({ page: to || null })}
          />
        </div>
      )}
    </div>
  );
}
