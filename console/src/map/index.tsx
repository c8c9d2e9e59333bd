import { api, take } from "../api/client";
import { place } from "../router";
import { useLoad } from "../ui/load";
import { ErrorState, Skeleton } from "../ui/states";
import { count } from "../ui/texts";
import { useTitle } from "../ui/title";

/** The map of a definition's run: the address's `run`, or the newest completed one. */
export default function MapView({ id }: { id: string }) {
  useTitle("Map");
  const run = place.value.query.get("run");
  const { data, error, reload } = useLoad(`${id}/${run}`, (signal) =>
    take(
      api.GET("/v1/clusters/{cluster_id}/visualization", {
        params: { path: { cluster_id: id }, query: { run_id: run } },
        signal,
      }),
    ),
  );
  if (error !== null) return <ErrorState error={error} onRetry={reload} />;
  if (data === null) return <Skeleton />;
  return <p>{count(data.total_points)} points</p>;
}
