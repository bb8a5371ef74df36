import { useCallback, useEffect, useState } from "react";

export interface Loaded<T> {
  readonly data: T | undefined;
  readonly error: Error | undefined;
  readonly reload: () => void;
}

/** Asks when `ask` is another function than before, when told to, and every `everyMs` while the page is seen. Old data stays meanwhile. */
export function useLoad<T>(ask: () => Promise<T>, everyMs?: number): Loaded<T> {
  const [loaded, setLoaded] = useState<{ ask: unknown; data?: T; error?: Error }>({ ask });
  const [round, setRound] = useState(0);
  const reload = useCallback(() => setRound((n) => n + 1), []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new round asks again
  useEffect(() => {
    let wanted = true;
    ask().then(
      (data) => wanted && setLoaded({ ask, data }),
      (error: Error) => wanted && setLoaded((old) => (old.ask === ask ? { ...old, error } : { ask, error })),
    );
    return () => {
      wanted = false;
    };
  }, [ask, round]);

  useEffect(() => {
    if (everyMs === undefined) return;
    const again = () => document.visibilityState === "visible" && reload();
    const timer = setInterval(again, everyMs);
    document.addEventListener("visibilitychange", again);
    addEventListener("online", again);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", again);
      removeEventListener("online", again);
    };
  }, [everyMs, reload]);

  const current = loaded.ask === ask ? loaded : undefined;
  return { data: current?.data, error: current?.error, reload };
}
