/**
 * The list language's filters as a tree that a form can edit, and the JSON that the API takes.
 *
 * Every node has an id, so that a form keeps its focus while the tree changes around it; and whether it tells upper from
 * lower case, where the JSON says so of that node.
 */
export type Operator = (typeof OPERATORS)[number]["name"];
export type Logic = "AND" | "OR" | "NOT";
export type Json = Record<string, unknown>;

export interface Condition {
  id: number;
  field: string;
  operator: Operator;
  /** As it was typed; `readValue` says what it means. */
  text: string;
  exact?: boolean;
}

export interface Group {
  id: number;
  logic: Logic;
  items: Node[];
  exact?: boolean;
}

export type Node = Condition | Group;

export const OPERATORS = [
  { name: "eq", title: "is" },
  { name: "ne", title: "is not" },
  { name: "gt", title: "greater than" },
  { name: "gte", title: "at least" },
  { name: "lt", title: "less than" },
  { name: "lte", title: "at most" },
  { name: "in", title: "is one of" },
  { name: "nin", title: "is none of" },
  { name: "contains", title: "contains" },
  { name: "starts_with", title: "starts with" },
  { name: "ends_with", title: "ends with" },
  { name: "regex", title: "matches regex" },
  { name: "exists", title: "exists" },
  { name: "is_null", title: "is null" },
  { name: "text", title: "has the words" },
] as const;

const LISTS = new Set<Operator>(["in", "nin"]);
const FLAGS = new Set<Operator>(["exists", "is_null"]);
const TEXTS = new Set<Operator>(["contains", "starts_with", "ends_with", "regex", "text"]);

let last = 0;
const nextId = () => (last += 1);

export const isGroup = (node: Node): node is Group => "items" in node;
export const takesFlag = (operator: Operator) => FLAGS.has(operator);
export const takesList = (operator: Operator) => LISTS.has(operator);

export function newCondition(): Condition {
  return { id: nextId(), field: "", operator: "eq", text: "" };
}

export function newGroup(logic: Logic = "AND", items: Node[] = [newCondition()]): Group {
  return { id: nextId(), logic, items };
}

/**
 * The API's JSON. Throws an Error for numbers that a browser would round.
 *
 * It is null where nothing is asked yet: conditions without a field are left out, and groups of none.
 */
export function toJson(node: Node): Json | null {
  const flag = node.exact === undefined ? {} : { case_sensitive: node.exact };
  if (!isGroup(node)) {
    if (node.field.trim() === "") return null;
    return { field: node.field.trim(), operator: node.operator, value: whole(readValue(node)), ...flag };
  }
  const items = node.items.map(toJson).filter((item) => item !== null);
  return items.length === 0 ? null : { [node.logic]: items, ...flag };
}

/** The value, unless a number in it has more digits than a browser keeps: that would silently ask for another one. */
function whole(value: unknown): unknown {
  for (const each of Array.isArray(value) ? value : [value]) {
    if (typeof each !== "number" || Number.isSafeInteger(each)) continue;
    if (!Number.isFinite(each) || Number.isInteger(each))
      throw new Error("a browser rounds whole numbers beyond 9,007,199,254,740,991: filter by them through the API");
  }
  return value;
}

/**
 * What a condition's text means: a number, true, false, null or "quoted text" as JSON has them, else the text itself.
 * Lists are split at commas. Operators on texts take everything as text.
 */
export function readValue({ operator, text }: Condition): unknown {
  if (FLAGS.has(operator)) return text !== "false";
  if (TEXTS.has(operator)) return text;
  if (!LISTS.has(operator)) return scalar(text);
  const list = scalar(text);
  if (Array.isArray(list)) return list;
  return text
    .split(",")
    .map((part) => scalar(part.trim()))
    .filter((part) => part !== "");
}

function scalar(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? text : value;
  } catch {
    return text;
  }
}

/** The tree of a JSON that someone wrote. Throws an Error that says what is wrong with it. */
export function fromJson(json: unknown): Group {
  const node = read(json);
  return isGroup(node) ? node : newGroup("AND", [node]);
}

function read(json: unknown): Node {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new Error("a filter is an object");
  const given = json as Json;
  if ("field" in given && ("operator" in given || "value" in given)) return condition(given);
  const items = Object.entries(given)
    .filter(([key]) => key !== "case_sensitive")
    .map(([key, value]) => part(key, value));
  const group = items.length === 1 && isGroup(items[0]!) ? items[0] : newGroup("AND", items);
  return flagged(group, given);
}

function flagged<N extends Node>(node: N, { case_sensitive: flag }: Json): N {
  if (flag === undefined || flag === null) return node;
  if (typeof flag !== "boolean") throw new Error("'case_sensitive' is true or false");
  return { ...node, exact: flag };
}

function part(key: string, value: unknown): Node {
  if (key !== "AND" && key !== "OR" && key !== "NOT") return condition({ field: key, operator: "eq", value });
  return newGroup(key, (Array.isArray(value) ? value : [value]).map(read));
}

function condition(given: Json): Condition {
  const { field, operator = "eq", value } = given;
  const known = OPERATORS.find((each) => each.name === operator);
  if (known === undefined) throw new Error(`'${String(operator)}' is no operator`);
  const text = show(known.name, whole(value));
  return flagged({ id: nextId(), field: String(field), operator: known.name, text }, given);
}

function show(operator: Operator, value: unknown): string {
  if (LISTS.has(operator)) return JSON.stringify(value);
  if (typeof value !== "string") return JSON.stringify(value ?? null);
  return TEXTS.has(operator) || scalar(value) === value ? value : JSON.stringify(value);
}

export function countConditions(node: Node): number {
  return isGroup(node)
    ? node.items.reduce((sum, item) => sum + countConditions(item), 0)
    : node.field.trim() === ""
      ? 0
      : 1;
}

/** The tree with one node replaced, or taken out by null. */
export function replace(group: Group, id: number, by: Node | null): Group {
  const items = group.items.flatMap((item) => {
    if (item.id === id) return by === null ? [] : [by];
    return [isGroup(item) ? replace(item, id, by) : item];
  });
  return { ...group, items };
}
