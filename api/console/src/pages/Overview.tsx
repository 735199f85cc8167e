import { lazy, Suspense } from "react";
import { Link } from "wouter";
import type { Alarm, Execution, ExecutionSummary, Status, Whoami } from "../api/client";
import { useExecutions, useStatus } from "../api/queries";
import { Age, Elapsed } from "../parts/Age";
import { Boundary } from "../parts/Boundary";
import { FaultNote } from "../parts/FaultNote";
import { Mark } from "../parts/Mark";
import { Empty, PageHead, Panel, Waiting } from "../parts/Panel";
import { Remedy } from "../parts/Remedy";
import { capitalise, names, Said } from "../parts/Said";
import { Tag } from "../parts/Tag";
import { count } from "../state/format";
import { about, headline } from "../state/headline";
import { isOpen, runLook } from "../state/words";
import { Databases } from "./overview/Databases";
import { Nodes } from "./overview/Nodes";
import css from "./overview/Overview.module.css";
import { RegionCard } from "./overview/RegionCard";
import { Services } from "./overview/Services";
import { Frozen } from "./steering/Frozen";

const WorldMap = lazy(() => import("../map/WorldMap"));

export function Overview({ me }: { me: Whoami }) {
  const status = useStatus();
  const runs = useExecutions();
  const s = status.data;
  if (s === undefined) {
    return (
      <>
        <PageHead title="Overview" detail={status.error ? "" : "Asking this node what it sees…"} />
        {status.error ? <FaultNote error={status.error} retry={() => void status.refetch()} /> : <Waiting rows={8} label="Loading the overview" />}
      </>
    );
  }
  const open = (runs.data?.executions ?? []).filter(isOpen);
  const head = headline(s, open);
  const title = capitalise(head.sentence, names(s));
  const placed = s.regions.filter((r) => r.latitude !== undefined && r.longitude !== undefined);
  return (
    <>
      <PageHead
        title={title}
        mark={<Mark shape={head.tone === "moving" ? "running" : head.tone} tone={head.tone} size={32} />}
        detail={capitalise(head.detail, names(s))}
      />
      {(s.alarms.length > 0 || open.length > 0) && (
        <div className={css.urgent}>
          {s.alarms.length > 0 && <Alarms alarms={s.alarms} />}
          {open.length > 0 && <OpenRuns runs={open} />}
        </div>
      )}

      <Panel title="Regions" bare>
        {s.regions.length === 0 ? (
          <Empty>No region is configured. Add regions to the configuration file; they appear here at once.</Empty>
        ) : (
          <div className={css.regions} data-map={placed.length > 1 || undefined} data-many={s.regions.length > 4 || undefined}>
            <ul className={css.cards}>
              {s.regions.map((r) => (
                <li key={r.id}>
                  <RegionCard region={r} services={s.services} />
                </li>
              ))}
            </ul>
            {placed.length > 1 && (
              <div className={css.map}>
                <Boundary quiet>
                  <Suspense fallback={null}>
                    <WorldMap regions={placed} />
                  </Suspense>
                </Boundary>
              </div>
            )}
          </div>
        )}
      </Panel>

      <Panel title="Services" note="what each client group is answered now">
        <Services status={s} />
      </Panel>

      <Panel title="Databases" note="one writer each; only a run moves it" bare>
        <Databases status={s} />
      </Panel>

      <Panel title="Nodes" note={s.standpoint ? capitalise(s.standpoint.sentence, names(s)) : `Fairlead itself: ${count(s.nodes.length, "node")}`}>
        <Nodes status={s} />
      </Panel>

      <Source status={s} me={me} />
    </>
  );
}

function Alarms({ alarms }: { alarms: readonly Alarm[] }) {
  return (
    <section aria-label="Alarms">
      <ul className={css.alarms}>
        {alarms.map((a) => {
          const look =
            a.severity === "critical"
              ? ({ shape: "down", tone: "down", word: "Critical" } as const)
              : a.severity === "warning"
                ? ({ shape: "degraded", tone: "degraded", word: "Warning" } as const)
                : ({ shape: "unknown", tone: "unknown", word: "To know" } as const);
          return (
            <li key={a.id} className={css.alarm} data-tone={look.tone}>
              <Mark shape={look.shape} tone={look.tone} size={20} />
              <div className={css.alarmText}>
                <p className={css.alarmSentence}>
                  <span className="visually-hidden">{look.word}: </span>
                  <Said text={about(a)} />
                </p>
                {a.remedy && (
                  <p>
                    <span className="soft">What to do: </span>
                    <Remedy text={a.remedy} />
                  </p>
                )}
              </div>
              <p className={css.alarmMeta}>
                <Subject of={a.subject} />
                <Age at={a.since} />
              </p>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** What an alarm is about, leading to where something can be done. */
function Subject({ of }: { of: string }) {
  const [kind, name] = of.split(" ");
  const to =
    name === undefined
      ? undefined
      : kind === "region"
        ? `/regions/${name}`
        : kind === "service"
          ? `/services/${name}`
          : kind === "database"
            ? `/runbooks?database=${encodeURIComponent(name)}`
            : undefined;
  return to ? <Link href={to}>{of}</Link> : <span>{of}</span>;
}

function OpenRuns({ runs }: { runs: readonly ExecutionSummary[] }) {
  return (
    <section aria-label="Open runs">
      <ul className={css.alarms}>
        {runs.map((x) => {
          const look = runLook(x as Pick<Execution, "state" | "outcome">);
          return (
            <li key={x.id} className={css.alarm} data-tone={look.tone}>
              <Mark shape={look.shape} tone={look.tone} size={20} />
              <div className={css.alarmText}>
                <p className={css.alarmSentence}>
                  <Link href={`/executions/${x.id}`}>
                    <Said text={x.title} bare />
                  </Link>
                </p>
                <p>
                  <Said text={x.sentence} />
                </p>
              </div>
              <p className={css.alarmMeta}>
                <Tag shape={look.shape} tone={look.tone}>
                  {look.word}
                </Tag>
                <span>
                  by {x.started_by}, <Elapsed from={x.started_at} to={x.ended_at} ms={x.duration_ms} />
                </span>
              </p>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** Where this picture comes from, and whether decisions can be made now. */
function Source({ status: s, me }: { status: Status; me: Whoami }) {
  return (
    <footer className={css.source}>
      <p>
        Seen by <strong>{s.node}</strong> ({s.version}), decided state <span className="num">{s.generation}</span>.
      </p>
      <p>
        {s.store.reachable ? (
          <>
            Decisions are possible{s.store.leader ? `, led by ${s.store.leader}` : "; no leader is elected yet"}.
          </>
        ) : (
          <span className={css.bad}>
            Nothing can be decided now: the store has been out of reach since <Age at={s.store.since} />
            {s.store.problem ? ` (${s.store.problem})` : ""}. Answers go on, and so does failover between regions.
          </span>
        )}
      </p>
      <p>
        {s.config.ok ? (
          <>
            Configuration <code>{s.config.source}</code> in force since <Age at={s.config.loaded_at} />.
          </>
        ) : (
          <span className={css.bad}>
            The newest configuration was refused, the one before is in force: {s.config.problem}
          </span>
        )}
      </p>
      <Frozen freeze={s.freeze} me={me} />
    </footer>
  );
}
