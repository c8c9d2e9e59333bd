import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { api, ApiError, take } from "../../api/client";
import type { Schemas } from "../../api/types";
import { upload } from "../../api/upload";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Check } from "../../ui/Field";
import { useLoad } from "../../ui/load";
import { messageOf, Progress, Skeleton } from "../../ui/states";
import { Table } from "../../ui/Table";
import { count, counted } from "../../ui/texts";
import { type Head, readHead } from "./heads";
import { faultOf, mapByDefault, type Mapped, Mapping, queryOf } from "./mapping";

type Report = Schemas["ImportResponse"];
type Phase =
  | { kind: "mapping"; fault: string | null; errors: Report["errors"] }
  | { kind: "sending"; sent: number; stored: number }
  | { kind: "done"; report: Report };

const LOOK_MILLISECONDS = 1_000;
const FAULTS = 100;

/** The page as a place to drop a file on. */
export function DropZone({ onFile, children }: { onFile: (file: File) => void; children: ComponentChildren }) {
  const [over, setOver] = useState(false);
  const isFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  return (
    <div
      class={over ? "drop over" : "drop"}
      onDragOver={(event) => {
        if (!isFile(event)) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => event.currentTarget.contains(event.relatedTarget as Node | null) || setOver(false)}
      onDrop={(event) => {
        const file = event.dataTransfer?.files[0];
        setOver(false);
        if (file === undefined) return;
        event.preventDefault();
        onFile(file);
      }}
    >
      {children}
      {over && <p class="hint-drop">Drop the file to import it</p>}
    </div>
  );
}

interface Props {
  collection: string;
  file: File;
  onImported: () => void;
  onClose: () => void;
}

/** From a file to documents: its columns are mapped, it is sent and stored, and what failed is told by row. */
export function ImportDialog({ collection, file, onImported, onClose }: Props) {
  const [mapped, setMapped] = useState<Mapped[] | null>(null);
  const [strict, setStrict] = useState(false);
  const [phase, setPhase] = useState<Phase>({ kind: "mapping", fault: null, errors: [] });
  const abort = useRef(new AbortController());
  const head = useLoad(file.name, () => readHead(file));
  useEffect(() => void (head.data !== null && setMapped(mapByDefault(head.data))), [head.data]);
  useEffect(() => () => abort.current.abort(), []);
  const stored = useStored(collection, phase.kind === "sending");
  const fault = mapped === null ? null : faultOf(mapped);
  const send = async () => {
    abort.current = new AbortController();
    setPhase({ kind: "sending", sent: 0, stored: 0 });
    const path = `/v1/collections/${encodeURIComponent(collection)}/documents/import?${queryOf(mapped!, strict)}`;
    const onSent = (sent: number) => setPhase({ kind: "sending", sent, stored: 0 });
    try {
      const report = await upload<Report>(path, file, head.data!.type, onSent, abort.current.signal);
      setPhase({ kind: "done", report });
    } catch (error) {
      const details = error instanceof ApiError ? error.details : {};
      setPhase({
        kind: "mapping",
        fault: isAbort(error) ? "Canceled: what was not stored yet is not imported." : messageOf(error),
        errors: (details.errors ?? []) as Report["errors"],
      });
    }
    onImported();
  };
  const actions = {
    mapping: (
      <Button kind="primary" disabled={mapped === null || fault !== null} onClick={() => void send()}>
        Import
      </Button>
    ),
    sending: <Button onClick={() => abort.current.abort()}>Cancel</Button>,
    done: (
      <Button kind="primary" onClick={onClose}>
        Done
      </Button>
    ),
  }[phase.kind];
  return (
    <Dialog title={`Import ${file.name}`} wide onClose={onClose} actions={actions}>
      <div class="stack">
        {head.error !== null && (
          <p class="notice bad" role="alert">
            {messageOf(head.error)}
          </p>
        )}
        {head.error === null && mapped === null && <Skeleton />}
        {phase.kind === "mapping" && mapped !== null && (
          <>
            <p class="muted">{about(head.data!, file)}</p>
            {phase.fault !== null && (
              <p class="notice bad" role="alert">
                {phase.fault}
              </p>
            )}
            {phase.errors.length > 0 && <Faults errors={phase.errors} />}
            <Mapping mapped={mapped} onChange={setMapped} />
            {fault !== null && (
              <p class="notice warn" role="alert">
                {fault}
              </p>
            )}
            <Check
              label="All rows or none: a faulty row keeps the whole file out"
              checked={strict}
              onChange={setStrict}
            />
          </>
        )}
        {phase.kind === "sending" && <Sending sent={phase.sent} stored={stored} rows={head.data!.rows} />}
        {phase.kind === "done" && <Done report={phase.report} />}
      </div>
    </Dialog>
  );
}

function about(head: Head, file: File): string {
  const size = file.size < 1e6 ? `${Math.ceil(file.size / 1e3)} kB` : `${(file.size / 1e6).toFixed(1)} MB`;
  const rows = head.rows === null ? "" : `, ${counted(head.rows, "row")}`;
  return `${size}${rows}. A document with the id of one that is there replaces it; without ids, new ones are made up.`;
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** How many more documents the collection has than when the import began; 0 while not importing. */
function useStored(collection: string, importing: boolean): number {
  const [stored, setStored] = useState(0);
  useEffect(() => {
    if (!importing) return;
    let before: number | null = null;
    const look = async () => {
      const params = { path: { collection_identifier: collection }, query: { limit: 1 } };
      const total = (
        await take(api.POST("/v1/collections/{collection_identifier}/documents/list", { params, body: {} }))
      ).pagination.total;
      before ??= total;
      setStored(total - before);
    };
    const quietly = () => void look().catch(() => undefined); // only the bar hangs on it
    quietly();
    const timer = setInterval(quietly, LOOK_MILLISECONDS);
    return () => clearInterval(timer);
  }, [collection, importing]);
  return stored;
}

/** Sending is known by bytes; storing by the documents that came, where the file says how many there will be. */
function Sending({ sent, stored, rows }: { sent: number; stored: number; rows: number | null }) {
  return (
    <div class="stack" aria-live="polite">
      <Progress value={sent} label={sent < 1 ? "Sending the file" : "Sent"} />
      {sent >= 1 && rows !== null && rows > 0 && (
        <Progress value={stored / rows} label={`Storing: ${count(stored)} new documents so far`} />
      )}
      {sent >= 1 && rows === null && <p class="notice busy">Storing: {count(stored)} new documents so far.</p>}
    </div>
  );
}

function Done({ report }: { report: Report }) {
  return (
    <div class="stack" role="status">
      <p class={report.failed > 0 ? "notice warn" : "notice"}>
        {counted(report.imported, "document")} imported
        {report.failed > 0 ? `, ${counted(report.failed, "row")} failed` : ""}.
      </p>
      {report.errors.length > 0 && <Faults errors={report.errors} />}
    </div>
  );
}

function Faults({ errors }: { errors: Report["errors"] }) {
  const columns = [
    { key: "row", title: "Row", right: true, cell: (each: Report["errors"][number]) => count(each.row) },
    { key: "error", title: "What is wrong", cell: (each: Report["errors"][number]) => each.error },
  ];
  return (
    <>
      <Table caption="Faulty rows" columns={columns} rows={errors.slice(0, FAULTS)} id={(each) => String(each.row)} />
      {errors.length > FAULTS && (
        <p class="small muted">
          The first {FAULTS} of {count(errors.length)} or more.
        </p>
      )}
    </>
  );
}
