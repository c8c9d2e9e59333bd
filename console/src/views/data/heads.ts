/** The head of a file that is to be imported, read in the browser: its columns, with an example of each. */
import type { AsyncBuffer, FileMetaData, SchemaTree } from "hyparquet";

export type Kind = "text" | "number" | "numbers" | "bytes" | "other";

export interface HeadColumn {
  name: string;
  kind: Kind;
  /** Whether the service takes it for a vector where it is told nothing. */
  isVector: boolean;
  example: string;
}

export interface Head {
  type: string;
  columns: HeadColumn[];
  /** How many rows the file says it has; null where one must read it to know. */
  rows: number | null;
}

const TYPES: Record<string, string> = {
  parquet: "application/vnd.apache.parquet",
  csv: "text/csv",
  ndjson: "application/x-ndjson",
  jsonl: "application/x-ndjson",
};
const HEAD_BYTES = 1 << 20;
const HEAD_ROWS = 20;
const EXAMPLE = 80;
const VECTOR_NAMES = ["vector", "embedding"];

/** Throws an Error that says what is wrong with the file. */
export async function readHead(file: File): Promise<Head> {
  const end = file.name.split(".").pop()?.toLowerCase() ?? "";
  const type = TYPES[end];
  if (type === undefined)
    throw new Error(`${file.name} is not of a kind that is imported here: use .parquet, .csv, .ndjson or .jsonl`);
  if (file.size === 0) throw new Error(`${file.name} is empty`);
  if (end === "parquet") return { type, ...(await headOfParquet(file)) };
  const text = await file.slice(0, HEAD_BYTES).text();
  return { type, rows: null, columns: end === "csv" ? headOfCsv(text) : headOfJson(text) };
}

// -- NDJSON

function headOfJson(text: string): HeadColumn[] {
  const rows = text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .slice(0, HEAD_ROWS)
    .flatMap(objectOf);
  if (rows.length === 0) throw new Error("The file's first lines are not JSON objects, one a line");
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return names.map((name) => {
    const value = rows.map((row) => row[name]).find((each) => each !== null && each !== undefined);
    return { name, kind: kindOf(value), isVector: VECTOR_NAMES.includes(name), example: shorten(value) };
  });
}

function objectOf(line: string): Record<string, unknown>[] {
  try {
    const value: unknown = JSON.parse(line);
    return value !== null && typeof value === "object" && !Array.isArray(value)
      ? [value as Record<string, unknown>]
      : [];
  } catch {
    return []; // a line that the head cuts off, or one that the import will report
  }
}

// -- CSV (RFC 4180)

function headOfCsv(text: string): HeadColumn[] {
  const [names = [], ...rows] = csvRows(text);
  return names.map((name, at) => {
    const cell = rows.map((row) => row[at]).find(Boolean) ?? "";
    const value = cell.startsWith("[")
      ? (objectOf(`{"v":${cell}}`)[0]?.v ?? cell)
      : cell !== "" && !Number.isNaN(Number(cell))
        ? Number(cell)
        : cell;
    return { name, kind: kindOf(value), isVector: kindOf(value) === "numbers", example: shorten(cell) };
  });
}

function csvRows(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    row.push(quoted?.replaceAll('""', '"') ?? plain ?? "");
    if (end === ",") continue;
    rows.push(row);
    row = [];
    if (rows.length > HEAD_ROWS) break;
  }
  return rows;
}

// -- Parquet

async function headOfParquet(file: File): Promise<Omit<Head, "type">> {
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import("hyparquet");
  const source: AsyncBuffer = { byteLength: file.size, slice: (start, end) => file.slice(start, end).arrayBuffer() };
  let metadata: FileMetaData;
  try {
    metadata = await parquetMetadataAsync(source);
  } catch {
    throw new Error(`${file.name} is no Parquet file, or is cut off`);
  }
  // Pages packed by what this page cannot unpack have no examples; the service reads them all the same.
  const [first = {}] = await parquetReadObjects({ file: source, metadata, rowEnd: 1 }).catch(() => []);
  const columns = parquetSchema(metadata).children.map((column) => {
    const kind = kindOfParquet(column);
    const value = first[column.element.name];
    return {
      name: column.element.name,
      kind,
      isVector: kind === "numbers" && isFloating(leafOf(column)),
      example: shorten(value),
    };
  });
  return { columns, rows: Number(metadata.num_rows) };
}

function kindOfParquet(column: SchemaTree): Kind {
  const { type, converted_type, logical_type } = leafOf(column).element;
  const isText =
    converted_type === "UTF8" ||
    converted_type === "ENUM" ||
    converted_type === "JSON" ||
    logical_type?.type === "STRING";
  const isNumber =
    isFloating(leafOf(column)) ||
    ((type === "INT32" || type === "INT64") && !/DATE|TIME/.test(converted_type ?? logical_type?.type ?? ""));
  if (column.children.length > 0) return column.element.converted_type === "LIST" && isNumber ? "numbers" : "other";
  if (isNumber) return "number";
  return isText ? "text" : type === "BYTE_ARRAY" || type === "FIXED_LEN_BYTE_ARRAY" ? "bytes" : "other";
}

function leafOf(column: SchemaTree): SchemaTree {
  return column.children.length === 1 ? leafOf(column.children[0]!) : column;
}

function isFloating({ element }: SchemaTree): boolean {
  return element.type === "FLOAT" || element.type === "DOUBLE" || element.logical_type?.type === "FLOAT16";
}

// -- all

function kindOf(value: unknown): Kind {
  if (typeof value === "number" || typeof value === "bigint") return "number";
  if (typeof value === "string") return "text";
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "number")
    ? "numbers"
    : "other";
}

function shorten(value: unknown): string {
  if (value === undefined || value === null) return "";
  const plain =
    value instanceof Uint8Array
      ? `${value.length} bytes`
      : ArrayBuffer.isView(value)
        ? `[${Array.from(value as Float32Array).join(", ")}]`
        : value;
  const text =
    typeof plain === "string"
      ? plain
      : JSON.stringify(plain, (_, each: unknown) => (typeof each === "bigint" ? Number(each) : each));
  return text.length > EXAMPLE ? text.slice(0, EXAMPLE) + "…" : text;
}
