/** Short notes of what happened, read out and gone after a while; those of faults stay until they are closed. */
import { signal } from "@preact/signals";

import { Button } from "./Button";
import { messageOf } from "./states";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

const SHOWN_MILLISECONDS = 5_000;
const toasts = signal<readonly Toast[]>([]);
let last = 0;

/** Tell that something was done. */
export function tell(text: string): void {
  const id = show(text, false);
  setTimeout(() => close(id), SHOWN_MILLISECONDS);
}

/** Tell what went wrong. */
export function complain(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  show(messageOf(error), true);
}

function show(text: string, bad: boolean): number {
  last += 1;
  toasts.value = [...toasts.value.slice(-3), { id: last, text, bad }];
  return last;
}

function close(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div key={toast.id} class={toast.bad ? "toast bad" : "toast"}>
          <span>{toast.text}</span>
          <Button kind="quiet" icon="close" label="Close this note" onClick={() => close(toast.id)} />
        </div>
      ))}
    </div>
  );
}
