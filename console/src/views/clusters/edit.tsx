import { useState } from "preact/hooks";

import { api, take } from "../../api/client";
import type { Cluster, Schemas } from "../../api/types";
import { FilterBuilder } from "../../filters/FilterBuilder";
import type { Json } from "../../filters/tree";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Check, Field } from "../../ui/Field";
import { tell } from "../../ui/toasts";
import { faultsOf } from "./draft";
import { useSources } from "./sources";

interface Props {
  cluster: Cluster;
  onClose: () => void;
  onSaved: () => void;
}

const FORM = "edit-definition";

/** Changes what of a definition can be changed; how it groups stays, so that its runs compare. */
export function EditDialog({ cluster, onClose, onSaved }: Props) {
  const [name, setName] = useState(cluster.cluster_name ?? "");
  const [description, setDescription] = useState(cluster.description ?? "");
  const kept = String(cluster.retention?.max_runs ?? "");
  const [keep, setKeep] = useState(kept);
  const [automatic, setAutomatic] = useState(cluster.auto_execute_on_batch);
  const [filters, setFilters] = useState<Json | null>(cluster.filters);
  const [error, setError] = useState<unknown>(null);
  const sources = useSources(cluster.collection_ids);
  const { fields, general } = faultsOf(error);
  const save = async () => {
    const changes = {
      ...(name !== cluster.cluster_name && { name }),
      description,
      // Of what is kept, this form knows the number alone: what it does not show stays as it is.
      ...(keep !== kept && { retention: { ...cluster.retention, max_runs: keep === "" ? null : Number(keep) } }),
      auto_execute_on_batch: automatic,
      ...(filters !== cluster.filters && { filters }),
    };
    try {
      const path = { cluster_identifier: cluster.cluster_id };
      await take(
        api.PATCH("/v1/clusters/{cluster_identifier}", {
          params: { path },
          body: changes as Schemas["PatchClusterRequest"],
        }),
      );
      tell("Saved.");
      onSaved();
      onClose();
    } catch (refused) {
      setError(refused);
    }
  };
  const actions = (
    <>
      <Button onClick={onClose}>Cancel</Button>
      <Button kind="primary" type="submit" form={FORM}>
        Save
      </Button>
    </>
  );
  return (
    <Dialog title={`Edit ${cluster.cluster_name || cluster.cluster_id}`} wide onClose={onClose} actions={actions}>
      <form
        id={FORM}
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {general !== null && (
          <p class="notice bad" role="alert">
            {general}
          </p>
        )}
        <div class="grid two">
          <Field label="Name" fault={fields.name}>
            {(wiring) => (
              <input
                {...wiring}
                required
                maxLength={255}
                value={name}
                onInput={(event) => setName(event.currentTarget.value)}
              />
            )}
          </Field>
          <Field
            label="Keep runs"
            hint="Ended runs beyond so many go, but for the newest result and those with a name."
            fault={fields.max_runs}
          >
            {(wiring) => (
              <input
                {...wiring}
                type="number"
                min={1}
                placeholder={cluster.retention?.max_runs === undefined ? "as the server's settings say" : "all"}
                value={keep}
                onInput={(event) => setKeep(event.currentTarget.value)}
              />
            )}
          </Field>
        </div>
        <Field label="Description" fault={fields.description}>
          {(wiring) => (
            <textarea
              {...wiring}
              rows={2}
              maxLength={4096}
              value={description}
              onInput={(event) => setDescription(event.currentTarget.value)}
            />
          )}
        </Field>
        <Check label="Run by itself after documents have been written" checked={automatic} onChange={setAutomatic} />
        <details open={filters !== null}>
          <summary>Only some of the documents</summary>
          <FilterBuilder value={filters} fields={sources.fields} onChange={setFilters} />
        </details>
      </form>
    </Dialog>
  );
}
