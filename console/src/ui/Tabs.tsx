interface Props<Name extends string> {
  label: string;
  tabs: Record<Name, string>;
  at: Name;
  onChange: (name: Name) => void;
}

/** A choice of one among few, side by side. */
export function Tabs<Name extends string>({ label, tabs, at, onChange }: Props<Name>) {
  return (
    <div class="tabs" role="group" aria-label={label}>
      {(Object.entries(tabs) as [Name, string][]).map(([name, title]) => (
        <button key={name} type="button" aria-pressed={name === at} onClick={() => onChange(name)}>
          {title}
        </button>
      ))}
    </div>
  );
}
