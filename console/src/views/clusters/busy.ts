import type { Cluster } from "../../api/types";

/** Whether a run of the definition waits or goes on. */
export function isBusy(row: Cluster): boolean {
  return row.task_id !== null && (row.status === "PENDING" || row.status === "PROCESSING");
}
