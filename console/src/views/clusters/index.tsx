import { api, take } from "../../api/client";
import { useLoad } from "../../ui/load";
import { ErrorState, Skeleton } from "../../ui/states";

export default function ClustersView() {
  const { data, error, reload } = useLoad("clusters", (signal) => take(api.POST("/v1/clusters/list", { body: {}, signal })));
  if (error !== null) return <ErrorState error={error} onRetry={reload} />;
  if (data === null) return <Skeleton />;
  return <h1>{data.total_count} clusters</h1>;
}
