import { useState } from "preact/hooks";

import { api, take } from "../../api/client";
import { href } from "../../router";
import { Button, LinkButton } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { useLoad } from "../../ui/load";
import { EmptyState, messageOf } from "../../ui/states";
import { tell } from "../../ui/toasts";
import { firstConfig, type TriggerType, TYPES } from "./schedule";
import { Options, Preview, ScheduleFields } from "./schedule-fields";

const MOST = 1_000;
const MODES = { full: "All documents anew", assign: "Only what came since joins the groups" } as const;

/** Makes a trigger of a definition, and shows when it would fire before it is made. */
export function NewTrigger({ onClose, onMade }: { onClose: () => void; onMade: (id: string) => void }) {
  const [cluster, setCluster] = useState<string | null>(null);
  const [type, setType] = useState<TriggerType>("cron");
  const [config, setConfig] = useState(() => firstConfig("cron"));
  const [mode, setMode] = useState<keyof typeof MODES>("full");
  const [description, setDescription] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const { data, error } = useLoad("definitions", (signal) =>
    take(
      api.POST("/v1/clusters/list", {
        params: { query: { limit: MOST } },
        body: { sort: { field: "cluster_name", direction: "asc" } },
        signal,
      }),
    ),
  );
  const definitions = data?.results ?? [];
  const chosen = cluster ?? definitions[0]?.cluster_id ?? "";
  const create = async () => {
    try {
      const body = {
        cluster_id: chosen,
        trigger_type: type,
        schedule_config: config,
        mode,
        description: description || null,
      };
      const made = await take(api.POST("/v1/clusters/triggers", { body }));
      tell("The trigger is active");
      onMade(made.trigger_id!);
    } catch (refused) {
      setFault(messageOf(refused));
    }
  };
  const actions = (
    <Button kind="primary" type="submit" form="new-trigger" disabled={chosen === ""}>
      Create
    </Button>
  );
  if (data !== null && definitions.length === 0) {
    return (
      <Dialog title="New trigger" onClose={onClose}>
        <EmptyState
          title="Nothing to run yet"
          action={<LinkButton href={href(["clusters"])}>To the clusters</LinkButton>}
        >
          A trigger runs a definition: make one first.
        </EmptyState>
      </Dialog>
    );
  }
  return (
    <Dialog title="New trigger" onClose={onClose} actions={actions}>
      <form
        id="new-trigger"
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        {error !== null && <p class="notice bad">{messageOf(error)}</p>}
        <div class="grid">
          <Field label="Definition">
            {(wiring) => (
              <select {...wiring} value={chosen} onChange={(event) => setCluster(event.currentTarget.value)}>
                <Options
                  of={Object.fromEntries(
                    definitions.map((each) => [each.cluster_id!, each.cluster_name ?? each.cluster_id!]),
                  )}
                />
              </select>
            )}
          </Field>
          <Field label="What is run">
            {(wiring) => (
              <select
                {...wiring}
                value={mode}
                onChange={(event) => setMode(event.currentTarget.value as keyof typeof MODES)}
              >
                <Options of={MODES} />
              </select>
            )}
          </Field>
          <Field label="When">
            {(wiring) => (
              <select
                {...wiring}
                value={type}
                onChange={(event) => {
                  const chosenType = event.currentTarget.value as TriggerType;
                  setType(chosenType);
                  setConfig(firstConfig(chosenType));
                }}
              >
                <Options of={TYPES} />
              </select>
            )}
          </Field>
        </div>
        <ScheduleFields type={type} config={config} onChange={setConfig} />
        <Preview type={type} config={config} />
        <Field label="Description">
          {(wiring) => (
            <input
              {...wiring}
              maxLength={4096}
              value={description}
              onInput={(event) => setDescription(event.currentTarget.value)}
            />
          )}
        </Field>
        {fault !== null && (
          <p class="notice bad" role="alert">
            {fault}
          </p>
        )}
      </form>
    </Dialog>
  );
}
