/** Members as rows that open to their documents: those of a group through the API's filters, those of a loop by number. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { api, take } from "../api/client";
import { place, setQuery } from "../router";
import { Pages } from "../ui/Table";
import { useLoad, useSettled } from "../ui/load";
import { ErrorState, Skeleton } from "../ui/states";
import { DocumentCard } from "./card";
import { type Member, readMembers } from "./data";

type Row = Pick<Member, "document_id" | "metadata" | "distance_to_centroid" | "cluster_label">;

const PAGE = 12;
const OPERATORS = [
  ["contains", "contains"],
  ["eq", "is"],
  ["ne", "is not"],
  ["gt", "is more than"],
  ["lt", "is less than"],
] as const;

/** The members of a group, nearest first; the address holds from which on. */
export function GroupMembers({ run, group, total }: { run: string; group: string; total: number }) {
  const { query } = place.value;
  // Until the address follows the choice of a group, it speaks of the one before.
  const offset = query.get("group") === group ? Math.max(0, Math.trunc(Number(query.get("members")) || 0)) : 0;
  const [field, setField] = useState("");
  const [operator, setOperator] = useState<string>("contains");
  const [value, setValue] = useState("");
  const filter = useSettled(
    field !== "" && value !== ""
      ? JSON.stringify({ field: `metadata.${field}`, operator, value: typed(operator, value) })
      : "",
  );
  const { data, error, loading, reload } = useLoad(`${run}/${group}/${offset}/${filter}`, (signal) =>
    readPage(
      run,
      group,
      { offset, limit: PAGE, ...(filter ? { filters: JSON.parse(filter) as unknown } : {}) },
      signal,
    ),
  );
  const known = [...new Set((data?.members ?? []).flatMap(({ metadata }) => Object.keys(metadata)))];
  const change = (apply: () => void) => {
    apply();
    setQuery({ members: null }, true);
  };
  return (
    <section aria-label="Members" class="stack tight">
      <h3>Members</h3>
      <div class="filter" role="group" aria-label="Filter the members">
        <input
          list="map-fields"
          placeholder="field"
          aria-label="Field of the payload"
          value={field}
          onInput={(event) => change(() => setField(event.currentTarget.value.trim()))}
        />
        <datalist id="map-fields">
          {known.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <select
          aria-label="Comparison"
          value={operator}
          onChange={(event) => change(() => setOperator(event.currentTarget.value))}
        >
          {OPERATORS.map(([name, title]) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
        <input
          placeholder="value"
          aria-label="Value"
          value={value}
          onInput={(event) => change(() => setValue(event.currentTarget.value))}
        />
      </div>
      {error !== null && <ErrorState error={error} onRetry={reload} />}
      {data === null && error === null && <Skeleton />}
      {data !== null && (
        <>
          <Rows rows={data.members} busy={loading} />
          {data.members.length === 0 && <p class="muted small">No member is so: change the filter.</p>}
          <Pages
            total={filter ? data.total : total}
            offset={offset}
            limit={PAGE}
            what="members"
            onOffset={(to) => setQuery({ members: to || null })}
          />
        </>
      )}
    </section>
  );
}

/** Numbers and truth values are compared as such; text only where the value is none. */
function typed(operator: string, value: string): unknown {
  if (operator === "contains") return value;
  if (value === "true" || value === "false") return value === "true";
  return value.trim() !== "" && Number.isFinite(Number(value)) ? Number(value) : value;
}

export async function readPage(run: string, group: string, asked: Record<string, unknown>, signal: AbortSignal) {
  const body = { cluster_id: group, include_centroids: false, include_members: true, ...asked };
  const { members, total_members } = await take(
    api.POST("/v1/clusters/{cluster_id}/data", { params: { path: { cluster_id: run } }, body: body as never, signal }),
  );
  return { members: members as Row[], total: total_members };
}

/** Those at the group's middle, and those at its rim. */
export function Extremes({
  run,
  group,
  total,
  sorted,
}: {
  run: string;
  group: string;
  total: number;
  sorted: boolean;
}) {
  const [far, setFar] = useState(false);
  const { data, error } = useLoad(`${run}/${group}/${far}/${total}`, (signal) =>
    readExtreme(run, group, total, far, sorted, signal),
  );
  return (
    <section aria-label="Nearest and farthest members" class="stack tight">
      <div class="tabs" role="group" aria-label="Which members">
        <button type="button" aria-pressed={!far} onClick={() => setFar(false)}>
          Nearest
        </button>
        <button type="button" aria-pressed={far} onClick={() => setFar(true)}>
          Farthest
        </button>
      </div>
      {error !== null && <ErrorState error={error} />}
      <div class="cards">
        {data?.members.map((member) => (
          <DocumentCard key={`${String(member.metadata["collection_id"])}/${member.document_id}`} member={member} />
        ))}
      </div>
    </section>
  );
}

const EXTREMES = 4;

/** A group's file is sorted by distance; of groups that are several, the service sorts. */
async function readExtreme(
  run: string,
  group: string,
  total: number,
  far: boolean,
  sorted: boolean,
  signal: AbortSignal,
) {
  if (!sorted)
    return readPage(
      run,
      group,
      { limit: EXTREMES, sort: { field: "distance_to_centroid", direction: far ? "desc" : "asc" } },
      signal,
    );
  const offset = far ? Math.max(0, total - EXTREMES) : 0;
  const page = await readPage(run, group, { limit: EXTREMES, offset }, signal);
  return far ? { ...page, members: page.members.reverse() } : page;
}

/** Members by their numbers, a page at a time. */
export function NumberedMembers({ id, run, numbers }: { id: string; run: string; numbers: readonly number[] }) {
  const [offset, setOffset] = useState(0);
  const page = numbers.slice(offset, offset + PAGE);
  const { data, error, loading, reload } = useLoad(`${run}/${page.join()}`, (signal) =>
    readMembers(id, run, page, signal),
  );
  if (error !== null) return <ErrorState error={error} onRetry={reload} />;
  if (data === null) return <Skeleton />;
  return (
    <>
      <Rows rows={data} busy={loading} />
      <Pages total={numbers.length} offset={offset} limit={PAGE} what="documents" onOffset={setOffset} />
    </>
  );
}

function Rows({ rows, busy }: { rows: readonly Row[]; busy: boolean }) {
  return (
    <ul class={busy ? "members busy" : "members"}>
      {rows.map((member) => (
        <li key={`${String(member.metadata["collection_id"])}/${member.document_id}`}>
          <Foldable
            summary={
              <>
                <span class="cut">{titleOf(member)}</span>
                <span class="num muted" title="Distance to the group's middle">
                  {member.distance_to_centroid.toPrecision(3)}
                </span>
              </>
            }
          >
            {() => <DocumentCard member={member} />}
          </Foldable>
        </li>
      ))}
    </ul>
  );
}

/** What is inside is made when it is opened. */
function Foldable({ summary, children }: { summary: ComponentChildren; children: () => ComponentChildren }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{summary}</summary>
      {open && children()}
    </details>
  );
}

function titleOf({ document_id, metadata }: Row): string {
  const title = ["title", "name", "text", "caption"]
    .map((name) => metadata[name])
    .find((value) => typeof value === "string" && value !== "");
  return title === undefined ? document_id : String(title);
}
