/** A document in short, as text and picture, never as markup. */
import { useLoad, useSettled } from "../ui/load";
import { messageOf } from "../ui/states";
import { digest, type Member, readDocument, readMembers } from "./data";
import type { Scene } from "./scene";

interface Props {
  id: string;
  run: string;
  scene: Scene;
}

const HOVER_MILLISECONDS = 70;
const CARD_WIDTH = 260;
const GAP = 14;

/** The document under the pointer, beside it. */
export function HoverCard({ id, run, scene }: Props) {
  const hovered = scene.hovered.value;
  const settled = useSettled(hovered, HOVER_MILLISECONDS);
  if (hovered === null || settled === null || settled.point !== hovered.point) return null;
  const { at } = hovered;
  const { width, height } = scene.camera;
  const beside =
    at.x + GAP + CARD_WIDTH < width ? { left: `${at.x + GAP}px` } : { right: `${Math.max(8, width - at.x + GAP)}px` };
  const level = at.y < height / 2 ? { top: `${at.y + GAP}px` } : { bottom: `${height - at.y + GAP}px` };
  return (
    <div class="hover-card" data-controls style={{ ...beside, ...level }}>
      <PointDocument key={hovered.point} id={id} run={run} scene={scene} point={hovered.point} />
    </div>
  );
}

/** The document that a point is, with its group. Its key has to be the point: data of another must not stand in it. */
export function PointDocument({ id, run, scene, point }: Props & { point: number }) {
  const number = scene.points!.member(point);
  const { data, error } = useLoad(`${run}/${number}`, (signal) => readMembers(id, run, [number], signal));
  const group = scene.groupOf(point);
  return (
    <>
      <div class="of-group">
        <i class="dot" style={{ background: scene.looks.value.css(group) }} />
        <span class="cut">{group?.label ?? "in no group"}</span>
      </div>
      {error !== null && <p class="small muted">{messageOf(error)}</p>}
      {data?.[0] ? <DocumentCard member={data[0]} /> : <div class="waits" />}
    </>
  );
}

/** A member's document, read when it is shown. */
export function DocumentCard({ member }: { member: Pick<Member, "document_id" | "metadata"> }) {
  const { data, error } = useLoad(`${String(member.metadata["collection_id"])}/${member.document_id}`, (signal) =>
    readDocument(member, signal),
  );
  const shown = digest(data ?? {});
  return (
    <div class="document" data-document={data === null ? undefined : member.document_id}>
      {shown.picture && <img src={shown.picture} alt="" />}
      <div class="cut mono">{member.document_id}</div>
      {error !== null && <p class="small muted">{messageOf(error)}</p>}
      {shown.text && <p>{shown.text}</p>}
      {shown.fields.length > 0 && (
        <dl>
          {shown.fields.map(([name, value]) => (
            <div key={name}>
              <dt class="cut">{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}
