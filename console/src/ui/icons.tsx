/** Line icons on a grid of 16, in the text's colour; they say nothing that a label does not. */
const PATHS = {
  clusters:
    "M5 4.5a2 2 0 1 0 0 4 2 2 0 0 0 0-4ZM11.5 3a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3ZM10.5 9a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5ZM4.5 11.5h.01",
  data: "M3 4.5C3 3.4 5.2 2.5 8 2.5s5 .9 5 2-2.2 2-5 2-5-.9-5-2Zm0 0v7c0 1.1 2.2 2 5 2s5-.9 5-2v-7M3 8c0 1.1 2.2 2 5 2s5-.9 5-2",
  automation: "M9 1.5 3.5 9H8l-1 5.5L12.5 7H8l1-5.5Z",
  plus: "M8 3v10M3 8h10",
  close: "m4 4 8 8M12 4l-8 8",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9Zm3.3 7.8L13.5 13.5",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  moon: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7Z",
  half: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 0v12",
  out: "M9.5 2.5h-6v11h6M6.5 8h7m0 0L11 5.5M13.5 8 11 10.5",
  up: "M8 13V3m0 0L4.5 6.5M8 3l3.5 3.5",
  down: "M8 3v10m0 0 3.5-3.5M8 13 4.5 9.5",
  play: "M4.5 2.5v11l9-5.5-9-5.5Z",
  stop: "M4 4h8v8H4z",
  edit: "m10.5 3 2.5 2.5L6 12.5l-3 .5.5-3 7-7Z",
  trash: "M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.5 9h6l.5-9",
  map: "M2.5 4 6 2.5l4 1.5 3.5-1.5V12L10 13.5 6 12l-3.5 1.5V4ZM6 2.5V12M10 4v9.5",
  compare: "M2.5 4.5h4c3 0 1.5 7 5 7h2M2.5 11.5h4c1 0 1.5-1 2-2M11.5 4.5h2",
  filter: "M2.5 4h11M4.5 8h7M6.5 12h3",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
  check: "m3 8.5 3.5 3.5L13 4.5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
