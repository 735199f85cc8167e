import { Tooltip } from "@mantine/core";
import { staleAfter, useLiveness } from "../api/live";
import { useLocalNow } from "../parts/now";
import { span } from "../state/format";
import css from "./Freshness.module.css";

/** Says whether what is on the page is true now; silence is never shown as calm. */
export function Freshness() {
  const { streaming, heard } = useLiveness();
  const now = useLocalNow();
  const age = heard === 0 ? Infinity : Math.max(0, now - heard);
  const live = age < staleAfter;
  const text = heard === 0 ? "Connecting" : live ? (streaming ? "Live" : "Every 5 s") : `Not live, ${span(Math.floor(age / 1000) * 1000)} old`;
  const hint = live
    ? streaming
      ? "Changes appear as they happen."
      : "The event stream is closed, so the page asks every 5 s."
    : "This page shows the last thing it heard. The node does not answer your browser; it keeps trying.";
  return (
    <Tooltip label={hint}>
      <span className={css.pill} data-state={live ? (streaming ? "live" : "polling") : "stale"} role="status" tabIndex={0} aria-label={`Freshness: ${text}`}>
        <span className={css.dot} aria-hidden="true" />
        <span className="num">{text}</span>
      </span>
    </Tooltip>
  );
}
