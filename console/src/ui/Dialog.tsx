import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

import { Button } from "./Button";

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  /** Buttons at the foot; a `form` attribute lets one submit a form in the body. */
  actions?: ComponentChildren;
  wide?: boolean;
}

/** A modal dialog while it is rendered. The browser keeps the focus inside, and gives it back at the end; Esc closes. */
export function Dialog({ title, onClose, children, actions, wide = false }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={wide ? "wide" : ""}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header>
        <h2 id={heading}>{title}</h2>
        <Button kind="quiet" icon="close" label="Close" onClick={onClose} />
      </header>
      <div class="body">{children}</div>
      {actions && <footer>{actions}</footer>}
    </dialog>
  );
}

interface Question {
  title: string;
  /** What the button says: the deed, never "OK". */
  deed: string;
  busy?: boolean;
  onDo: () => void;
  onClose: () => void;
  children: ComponentChildren;
}

/** Asks before something that cannot be taken back. */
export function Confirm({ title, deed, busy = false, onDo, onClose, children }: Question) {
  const actions = (
    <>
      <Button onClick={onClose}>Keep it</Button>
      <Button kind="danger" disabled={busy} onClick={onDo}>
        {deed}
      </Button>
    </>
  );
  return (
    <Dialog title={title} onClose={onClose} actions={actions}>
      {children}
    </Dialog>
  );
}
