import { Button } from "@mantine/core";
import { useState } from "react";
import { Link, useSearchParams } from "wouter";
import type { Endpoint, Override, Region, Whoami } from "../api/client";
import { useEndOverride, useOverrides, useStatus } from "../api/queries";
import { Age } from "../parts/Age";
import { Facts } from "../parts/Facts";
import { FaultNote } from "../parts/FaultNote";
import { Mark } from "../parts/Mark";
import { useNow } from "../parts/now";
import { Empty, PageHead, Panel, Waiting } from "../parts/Panel";
import { Said } from "../parts/Said";
import { Tag } from "../parts/Tag";
import { count, instant, span, stop } from "../state/format";
import { needsRestore, overrideSentence, regionLook, stateLook } from "../state/words";
import tables from "./overview/Tables.module.css";
import css from "./RegionPage.module.css";
import { Drain } from "./steering/Drain";
import { ReasonDialog } from "./steering/ReasonDialog";
import { Restore } from "./steering/Restore";

export function RegionPage({ id, me }: { id: string; me: Whoami }) {
  const status = useStatus();
  const [search] = useSearchParams();
  const s = status.data;
  if (s === undefined) {
    return (
      <>
        <PageHead title={id} over={<Link href="/">Overview</Link>} />
        {status.error ? <FaultNote error={status.error} retry={() => void status.refetch()} /> : <Waiting rows={6} label={`Loading ${id}`} />}
      </>
    );
  }
  const region = s.regions.find((r) => r.id === id);
  if (region === undefined) {
    return (
      <>
        <PageHead title={`There is no region ${id}`} over={<Link href="/">Overview</Link>} />
        <Empty>The regions of this fleet are {s.regions.map((r) => r.id).join(", ") || "none"}.</Empty>
      </>
    );
  }
  const look = regionLook(region);
  const at = instant(s.at);
  const here = s.services.flatMap((service) =>
    service.endpoints.filter((e) => e.region === id).map((endpoint) => ({ service, endpoint })),
  );
  const restore = needsRestore(region);
  const act = search.get("act");
  return (
    <>
      <PageHead
        title={region.id}
        tab={`${region.id}: ${look.word}`}
        over={<Link href="/">Overview</Link>}
        mark={<Mark shape={look.shape} tone={look.tone} size={32} />}
        detail={region.name !== region.id ? region.name : undefined}
        actions={
          // Never both: one click beside the other is how the wrong region goes out.
          restore ? (
            me.may.includes("restore") && <Restore region={region} start={act === "restore"} />
          ) : (
            me.may.includes("drain") && <Drain region={region} services={s.services} start={act === "drain"} />
          )
        }
      />
      <Why region={region} />
      <Panel title="Endpoints" note={`${count(here.length, "endpoint")} here, as each vantage point sees them`} bare>
        {here.length === 0 ? (
          <Empty>No service has an endpoint in {id}.</Empty>
        ) : (
          <ul className={css.endpoints}>
            {here.map(({ service, endpoint }) => (
              <li key={endpoint.id}>
                <EndpointCard endpoint={endpoint} service={service.id} at={at} />
              </li>
            ))}
          </ul>
        )}
      </Panel>
      <Overrides region={region} me={me} />
    </>
  );
}

function Why({ region: r }: { region: Region }) {
  const now = useNow();
  const look = regionLook(r);
  const measured = stateLook(r.measured);
  const effective = stateLook(r.effective);
  return (
    <Panel title="Why">
      <div className={css.why}>
        <p className={css.because}>
          <Tag shape={look.shape} tone={look.tone}>
            {look.word}
          </Tag>
          <span>
            <Said text={r.because} />
          </span>
        </p>
        <Facts
          items={[
            [
              "Measured",
              <span className={css.state} key="m">
                <Mark shape={measured.shape} tone={measured.tone} size={14} />
                <span>
                  {measured.word}, since <Age at={r.since} />
                </span>
              </span>,
            ],
            [
              "Steered as",
              <span className={css.state} key="e">
                <Mark shape={effective.shape} tone={effective.tone} size={14} /> {effective.word}
              </span>,
            ],
            [
              "Endpoints",
              <span className="num" key="n">
                {r.endpoints_up} up, {r.endpoints_down} down, {r.endpoints_total} in all
              </span>,
            ],
            r.override ? ["Override", overrideSentence(r.override, now)] : null,
            r.held ? ["Held", `A drain of ${r.id} is over. It stays out until a person restores it.`] : null,
            r.latched ? ["Kept out", `${r.id} failed as a whole. It returns when a person restores it, not by itself.`] : null,
          ]}
        />
      </div>
    </Panel>
  );
}

export function EndpointCard({ endpoint: e, service, at }: { endpoint: Endpoint; service?: string; at: number }) {
  const measured = stateLook(e.measured);
  const effective = stateLook(e.effective);
  return (
    <article className={css.card}>
      <header className={css.cardHead}>
        <div>
          <h3 className={css.cardName}>{e.id}</h3>
          <p className="soft small">
            <code>{e.addresses.join(" ")}</code>
            {service && (
              <>
                {" "}
                for <Link href={`/services/${service}`}>{service}</Link>
              </>
            )}
          </p>
        </div>
        <div className={css.pair}>
          <Tag shape={measured.shape} tone={measured.tone}>
            {measured.word}
          </Tag>
          {e.measured !== e.effective && (
            <span className="soft small">
              steered as <strong>{effective.word.toLowerCase()}</strong>
            </span>
          )}
        </div>
      </header>
      <p className={css.cardWhy}>
        <Said text={e.because} />{" "}
        <span className="soft">
          Since <Age at={e.since} />
          {e.latency_ms !== undefined && (
            <>
              , answered in <span className="num">{span(e.latency_ms)}</span>
            </>
          )}
          .
        </span>
      </p>
      {e.check && <p className="soft small">{e.check}</p>}
      {e.reports.length === 0 ? (
        <p className="soft small">No vantage point has reported yet. Silence is not failure.</p>
      ) : (
        <table className={css.reports}>
          <caption className="visually-hidden">What each vantage point says of {e.id}</caption>
          <thead>
            <tr>
              <th scope="col">Vantage point</th>
              <th scope="col">Says</th>
              <th scope="col" className={css.because2}>
                Because
              </th>
              <th scope="col" className={css.right}>
                Took
              </th>
              <th scope="col" className={css.right}>
                Heard
              </th>
            </tr>
          </thead>
          <tbody>
            {e.reports.map((r) => {
              const look = stateLook(r.state);
              return (
                <tr key={r.vantage}>
                  <th scope="row">
                    {r.vantage}
                    {r.vantage_region && r.vantage_region !== r.vantage && <span className="soft"> in {r.vantage_region}</span>}
                  </th>
                  <td>
                    <span className={css.state}>
                      <Mark shape={look.shape} tone={look.tone} size={13} /> {look.word}
                    </span>
                  </td>
                  <td className={css.because2}>
                    {r.because ? <Said text={r.because} bare /> : r.state === "up" ? "Answered as it should" : "–"}
                  </td>
                  <td className={`${css.right} num`} data-none={r.latency_ms === undefined || undefined}>{r.latency_ms === undefined ? "–" : span(r.latency_ms)}</td>
                  <td className={css.right}>
                    <Age at={at - r.age_ms} />
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </article>
  );
}

function Overrides({ region, me }: { region: Region; me: Whoami }) {
  const overrides = useOverrides();
  const here = (overrides.data?.overrides ?? []).filter((o) => o.region === region.id);
  return (
    <Panel title="Overrides" note="people over measurement">
      {overrides.error ? (
        <div style={{ padding: 16 }}>
          <FaultNote error={overrides.error} retry={() => void overrides.refetch()} />
        </div>
      ) : here.length === 0 ? (
        <Empty>
          Nobody has overridden {region.id}
          {region.latched ? "; it is kept out because it failed as a whole." : ": it is steered as it is measured."}
        </Empty>
      ) : (
        <ul className={tables.top}>
          {here.map((o) => (
            <OverrideRow key={o.id} override={o} region={region} me={me} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function OverrideRow({ override: o, region, me }: { override: Override; region: Region; me: Whoami }) {
  const now = useNow();
  const [open, setOpen] = useState(false);
  const end = useEndOverride();
  return (
    <li className={css.override}>
      <Mark shape={o.held ? "held" : "out"} tone={o.held ? "degraded" : "moving"} size={18} />
      <div className={css.overrideText}>
        <p>{stop(overrideSentence(o, now))}</p>
        <p className="soft small">
          Made <Age at={o.since} />
        </p>
      </div>
      {me.may.includes("restore") && o.kind === "drain" && o.service && <Restore region={region} service={o.service} />}
      {me.may.includes("override") && o.kind !== "drain" && (
        <>
          <Button variant="default" size="xs" onClick={() => setOpen(true)}>
            End it…
          </Button>
          <ReasonDialog
            opened={open}
            onClose={() => setOpen(false)}
            title={`End the override of ${o.region}`}
            act={`Let measurement rule ${o.region}`}
            explain={[`${o.region} is steered as it is measured again.`]}
            error={end.error}
            busy={end.isPending}
            onAct={({ reason }) => end.mutate({ id: o.id, reason }, { onSuccess: () => setOpen(false) })}
          />
        </>
      )}
    </li>
  );
}
