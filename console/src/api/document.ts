/** Parameters as the API's own document describes them: forms are drawn from it, so that they know what the server knows. */

export interface Param {
  name: string;
  kind: "integer" | "number" | "boolean" | "text" | "json";
  about: string;
  standard: unknown;
  choices: readonly unknown[];
  least: number | null;
  most: number | null;
}

interface Schema {
  $ref?: string;
  type?: string;
  properties?: Record<string, Schema>;
  anyOf?: Schema[];
  oneOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  description?: string;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
}

export type ApiDocument = Record<string, Schema>;

let loading: Promise<ApiDocument> | null = null;

/** The schemas of the API's document, asked for once. */
export function loadDocument(): Promise<ApiDocument> {
  loading ??= fetch("/openapi.json").then(
    async (answer) => ((await answer.json()) as { components: { schemas: ApiDocument } }).components.schemas,
  );
  loading.catch(() => (loading = null));
  return loading;
}

/** The parameters of a schema, in its order. */
export function paramsIn(document: ApiDocument, name: string): Param[] {
  return Object.entries(document[name]?.properties ?? {})
    .filter(([, schema]) => schema.const === undefined)
    .map(([key, schema]) => describe(key, schema));
}

function describe(name: string, schema: Schema): Param {
  const kinds = (schema.anyOf ?? [schema]).filter((each) => each.type !== "null");
  const one = kinds.length === 1 ? kinds[0]! : {};
  return {
    name,
    kind: KINDS[one.type ?? ""] ?? "json",
    about: schema.description ?? "",
    standard: schema.default ?? null,
    choices: one.enum ?? [],
    least: one.minimum ?? one.exclusiveMinimum ?? null,
    most: one.maximum ?? null,
  };
}

const KINDS: Record<string, Param["kind"]> = {
  integer: "integer",
  number: "number",
  boolean: "boolean",
  string: "text",
};
