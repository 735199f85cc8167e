import { Link } from "wouter";
import type { Database, DatabaseMember, Status } from "../../api/client";
import { Age } from "../../parts/Age";
import { Empty } from "../../parts/Panel";
import { Said } from "../../parts/Said";
import { Tag } from "../../parts/Tag";
import { bytes, instant, span } from "../../state/format";
import { roleLook } from "../../state/words";
import css from "./Databases.module.css";

export function Databases({ status }: { status: Status }) {
  if (status.databases.length === 0) {
    return (
      <div className={css.card}>
        <Empty>No database is configured. Without one, Fairlead steers traffic and moves no writer.</Empty>
      </div>
    );
  }
  return (
    <ul className={css.list}>
      {status.databases.map((d) => (
        <li key={d.id} className={css.card}>
          <DatabaseCard database={d} at={instant(status.at)} />
        </li>
      ))}
    </ul>
  );
}

function DatabaseCard({ database: d, at }: { database: Database; at: number }) {
  return (
    <article>
      <header className={css.head}>
        <div>
          <h3 className={css.name}>{d.id}</h3>
          <p className="soft small">
            {d.engine}, epoch <span className="num">{d.epoch.incarnation}.{d.epoch.number}</span>
          </p>
        </div>
        <p className={css.writer}>
          <span className="soft small">Writer</span>
          <Link href={`/regions/${d.writer_region}`} className={css.writerName}>{d.writer_region || "none"}</Link>
        </p>
      </header>
      {d.because && (
        <p className={css.because}>
          <Said text={d.because} />
        </p>
      )}
      <ul className={css.members}>
        {d.members.map((m) => (
          <Member key={m.region} member={m} at={at} />
        ))}
      </ul>
      <footer className={css.foot}>
        <Link href={`/runbooks?database=${encodeURIComponent(d.id)}`}>Runbooks that move the writer of {d.id}…</Link>
      </footer>
    </article>
  );
}

function Member({ member: m, at }: { member: DatabaseMember; at: number }) {
  const look = roleLook(m);
  const measured = m.measured_age_ms === undefined ? undefined : at - m.measured_age_ms;
  return (
    <li className={css.member}>
      <div className={css.memberHead}>
        <span className={css.region}>{m.region}</span>
        <Tag shape={look.shape} tone={look.tone}>
          {look.word}
        </Tag>
      </div>
      <p className={css.memberWhy}>
        <Said text={m.because} />
      </p>
      <dl className={css.facts}>
        {m.role === "standby" && (
          <div>
            <dt>Behind the writer</dt>
            <dd className="num">{lag(m)}</dd>
          </div>
        )}
        <div>
          <dt>Timeline</dt>
          <dd className="num">{m.timeline ?? "unknown"}</dd>
        </div>
        <div>
          <dt>Measured</dt>
          <dd>{measured === undefined ? "never" : <Age at={measured} />}</dd>
        </div>
        <div>
          <dt>Agent</dt>
          <dd>
            {m.agent === undefined
              ? "none"
              : m.agent.reachable
                ? m.agent.fenced
                  ? "keeps it fenced"
                  : "answers"
                : `silent${m.agent.problem ? `: ${m.agent.problem}` : ""}`}
          </dd>
        </div>
      </dl>
    </li>
  );
}

function lag(m: DatabaseMember): string {
  const parts: string[] = [];
  if (m.lag_bytes !== undefined) parts.push(bytes(m.lag_bytes));
  if (m.lag_seconds !== undefined) parts.push(span(m.lag_seconds * 1000));
  return parts.length > 0 ? parts.join(", ") : "unknown";
}
