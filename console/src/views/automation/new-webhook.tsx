import { useState } from "preact/hooks";

import { api, take } from "../../api/client";
import type { Schemas } from "../../api/types";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Check, Field } from "../../ui/Field";
import { messageOf } from "../../ui/states";
import { Code } from "../../ui/texts";
import { Options } from "./schedule-fields";

type EventType = Schemas["WebhookEventType"];
type Channel = "webhook" | "slack" | "email";

const CHANNELS: Record<Channel, string> = { webhook: "Signed POST", slack: "Slack", email: "Email" };
const DESTINATIONS: Record<Channel, { label: string; hint: string; placeholder: string }> = {
  webhook: { label: "URL", hint: "A public address, by http or https.", placeholder: "https://example.org/hook" },
  slack: {
    label: "Slack's incoming webhook",
    hint: "It is a secret, and is never shown again.",
    placeholder: "https://hooks.slack.com/services/…",
  },
  email: { label: "Addresses", hint: "Up to 20, with commas between them.", placeholder: "ada@example.org" },
};
const EVENTS: readonly EventType[] = [
  "cluster.execution.completed",
  "cluster.execution.failed",
  "cluster.execution.started",
  "cluster.created",
  "cluster.updated",
  "cluster.deleted",
  "trigger.fired",
  "trigger.execution.completed",
  "trigger.execution.failed",
  "trigger.created",
  "trigger.updated",
  "trigger.deleted",
  "trigger.paused",
  "trigger.resumed",
  "collection.created",
  "collection.updated",
  "collection.deleted",
  "object.created",
  "object.updated",
  "object.deleted",
];

interface Props {
  onMade: () => void;
  /** Called with the webhook's id where one was made. */
  onClose: (id: string | null) => void;
}

/** Makes a webhook with one channel, and then shows its secret, which no other answer holds. */
export function NewWebhook({ onMade, onClose }: Props) {
  const [name, setName] = useState("");
  const [channel, setChannel] = useState<Channel>("webhook");
  const [to, setTo] = useState("");
  const [events, setEvents] = useState<readonly EventType[]>([
    "cluster.execution.completed",
    "cluster.execution.failed",
  ]);
  const [fault, setFault] = useState<string | null>(null);
  const [made, setMade] = useState<Schemas["Webhook"] | null>(null);
  const create = async () => {
    try {
      const body = {
        webhook_name: name,
        event_types: [...events],
        channels: [{ channel, configs: configsOf(channel, to) }],
      };
      setMade(await take(api.POST("/v1/organizations/webhooks/", { body })));
      onMade();
    } catch (refused) {
      setFault(messageOf(refused));
    }
  };
  if (made !== null)
    return (
      <Secret
        title={`${made.webhook_name} is made`}
        secret={made.secret ?? ""}
        onClose={() => onClose(made.webhook_id ?? null)}
      />
    );
  const actions = (
    <Button kind="primary" type="submit" form="new-webhook" disabled={name === "" || to === "" || events.length === 0}>
      Create
    </Button>
  );
  const destination = DESTINATIONS[channel];
  return (
    <Dialog title="New webhook" onClose={() => onClose(null)} actions={actions}>
      <form
        id="new-webhook"
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <div class="grid">
          <Field label="Name">
            {(wiring) => (
              <input
                {...wiring}
                required
                autoFocus
                maxLength={255}
                value={name}
                onInput={(event) => setName(event.currentTarget.value)}
              />
            )}
          </Field>
          <Field label="Way">
            {(wiring) => (
              <select
                {...wiring}
                value={channel}
                onChange={(event) => setChannel(event.currentTarget.value as Channel)}
              >
                <Options of={CHANNELS} />
              </select>
            )}
          </Field>
        </div>
        <Field label={destination.label} hint={destination.hint}>
          {(wiring) => (
            <input
              {...wiring}
              required
              spellcheck={false}
              placeholder={destination.placeholder}
              value={to}
              onInput={(event) => setTo(event.currentTarget.value)}
            />
          )}
        </Field>
        <fieldset>
          <legend class="legend">Events</legend>
          <div class="events">
            {EVENTS.map((event) => (
              <Check
                key={event}
                label={event}
                checked={events.includes(event)}
                onChange={(on) => setEvents(on ? [...events, event] : events.filter((each) => each !== event))}
              />
            ))}
          </div>
        </fieldset>
        {fault !== null && (
          <p class="notice bad" role="alert">
            {fault}
          </p>
        )}
      </form>
    </Dialog>
  );
}

function configsOf(channel: Channel, to: string): Schemas["WebhookChannel"]["configs"] {
  if (channel === "webhook") return { url: to };
  return channel === "slack"
    ? { webhook_url: to }
    : {
        to_addresses: to
          .split(",")
          .map((each) => each.trim())
          .filter(Boolean),
      };
}

/** A secret that is shown once. */
export function Secret({ title, secret, onClose }: { title: string; secret: string; onClose: () => void }) {
  const actions = (
    <Button kind="primary" onClick={onClose}>
      I have kept it
    </Button>
  );
  return (
    <Dialog title={title} onClose={onClose} actions={actions}>
      <div class="stack">
        <p>
          This secret signs what is sent. Keep it where the receiver checks the signature:{" "}
          <strong>it is not shown again</strong>.
        </p>
        <Code label="The webhook's secret" text={secret} />
      </div>
    </Dialog>
  );
}
