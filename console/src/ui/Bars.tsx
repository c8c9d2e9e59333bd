interface Props {
  label: string;
  rows: readonly { name: string; value: number }[];
}

const MOST = 12;

/** A few amounts as bars, the largest first; the rest in one line. */
export function Bars({ label, rows }: Props) {
  const sorted = [...rows].sort((a, b) => b.value - a.value);
  const most = sorted[0]?.value ?? 1;
  const rest = sorted.slice(MOST);
  return (
    <ul class="bars" aria-label={label}>
      {sorted.slice(0, MOST).map(({ name, value }) => (
        <li key={name}>
          <span class="cut" title={name}>
            {name}
          </span>
          <span class="bar" style={{ width: `${Math.max(1, (value / most) * 100)}%` }} />
          <span class="num">{value.toLocaleString()}</span>
        </li>
      ))}
      {rest.length > 0 && (
        <li class="muted small">{`and ${rest.length.toLocaleString()} smaller ones, down to ${rest.at(-1)!.value.toLocaleString()}`}</li>
      )}
    </ul>
  );
}
