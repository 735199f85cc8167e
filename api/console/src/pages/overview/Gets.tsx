import { Link } from "wouter";
import type { AnswerGroup } from "../../api/client";
import { Mark } from "../../parts/Mark";
import { percent } from "../../state/format";
import css from "./Gets.module.css";

/** The regions of an answer with their shares; addresses on demand. */
export function Gets({ answer, addresses }: { answer: AnswerGroup; addresses?: boolean }) {
  if (answer.regions.length === 0) {
    return (
      <span className={css.none}>
        <Mark shape="down" tone="down" size={14} /> no answer
      </span>
    );
  }
  return (
    <ul className={css.list}>
      {answer.regions.map((r) => (
        <li key={r.region} className={css.row} data-zero={r.share_percent === 0 || undefined}>
          <Link href={`/regions/${r.region}`}>{r.region}</Link>
          <span className={css.bar} aria-hidden="true">
            <span style={{ width: `${Math.max(0, Math.min(100, r.share_percent))}%` }} />
          </span>
          <span className={`${css.share} num`}>{percent(r.share_percent / 100)}</span>
          {addresses && <code className={css.addresses}>{r.addresses.join(" ")}</code>}
        </li>
      ))}
    </ul>
  );
}
