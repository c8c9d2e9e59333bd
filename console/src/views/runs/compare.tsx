import { api, take } from "../../api/client";
import { useLoad } from "../../ui/load";
import { Code } from "../../ui/texts";
import { ErrorState, Skeleton } from "../../ui/states";
import { useTitle } from "../../ui/title";

/** What changed from one run of a definition to another. */
export default function CompareView({ id, before, after }: { id: string; before: string; after: string }) {
  useTitle("Two runs compared");
  const path = { cluster_id: id, run_id: before, other_run_id: after };
  const { data, error, reload } = useLoad(`${id}/${before}/${after}`, (signal) =>
    take(api.GET("/v1/clusters/{cluster_id}/executions/{run_id}/compare/{other_run_id}", { params: { path }, signal })),
  );
  if (error !== null) return <ErrorState error={error} onRetry={reload} />;
  if (data === null) return <Skeleton />;
  return (
    <>
      <div class="head">
        <h1>Two runs compared</h1>
      </div>
      <Code label="Comparison" text={JSON.stringify(data, null, 2)} />
    </>
  );
}
