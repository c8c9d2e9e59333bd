/** Conditions of the list language as rows to fill in, all of which must hold. */
import { useId } from "preact/hooks";

import { Button } from "../../ui/Button";

const OPERATORS = {
  eq: "is",
  ne: "is not",
  contains: "contains",
  starts_with: "starts with",
  gt: "is greater than",
  gte: "is at least",
  lt: "is less than",
  lte: "is at most",
  exists: "exists",
} as const;
type Operator = keyof typeof OPERATORS;

export interface Condition {
  field: string;
  operator: Operator;
  value: string;
}

/** Conditions as the address holds them; what is none is left out. */
export function readConditions(text: string | null): Condition[] {
  try {
    const given: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(given) ? given.filter(isCondition) : [];
  } catch {
    return [];
  }
}

function isCondition(given: unknown): given is Condition {
  const { field, operator, value } = (given ?? {}) as Partial<Condition>;
  return typeof field === "string" && typeof value === "string" && typeof operator === "string" && operator in OPERATORS;
}

/** The filters of a list request; null where no condition is filled in. */
export function toFilters(conditions: readonly Condition[]): unknown {
  const whole = conditions.filter((each) => each.field !== "" && (each.operator === "exists" || each.value !== ""));
  if (whole.length === 0) return null;
  return { AND: whole.map(({ field, operator, value }) => ({ field: pathOf(field), operator, value: operator === "exists" ? true : valueOf(value, operator) })) };
}

function pathOf(field: string): string {
  return field === "document_id" || field.startsWith("metadata.") ? field : `metadata.${field}`;
}

/** What looks like a number or a truth value is one, unless it is quoted or a part of a text. */
function valueOf(text: string, operator: Operator): string | number | boolean {
  if (operator === "contains" || operator === "starts_with") return text;
  if (/^".*"$/.test(text)) return text.slice(1, -1);
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : text;
}

interface Props {
  conditions: readonly Condition[];
  /** Fields to offer. */
  fields: readonly string[];
  onChange: (conditions: readonly Condition[]) => void;
}

export function Conditions({ conditions, fields, onChange }: Props) {
  const list = useId();
  const put = (at: number, changes: Partial<Condition>) => onChange(conditions.map((each, place) => (place === at ? { ...each, ...changes } : each)));
  if (conditions.length === 0) return null;
  return (
    <div class="stack tight" role="group" aria-label="Conditions">
      <datalist id={list}>
        {["document_id", ...fields].map((field) => (
          <option key={field} value={field} />
        ))}
      </datalist>
      {conditions.map((each, at) => (
        <div key={at} class="condition">
          <input aria-label={`Field of condition ${at + 1}`} placeholder="Field" list={list} value={each.field} onInput={(event) => put(at, { field: event.currentTarget.value })} />
          <select aria-label={`Comparison of condition ${at + 1}`} value={each.operator} onChange={(event) => put(at, { operator: event.currentTarget.value as Operator })}>
            {Object.entries(OPERATORS).map(([operator, words]) => (
              <option key={operator} value={operator}>
                {words}
              </option>
            ))}
          </select>
          <input aria-label={`Value of condition ${at + 1}`} placeholder="Value" disabled={each.operator === "exists"} value={each.value} onInput={(event) => put(at, { value: event.currentTarget.value })} />
          <Button kind="quiet" icon="close" label={`Remove condition ${at + 1}`} onClick={() => onChange(conditions.filter((_, place) => place !== at))} />
        </div>
      ))}
    </div>
  );
}
