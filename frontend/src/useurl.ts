import { useCallback } from "react";
import { useSearchParams } from "wouter";

/** One word of the address: a link opens the same view. Its default stays out of the address. */
export function useUrlWord(name: string, otherwise: string): readonly [string, (value: string) => void] {
  const [search, setSearch] = useSearchParams();
  const set = useCallback(
    (value: string) =>
      setSearch(
        (old) => {
          const words = new URLSearchParams(old);
          if (value === otherwise) words.delete(name);
          else words.set(name, value);
          return words;
        },
        { replace: true },
      ),
    [name, otherwise, setSearch],
  );
  return [search.get(name) ?? otherwise, set];
}
