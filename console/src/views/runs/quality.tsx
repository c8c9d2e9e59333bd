import { useState } from "preact/hooks";

import type { Execution } from "../../api/types";
import { Tabs } from "../../ui/Tabs";
import { Chart } from "../../ui/Chart";

interface Measure {
  title: string;
  of: (run: Execution) => number | undefined;
  show: (value: number) => string;
}

const MEASURES = {
  silhouette: { title: "Silhouette", of: (run) => run.metrics.silhouette_score, show: (value) => value.toFixed(3) },
  dbcv: { title: "DBCV", of: (run) => run.metrics.dbcv_score, show: (value) => value.toFixed(3) },
  noise: { title: "Noise", of: (run) => run.metrics.noise_ratio, show: (value) => `${(value * 100).toFixed(1)}%` },
  groups: { title: "Groups", of: (run) => run.num_clusters, show: (value) => value.toLocaleString() },
  documents: { title: "Documents", of: (run) => run.num_points, show: (value) => value.toLocaleString() },
} satisfies Record<string, Measure>;

type Name = keyof typeof MEASURES;

/** A figure of the completed runs over time, once there are two. */
export function Quality({ runs }: { runs: readonly Execution[] }) {
  const done = runs.filter((run) => run.status === "completed").reverse();
  const [name, setName] = useState<Name>("silhouette");
  if (done.length < 2) return null;
  const measure: Measure = MEASURES[name];
  const points = done.flatMap((run) => {
    const value = measure.of(run);
    return value === undefined
      ? []
      : [{ at: Date.parse(run.created_at), value, label: new Date(run.created_at).toLocaleString() }];
  });
  const tabs = Object.fromEntries(Object.entries(MEASURES).map(([key, each]) => [key, each.title])) as Record<
    Name,
    string
  >;
  return (
    <figure class="card stack tight">
      <figcaption class="row">
        <h3>Over time</h3>
        <span class="push">
          <Tabs label="Figure" tabs={tabs} at={name} onChange={setName} />
        </span>
      </figcaption>
      {points.length < 2 ? (
        <p class="muted">The runs have no such figure.</p>
      ) : (
        <Chart title={measure.title} points={points} show={measure.show} />
      )}
    </figure>
  );
}
