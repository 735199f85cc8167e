import { ago, fullTime, instant, seconds, span } from "../state/format";
import { useNow } from "./now";

/** How long ago, with the full time for whoever points at it. */
export function Age({ at }: { at: string | number | undefined }) {
  const now = useNow();
  const t = typeof at === "number" ? at : instant(at);
  return (
    <time className="num" dateTime={Number.isFinite(t) ? new Date(t).toISOString() : undefined} title={fullTime(t)}>
      {ago(t, now)}
    </time>
  );
}

/** How long something has lasted, running while it does. */
export function Elapsed({ from, to, ms }: { from?: string | undefined; to?: string | undefined; ms?: number | undefined }) {
  const now = useNow();
  const start = instant(from);
  const end = instant(to);
  if (Number.isFinite(end) || !Number.isFinite(start)) {
    const known = ms ?? end - start;
    return <span className="num">{Number.isFinite(known) ? span(known) : "–"}</span>;
  }
  return <span className="num">{seconds(Math.max(0, Math.floor((now - start) / 1000)))}</span>;
}
