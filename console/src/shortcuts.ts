/** Keys for those who don't reach for the mouse: `/` searches, `g` and a letter goes to a view. */
import { useEffect } from "preact/hooks";

import { go, href } from "./router";

const GO: Record<string, string> = { c: "clusters", d: "data", a: "automation" };
const CHORD_MILLISECONDS = 1_200;

export function useShortcuts(): void {
  useEffect(() => {
    let armed = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const view = GO[event.key];
      if (event.key === "/") {
        const search = document.querySelector<HTMLInputElement>("input[type=search]");
        if (search === null) return;
        event.preventDefault();
        search.focus();
        search.select();
      } else if (event.key === "g") {
        armed = event.timeStamp;
      } else if (view !== undefined && armed > 0 && event.timeStamp - armed < CHORD_MILLISECONDS) {
        armed = 0;
        go(href([view]));
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, textarea, select, dialog[open]") !== null;
}
