import { api, take } from "../../api/client";
import { setQuery } from "../../router";
import { Button } from "../../ui/Button";
import { useLoad } from "../../ui/load";
import { ErrorState, Skeleton, Status } from "../../ui/states";
import { Table } from "../../ui/Table";
import { Ago, Code, count } from "../../ui/texts";
import { complain, tell } from "../../ui/toasts";
import type { Delivery } from "./deliveries";

type Attempt = Delivery["log"][number];

interface Props {
  webhook: string;
  id: string;
  onBack: () => void;
}

/** A delivery: its attempts, what the other side answered, and the event; it can be sent again once it has ended. */
export function DeliveryView({ webhook, id, onBack }: Props) {
  const path = { identifier: webhook, delivery_id: id };
  const { data, error, reload } = useLoad(id, (signal) =>
    take(api.GET("/v1/organizations/webhooks/{identifier}/deliveries/{delivery_id}", { params: { path }, signal })),
  );
  const replay = async () => {
    try {
      const made = await take(
        api.POST("/v1/organizations/webhooks/{identifier}/deliveries/{delivery_id}/replay", { params: { path } }),
      );
      tell("It is sent again");
      setQuery({ delivery: made.delivery_id }, true);
    } catch (fault) {
      complain(fault);
    }
  };
  if (error !== null) return <ErrorState error={error} onRetry={reload} />;
  if (data === null) return <Skeleton />;
  const ended = data.status === "delivered" || data.status === "failed";
  return (
    <div class="stack">
      <div class="row">
        <Button kind="quiet" onClick={onBack}>
          ← All deliveries
        </Button>
        <span class="push" />
        <Button onClick={reload}>Look again</Button>
        <Button
          kind="primary"
          disabled={!ended}
          label={ended ? "The same event in a new delivery" : "It is still on its way"}
          onClick={() => void replay()}
        >
          Send again
        </Button>
      </div>
      <div class="row">
        <h3>{data.event_type}</h3>
        <Status of={data.status} />
        {data.next_attempt_at && !ended && (
          <span class="muted">
            next attempt <Ago at={data.next_attempt_at} />
          </span>
        )}
      </div>
      {data.log.length === 0 ? (
        <p class="muted">No attempt yet.</p>
      ) : (
        <Table caption="Attempts" columns={COLUMNS} rows={data.log as Attempt[]} id={(row) => String(row.attempt)} />
      )}
      <Code label="The event" text={JSON.stringify(data.event, null, 2)} />
    </div>
  );
}

const COLUMNS = [
  { key: "attempt", title: "Attempt", right: true, cell: (row: Attempt) => row.attempt },
  { key: "at", title: "When", cell: (row: Attempt) => <Ago at={row.started_at} /> },
  {
    key: "took",
    title: "Took",
    right: true,
    cell: (row: Attempt) => (row.duration_ms === null ? "–" : `${count(row.duration_ms)} ms`),
  },
  { key: "status", title: "Status", right: true, cell: (row: Attempt) => row.status_code ?? "–" },
  {
    key: "answer",
    title: "Answer",
    cell: (row: Attempt) => <div class="cut">{row.error ?? row.response_excerpt ?? ""}</div>,
  },
];
