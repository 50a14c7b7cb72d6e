// What outlives a page: the address, which holds every selection, and what has been asked for.
import { useCallback, useEffect, useState } from "preact/hooks";
import { ask, Refusal } from "./api";

type Listener = () => void;
const moved = new Set<Listener>();
const renewed = new Set<Listener>();

function told(listeners: Set<Listener>) {
  for (const listener of [...listeners]) listener();
}

addEventListener("popstate", () => told(moved));

/** Go to an address of the dashboard. */
export function go(address: string, replace = false) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  told(moved);
}

export function useAddress(): URL {
  const [address, set] = useState(location.href);
  useEffect(() => {
    const look = () => set(location.href);
    moved.add(look);
    return () => void moved.delete(look);
  }, []);
  return new URL(address);
}

/** One parameter of the address, and what changes it; null removes it. */
export function useParameters(): [URLSearchParams, (given: Record<string, string | null>) => void] {
  const address = useAddress();
  const change = useCallback((given: Record<string, string | null>) => {
    const next = new URL(location.href);
    for (const [key, value] of Object.entries(given)) {
      if (value === null) next.searchParams.delete(key);
      else next.searchParams.set(key, value);
    }
    go(next.pathname + next.search, true);
  }, []);
  return [address.searchParams, change];
}

/** Have every page ask again: something happened. */
export const renew = () => told(renewed);

export interface Asked<T> {
  data: T | null;
  error: Refusal | null;
  again: () => void;
}

/** What the API answers to a path, asked again when there is news; nothing for null. */
export function useAsked<T>(path: string | null): Asked<T> {
  const [state, set] = useState<{ path: string | null; data: T | null; error: Refusal | null }>({
    path: null, data: null, error: null,
  });
  const [turn, setTurn] = useState(0);
  const again = useCallback(() => setTurn((n) => n + 1), []);
  useEffect(() => {
    renewed.add(again);
    return () => void renewed.delete(again);
  }, [again]);
  useEffect(() => {
    if (path === null) return;
    const leaving = new AbortController();
    ask<T>(path, { signal: leaving.signal }).then(
      (data) => set({ path, data, error: null }),
      (error: unknown) => {
        if (leaving.signal.aborted) return;
        if (!(error instanceof Refusal)) throw error;
        // What was there before stays to be read while the service is away.
        set((old) => ({ path, data: old.path === path ? old.data : null, error }));
      },
    );
    return () => leaving.abort();
  }, [path, turn]);
  const mine = state.path === path;
  return { data: mine ? state.data : null, error: mine ? state.error : null, again };
}
