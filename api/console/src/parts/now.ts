import { useEffect, useState, useSyncExternalStore } from "react";
import { nodeNow } from "../api/live";

// One clock for all ages on the page, so that they step together.
const readers = new Set<() => void>();
let beat = Date.now();
let timer: number | undefined;

function subscribe(read: () => void) {
  readers.add(read);
  timer ??= window.setInterval(() => {
    beat = Date.now();
    for (const r of readers) r();
  }, 1000);
  return () => {
    readers.delete(read);
    if (readers.size === 0) {
      window.clearInterval(timer);
      timer = undefined;
    }
  };
}

/** Now by the node's clock, stepping once a second. */
export function useNow(): number {
  useSyncExternalStore(subscribe, () => beat);
  return nodeNow();
}

/** The same by this machine's clock, for how long ago this page heard something. */
export function useLocalNow(): number {
  return useSyncExternalStore(subscribe, () => beat);
}

/** A value that follows its input only after it has been still for a while. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const t = window.setTimeout(() => settle(value), ms);
    return () => window.clearTimeout(t);
  }, [value, ms]);
  return settled;
}
