import { api, take } from "./api/client";
import { DEFAULT_NAMESPACE, go, href, namespace, place } from "./router";
import { useLoad } from "./ui/load";

const MOST = 1_000;

/** The namespace that the views look at, among those there are. Switching keeps the kind of view, not the thing. */
export function NamespaceSwitch() {
  const { data } = useLoad("namespaces", (signal) =>
    take(api.POST("/v1/namespaces/list", { params: { query: { limit: MOST } }, body: {}, signal })),
  );
  const here = namespace.value;
  const names = new Set([here, ...(data?.results ?? []).map((each) => each.namespace_name)]);
  return (
    <select aria-label="Namespace" value={here} onChange={(event) => switchTo(event.currentTarget.value)}>
      {[...names].sort().map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}

function switchTo(name: string): void {
  const view = place.peek().path[0] ?? "clusters";
  go(href([view], { ns: name === DEFAULT_NAMESPACE ? null : name }));
}
