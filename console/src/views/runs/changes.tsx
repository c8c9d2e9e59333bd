import { Table } from "../../ui/Table";
import { count } from "../../ui/texts";
import type { Comparison } from "./flow";

interface Row {
  key: string;
  change: string;
  /** The run whose map has the group. */
  run: string;
  group: string;
  label: string;
  detail: string;
}

interface Props {
  told: Comparison;
  labelOf: (group: string) => string;
  mapOf: (run: string, group: string) => string;
}

/** What became of the groups, one row a change. */
export function Changes({ told, labelOf, mapOf }: Props) {
  const rows = rowsOf(told, labelOf);
  if (rows.length === 0)
    return <p class="muted">No group changed by as much as the rules count: each stayed what it was.</p>;
  const columns = [
    { key: "change", title: "Change", cell: (row: Row) => row.change },
    { key: "group", title: "Group", cell: (row: Row) => <a href={mapOf(row.run, row.group)}>{row.label}</a> },
    { key: "detail", title: "How", cell: (row: Row) => row.detail },
  ];
  return <Table caption="What changed" columns={columns} rows={rows} id={(row) => row.key} />;
}

function rowsOf(told: Comparison, labelOf: (group: string) => string): Row[] {
  const row = (change: string, run: string, group: string, detail: string): Row => ({
    key: `${change}/${group}`,
    change,
    run,
    group,
    label: labelOf(group),
    detail,
  });
  const names = (groups: readonly string[]) => groups.map(labelOf).join(", ");
  const sizes = (each: { before: number; after: number }) => `${count(each.before)} → ${count(each.after)} documents`;
  return [
    ...told.split.map((each) => row("Split", told.before, each.cluster_id, `into ${names(each.parts)}`)),
    ...told.merged.map((each) => row("Merged", told.after, each.cluster_id, `out of ${names(each.sources)}`)),
    ...told.born.map((each) => row("New", told.after, each.cluster_id, "only in the later run")),
    ...told.died.map((each) => row("Gone", told.before, each.cluster_id, "only in the earlier run")),
    ...told.grown.map((each) => row("Grew", told.after, each.cluster_id, sizes(each))),
    ...told.shrunk.map((each) => row("Shrank", told.after, each.cluster_id, sizes(each))),
    ...told.drifted.map((each) =>
      row("Drifted", told.after, each.cluster_id, `its centre moved by ${each.radii.toFixed(2)} radii`),
    ),
    ...told.relabeled.map((each) =>
      row("Renamed", told.after, each.cluster_id, `${each.before ?? "no label"} → ${each.after ?? "no label"}`),
    ),
  ];
}
