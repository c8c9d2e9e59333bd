/** What a view shows when there is nothing, not yet, or no way: always with what to do next. */
import type { ComponentChildren } from "preact";

import { ApiError } from "../api/client";
import { Button } from "./Button";

export function EmptyState({
  title,
  children,
  action,
}: {
  title: string;
  children: ComponentChildren;
  action?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      <p>{children}</p>
      {action}
    </div>
  );
}

export function ErrorState({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  return (
    <div class="empty" role="alert">
      <h2>{titleOf(error)}</h2>
      <p>{messageOf(error)}</p>
      {error instanceof ApiError && error.status >= 500 && error.requestId && (
        <p class="small">
          The server's log has the details under request id <code>{error.requestId}</code>.
        </p>
      )}
      {onRetry && <Button onClick={onRetry}>Try again</Button>}
    </div>
  );
}

/** Beside data that is shown still: it could not be read anew. */
export function Outdated({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  return (
    <p class="notice bad" role="alert">
      What is shown may be out of date. {messageOf(error)}{" "}
      <button type="button" class="link" onClick={onRetry}>
        Try again
      </button>
    </p>
  );
}

function titleOf(error: unknown): string {
  if (!(error instanceof ApiError)) return "This view broke";
  if (error.status === 0) return "No answer";
  if (error.status === 403) return "Your key may not do this";
  if (error.status === 404) return "Not here";
  return "That did not work";
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Grey lines where text will be. */
export function Skeleton({ lines = 5 }: { lines?: number }) {
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        <div key={line} style={{ width: `${95 - ((line * 37) % 45)}%` }} />
      ))}
    </div>
  );
}

/** A bar for a share from 0 to 1, and what is going on. */
export function Progress({ value, label }: { value: number; label: string }) {
  const percent = Math.round(Math.min(1, Math.max(0, value)) * 100);
  return (
    <div class="progress">
      <div class="row small">
        <span>{label}</span>
        <span class="push num muted">{percent}%</span>
      </div>
      <div
        class="bar"
        role="progressbar"
        aria-label={label}
        aria-valuenow={percent}
        aria-valuemin={0}
        aria-valuemax={100}
      >
        <div style={{ width: `${percent}%` }} />
      </div>
    </div>
  );
}

const LOOKS: Record<string, string> = {
  completed: "good",
  active: "good",
  delivered: "good",
  failed: "bad",
  processing: "busy",
  pending: "busy",
  paused: "warn",
  canceled: "warn",
};

/** A status in words and colour. */
export function Status({ of }: { of: string }) {
  const status = of.toLowerCase();
  return <span class={`badge ${LOOKS[status] ?? ""}`}>{status.replaceAll("_", " ")}</span>;
}
