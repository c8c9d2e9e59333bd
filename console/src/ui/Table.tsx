import type { ComponentChild } from "preact";

import { Icon } from "./icons";
import { Button } from "./Button";

export interface Column<Row> {
  key: string;
  title: string;
  cell: (row: Row) => ComponentChild;
  /** Numbers stand at the right. */
  right?: boolean;
  /** The field that this column sorts by, where it can. */
  sort?: string;
}

export interface Sort {
  field: string;
  direction: "asc" | "desc";
}

interface Props<Row> {
  /** What the table holds, for who cannot see it. */
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  id: (row: Row) => string;
  sort?: Sort | null;
  onSort?: (sort: Sort) => void;
  selected?: (row: Row) => boolean;
}

/** Rows of data; headings that can sort are buttons. It scrolls within itself where the screen is narrow. */
export function Table<Row>({ caption, columns, rows, id, sort, onSort, selected }: Props<Row>) {
  return (
    <div class="table" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <Heading key={column.key} column={column} sort={sort} onSort={onSort} />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)} aria-selected={selected?.(row) ? "true" : undefined}>
              {columns.map((column) => (
                <td key={column.key} class={column.right ? "right" : ""}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface HeadingProps<Row> {
  column: Column<Row>;
  sort: Sort | null | undefined;
  onSort: ((sort: Sort) => void) | undefined;
}

function Heading<Row>({ column, sort, onSort }: HeadingProps<Row>) {
  const { sort: field, title, right } = column;
  if (field === undefined || onSort === undefined) return <th class={right ? "right" : ""}>{title}</th>;
  const direction = sort?.field === field ? sort.direction : null;
  const next = direction === "asc" ? "desc" : "asc";
  const told = direction === null ? "none" : direction === "asc" ? "ascending" : "descending";
  return (
    <th class={right ? "right" : ""} aria-sort={told}>
      <button type="button" onClick={() => onSort({ field, direction: next })}>
        {title}
        {direction && <Icon name={direction === "asc" ? "up" : "down"} size={12} />}
      </button>
    </th>
  );
}

interface PagesProps {
  total: number;
  offset: number;
  limit: number;
  what: string;
  onOffset: (offset: number) => void;
}

/** Which rows of how many are shown, and the way to the others. */
export function Pages({ total, offset, limit, what, onOffset }: PagesProps) {
  const last = Math.min(offset + limit, total);
  return (
    <nav class="pages" aria-label="Pages">
      <span class="num">
        {total === 0
          ? `No ${what}`
          : `${(offset + 1).toLocaleString()}–${last.toLocaleString()} of ${total.toLocaleString()} ${what}`}
      </span>
      <Button disabled={offset === 0} onClick={() => onOffset(Math.max(0, offset - limit))}>
        Previous
      </Button>
      <Button disabled={last >= total} onClick={() => onOffset(offset + limit)}>
        Next
      </Button>
    </nav>
  );
}
