import type { ComponentChildren, JSX } from "preact";

import { Icon, type IconName } from "./icons";

export type Kind = "primary" | "plain" | "quiet" | "danger";

interface Shared {
  kind?: Kind;
  icon?: IconName;
  /** What a button without text is called; with text, it is only the tooltip. */
  label?: string;
  children?: ComponentChildren;
}

type ButtonProps = Shared & Omit<JSX.IntrinsicElements["button"], "icon" | "label" | "children" | "kind">;

/** A button. It never submits a form unless its `type` says so. */
export function Button({ kind = "plain", icon, label, children, class: extra, ...rest }: ButtonProps) {
  const bare = children === undefined;
  return (
    <button
      type="button"
      class={look(kind, bare, String(extra ?? ""))}
      aria-label={bare ? label : undefined}
      title={label}
      {...rest}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A link that looks like a button. */
export function LinkButton({ kind = "plain", icon, label, children, href }: Shared & { href: string }) {
  const bare = children === undefined;
  return (
    <a class={look(kind, bare, "")} href={href} aria-label={bare ? label : undefined} title={label}>
      {icon && <Icon name={icon} />}
      {children}
    </a>
  );
}

function look(kind: Kind, bare: boolean, extra: string): string {
  return ["button", kind === "plain" ? "" : kind, bare ? "icon" : "", extra].filter(Boolean).join(" ");
}
