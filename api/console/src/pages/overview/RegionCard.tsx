import { Link } from "wouter";
import type { Region, Service } from "../../api/client";
import { Age } from "../../parts/Age";
import { Mark } from "../../parts/Mark";
import { stop } from "../../state/format";
import { useNow } from "../../parts/now";
import { Said } from "../../parts/Said";
import { Tag } from "../../parts/Tag";
import { overrideSentence, regionLook, stateLook } from "../../state/words";
import css from "./RegionCard.module.css";

/** One region: what is measured, what is steered by, and why. The whole card leads to its page. */
export function RegionCard({ region: r, services }: { region: Region; services: readonly Service[] }) {
  const now = useNow();
  const look = regionLook(r);
  const measured = stateLook(r.measured);
  const effective = stateLook(r.effective);
  const serves = services.filter((s) => s.answers.some((a) => a.regions.some((x) => x.region === r.id && x.share_percent > 0)));
  return (
    <article className={css.card} data-tone={look.tone}>
      <header className={css.head}>
        <div className={css.names}>
          <h3 className={css.name}>
            <Link href={`/regions/${r.id}`} className={css.link} aria-label={`${r.id}: ${look.word}`}>
              {r.id}
            </Link>
          </h3>
          {r.name && r.name !== r.id && <span className={css.title}>{r.name}</span>}
        </div>
        <Tag shape={look.shape} tone={look.tone}>
          {look.word}
        </Tag>
      </header>
      <p className={css.why}>
        <Said text={r.because} />
      </p>
      {r.override && <p className={css.why}>{stop(overrideSentence(r.override, now))}</p>}
      <dl className={css.facts}>
        <div>
          <dt>Measured</dt>
          <dd>
            <Mark shape={measured.shape} tone={measured.tone} size={13} />
            {measured.word}
          </dd>
        </div>
        <div>
          <dt>Steered as</dt>
          <dd>
            <Mark shape={effective.shape} tone={effective.tone} size={13} />
            {effective.word}
          </dd>
        </div>
        <div>
          <dt>Endpoints up</dt>
          <dd className="num">
            {r.endpoints_up} of {r.endpoints_total}
          </dd>
        </div>
        <div>
          <dt>Since</dt>
          <dd>
            <Age at={r.since} />
          </dd>
        </div>
      </dl>
      <p className={css.serves}>
        {serves.length === 0 ? "Answers no name now" : `Answers ${serves.map((s) => s.id).join(", ")}`}
      </p>
    </article>
  );
}
