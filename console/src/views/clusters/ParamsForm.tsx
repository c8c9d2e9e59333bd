import { useState } from "preact/hooks";

import type { Param } from "../../api/document";
import { Field, type Wiring } from "../../ui/Field";

export type Values = Readonly<Record<string, unknown>>;
export type Faults = Readonly<Record<string, string>>;

interface Props {
  params: readonly Param[];
  /** Only what was changed: what is missing is as the parameter's default. */
  values: Values;
  faults: Faults;
  onChange: (values: Values) => void;
}

/** A control for each parameter. Emptying one takes it back to its default. */
export function ParamsForm({ params, values, faults, onChange }: Props) {
  const put = (name: string, value: unknown) => {
    const { [name]: _, ...others } = values;
    onChange(value === undefined ? others : { ...others, [name]: value });
  };
  return (
    <div class="grid">
      {params.map((param) => (
        <Field key={param.name} label={titleOf(param.name)} hint={hintOf(param)} fault={faults[param.name]}>
          {(wiring) => (
            <Control
              param={param}
              value={values[param.name]}
              wiring={wiring}
              onChange={(value) => put(param.name, value)}
            />
          )}
        </Field>
      ))}
    </div>
  );
}

interface ControlProps {
  param: Param;
  value: unknown;
  wiring: Wiring;
  onChange: (value: unknown) => void;
}

function Control({ param, value, wiring, onChange }: ControlProps) {
  if (param.kind === "boolean" || param.choices.length > 0)
    return <Choice param={param} value={value} wiring={wiring} onChange={onChange} />;
  return <Written param={param} value={value} wiring={wiring} onChange={onChange} />;
}

/** What is being typed stays as it is typed ("0." on the way to "0.5"), unless the value changes from elsewhere. */
function Written({ param, value, wiring, onChange }: ControlProps) {
  const [typed, setTyped] = useState(shown(value));
  const text = same(meaningOf(param, typed), value) ? typed : shown(value);
  const shared = {
    ...wiring,
    value: text,
    placeholder: param.standard === null ? "not set" : String(param.standard),
    onInput: (event: { currentTarget: HTMLInputElement }) => {
      setTyped(event.currentTarget.value);
      onChange(meaningOf(param, event.currentTarget.value));
    },
  };
  if (param.kind === "text" || param.kind === "json") return <input {...shared} spellcheck={false} />;
  const step = param.kind === "integer" ? 1 : "any";
  return <input {...shared} type="number" step={step} min={param.least ?? undefined} max={param.most ?? undefined} />;
}

const shown = (value: unknown) =>
  value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

function Choice({ param, value, wiring, onChange }: ControlProps) {
  const choices = param.kind === "boolean" ? [true, false] : param.choices;
  return (
    <select
      {...wiring}
      value={value === undefined ? "" : String(value)}
      onChange={(event) => onChange(choices.find((each) => String(each) === event.currentTarget.value))}
    >
      <option value="">{param.standard === null ? "standard" : `standard (${wordOf(param.standard)})`}</option>
      {choices.map((each) => (
        <option key={String(each)} value={String(each)}>
          {wordOf(each)}
        </option>
      ))}
    </select>
  );
}

/** What was typed: numbers as numbers, objects and lists as JSON; what cannot be read is left to the API to refuse. */
function meaningOf({ kind }: Param, text: string): unknown {
  if (text.trim() === "") return undefined;
  if (kind === "text") return text;
  if (kind !== "json") return Number.isNaN(Number(text)) ? text : Number(text);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const wordOf = (value: unknown) => (value === true ? "yes" : value === false ? "no" : String(value));

export function titleOf(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function hintOf({ about, least, most }: Param): string | undefined {
  const range = least !== null && most !== null ? `${least} to ${most.toLocaleString()}` : "";
  return [about.replaceAll("`", ""), range].filter(Boolean).join(" ") || undefined;
}
