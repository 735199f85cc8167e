import { Button } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import type { Execution as Run, Operation, Step, Whoami } from "../api/client";
import { useExecution, useOperate } from "../api/queries";
import { Age, Elapsed } from "../parts/Age";
import { Facts } from "../parts/Facts";
import { FaultNote } from "../parts/FaultNote";
import { ArrowIcon } from "../parts/icons";
import { Mark } from "../parts/Mark";
import { Empty, PageHead, Panel, Waiting } from "../parts/Panel";
import { Said, useSentence } from "../parts/Said";
import { Tag } from "../parts/Tag";
import { count, fullTime, instant, short, timeOfDay, withUnit, stop } from "../state/format";
import { callsForPerson, operations, runLook } from "../state/words";
import css from "./Execution.module.css";
import { EnvelopeFacts, Sentences } from "./RunbookPage";
import tables from "./overview/Tables.module.css";
import { LiveSteps } from "./run/Steps";
import { ReasonDialog } from "./steering/ReasonDialog";

export function Execution({ id, me }: { id: string; me: Whoami }) {
  const query = useExecution(id);
  const run = query.data;
  const sentence = useSentence();
  const over = <Link href="/executions">Runs</Link>;
  if (run === undefined) {
    return (
      <>
        <PageHead title="Run" over={over} />
        {query.error ? <FaultNote error={query.error} retry={() => void query.refetch()} /> : <Waiting rows={8} label="Loading the run" />}
      </>
    );
  }
  const look = runLook(run);
  return (
    <>
      <PageHead
        title={sentence(run.title)}
        tab={`${look.word}: ${run.title}`}
        over={over}
        detail={
          <div className={css.stand}>
            <Tag shape={look.shape} tone={look.tone}>
              {look.word}
            </Tag>
            <span role="status" aria-label="Where the run stands" className={css.sentence}>
              {run.sentence.toLowerCase() !== look.word.toLowerCase() && <Said text={run.sentence} />}
            </span>
          </div>
        }
        actions={
          <div className={css.clock}>
            <span className={css.clockTime}>
              <Elapsed from={run.started_at} to={run.ended_at} ms={run.duration_ms} />
            </span>
            <span className="soft small">{run.state === "ended" ? "in all" : "since the start"}</span>
          </div>
        }
      />
      {query.error && <FaultNote error={query.error} retry={() => void query.refetch()} />}
      <Person run={run} me={me} />
      <div className={css.columns}>
        <Panel title="Steps" className={css.main}>
          {run.steps.length === 0 ? <Empty>The steps of this run are not compiled yet.</Empty> : <LiveSteps run={run} />}
        </Panel>
        <div className={css.side}>
          <Panel title="This run">
            <div className={css.facts}>
              {run.from && run.to && (
                <p className={css.move}>
                  <span>{run.from}</span>
                  <ArrowIcon />
                  <span className="visually-hidden">to</span>
                  <span>{run.to}</span>
                </p>
              )}
              <Facts
                items={[
                  ["Reason", run.reason],
                  ["Started by", run.started_by],
                  [
                    "Started",
                    <span key="s">
                      {timeOfDay(instant(run.started_at))}, <Age at={run.started_at} />
                    </span>,
                  ],
                  run.ended_at
                    ? [
                        "Ended",
                        <span key="e">
                          {timeOfDay(instant(run.ended_at))}, <Age at={run.ended_at} />
                        </span>,
                      ]
                    : null,
                  run.database ? ["Database", run.database] : null,
                  [
                    "Runbook",
                    <Link key="r" href={`/runbooks/${run.runbook}`}>
                      {run.runbook}
                    </Link>,
                  ],
                  run.ungraceful ? ["Ungraceful", "The old writer is taken for lost."] : null,
                  ...Object.entries(run.params)
                    .filter(([name]) => name !== "database" && name !== "to" && name !== "from")
                    .map(([name, value]) => [name.replaceAll("_", " "), withUnit(name, value)] as const),
                  ["Run", <code key="i">{run.id}</code>],
                ]}
              />
            </div>
          </Panel>
          <Panel title="What is approved">
            <div className={css.facts}>
              <EnvelopeFacts envelope={run.envelope} hash={run.plan_hash} />
              <p className="soft small">Outside of this the run stops and asks again.</p>
            </div>
          </Panel>
        </div>
      </div>
      <Journal run={run} />
    </>
  );
}

const order: readonly Operation[] = ["approve", "decline", "resume", "retry", "pause", "skip", "abort"];

/** What a person may do now; what the run would take from somebody else is said, not offered. */
function Person({ run, me }: { run: Run; me: Whoami }) {
  const [chosen, choose] = useState<Operation | null>(null);
  const operate = useOperate(run.id);
  const allowed = order.filter((o) => run.allowed_operations.includes(o));
  const current = run.steps.find((s) => s.id === run.current_step);
  const approval = run.refused_operations.find((r) => r.operation === "approve");
  const others = run.refused_operations.filter((r) => r.operation !== "approve" && r.operation !== "decline");
  const calls = callsForPerson(run);
  if (run.state === "ended" || (allowed.length === 0 && run.refused_operations.length === 0)) return null;

  const open = (o: Operation) => {
    operate.reset();
    choose(o);
  };
  const close = () => choose(null);
  return (
    <section aria-label="What a person may do" className={css.person} data-calls={calls || undefined}>
      {calls && <Mark shape={run.state === "paused" ? "held" : "waiting"} tone="degraded" size={22} />}
      <div className={css.personText}>
        {calls && <p className={css.personTitle}>{callTitle(run, current)}</p>}
        {allowed.includes("approve") && (
          <p>
            Approving covers {run.envelope.sentence}. Plan <code title={run.plan_hash}>{short(run.plan_hash)}</code>.
          </p>
        )}
        {approval && (
          <p>
            {run.started_by === me.name ? "You started this run; a second person must approve it." : `You cannot approve it: ${stop(approval.because)}`}
          </p>
        )}
        {others.length > 0 && (
          <p className="soft small">
            Not yours to do: {others.map((r) => `${operations[r.operation]?.label.toLowerCase() ?? r.operation} (${r.because})`).join(", ")}.
          </p>
        )}
      </div>
      {allowed.length > 0 && (
        <div className={css.buttons}>
          {allowed.map((o) => (
            <Button
              key={o}
              variant={o === "approve" || o === "resume" ? "filled" : o === "abort" || o === "skip" || o === "decline" ? "outline" : "default"}
              {...((o === "abort" || o === "skip" || o === "decline") && { color: "danger" })}
              onClick={() => open(o)}
            >
              {operations[o].label}…
            </Button>
          ))}
        </div>
      )}
      {chosen && (
        <ReasonDialog
          opened
          onClose={close}
          title={chosen === "approve" ? `Approve: ${run.title}` : `${operations[chosen].label}: ${run.title}`}
          act={operations[chosen].label}
          danger={chosen === "abort" || chosen === "skip" || chosen === "decline"}
          {...(chosen === "skip" && current ? { typed: current.name } : {})}
          explain={[operations[chosen].means]}
          error={operate.error}
          busy={operate.isPending}
          onAct={({ reason }) =>
            operate.mutate(
              {
                operation: chosen,
                reason,
                ...(run.current_step && (chosen === "approve" || chosen === "decline" || chosen === "retry" || chosen === "skip")
                  ? { step: run.current_step }
                  : {}),
                ...(chosen === "approve" ? { plan_hash: run.plan_hash } : {}),
              },
              { onSuccess: close },
            )
          }
        >
          {chosen === "approve" && <Approval run={run} current={current} />}
          {chosen !== "approve" && current && (
            <Facts
              items={[
                ["Step", `${current.name}: ${current.description}`],
                current.detail ? ["Found", current.detail] : null,
                (chosen === "abort" || chosen === "decline") && landing(run) ? ["Leaves", landing(run)] : null,
              ]}
            />
          )}
        </ReasonDialog>
      )}
    </section>
  );
}

function callTitle(run: Run, step: Step | undefined): string {
  if (run.state === "paused") return "This run is paused.";
  if (run.state === "blocked") return step ? `${step.name} cannot go on by itself. Somebody has to say how.` : "This run cannot go on by itself.";
  const have = step?.approvals?.length ?? 0;
  const need = step?.approvals_total ?? 1;
  return need > 1 ? `This run waits for approval: ${have} of ${need} people have agreed.` : "This run waits for approval.";
}

/** Where an abort now would leave the world: as after the last step that ran. */
function landing(run: Run): string {
  const done = run.steps.filter((s) => s.state === "succeeded" || s.state === "failed" || s.state === "running" || s.state === "unknown");
  return done[done.length - 1]?.if_aborted ?? "";
}

/** Everything the approver puts a name to. */
function Approval({ run, current }: { run: Run; current: Step | undefined }) {
  const ahead = run.steps.filter((s) => (s.state === "pending" || s.state === "ready") && s.kind !== "approve");
  const dangers = ahead.flatMap((s) => (s.danger ? [{ id: s.id, name: s.name, danger: s.danger }] : []));
  const turn = ahead.find((s) => s.no_return);
  return (
    <>
      <Facts
        items={[
          ["Asked by", `${run.started_by}: ${run.reason}`],
          current ? ["Step", current.description] : null,
          turn ? ["No way back after", turn.name] : null,
        ]}
      />
      <EnvelopeFacts envelope={run.envelope} hash={run.plan_hash} />
      {dangers.length > 0 && (
        <Sentences tone="degraded" title="What cannot be taken back">
          {dangers.map((d) => (
            <li key={d.id}>
              <strong>{d.name}:</strong> {stop(d.danger)}
            </li>
          ))}
        </Sentences>
      )}
      <details>
        <summary className={css.summary}>{count(ahead.length, "step")} to come</summary>
        <ol className={css.ahead}>
          {ahead.map((s) => (
            <li key={s.id}>{s.description}</li>
          ))}
        </ol>
      </details>
    </>
  );
}

function Journal({ run }: { run: Run }) {
  const names = new Map(run.steps.map((s) => [s.id, s.name]));
  return (
    <Panel title="Journal" note="entries of the audit chain, oldest first">
      {run.journal.length === 0 ? (
        <Empty>Nothing is journaled yet.</Empty>
      ) : (
        <table className={tables.table} data-rows>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Who</th>
              <th scope="col">What</th>
              <th scope="col" className={css.journalDetail}>
                Detail
              </th>
              <th scope="col" className={tables.right}>
                Entry
              </th>
            </tr>
          </thead>
          <tbody>
            {run.journal.map((j) => (
              <tr key={j.position}>
                <td className="num" title={fullTime(instant(j.at))}>
                  {timeOfDay(instant(j.at))}
                </td>
                <td data-label="Who">{j.principal}</td>
                <td data-label="What">
                  {j.kind.replaceAll("_", " ")}
                  {j.step && <span className={tables.sub}>{names.get(j.step) ?? j.step}</span>}
                </td>
                <td data-label="Detail" className={css.journalText}>
                    <Said text={j.detail} bare />
                </td>
                <td data-label="Entry" className={`${tables.right} num`} title={j.hash}>
                  {j.position}
                  <code className={tables.sub}>{short(j.hash).slice(0, 8)}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
