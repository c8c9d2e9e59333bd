import { useState } from "preact/hooks";

import { api, take } from "../../api/client";
import type { Schemas } from "../../api/types";
import { place, setQuery } from "../../router";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { useLoad } from "../../ui/load";
import { ErrorState, Skeleton } from "../../ui/states";
import { Ago } from "../../ui/texts";
import { complain, tell } from "../../ui/toasts";
import { Deliveries } from "./deliveries";
import { DeliveryView } from "./delivery";
import { Secret } from "./new-webhook";
import { type WebhookModel, whereTo } from "./webhooks";

interface Props {
  id: string;
  onChanged: () => void;
  onClose: () => void;
}

/** A webhook with the log of what it sent; it can be tested, paused, given a new secret, and deleted. */
export function WebhookDialog({ id, onChanged, onClose }: Props) {
  const path = { identifier: id };
  const [asked, setAsked] = useState<"delete" | "rotate" | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  const { data, error, reload } = useLoad(
    id,
    async (signal) =>
      (await take(api.GET("/v1/organizations/webhooks/{identifier}", { params: { path }, signal }))) as WebhookModel,
  );
  const act = async (deed: () => Promise<void>) => {
    setAsked(null);
    try {
      await deed();
    } catch (fault) {
      complain(fault);
    }
  };
  const test = () =>
    act(async () => {
      await take(api.POST("/v1/organizations/webhooks/{identifier}/test", { params: { path } }));
      tell("A ping is on its way");
      setTurn((before) => before + 1);
    });
  const pause = (webhook: WebhookModel) =>
    act(async () => {
      await take(api.PUT("/v1/organizations/webhooks/{identifier}", { params: { path }, body: changed(webhook) }));
      reload();
      onChanged();
    });
  const rotate = () =>
    act(async () =>
      setSecret(
        (await take(api.POST("/v1/organizations/webhooks/{identifier}/secret", { params: { path } }))).secret ?? "",
      ),
    );
  const remove = () =>
    act(async () => {
      await take(api.DELETE("/v1/organizations/webhooks/{identifier}", { params: { path } }));
      onChanged();
      onClose();
    });
  const delivery = place.value.query.get("delivery");
  if (secret !== null) return <Secret title="A new secret" secret={secret} onClose={() => setSecret(null)} />;
  const actions = data !== null && delivery === null && (
    <>
      <Button kind="danger" icon="trash" onClick={() => (asked === "delete" ? void remove() : setAsked("delete"))}>
        {asked === "delete" ? "Yes, delete it and its log" : "Delete"}
      </Button>
      <Button
        kind={asked === "rotate" ? "danger" : "plain"}
        onClick={() => (asked === "rotate" ? void rotate() : setAsked("rotate"))}
      >
        {asked === "rotate" ? "Yes, the old one ends at once" : "New secret"}
      </Button>
      <Button icon={data.is_active ? "stop" : "play"} onClick={() => void pause(data)}>
        {data.is_active ? "Pause" : "Resume"}
      </Button>
      <Button kind="primary" onClick={() => void test()}>
        Send a test
      </Button>
    </>
  );
  return (
    <Dialog title={data?.webhook_name ?? "Webhook"} wide onClose={onClose} actions={actions}>
      {error !== null ? (
        <ErrorState error={error} onRetry={reload} />
      ) : data === null ? (
        <Skeleton />
      ) : delivery !== null ? (
        <DeliveryView webhook={id} id={delivery} onBack={() => setQuery({ delivery: null })} />
      ) : (
        <div class="stack">
          <Facts webhook={data} />
          <h3>Deliveries</h3>
          <Deliveries webhook={id} turn={turn} />
        </div>
      )}
    </Dialog>
  );
}

/** The whole webhook as a PUT takes it, active where it was not. What it masks stays as it is. */
function changed({ webhook_name, event_types, channels, is_active }: WebhookModel): Schemas["WebhookRequest"] {
  return { webhook_name, event_types, channels, is_active: !is_active };
}

function Facts({ webhook }: { webhook: WebhookModel }) {
  return (
    <>
      <dl class="facts">
        <div>
          <dt>Status</dt>
          <dd>{webhook.is_active ? "Active" : "Paused"}</dd>
        </div>
        <div>
          <dt>To</dt>
          <dd>{webhook.channels.map(whereTo).join(", ")}</dd>
        </div>
        <div>
          <dt>Created</dt>
          <dd>
            <Ago at={webhook.created_at} />
          </dd>
        </div>
      </dl>
      <p class="row tight">
        {webhook.event_types.map((event) => (
          <span key={event} class="chip">
            {event}
          </span>
        ))}
      </p>
    </>
  );
}
