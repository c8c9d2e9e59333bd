/** Schedules of triggers: the fields of each type, what they begin with, and how they read. */
import type { Schemas } from "../../api/types";

export type TriggerType = Schemas["TriggerType"];
export type Config = Record<string, unknown>;

export const TYPES: Record<TriggerType, string> = {
  cron: "At times of the day",
  interval: "Every so often",
  event: "When documents come",
  conditional: "When a condition holds",
};

export const EVENTS = {
  documents_added: "documents added",
  documents_updated: "documents changed",
  batch_completed: "batches written",
};
export const CONDITIONS = {
  volume: "Enough documents came or changed",
  drift: "New documents lie outside the groups",
  quality: "The last run's quality is worse",
  custom: "A number of the last run passes a mark",
};
export const METRICS: Record<string, Record<string, string>> = {
  volume: { documents: "documents", share: "share of those clustered (0–1)" },
  drift: { distance: "share of the new documents (0–1)" },
  quality: {
    silhouette_score: "silhouette, lower than",
    dbcv_score: "DBCV, lower than",
    calinski_harabasz_score: "Calinski–Harabasz, lower than",
    davies_bouldin_score: "Davies–Bouldin, higher than",
    noise_ratio: "share of noise, higher than",
  },
};
export const OPERATORS = { gte: "at least", gt: "more than", lte: "at most", lt: "less than" };

const FIRST: Record<TriggerType, () => Config> = {
  cron: () => ({ cron_expression: "0 6 * * *", timezone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC" }),
  interval: () => ({ interval_seconds: 3600, start_immediately: false }),
  event: () => ({ event_type: "documents_added", event_threshold: 100, cooldown_seconds: 300 }),
  conditional: () => firstCondition("volume"),
};
const FIRST_CONDITION: Record<string, Config> = {
  volume: { threshold: 1000, metric: "documents" },
  drift: { threshold: 0.2, metric: "distance" },
  quality: { threshold: 0.2, metric: "silhouette_score" },
  custom: { threshold: 1, metric: "num_clusters", operator: "gte" },
};

/** What a new schedule of a type begins with. */
export function firstConfig(type: TriggerType): Config {
  return FIRST[type]();
}

export function firstCondition(condition: string): Config {
  return { condition_type: condition, check_interval_seconds: 3600, ...FIRST_CONDITION[condition] };
}

/** A schedule in words. */
export function told(type: TriggerType, config: Config): string {
  if (type === "cron") return `${String(config.cron_expression)} (${String(config.timezone)})`;
  if (type === "interval") return `every ${duration(Number(config.interval_seconds))}`;
  if (type === "event")
    return `after ${Number(config.event_threshold).toLocaleString()} ${EVENTS[config.event_type as keyof typeof EVENTS]}`;
  const metric =
    METRICS[String(config.condition_type)]?.[String(config.metric)] ??
    `${String(config.metric)} ${OPERATORS[config.operator as keyof typeof OPERATORS] ?? ""}`;
  return `${String(config.condition_type)}: ${Number(config.threshold).toLocaleString()} ${metric}`;
}

export function duration(seconds: number): string {
  for (const [unit, size] of [
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
  ] as const) {
    if (seconds >= size && seconds % size === 0) return seconds === size ? unit : `${seconds / size} ${unit}s`;
  }
  return `${seconds.toLocaleString()} seconds`;
}
