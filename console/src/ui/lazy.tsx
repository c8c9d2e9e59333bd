import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

import { ErrorState, Skeleton } from "./states";

/** A view whose code is loaded when it is first shown: what one never opens is never sent. */
export function lazy<Props extends object>(
  load: () => Promise<{ default: ComponentType<Props> }>,
): ComponentType<Props> {
  let Loaded: ComponentType<Props> | null = null;
  return function Lazy(props: Props) {
    const [error, setError] = useState<unknown>(null);
    const [, setReady] = useState(false);
    useEffect(() => {
      if (Loaded !== null) return;
      load().then((module) => {
        Loaded = module.default;
        setReady(true);
      }, setError);
    }, []);
    if (Loaded !== null) return <Loaded {...props} />;
    // An updated server no longer has the parts of the page that is open: reloading gets the new ones.
    if (error !== null)
      return (
        <ErrorState
          error={new Error("A part of the console could not be loaded. Reload the page.")}
          onRetry={() => location.reload()}
        />
      );
    return <Skeleton />;
  };
}
