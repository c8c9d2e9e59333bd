/**
 * The public API, typed by its own document. Errors are one class, whatever the reason.
 *
 *     const cluster = await take(api.GET("/v1/clusters/{cluster_identifier}", { params: { path }, signal }));
 */
import createClient from "openapi-fetch";

import { namespace } from "../router";
import type { paths } from "./schema";
import { credentials, signedOut } from "./session";

export interface Issue {
  loc: (string | number)[];
  msg: string;
  type: string;
}

/** What the API refused, in its own words; status 0 where no answer came. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly issues: readonly Issue[] = [],
    readonly requestId: string | null = null,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

const NAMESPACE = "X-Namespace";

/** The headers of every request: who asks, and in which namespace. */
export function headers(): Record<string, string> {
  return { ...credentials(), [NAMESPACE]: encodeHeader(namespace.peek()) };
}

/** `fetch` with the key or the cookie's companion, and the namespace of the address unless the caller names another. */
export async function send(input: string | Request, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  for (const [name, value] of Object.entries(headers()))
    if (name !== NAMESPACE || !request.headers.has(name)) request.headers.set(name, value);
  let answer: Response;
  try {
    answer = await fetch(request);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer. Is it running, and is the network there?");
  }
  if (answer.status === 401) signedOut("You are signed out: the key or the session is unknown, revoked or expired.");
  return answer;
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: send });

/** The data of an answer. Throws ApiError. */
export async function take<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await asked;
  if (!response.ok) throw refusal(response, error);
  return data as T;
}

/** The error that a response tells, whose JSON was read already. */
export function refusal(response: Response, body: unknown): ApiError {
  const told = (body ?? {}) as { error?: { message?: string; details?: Record<string, unknown> }; detail?: Issue[] };
  const message = told.error?.message ?? `The server answered ${response.status} ${response.statusText}`;
  return new ApiError(
    response.status,
    message,
    told.detail ?? [],
    response.headers.get("X-Request-ID"),
    told.error?.details ?? {},
  );
}

/** Headers carry bytes: a name of any script goes as UTF-8, one character a byte, as the server reads it. */
function encodeHeader(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}
