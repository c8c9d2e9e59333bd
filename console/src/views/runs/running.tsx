import { useEffect, useState } from "preact/hooks";

import { api, take } from "../../api/client";
import { followTask, hasEnded } from "../../api/events";
import type { Task } from "../../api/types";
import { Button } from "../../ui/Button";
import { Progress } from "../../ui/states";
import { seconds } from "../../ui/texts";
import { complain } from "../../ui/toasts";

interface State {
  progress?: number;
  stage?: string;
  estimated_seconds_left?: number | null;
  started_at?: string | null;
}

/** A run while it goes on, as the server tells it; its end is told once. */
export function Running({ taskId, onEnded }: { taskId: string; onEnded: () => void }) {
  const [task, setTask] = useState<Task | null>(null);
  const [stopping, setStopping] = useState(false);
  useEffect(() => {
    const abort = new AbortController();
    const see = (seen: Task) => {
      setTask(seen);
      if (hasEnded(seen)) onEnded();
    };
    void followTask(taskId, see, abort.signal);
    return () => abort.abort();
  }, [taskId]);
  const cancel = async () => {
    setStopping(true);
    await take(api.DELETE("/v1/tasks/{task_id}", { params: { path: { task_id: taskId } } })).catch(complain);
  };
  const state = (task?.additional_data ?? {}) as State;
  return (
    <section class="card row" aria-label="Run under way" style={{ flexWrap: "nowrap" }}>
      <div style={{ flex: "1" }}>
        <Progress value={state.progress ?? 0} label={stopping ? "Stopping" : labelOf(task, state)} />
      </div>
      <Button icon="stop" disabled={stopping} onClick={() => void cancel()}>
        Cancel
      </Button>
    </section>
  );
}

function labelOf(task: Task | null, { stage, estimated_seconds_left: left }: State): string {
  if (task === null) return "Run under way";
  if (task.status === "PENDING") return "Waiting for a worker";
  const rest = left === null || left === undefined ? "" : `, about ${seconds(left)} left`;
  return `Running: ${(stage ?? "starting").replaceAll("_", " ")}${rest}`;
}
