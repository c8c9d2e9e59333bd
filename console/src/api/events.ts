/**
 * Server-sent events by `fetch`, since the browser's own `EventSource` can send no key: a task as it goes on.
 */
import { send } from "./client";
import type { Task } from "./types";

interface Message {
  event: string;
  data: string;
}

const RETRY_MILLISECONDS = 1_000;
const ENDED = new Set(["COMPLETED", "FAILED", "CANCELED"]);

export function hasEnded(task: Task): boolean {
  return ENDED.has(task.status);
}

/** Call `onTask` at each change until the task has ended or `signal` aborts; a stream that breaks is opened again. */
export async function followTask(taskId: string, onTask: (task: Task) => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const answer = await send(`/v1/tasks/${encodeURIComponent(taskId)}/events`, { signal });
      if (answer.status === 404 || answer.status === 401) return;
      if (answer.ok && answer.body !== null) {
        for await (const message of messages(answer.body)) {
          onTask(JSON.parse(message.data) as Task);
          if (message.event === "end") return;
        }
      }
    } catch {
      if (signal.aborted) return;
    }
    await new Promise((done) => setTimeout(done, RETRY_MILLISECONDS));
  }
}

async function* messages(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Message> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const message = parse(block);
      if (message.data !== "") yield message;
    }
  }
}

/** One block of a stream (WHATWG HTML, "Server-sent events"): comments and unknown fields are skipped. */
function parse(block: string): Message {
  const message: Message = { event: "message", data: "" };
  for (const line of block.split(/\r?\n/)) {
    const [, field, value] = /^(event|data): ?(.*)$/.exec(line) ?? [];
    if (field === "event") message.event = value ?? "";
    else if (field === "data") message.data += (message.data && "\n") + value;
  }
  return message;
}
