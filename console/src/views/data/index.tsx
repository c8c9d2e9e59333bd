import { api, take } from "../../api/client";
import { href } from "../../router";
import { useLoad } from "../../ui/load";
import { EmptyState, ErrorState, Skeleton } from "../../ui/states";
import { useTitle } from "../../ui/title";

/** The namespace's collections, or one of them. */
export default function DataView({ collection }: { collection: string | null }) {
  useTitle(collection ?? "Data");
  const { data, error, reload } = useLoad("collections", (signal) =>
    take(api.POST("/v1/collections/list", { params: { query: { limit: 100 } }, body: {}, signal })),
  );
  if (error !== null) return <ErrorState error={error} onRetry={reload} />;
  if (data === null) return <Skeleton />;
  const names = data.results
    .map((each) => each.collection_name)
    .filter((name) => collection === null || name === collection);
  return (
    <>
      <div class="head">
        <h1>{collection ?? "Data"}</h1>
      </div>
      {names.length === 0 && <EmptyState title="No collections yet">Import a file with `coterie import`.</EmptyState>}
      <ul class="stack tight">
        {names.map((name) => (
          <li key={name}>
            <a href={href(["data", name])}>{name}</a>
          </li>
        ))}
      </ul>
    </>
  );
}
