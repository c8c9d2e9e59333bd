import { useEffect } from "preact/hooks";

import { api, take } from "../../api/client";
import type { Schemas, Shown } from "../../api/types";
import { href, place, setQuery } from "../../router";
import { useLoad } from "../../ui/load";
import { ErrorState, Skeleton, Status } from "../../ui/states";
import { Pages, Table } from "../../ui/Table";
import { Ago, count } from "../../ui/texts";
import { Options } from "./schedule-fields";

export type Delivery = Shown<Schemas["WebhookDelivery"]>;

const PAGE = 10;
const LOOK_MILLISECONDS = 2_000;
const STATUSES = { "": "Any status", delivered: "Delivered", pending: "Waiting", failed: "Failed" };

/** What a webhook sent and is to send, the newest first. It looks again while something of the page is on its way. */
export function Deliveries({ webhook, turn }: { webhook: string; turn: number }) {
  const query = place.value.query;
  const offset = Number(query.get("page")) || 0;
  const status = query.get("status") ?? "";
  const { data, error, reload } = useLoad(JSON.stringify([webhook, status, offset, turn]), (signal) =>
    take(
      api.POST("/v1/organizations/webhooks/{identifier}/deliveries/list", {
        params: { path: { identifier: webhook }, query: { limit: PAGE, offset } },
        body: { filters: status === "" ? null : { AND: [{ field: "status", operator: "eq", value: status }] } },
        signal,
      }),
    ),
  );
  const rows = (data?.results ?? []) as Delivery[];
  const moving = rows.some((row) => row.status === "sending" || (row.status === "pending" && row.attempts === 0));
  useEffect(() => {
    if (!moving) return;
    const timer = setInterval(reload, LOOK_MILLISECONDS);
    return () => clearInterval(timer);
  }, [moving]);
  if (error !== null) return <ErrorState error={error} onRetry={reload} />;
  if (data === null) return <Skeleton lines={3} />;
  return (
    <div class="stack tight">
      <div class="row">
        <select
          class="role"
          aria-label="Status of deliveries"
          value={status}
          onChange={(event) => setQuery({ status: event.currentTarget.value, page: null })}
        >
          <Options of={STATUSES} />
        </select>
      </div>
      {rows.length === 0 ? (
        <p class="muted">
          {status === ""
            ? "Nothing was sent yet. Send a test to see whether it arrives."
            : "No delivery has this status."}
        </p>
      ) : (
        <div>
          <Table caption="Deliveries" columns={columnsOf()} rows={rows} id={(row) => row.delivery_id} />
          <Pages
            total={data.total_count}
            offset={offset}
            limit={PAGE}
            what="deliveries"
            onOffset={(to) => setQuery({ page: to || null })}
          />
        </div>
      )}
    </div>
  );
}

function columnsOf() {
  const here = Object.fromEntries(place.value.query);
  return [
    {
      key: "event",
      title: "Event",
      cell: (row: Delivery) => (
        <a class="main" href={href(["automation"], { ...here, delivery: row.delivery_id })}>
          {row.event_type}
        </a>
      ),
    },
    { key: "status", title: "Status", cell: (row: Delivery) => <Status of={row.status} /> },
    { key: "attempts", title: "Attempts", right: true, cell: (row: Delivery) => count(row.attempts) },
    { key: "answer", title: "Last answer", cell: (row: Delivery) => answerOf(row) },
    { key: "at", title: "When", cell: (row: Delivery) => <Ago at={row.created_at} /> },
  ];
}

function answerOf({ log }: Delivery): string {
  const last = log[log.length - 1];
  return last === undefined
    ? "–"
    : (last.error ?? (last.status_code === null || last.status_code === undefined ? "sent" : String(last.status_code)));
}
