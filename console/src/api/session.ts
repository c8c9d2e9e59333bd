/**
 * Who is signed in: by an API key that this tab keeps, or by an HttpOnly cookie that no script can read.
 *
 * A cookie counts only beside the header that `credentials` adds: other pages cannot make the browser send that.
 */
import { signal } from "@preact/signals";

export type Session = { kind: "unknown" } | { kind: "none"; why: string } | { kind: "key" } | { kind: "cookie" };

const STORED = "coterie-key";
const COMPANION = { "X-Coterie-Console": "1" };

export const session = signal<Session>({ kind: "unknown" });

/** The headers that say who asks. */
export function credentials(): Record<string, string> {
  const key = sessionStorage.getItem(STORED);
  return key === null ? COMPANION : { Authorization: `Bearer ${key}` };
}

/** The key of this tab, for showing commands that use it; null with a cookie. */
export function heldKey(): string | null {
  return sessionStorage.getItem(STORED);
}

/** Look what this tab or the browser has. */
export async function resume(): Promise<void> {
  if (heldKey() !== null) session.value = { kind: "key" };
  else if (await hasCookie()) session.value = { kind: "cookie" };
  else session.value = { kind: "none", why: "" };
}

async function hasCookie(): Promise<boolean> {
  try {
    const answer = await fetch("/session", { headers: COMPANION });
    return answer.ok && ((await answer.json()) as { signed_in: boolean }).signed_in;
  } catch {
    return false;
  }
}

/** Try a key; null, or why it was refused. */
export async function signInByKey(key: string): Promise<string | null> {
  const answer = await asked(() => fetch("/v1/organizations", { headers: { Authorization: `Bearer ${key}` } }));
  // A key without the permission to read is a key: what it may not do, each view says.
  if (typeof answer === "string") return answer;
  if (answer.status === 401) return "This key is unknown, revoked or expired.";
  sessionStorage.setItem(STORED, key);
  session.value = { kind: "key" };
  return null;
}

/** Turn the token of a one-time link into a cookie; null, or why it was refused. */
export async function signInByLink(token: string): Promise<string | null> {
  const headers = { ...COMPANION, "Content-Type": "application/json" };
  const answer = await asked(() => fetch("/session", { method: "POST", headers, body: JSON.stringify({ token }) }));
  if (typeof answer === "string") return answer;
  if (!answer.ok) return refused(answer);
  sessionStorage.removeItem(STORED);
  session.value = { kind: "cookie" };
  return null;
}

async function asked(send: () => Promise<Response>): Promise<Response | string> {
  try {
    return await send();
  } catch {
    return "The server does not answer.";
  }
}

/** Why the server refused: in its own words, unless something between it and the browser answered. */
async function refused(answer: Response): Promise<string> {
  const told = (await answer.json().catch(() => null)) as { error?: { message?: string } } | null;
  return told?.error?.message ?? `The server answered ${answer.status} ${answer.statusText}.`;
}

/**
 * End the session on the server, and forget the key; null, or why one is signed in still.
 *
 * Beside a key there may be a cookie from before: what is left of it would sign in whoever loads the page next.
 */
export async function signOut(): Promise<string | null> {
  const answer = await asked(() => fetch("/session", { method: "DELETE", headers: COMPANION }));
  if (typeof answer === "string") return answer;
  if (!answer.ok) return refused(answer);
  signedOut("");
  return null;
}

/** Forget the key, and show the sign-in with the reason. */
export function signedOut(why: string): void {
  sessionStorage.removeItem(STORED);
  if (session.peek().kind !== "none") session.value = { kind: "none", why };
}
