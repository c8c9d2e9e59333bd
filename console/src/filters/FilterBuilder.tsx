import { useEffect, useId, useState } from "preact/hooks";

import { Button } from "../ui/Button";
import { Check } from "../ui/Field";
import { messageOf } from "../ui/states";
import {
  type Condition,
  type Group,
  type Json,
  type Logic,
  type Node,
  type Operator,
  OPERATORS,
  fromJson,
  isGroup,
  newCondition,
  newGroup,
  replace,
  takesFlag,
  takesList,
  toJson,
} from "./tree";

export interface FieldHint {
  name: string;
  /** Values that it is known to have. */
  values?: readonly string[];
}

interface Props {
  /** The filter as the API takes it; null for none. */
  value: Json | null;
  fields: readonly FieldHint[];
  onChange: (value: Json | null) => void;
}

const LOGICS: Record<Logic, string> = { AND: "All of", OR: "Any of", NOT: "None of" };

/** Builds a filter of the list language from rows and groups, or from its JSON; both show the same. */
export function FilterBuilder({ value, fields, onChange }: Props) {
  const [{ root, fault }, setForm] = useState(() => formOf(value));
  const [present, setPresent] = useState(value);
  const [text, setText] = useState<string | null>(null);
  const list = useId();

  // The address may change beside the form: by going back, by a link.
  useEffect(() => {
    if (JSON.stringify(value) === JSON.stringify(present)) return;
    setForm(formOf(value));
    setPresent(value);
    setText(null);
  }, [JSON.stringify(value)]);

  const put = (form: Form, json: Json | null) => {
    setForm(form);
    setPresent(json);
    onChange(json);
  };
  const change = (tree: Group) => {
    setText(null);
    try {
      put({ root: tree, fault: null }, toJson(tree));
    } catch (error) {
      setForm({ root: tree, fault: messageOf(error) });
    }
  };
  const write = (written: string) => {
    setText(written);
    try {
      const json = written.trim() === "" ? null : (JSON.parse(written) as Json);
      put({ root: json === null ? newGroup() : fromJson(json), fault: null }, json);
    } catch (error) {
      setForm({ root, fault: messageOf(error) });
    }
  };
  return (
    <div class="builder">
      <datalist id={list}>
        {fields.map((field) => (
          <option key={field.name} value={field.name} />
        ))}
      </datalist>
      {root === null ? (
        <p class="notice warn">Rows cannot show this filter. Change its JSON, or leave it as it is.</p>
      ) : (
        <div class="stack tight">
          <GroupForm group={root} fields={fields} list={list} onChange={(tree) => change(tree ?? newGroup())} />
          <Check
            label="Upper and lower case differ"
            checked={root.exact === true}
            onChange={(on) => change({ ...root, exact: on || undefined })}
          />
        </div>
      )}
      <label class="field">
        <span class="legend">As JSON</span>
        <textarea
          class="mono"
          rows={8}
          spellcheck={false}
          aria-invalid={fault !== null}
          value={text ?? (present === null ? "" : JSON.stringify(present, null, 2))}
          onInput={(event) => write(event.currentTarget.value)}
        />
        {fault !== null && (
          <span class="fault" role="alert">
            {fault}
          </span>
        )}
      </label>
    </div>
  );
}

interface Form {
  /** Null for a filter that rows cannot show; its JSON can be changed. */
  root: Group | null;
  fault: string | null;
}

function formOf(value: Json | null): Form {
  try {
    return { root: value === null ? newGroup() : fromJson(value), fault: null };
  } catch (error) {
    return { root: null, fault: messageOf(error) };
  }
}

interface GroupProps {
  group: Group;
  fields: readonly FieldHint[];
  list: string;
  onChange: (group: Group | null) => void;
  onRemove?: () => void;
}

function GroupForm({ group, fields, list, onChange, onRemove }: GroupProps) {
  const put = (id: number, by: Node | null) => onChange(replace(group, id, by));
  const add = (item: Node) => onChange({ ...group, items: [...group.items, item] });
  return (
    <fieldset class="logic">
      <legend class="hidden">{LOGICS[group.logic]}</legend>
      <div class="row">
        <select
          aria-label="How the conditions go together"
          value={group.logic}
          onChange={(event) => onChange({ ...group, logic: event.currentTarget.value as Logic })}
        >
          {Object.entries(LOGICS).map(([logic, title]) => (
            <option key={logic} value={logic}>
              {title}
            </option>
          ))}
        </select>
        <Button kind="quiet" icon="plus" onClick={() => add(newCondition())}>
          Condition
        </Button>
        <Button kind="quiet" icon="plus" onClick={() => add(newGroup("OR"))}>
          Group
        </Button>
        {onRemove && <Button kind="quiet" icon="close" label="Remove the group" onClick={onRemove} />}
      </div>
      {group.items.map((item) =>
        isGroup(item) ? (
          <GroupForm
            key={item.id}
            group={item}
            fields={fields}
            list={list}
            onChange={(by) => put(item.id, by)}
            onRemove={() => put(item.id, null)}
          />
        ) : (
          <ConditionForm
            key={item.id}
            condition={item}
            fields={fields}
            list={list}
            onChange={(by) => put(item.id, by)}
          />
        ),
      )}
    </fieldset>
  );
}

interface ConditionProps {
  condition: Condition;
  fields: readonly FieldHint[];
  list: string;
  onChange: (condition: Condition | null) => void;
}

function ConditionForm({ condition, fields, list, onChange }: ConditionProps) {
  const values = fields.find((field) => field.name === condition.field)?.values ?? [];
  const own = `${list}-${condition.id}`;
  return (
    <div class="condition">
      <input
        aria-label="Field"
        placeholder="Field"
        list={list}
        value={condition.field}
        onInput={(event) => onChange({ ...condition, field: event.currentTarget.value })}
      />
      <select
        aria-label="Operator"
        value={condition.operator}
        onChange={(event) => onChange({ ...condition, operator: event.currentTarget.value as Operator })}
      >
        {OPERATORS.map(({ name, title }) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
      {takesFlag(condition.operator) ? (
        <select
          aria-label="Value"
          value={condition.text === "false" ? "false" : "true"}
          onChange={(event) => onChange({ ...condition, text: event.currentTarget.value })}
        >
          <option value="true">yes</option>
          <option value="false">no</option>
        </select>
      ) : (
        <input
          aria-label="Value"
          placeholder={takesList(condition.operator) ? "Values, with commas" : "Value"}
          list={values.length > 0 ? own : undefined}
          value={condition.text}
          onInput={(event) => onChange({ ...condition, text: event.currentTarget.value })}
        />
      )}
      {values.length > 0 && (
        <datalist id={own}>
          {values.map((value) => (
            <option key={value} value={value} />
          ))}
        </datalist>
      )}
      <Button kind="quiet" icon="close" label="Remove the condition" onClick={() => onChange(null)} />
    </div>
  );
}
