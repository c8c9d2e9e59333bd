/** What the list of definitions shows, as the address says it. */
import type { Json } from "../../filters/tree";
import { place } from "../../router";
import type { Sort } from "../../ui/Table";

export const PAGE_SIZES = [25, 100, 500] as const;

export interface ListState {
  search: string;
  filters: Json | null;
  sort: Sort | null;
  limit: number;
  offset: number;
}

export function readState(): ListState {
  const { query } = place.value;
  const limit = Number(query.get("limit"));
  const offset = Number(query.get("offset"));
  return {
    search: query.get("q") ?? "",
    filters: parseFilters(query.get("filters")),
    sort: parseSort(query.get("sort")),
    limit: PAGE_SIZES.find((size) => size === limit) ?? PAGE_SIZES[0],
    offset: Number.isSafeInteger(offset) && offset > 0 ? offset : 0,
  };
}

/** The body of the list request. */
export function bodyOf({ search, filters, sort }: ListState): Json {
  return { ...(filters && { filters }), ...(sort && { sort }), ...(search && { search }) };
}

export function parseFilters(text: string | null): Json | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;
  } catch {
    return null; // an address that someone cut: no filter is shown, and none is used
  }
}

function parseSort(text: string | null): Sort | null {
  const [, direction, field] = /^(-?)(.+)$/.exec(text ?? "") ?? [];
  return field === undefined ? null : { field, direction: direction === "-" ? "desc" : "asc" };
}

export function showSort({ field, direction }: Sort): string {
  return (direction === "desc" ? "-" : "") + field;
}
