import { api, take } from "../../api/client";
import { Check, Field } from "../../ui/Field";
import { useLoad, useSettled } from "../../ui/load";
import { messageOf } from "../../ui/states";
import { type Config, CONDITIONS, EVENTS, firstCondition, METRICS, OPERATORS, type TriggerType } from "./schedule";

interface Props {
  type: TriggerType;
  config: Config;
  onChange: (config: Config) => void;
}

/** The fields of a schedule, by its type. */
export function ScheduleFields(props: Props) {
  const Fields = { cron: Cron, interval: Interval, event: Event, conditional: Conditional }[props.type];
  return <Fields {...props} />;
}

function Cron({ config, onChange }: Props) {
  return (
    <div class="grid">
      <Text
        label="Cron expression"
        hint="minute, hour, day of month, month, day of week"
        name="cron_expression"
        config={config}
        onChange={onChange}
      />
      <Field label="Time zone">
        {(wiring) => (
          <>
            <input
              {...wiring}
              list="zones"
              value={String(config.timezone)}
              onInput={(event) => onChange({ ...config, timezone: event.currentTarget.value })}
            />
            <datalist id="zones">
              {["UTC", ...Intl.supportedValuesOf("timeZone")].map((zone) => (
                <option key={zone} value={zone} />
              ))}
            </datalist>
          </>
        )}
      </Field>
    </div>
  );
}

function Interval({ config, onChange }: Props) {
  return (
    <div class="stack tight">
      <Amount label="Every (seconds)" hint="300 at least" name="interval_seconds" config={config} onChange={onChange} />
      <Check
        label="The first time at once"
        checked={config.start_immediately === true}
        onChange={(on) => onChange({ ...config, start_immediately: on })}
      />
    </div>
  );
}

function Event({ config, onChange }: Props) {
  return (
    <div class="grid">
      <Choice label="What is counted" name="event_type" options={EVENTS} config={config} onChange={onChange} />
      <Amount label="How many" name="event_threshold" config={config} onChange={onChange} />
      <Amount label="Rest after a run (seconds)" name="cooldown_seconds" config={config} onChange={onChange} />
    </div>
  );
}

function Conditional({ config, onChange }: Props) {
  const kind = String(config.condition_type);
  const metrics = METRICS[kind];
  return (
    <div class="grid">
      <Field label="Condition">
        {(wiring) => (
          <select {...wiring} value={kind} onChange={(event) => onChange(firstCondition(event.currentTarget.value))}>
            <Options of={CONDITIONS} />
          </select>
        )}
      </Field>
      {metrics !== undefined ? (
        <Choice label="Measure" name="metric" options={metrics} config={config} onChange={onChange} />
      ) : (
        <>
          <Text
            label="Measure"
            hint="a number of the run, such as num_clusters"
            name="metric"
            config={config}
            onChange={onChange}
          />
          <Choice label="Comparison" name="operator" options={OPERATORS} config={config} onChange={onChange} />
        </>
      )}
      <Amount label="Threshold" name="threshold" config={config} onChange={onChange} />
      <Amount
        label="Look every (seconds)"
        hint="60 at least"
        name="check_interval_seconds"
        config={config}
        onChange={onChange}
      />
    </div>
  );
}

interface One {
  label: string;
  name: string;
  hint?: string;
  config: Config;
  onChange: (config: Config) => void;
}

function Text({ label, name, hint, config, onChange }: One) {
  return (
    <Field label={label} hint={hint}>
      {(wiring) => (
        <input
          {...wiring}
          required
          class="mono"
          value={String(config[name])}
          onInput={(event) => onChange({ ...config, [name]: event.currentTarget.value })}
        />
      )}
    </Field>
  );
}

function Amount({ label, name, hint, config, onChange }: One) {
  return (
    <Field label={label} hint={hint}>
      {(wiring) => (
        <input
          {...wiring}
          type="number"
          step="any"
          required
          value={Number(config[name])}
          onInput={(event) => onChange({ ...config, [name]: event.currentTarget.valueAsNumber })}
        />
      )}
    </Field>
  );
}

function Choice({ label, name, options, config, onChange }: One & { options: Record<string, string> }) {
  return (
    <Field label={label}>
      {(wiring) => (
        <select
          {...wiring}
          value={String(config[name])}
          onChange={(event) => onChange({ ...config, [name]: event.currentTarget.value })}
        >
          <Options of={options} />
        </select>
      )}
    </Field>
  );
}

export function Options({ of }: { of: Record<string, string> }) {
  return (
    <>
      {Object.entries(of).map(([value, words]) => (
        <option key={value} value={value}>
          {words}
        </option>
      ))}
    </>
  );
}

/** When a schedule would fire, or what is wrong with it, in the service's own words. */
export function Preview({ type, config }: { type: TriggerType; config: Config }) {
  const asked = useSettled(JSON.stringify({ trigger_type: type, schedule_config: config }));
  const { data, error } = useLoad(asked, (signal) =>
    take(
      api.POST("/v1/clusters/triggers/preview", {
        body: JSON.parse(asked) as { trigger_type: TriggerType; schedule_config: Config },
        signal,
      }),
    ),
  );
  if (error !== null)
    return (
      <p class="notice bad" role="status">
        {messageOf(error)}
      </p>
    );
  if (data === null) return null;
  const zone = typeof config.timezone === "string" ? config.timezone : undefined;
  return (
    <div class="notice" role="status">
      {type === "event"
        ? "It fires when so many have come, and not while it rests."
        : type === "conditional"
          ? "It is looked at first at:"
          : "The next times:"}
      <ul class="times">
        {data.times.map((time) => (
          <li key={time}>{shown(time, zone)}</li>
        ))}
      </ul>
    </div>
  );
}

function shown(time: string, zone: string | undefined): string {
  const style = {
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZoneName: "short",
  } as const;
  try {
    return new Date(time).toLocaleString("en-GB", { ...style, timeZone: zone });
  } catch {
    return new Date(time).toLocaleString("en-GB", style); // a zone that the service knows and this browser does not
  }
}
