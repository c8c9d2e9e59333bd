import { useTitle } from "../../ui/title";
import { Collection } from "./collection";
import { Collections } from "./collections";
import "./data.css";

/** The namespace's collections, or one of them. */
export default function DataView({ collection }: { collection: string | null }) {
  useTitle(collection ?? "Data");
  return collection === null ? <Collections /> : <Collection name={collection} />;
}
