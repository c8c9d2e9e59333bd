/**
 * Paths and views: where the console is stands in the address alone, so that every address restores its view.
 *
 * Plain links work: a click on one that leads to a view is taken over here, everything else is the browser's.
 */
import { computed, signal } from "@preact/signals";

export interface Place {
  /** The parts of the path, decoded: `/clusters/a%20b` is `["clusters", "a b"]`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

export type Query = Record<string, string | number | null | undefined>;

const VIEWS = new Set(["clusters", "data", "automation", "sign-in"]);
const NAMESPACE = "ns";
export const DEFAULT_NAMESPACE = "default";

export const place = signal<Place>(read());
/** The namespace that all views look at: the address's `ns`. */
export const namespace = computed(() => place.value.query.get(NAMESPACE) ?? DEFAULT_NAMESPACE);

function read(): Place {
  const path = location.pathname.split("/").filter(Boolean).map(decode);
  return { path, query: new URLSearchParams(location.search) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray percent sign is a character like any other
  }
}

/** The address of a view in the present namespace. What is null, undefined or empty is left out of the query. */
export function href(path: readonly string[], query: Query = {}): string {
  const search = new URLSearchParams();
  if (namespace.value !== DEFAULT_NAMESPACE) search.set(NAMESPACE, namespace.value);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
    else search.delete(name);
  }
  const text = search.toString();
  return "/" + path.map(encodeURIComponent).join("/") + (text && "?" + text);
}

/** Go to an address that `href` made. `replace` leaves no step in the history. */
export function go(address: string, replace = false): void {
  if (address === location.pathname + location.search) return;
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  const before = place.peek();
  place.value = read();
  if (before.path.join("/") !== place.peek().path.join("/")) window.scrollTo(0, 0);
}

/** The present view with some of its query changed; null takes a parameter away. Typing replaces, choosing pushes. */
export function setQuery(changes: Query, replace = false): void {
  const now: Query = Object.fromEntries(place.peek().query);
  go(href(place.peek().path, { ...now, ...changes }), replace);
}

export function startRouter(): void {
  addEventListener("popstate", () => (place.value = read()));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (link === null || link.target !== "" || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (!isView(link.pathname)) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}

function isView(path: string): boolean {
  return path === "/" || VIEWS.has(path.split("/")[1] ?? "");
}
