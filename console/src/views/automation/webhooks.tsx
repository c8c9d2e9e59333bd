import { api, take } from "../../api/client";
import type { Schemas, Shown } from "../../api/types";
import { href, place, setQuery } from "../../router";
import { Button } from "../../ui/Button";
import { useLoad } from "../../ui/load";
import { EmptyState, ErrorState, Skeleton } from "../../ui/states";
import { Table } from "../../ui/Table";
import { Ago, counted } from "../../ui/texts";
import { NewWebhook } from "./new-webhook";
import { WebhookDialog } from "./webhook";

export type WebhookModel = Shown<Schemas["Webhook"]>;

/** The organization's webhooks: there are 50 at most. */
export function Webhooks() {
  const query = place.value.query;
  const { data, error, reload } = useLoad("webhooks", (signal) =>
    take(api.GET("/v1/organizations/webhooks/", { signal })),
  );
  const open = query.get("webhook");
  const make = () => setQuery({ new: 1 });
  return (
    <>
      <div class="row bar">
        <p class="muted">They tell other systems what happens, in all namespaces of the organization.</p>
        <span class="push">
          <Button kind="primary" icon="plus" onClick={make}>
            New webhook
          </Button>
        </span>
      </div>
      {error !== null ? (
        <ErrorState error={error} onRetry={reload} />
      ) : data === null ? (
        <Skeleton />
      ) : data.length > 0 ? (
        <Table
          caption="Webhooks"
          columns={columnsOf()}
          rows={data as WebhookModel[]}
          id={(row) => row.webhook_id}
          selected={(row) => row.webhook_id === open}
        />
      ) : (
        <EmptyState title="No webhooks yet" action={<Button onClick={make}>New webhook</Button>}>
          A webhook sends a signed POST, a Slack message or an email when a run ends, a trigger fires, or documents
          change.
        </EmptyState>
      )}
      {query.has("new") && <NewWebhook onMade={reload} onClose={(id) => setQuery({ new: null, webhook: id }, true)} />}
      {open !== null && (
        <WebhookDialog
          id={open}
          onChanged={reload}
          onClose={() => setQuery({ webhook: null, delivery: null, page: null, status: null })}
        />
      )}
    </>
  );
}

function columnsOf() {
  const here = Object.fromEntries(place.value.query);
  return [
    {
      key: "name",
      title: "Webhook",
      cell: (row: WebhookModel) => (
        <a class="main" href={href(["automation"], { ...here, webhook: row.webhook_id })}>
          {row.webhook_name}
        </a>
      ),
    },
    {
      key: "to",
      title: "To",
      cell: (row: WebhookModel) => <div class="cut">{row.channels.map(whereTo).join(", ")}</div>,
    },
    {
      key: "events",
      title: "Events",
      cell: (row: WebhookModel) => (
        <span title={row.event_types.join(", ")}>{counted(row.event_types.length, "kind")}</span>
      ),
    },
    {
      key: "status",
      title: "Status",
      cell: (row: WebhookModel) => (
        <span class={row.is_active ? "badge good" : "badge warn"}>{row.is_active ? "active" : "paused"}</span>
      ),
    },
    { key: "changed", title: "Changed", cell: (row: WebhookModel) => <Ago at={row.updated_at} /> },
  ];
}

/** The destination of a channel as text. */
export function whereTo({ channel, configs }: Schemas["WebhookChannel"]): string {
  if ("url" in configs) return configs.url;
  if ("to_addresses" in configs) return configs.to_addresses.join(", ");
  return "webhook_url" in configs ? `Slack ${configs.channel ?? ""}`.trim() : channel;
}
