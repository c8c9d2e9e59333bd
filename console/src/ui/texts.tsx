/** Numbers, times and code as text. */
import { useRef, useState } from "preact/hooks";

import { Button } from "./Button";

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : value.toLocaleString();
}

/** `1 group`, `2 groups`. */
export function counted(value: number, one: string, many = one + "s"): string {
  return `${value.toLocaleString()} ${value === 1 ? one : many}`;
}

/** A figure such as a score, to three places. */
export function figure(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : value.toFixed(3);
}

export function seconds(value: number): string {
  if (value < 60) return `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  return `${Math.floor(value / 3600)} h ${Math.round((value % 3600) / 60)} min`;
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** How long ago something was, with the exact time as its title. */
export function Ago({ at }: { at: string | null | undefined }) {
  if (!at) return <span class="muted">–</span>;
  const moment = new Date(at);
  return (
    <time dateTime={at} title={moment.toLocaleString()}>
      {ago((moment.getTime() - Date.now()) / 1000)}
    </time>
  );
}

function ago(offset: number): string {
  const [unit, size] = UNITS.find(([, each]) => Math.abs(offset) >= each) ?? ["second", 1];
  if (unit === "second") return "just now";
  return relative.format(Math.round(offset / size), unit);
}

/** Text to copy, as it is. */
export function Code({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const element = useRef<HTMLPreElement>(null);
  const copy = async () => {
    // Browsers give the clipboard to https and localhost only; elsewhere the text is selected, to be copied by hand.
    if (!navigator.clipboard) return getSelection()?.selectAllChildren(element.current!);
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <div class="code">
      <pre ref={element} tabIndex={0} role="region" aria-label={label}>
        {text}
      </pre>
      <Button
        kind="quiet"
        icon={copied ? "check" : "copy"}
        label={copied ? "Copied" : `Copy: ${label}`}
        onClick={() => void copy()}
      />
    </div>
  );
}

const PICTURE = /^data:image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml)[;,]/;

/** Whether a text is a picture that can be shown as one: as an image, an SVG runs no scripts. */
export const isPicture = (text: string) => PICTURE.test(text);
