import { useEffect } from "preact/hooks";

/** Name the tab, and the step in the browser's history, after what is shown. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Coterie`;
  }, [title]);
}
