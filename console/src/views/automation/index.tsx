import { api, take } from "../../api/client";
import { useLoad } from "../../ui/load";
import { EmptyState, ErrorState, Skeleton, Status } from "../../ui/states";
import { useTitle } from "../../ui/title";

/** The namespace's triggers. */
export default function AutomationView() {
  useTitle("Automation");
  const { data, error, reload } = useLoad("triggers", (signal) =>
    take(api.POST("/v1/clusters/triggers/list", { body: {}, signal })),
  );
  if (error !== null) return <ErrorState error={error} onRetry={reload} />;
  if (data === null) return <Skeleton />;
  return (
    <>
      <div class="head">
        <h1>Automation</h1>
      </div>
      {data.results.length === 0 && (
        <EmptyState title="No triggers yet">Make one with `coterie triggers create`.</EmptyState>
      )}
      <ul class="stack tight">
        {data.results.map((each) => (
          <li key={each.trigger_id} class="row">
            <code>{each.trigger_id}</code> {each.trigger_type} <Status of={each.status ?? "active"} />
          </li>
        ))}
      </ul>
    </>
  );
}
