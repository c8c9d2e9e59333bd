/** A request as a command or a script that does the same. Keys are named, never shown. */
import { DEFAULT_NAMESPACE, namespace } from "../router";

export interface Asked {
  path: string;
  query?: Record<string, string | number>;
  body: unknown;
  /** The Python client's method, its positional arguments before the body, and whether it takes the query. */
  method: string;
}

export function asCurl({ path, query = {}, body }: Asked): string {
  const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)])).toString();
  const lines = [
    `curl -X POST ${quoted(location.origin + path + (search && "?" + search))}`,
    `-H "Authorization: Bearer $COTERIE_API_KEY"`,
    ...(namespace.value === DEFAULT_NAMESPACE ? [] : [`-H ${quoted("X-Namespace: " + namespace.value)}`]),
    `-H 'Content-Type: application/json'`,
    `-d ${quoted(JSON.stringify(body, null, 2))}`,
  ];
  return lines.join(" \\\n  ");
}

/** For a POSIX shell: nothing between single quotes is special but the quote itself. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function asPython({ query = {}, body, method }: Asked): string {
  const options = Object.entries(query).map(([name, value]) => `, ${name}=${python(value)}`);
  const where = namespace.value === DEFAULT_NAMESPACE ? "" : `, ${python(namespace.value)}`;
  return [
    "import os",
    "",
    "from coterie.client import Client",
    "",
    `with Client(${python(location.origin)}, os.environ["COTERIE_API_KEY"]${where}) as client:`,
    `    answer = client.${method}(${python(body, 1)}${options.join("")})`,
  ].join("\n");
}

/** A JSON value as Python writes it, indented by levels of four spaces. */
export function python(value: unknown, level = 0): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const pad = "    ".repeat(level + 1);
  const end = "    ".repeat(level);
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return `[\n${value.map((item) => pad + python(item, level + 1) + ",\n").join("")}${end}]`;
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return "{}";
  return `{\n${entries.map(([key, item]) => `${pad}${JSON.stringify(key)}: ${python(item, level + 1)},\n`).join("")}${end}}`;
}
