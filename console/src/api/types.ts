/** The API's resources as it answers them: every field is there, where its document lets a default stand for it. */
import type { components } from "./schema";

export type Schemas = components["schemas"];
/** A resource of an answer: nothing is left out. */
export type Shown<T> = { [K in keyof T]-?: T[K] };

export type Cluster = Shown<Schemas["ClusterModel"]>;
export type Task = Shown<Schemas["TaskResponse"]>;
export type Page = Shown<Schemas["PaginationResponse"]>;
export type Namespace = Shown<Schemas["NamespaceModel"]>;
export type Execution = Shown<Schemas["ExecutionResponse"]>;
export type Groups = Shown<Schemas["ClusterGroupsResponse"]>;
