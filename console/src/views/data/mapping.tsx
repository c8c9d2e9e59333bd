/** How a file's columns become documents, as the import takes it. */
import { Table } from "../../ui/Table";
import type { Head, HeadColumn } from "./heads";

export type Role = "id" | "vector" | "metadata" | "skip";

export interface Mapped {
  column: HeadColumn;
  role: Role;
  /** The vector's name. */
  name: string;
}

const ROLES: Record<Role, string> = { metadata: "Metadata", id: "Document id", vector: "Vector", skip: "Leave out" };
const ID_COLUMNS = ["document_id", "id"];
const UNNAMED = "bring_your_own";

/** What the service would do by itself. */
export function mapByDefault(head: Head): Mapped[] {
  const id = ID_COLUMNS.find((name) => head.columns.some((column) => column.name === name));
  return head.columns.map((column) => ({
    column,
    role: column.name === id ? "id" : column.isVector ? "vector" : column.kind === "bytes" ? "skip" : "metadata",
    name: ["vector", "embedding"].includes(column.name) ? UNNAMED : column.name,
  }));
}

/** What is wrong with a mapping, or null. The service takes some columns by their name or type where none is named. */
export function faultOf(mapped: readonly Mapped[]): string | null {
  const having = (role: Role) => mapped.filter((each) => each.role === role);
  const kept = having("metadata");
  if (having("id").length > 1) return "Only one column can be the document's id.";
  const taken = having("id").length === 0 && kept.find((each) => ID_COLUMNS.includes(each.column.name));
  if (taken)
    return `A column called '${taken.column.name}' is the document's id: choose another for that, or leave it out.`;
  const vector = having("vector").length === 0 && kept.find((each) => each.column.isVector);
  if (vector) return `'${vector.column.name}' would be taken for a vector: choose another for that, or leave it out.`;
  const bytes = kept.find((each) => each.column.kind === "bytes");
  if (bytes) return `'${bytes.column.name}' holds bytes, which metadata cannot: leave it out.`;
  const names = having("vector").map((each) => each.name);
  if (names.some((name) => !/^[A-Za-z0-9_.-]{1,100}$/.test(name)))
    return "A vector's name is made of letters, digits, '_', '.' and '-'.";
  return new Set(names).size < names.length ? "Two vectors have the same name." : null;
}

/** The query of the import. */
export function queryOf(mapped: readonly Mapped[], strict: boolean): string {
  const query = new URLSearchParams();
  for (const { column, role, name } of mapped) {
    if (role === "id") query.set("id_column", column.name);
    if (role === "vector") query.append("vector_column", `${column.name}:${name}`);
    if (role === "skip") query.append("skip_column", column.name);
  }
  if (strict) query.set("strict", "true");
  return query.toString();
}

export function Mapping({ mapped, onChange }: { mapped: readonly Mapped[]; onChange: (mapped: Mapped[]) => void }) {
  const put = (row: Mapped, changes: Partial<Mapped>) =>
    onChange(mapped.map((each) => (each === row ? { ...each, ...changes } : each)));
  const columns = [
    { key: "column", title: "Column", cell: ({ column }: Mapped) => <span class="main">{column.name}</span> },
    {
      key: "role",
      title: "Becomes",
      cell: (row: Mapped) => (
        <select
          class="role"
          aria-label={`What ${row.column.name} becomes`}
          value={row.role}
          onChange={(event) => put(row, { role: event.currentTarget.value as Role })}
        >
          {rolesOf(row.column).map((role) => (
            <option key={role} value={role}>
              {ROLES[role]}
            </option>
          ))}
        </select>
      ),
    },
    {
      key: "name",
      title: "Vector's name",
      cell: (row: Mapped) =>
        row.role === "vector" && (
          <input
            class="name"
            aria-label={`Name of the vector in ${row.column.name}`}
            value={row.name}
            onInput={(event) => put(row, { name: event.currentTarget.value })}
          />
        ),
    },
    {
      key: "example",
      title: "Example",
      cell: ({ column }: Mapped) => <div class="cut muted example">{column.example || "–"}</div>,
    },
  ];
  return <Table caption="Columns of the file" columns={columns} rows={mapped} id={({ column }) => column.name} />;
}

function rolesOf(column: HeadColumn): Role[] {
  if (column.kind === "bytes") return ["skip"];
  return column.kind === "numbers" ? ["metadata", "vector", "skip"] : ["metadata", "id", "skip"];
}
