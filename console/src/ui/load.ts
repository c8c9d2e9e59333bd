import { useCallback, useEffect, useState } from "preact/hooks";

export interface Loaded<T> {
  /** The newest data; what was there before stays while new data is on its way, and when reading it again fails. */
  data: T | null;
  error: unknown;
  loading: boolean;
  reload: () => void;
}

/**
 * Data that a view reads. `key` says what is read: when it changes, the request under way is aborted and a new one made.
 * A null key reads nothing. Until the data of a new key is there, `data` is that of the key before: a component that acts
 * on it needs a `key` of its own.
 */
export function useLoad<T>(key: string | null, read: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ key: string | null; data: T | null; error: unknown; loading: boolean }>({
    key: null,
    data: null,
    error: null,
    loading: key !== null,
  });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (key === null) return;
    const abort = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    read(abort.signal).then(
      (data) => abort.signal.aborted || setState({ key, data, error: null, loading: false }),
      (error) =>
        abort.signal.aborted ||
        setState((before) => ({ key, data: before.key === key ? before.data : null, error, loading: false })),
    );
    return () => abort.abort();
  }, [key, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  return { data: state.data, error: state.error, loading: state.loading, reload };
}

/** Read again every while as long as something goes on; the while begins when the answer is there, so that none overlap. */
export function useRefresh<T>(going: boolean, { data, error, loading, reload }: Loaded<T>, milliseconds = 2_000): void {
  useEffect(() => {
    if (!going || loading) return;
    const timer = setTimeout(reload, milliseconds);
    return () => clearTimeout(timer);
  }, [going, data, error, loading, reload, milliseconds]);
}

/** The value once it has stayed the same for a while: typing asks the server once, not at every key. */
export function useSettled<T>(value: T, milliseconds = 250): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return settled;
}
