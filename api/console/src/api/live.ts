// Live keeps the screens true: one event stream per tab, and polling where a
// stream cannot be had. Only the status arrives whole; any other event merely
// says what to fetch again, so a lost event costs a moment and never a lie.

import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import type { ExecutionSummary, Status } from "./client";

export interface Liveness {
  /** The stream is open. */
  streaming: boolean;
  /** When this tab last heard from the node, by this machine's clock. */
  heard: number;
}

/** Longer than this without a word, and the page says that it is not live. */
export const staleAfter = 16_000;
/** Polling while the stream is open: it proves that silence means calm. */
export const heartbeat = 8_000;
export const fallback = 5_000;

let liveness: Liveness = { streaming: false, heard: 0 };
const readers = new Set<() => void>();

function set(next: Partial<Liveness>) {
  liveness = { ...liveness, ...next };
  for (const read of readers) read();
}

// The node's clock is the one that all timestamps come from. This machine's
// own is only used to count the time since a picture arrived.
let skew = 0;

/** Notes that the node answered, and what its clock said. */
export function heard(at: string | undefined) {
  const t = at ? Date.parse(at) : NaN;
  if (Number.isFinite(t)) skew = Date.now() - t;
  set({ heard: Date.now() });
}

/** Now, by the clock of the node that this page shows. */
export function nodeNow(): number {
  return Date.now() - skew;
}

export function useLiveness(): Liveness {
  return useSyncExternalStore(
    (read) => {
      readers.add(read);
      return () => readers.delete(read);
    },
    () => liveness,
  );
}

/** Opens the stream and reopens it for ever; the returned function closes it. */
export function listen(queries: QueryClient): () => void {
  let source: EventSource | undefined;
  let retry: number | undefined;
  let attempt = 0;
  let lastId = "";
  let closed = false;

  const open = () => {
    source = new EventSource(lastId ? `/api/v1/events?last_event_id=${encodeURIComponent(lastId)}` : "/api/v1/events");
    source.onopen = () => {
      attempt = 0;
      set({ streaming: true, heard: Date.now() });
    };
    source.onerror = () => {
      set({ streaming: false });
      if (source?.readyState !== EventSource.CLOSED) return; // the browser retries by itself
      source.close();
      const wait = Math.min(1000 * 2 ** attempt++, 15_000);
      if (!closed) retry = window.setTimeout(open, wait * (0.5 + Math.random() / 2));
    };
    on("status", (data) => {
      const status = data as Status;
      heard(status.at);
      queries.setQueryData(["status"], status);
    });
    on("execution", (data) => {
      const run = data as ExecutionSummary;
      void queries.invalidateQueries({ queryKey: ["executions"] });
      if (run.id) void queries.invalidateQueries({ queryKey: ["execution", run.id] });
    });
    on("audit", () => {
      void queries.invalidateQueries({ queryKey: ["audit"] });
      void queries.invalidateQueries({ queryKey: ["overrides"] });
    });
    on("alarm", () => void queries.invalidateQueries({ queryKey: ["status"] }));
    on("history", () => void queries.invalidateQueries({ queryKey: ["history"] }));
    on("reset", () => {
      lastId = "";
      void queries.invalidateQueries();
    });
  };

  const on = (type: string, act: (data: unknown) => void) =>
    source?.addEventListener(type, (event) => {
      if (event.lastEventId) lastId = event.lastEventId;
      set({ streaming: true, heard: Date.now() });
      let data: unknown;
      try {
        data = JSON.parse(event.data as string);
      } catch {
        void queries.invalidateQueries(); // an event that cannot be read means: look again
        return;
      }
      act(data);
    });

  open();
  return () => {
    closed = true;
    window.clearTimeout(retry);
    source?.close();
    set({ streaming: false });
  };
}
