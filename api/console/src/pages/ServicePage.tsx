import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import type { Explanation, Service } from "../api/client";
import { useExplain, useStatus } from "../api/queries";
import { Age } from "../parts/Age";
import { FaultNote } from "../parts/FaultNote";
import { Mark } from "../parts/Mark";
import { Empty, PageHead, Panel, Waiting } from "../parts/Panel";
import { Said } from "../parts/Said";
import { fullTime, instant, seconds } from "../state/format";
import { stateLook } from "../state/words";
import { Gets } from "./overview/Gets";
import tables from "./overview/Tables.module.css";
import regionCss from "./RegionPage.module.css";
import { EndpointCard } from "./RegionPage";
import css from "./ServicePage.module.css";

export function ServicePage({ id }: { id: string }) {
  const status = useStatus();
  const s = status.data;
  if (s === undefined) {
    return (
      <>
        <PageHead title={id} over={<Link href="/">Overview</Link>} />
        {status.error ? <FaultNote error={status.error} retry={() => void status.refetch()} /> : <Waiting rows={6} label={`Loading ${id}`} />}
      </>
    );
  }
  const service = s.services.find((x) => x.id === id);
  if (service === undefined) {
    return (
      <>
        <PageHead title={`There is no service ${id}`} over={<Link href="/">Overview</Link>} />
        <Empty>The services of this fleet are {s.services.map((x) => x.id).join(", ") || "none"}.</Empty>
      </>
    );
  }
  const look = stateLook(service.state);
  const at = instant(s.at);
  return (
    <>
      <PageHead
        title={service.id}
        tab={`${service.id}: ${look.word}`}
        over={<Link href="/">Overview</Link>}
        mark={<Mark shape={look.shape} tone={look.tone} size={32} />}
        detail={
          <>
            <p>
              <code>{service.name}</code>
            </p>
            <p>
              <Said text={service.because} /> {policySentence(service)}
            </p>
          </>
        }
      />
      <Panel title="Answers" note="what each client group gets now, and why">
        {service.answers.length === 0 ? (
          <Empty>
            {service.mode === "observe" ? "This service is only observed: it is judged and never answered." : "This name has no answer now."}
          </Empty>
        ) : (
          <table className={tables.table} data-rows>
            <thead>
              <tr>
                <th scope="col">Who asks</th>
                <th scope="col">Gets now</th>
                <th scope="col" className={tables.right}>
                  TTL
                </th>
                <th scope="col" className={tables.wide}>
                  Why
                </th>
              </tr>
            </thead>
            <tbody>
              {service.answers.map((a) => (
                <tr key={a.group}>
                  <th scope="row" className={tables.strong}>
                    {a.group}
                    {a.prefixes.length > 0 && <span className={tables.sub}>{a.prefixes.join(", ")}</span>}
                  </th>
                  <td data-label="Gets now">
                    <Gets answer={a} addresses />
                  </td>
                  <td data-label="TTL" className={`${tables.right} num`}>
                    {seconds(a.ttl_seconds)}
                  </td>
                  <td data-label="Why" className={tables.why}>
                    <Said text={a.because} bare />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Panel>
      <Explain name={service.name} groups={service.answers} />
      <Panel title="Endpoints" bare>
        <ul className={regionCss.endpoints}>
          {service.endpoints.map((e) => (
            <li key={e.id}>
              <EndpointCard endpoint={e} at={at} />
            </li>
          ))}
        </ul>
      </Panel>
    </>
  );
}

function policySentence(s: Service): string {
  if (s.writes_database) return `It follows the writer of ${s.writes_database}; health never moves it.`;
  const p = s.policy;
  const panic = p.when_all_down === "fail_closed" ? " If all are down it answers nothing." : "";
  if (p.kind === "failover" && p.regions) return `Policy: the first of ${p.regions.join(", ")} that serves.${panic}`;
  if (p.kind === "weighted" && p.weights) {
    const shares = Object.entries(p.weights).map(([region, weight]) => `${region} ${weight}`);
    return `Policy: weighted, ${shares.join(", ")}.${panic}`;
  }
  return `Policy: ${p.kind}.${panic}`;
}

const types = ["A", "AAAA", "CNAME", "TXT", "SRV", "MX", "CAA", "NS", "SOA"];

/** Asks the node what one client is answered and which rule had the last word. */
function Explain({ name, groups }: { name: string; groups: Service["answers"] }) {
  const first = groups.find((g) => g.prefixes.length > 0)?.prefixes[0] ?? "";
  const [draft, setDraft] = useState({ name, type: "A", client: "", at: "" });
  const [asked, setAsked] = useState<{ name: string; type: string; client?: string; at?: string }>({ name, type: "A" });
  const answer = useExplain(asked);
  return (
    <Panel title="Explain" note="who is answered what, and which rule decided">
      <form
        className={css.ask}
        aria-label="Explain an answer"
        onSubmit={(e) => {
          e.preventDefault();
          const past = draft.at ? new Date(draft.at) : undefined;
          setAsked({
            name: draft.name.trim(),
            type: draft.type,
            ...(draft.client.trim() && { client: draft.client.trim() }),
            ...(past && Number.isFinite(past.getTime()) && { at: past.toISOString() }),
          });
        }}
      >
        <TextInput label="Name" value={draft.name} onChange={(e) => setDraft({ ...draft, name: e.currentTarget.value })} required />
        <NativeSelect label="Type" data={types} value={draft.type} onChange={(e) => setDraft({ ...draft, type: e.currentTarget.value })} />
        <TextInput
          label="Client"
          placeholder={first || "198.51.100.0/24"}
          value={draft.client}
          onChange={(e) => setDraft({ ...draft, client: e.currentTarget.value })}
        />
        <TextInput
          label="When"
          type="datetime-local"
          step={1}
          value={draft.at}
          onChange={(e) => setDraft({ ...draft, at: e.currentTarget.value })}
        />
        <Button type="submit" variant="default">
          Explain
        </Button>
      </form>
      {answer.error ? (
        <div style={{ padding: "0 20px 20px" }}>
          <FaultNote error={answer.error} />
        </div>
      ) : answer.data ? (
        <Explained explanation={answer.data} past={asked.at !== undefined} />
      ) : (
        <Waiting rows={5} label="Asking for the explanation" />
      )}
    </Panel>
  );
}

/** The state and its reason, without saying the state twice. */
function standing(state: string, because: string): string {
  if (because === "") return state;
  return because.startsWith(state) ? because : `${state}; ${because}`;
}

const ruleNames: Record<string, string> = {
  residency: "Residency",
  writer_interlock: "Writer interlock",
  break_glass: "Break glass",
  override: "Override",
  freeze: "Freeze",
  health: "Health",
  policy: "Policy",
};

function Explained({ explanation: x, past }: { explanation: Explanation; past: boolean }) {
  return (
    <div className={css.explained}>
      <div>
        <p className={css.answer}>
          <Said text={x.answer} />
        </p>
        <p className="soft small">
          {x.client ? `Client ${x.client}` : "A client of nowhere in particular"}
          {x.group ? `, group ${x.group}` : ""}
          {x.bucket !== undefined ? `, bucket ${x.bucket} of 10,000` : ""}
          {x.ecs_scope ? `, reusable for ${x.ecs_scope}` : ""}; as {x.node} {past ? `answered at ${fullTime(instant(x.at))}` : "answers now"}
          {past ? "" : <>, asked <Age at={x.at} /></>}.
        </p>
      </div>
      <ol className={css.rules} aria-label="Rules in order of precedence">
        {x.reasons.map((r) => (
          <li key={r.rule} className={css.rule} data-decisive={r.decisive || undefined} data-quiet={!r.applies || undefined}>
            <span className={css.ruleName}>{ruleNames[r.rule] ?? r.rule}</span>
            <span>
              <Said text={r.sentence} />
              {r.decisive && <strong className={css.decided}> This decided.</strong>}
            </span>
          </li>
        ))}
      </ol>
      {x.endpoints.length > 0 && (
        <ul className={css.members} aria-label="Endpoints and why they are in or out">
          {x.endpoints.map((e) => {
            const look = stateLook(e.measured);
            return (
              <li key={e.id}>
                <Mark shape={e.answered ? "up" : "skipped"} tone={e.answered ? "up" : "unknown"} size={15} />
                <span className={css.inOut}>{e.answered ? "in" : "out"}</span>
                <span>
                  <strong>{e.id}</strong> <span className="soft">{standing(look.word.toLowerCase(), e.because)}</span>
                </span>
              </li>
            );
          })}
        </ul>
      )}
      <pre className={css.wire} tabIndex={0} aria-label="The answer on the wire, as dig shows it">
        {x.wire.trimEnd()}
      </pre>
    </div>
  );
}
