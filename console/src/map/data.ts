/** What the map asks the API for besides its points: groups, runs, members and documents. */
import { api, refusal, send, take } from "../api/client";
import { session } from "../api/session";
import type { Execution, Schemas, Shown } from "../api/types";
import { namespace } from "../router";
import { counted, isPicture } from "../ui/texts";
import type { Source } from "./groups";

export type Member = Shown<Schemas["RunMember"]>;
export type Payload = Readonly<Record<string, unknown>>;

/** A completed run, which of the definition's completed runs is the newest, and its groups. */
export interface Loaded {
  name: string;
  run: Execution;
  runs: readonly Execution[];
  newest: boolean;
  source: Source;
}

const RUNS_SHOWN = 50;

/** The run of that id, or the newest. Throws ApiError. */
export async function loadRun(id: string, wanted: string | null, signal: AbortSignal): Promise<Loaded> {
  documents.clear(); // they may have been edited since
  const path = { cluster_id: id };
  const drawn = await take(
    api.GET("/v1/clusters/{cluster_id}/visualization", {
      params: { path, query: { run_id: wanted, centroids_only: true } },
      signal,
    }),
  );
  const own = { params: { path: { ...path, run_id: drawn.run_id } }, signal };
  const [definition, run, told, listed] = await Promise.all([
    take(api.GET("/v1/clusters/{cluster_identifier}", { params: { path: { cluster_identifier: id } }, signal })),
    take(api.GET("/v1/clusters/{cluster_id}/executions/{run_id}", own)),
    take(api.GET("/v1/clusters/{cluster_id}/executions/{run_id}/groups", own)),
    take(
      api.POST("/v1/clusters/{cluster_id}/executions/list", {
        params: { path, query: { limit: RUNS_SHOWN } },
        body: { filters: { status: "completed" } } as never,
        signal,
      }),
    ),
  ]);
  const runs = listed.results as Execution[];
  const centres = new Map(
    drawn.centroids.flatMap(({ cluster_id, x, y }) =>
      typeof x === "number" && typeof y === "number" ? [[cluster_id, { x, y }] as const] : [],
    ),
  );
  const { merged_groups: merged } = run as { merged_groups?: Record<string, string> | null };
  const source = {
    groups: told.groups as Source["groups"],
    centres,
    merged: merged ?? {},
    noise: told.noise_documents ?? 0,
  };
  return {
    name: definition.cluster_name ?? id,
    run: run as Execution,
    runs,
    newest: runs[0]?.run_id === run.run_id,
    source,
  };
}

/** What a run is called. */
export function runName({ run_name, created_at, num_clusters }: Execution): string {
  const moment = new Date(created_at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return `${run_name || moment} · ${counted(num_clusters, "group")}`;
}

/** The stream of a run's points. Throws ApiError. */
export async function openMap(id: string, run: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const answer = await send(`/v1/clusters/${encodeURIComponent(id)}/executions/${encodeURIComponent(run)}/map`, {
    signal,
  });
  if (!answer.ok || answer.body === null) throw refusal(answer, await answer.json().catch(() => null));
  return answer.body;
}

const KEPT = 500;
/** Documents read since the map was opened, by namespace, collection and id; of no one but who is signed in. */
const documents = new Map<string, Payload>();
session.subscribe(() => documents.clear());

/** Members by their numbers. Throws ApiError. */
export async function readMembers(
  id: string,
  run: string,
  numbers: readonly number[],
  signal: AbortSignal,
): Promise<Member[]> {
  const path = { cluster_id: id, run_id: run };
  const { members } = await take(
    api.POST("/v1/clusters/{cluster_id}/executions/{run_id}/members", {
      params: { path },
      body: { numbers: [...numbers] },
      signal,
    }),
  );
  return members as Member[];
}

/** A member's document as it is now; of one that is gone, what the run kept of it. Throws ApiError. */
export async function readDocument(
  member: Pick<Member, "document_id" | "metadata">,
  signal: AbortSignal,
): Promise<Payload> {
  const { collection_id, probability: _p, origin: _o, ...kept } = member.metadata;
  const key = JSON.stringify([namespace.peek(), collection_id, member.document_id]);
  const known = documents.get(key);
  if (known !== undefined) return known;
  const path = { collection_identifier: String(collection_id), document_id: member.document_id };
  const { data, error, response } = await api.GET("/v1/collections/{collection_identifier}/documents/{document_id}", {
    params: { path },
    signal,
  });
  if (response.status === 404) return kept;
  if (!response.ok) throw refusal(response, error);
  const payload = data!.metadata ?? {};
  if (documents.size > KEPT) documents.clear();
  documents.set(key, payload);
  return payload;
}

const MOST_FIELDS = 6;
const MOST_LETTERS = 320;

/** What of a payload is shown: a picture where a field holds one, the longest text, a few more fields. */
export function digest(payload: Payload): { picture: string | null; text: string | null; fields: [string, string][] } {
  const entries = Object.entries(payload);
  const picture = entries.find(([, value]) => typeof value === "string" && isPicture(value));
  const texts = entries.filter(
    (each): each is [string, string] => typeof each[1] === "string" && !each[1].startsWith("data:"),
  );
  const longest = texts.reduce<[string, string] | null>(
    (best, each) => (each[1].length > (best?.[1].length ?? 24) ? each : best),
    null,
  );
  const fields = entries
    .filter(
      ([name, value]) =>
        name !== longest?.[0] &&
        name !== picture?.[0] &&
        value !== null &&
        !(typeof value === "string" && value.startsWith("data:")),
    )
    .slice(0, MOST_FIELDS)
    .map(([name, value]): [string, string] => [
      name,
      shortened(typeof value === "object" ? JSON.stringify(value) : String(value), MOST_LETTERS / 4),
    ]);
  return {
    picture: picture === undefined ? null : String(picture[1]),
    text: longest === null ? null : shortened(longest[1], MOST_LETTERS),
    fields,
  };
}

function shortened(text: string, most: number): string {
  return text.length > most ? text.slice(0, most - 1).trimEnd() + "…" : text;
}
