import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { Groups } from "../../api/types";
import { count, counted } from "../../ui/texts";
import { type Band, type Bar, type Comparison, type Fate, layOut } from "./flow";

interface Props {
  told: Comparison;
  groups: readonly [Groups, Groups];
  onlyChanged: boolean;
  /** The address of a group on the map of a run. */
  mapOf: (run: string, group: string) => string;
}

const HEIGHT = 420;
const BAR = 10;
const CHARACTER = 6.6;
const WORDS: Partial<Record<Fate, [before: string, after: string]>> = {
  split: ["splits", "part of a split"],
  merged: ["merges", "merged"],
  born: ["", "new"],
  died: ["gone", ""],
};

/** Two runs as a flow of documents. Bars are links to the map; the table beside it tells the same to who cannot see it. */
export function FlowChart({ told, groups, onlyChanged, mapOf }: Props) {
  const [element, width] = useWidth();
  const [over, setOver] = useState<string | null>(null);
  const flow = useMemo(() => layOut(told, groups, onlyChanged, HEIGHT), [told, groups, onlyChanged]);
  const bands = [...flow.bands].sort((a, b) => b.documents - a.documents);
  const lit = over === null ? null : bands.filter((band) => `<${band.from.key}` === over || `>${band.to.key}` === over);
  const bars = (side: Bar[], mark: "<" | ">") =>
    side.map((bar) => (
      <BarMark
        key={mark + bar.key}
        bar={bar}
        before={mark === "<"}
        width={width}
        href={bar.group && mapOf(mark === "<" ? told.before : told.after, bar.group)}
        onOver={(on) => setOver(on ? mark + bar.key : null)}
      />
    ));
  return (
    <figure class="flow">
      <div class="row small muted" aria-hidden="true">
        <span>Earlier run</span>
        <span class="push">Later run</span>
      </div>
      <div ref={element}>
        <svg
          width={width}
          height={flow.height}
          role="group"
          aria-label="Flow of documents between the groups of the two runs; the tables below say the same"
        >
          {bands.map((band) => (
            <path
              key={`${band.from.key}>${band.to.key}`}
              class={`band ${band.fate} ${lit === null ? "" : lit.includes(band) ? "lit" : "dim"}`}
              d={shape(band, width)}
            >
              <title>{`${band.from.label} → ${band.to.label}: ${counted(band.documents, "document")}`}</title>
            </path>
          ))}
          {bars(flow.before, "<")}
          {bars(flow.after, ">")}
        </svg>
      </div>
      <figcaption class="small muted">
        {lit === null
          ? bands.length === 0
            ? "No group changed by as much as the rules count."
            : "Point at a group to see where its documents went."
          : describe(lit, over!.startsWith("<"))}
      </figcaption>
    </figure>
  );
}

interface MarkProps {
  bar: Bar;
  before: boolean;
  width: number;
  href: string | null;
  onOver: (on: boolean) => void;
}

function BarMark({ bar, before, width, href, onOver }: MarkProps) {
  const words = WORDS[bar.fate]?.[before ? 0 : 1] ?? "";
  const told = `${bar.label}${words && ", " + words}: ${counted(bar.documents, "document")}`;
  const room = Math.floor((width / 2 - 30) / CHARACTER);
  const tail = [words, count(bar.documents)].filter(Boolean).join(" · ");
  const label = cut(bar.label, Math.max(6, room - tail.length - 2));
  const middle = bar.y + bar.height / 2;
  const handlers = {
    onMouseEnter: () => onOver(true),
    onMouseLeave: () => onOver(false),
    onFocus: () => onOver(true),
    onBlur: () => onOver(false),
  };
  const drawn = (
    <>
      <title>{told}</title>
      <rect class={`bar ${bar.fate}`} x={before ? 0 : width - BAR} y={bar.y} width={BAR} height={bar.height} rx={2} />
      <text
        x={before ? BAR + 8 : width - BAR - 8}
        y={middle}
        text-anchor={before ? "start" : "end"}
        dominant-baseline="central"
      >
        {label} <tspan class="tail">{tail}</tspan>
      </text>
    </>
  );
  if (href === null) return <g {...handlers}>{drawn}</g>;
  return (
    <a href={href} aria-label={`${told}. Open it on the map`} {...handlers}>
      {drawn}
    </a>
  );
}

function shape({ left, right }: Band, width: number): string {
  const [x0, x1, half] = [BAR, width - BAR, width / 2];
  return `M${x0},${left[0]}C${half},${left[0]} ${half},${right[0]} ${x1},${right[0]}L${x1},${right[1]}C${half},${right[1]} ${half},${left[1]} ${x0},${left[1]}Z`;
}

function describe(bands: readonly Band[], before: boolean): string {
  const parts = bands
    .slice(0, 6)
    .map((band) => `${count(band.documents)} ${before ? "to" : "from"} ${before ? band.to.label : band.from.label}`);
  const own = before ? bands[0]!.from : bands[0]!.to;
  return `${own.label}: ${parts.join(", ")}${bands.length > 6 ? `, and ${bands.length - 6} more` : ""}`;
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : text.slice(0, most - 1).trimEnd() + "…";
}

/** An element's width in pixels, as it changes. */
function useWidth() {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(640);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.max(240, Math.floor(entry!.contentRect.width))));
    watch.observe(element.current!);
    return () => watch.disconnect();
  }, []);
  return [element, width] as const;
}
