import type { Execution, PlannedStep, Step } from "../../api/client";
import { Age, Elapsed } from "../../parts/Age";
import { Mark } from "../../parts/Mark";
import { Empty } from "../../parts/Panel";
import { Said } from "../../parts/Said";
import { Tag } from "../../parts/Tag";
import { count, withUnit, stop } from "../../state/format";
import { stepLook } from "../../state/words";
import { parseChecks } from "./checks";
import css from "./Steps.module.css";

/** Steps of one parallel group stay together; every other step stands alone. */
function grouped<T extends { parallel_group?: string | undefined }>(steps: readonly T[]): { group: string; steps: T[] }[] {
  const out: { group: string; steps: T[] }[] = [];
  for (const step of steps) {
    const last = out[out.length - 1];
    if (step.parallel_group && last?.group === step.parallel_group) last.steps.push(step);
    else out.push({ group: step.parallel_group ?? "", steps: [step] });
  }
  return out;
}

/** What a run would do, before there is one. */
export function PlannedSteps({ steps }: { steps: readonly PlannedStep[] }) {
  if (steps.length === 0) return <Empty>This runbook has no steps.</Empty>;
  let number = 0;
  return (
    <ol className={css.steps} aria-label="Steps">
      {grouped(steps).map(({ group, steps: side }) => (
        <li key={group + side[0]!.id} className={css.group} data-parallel={side.length > 1 || undefined}>
          {side.length > 1 && <p className={css.together}>These {side.length} run side by side</p>}
          {side.map((s) => (
            <div key={s.id} className={css.step}>
              <span className={`${css.number} num`} aria-hidden="true">
                {++number}
              </span>
              <div className={css.body}>
                <p className={css.name}>
                  {s.name}
                  {s.needs_approval && (
                    <Tag shape="waiting" tone="degraded">
                      Needs approval
                    </Tag>
                  )}
                </p>
                {s.description !== s.name && <p className={css.text}>
                    <Said text={s.description} />
                  </p>}
                {s.danger && !s.no_return && (
                  <p className={css.danger}>
                    <Mark shape="degraded" tone="degraded" size={14} />
                    <span>
                      <Said text={s.danger} />
                    </span>
                  </p>
                )}
                {s.compensate && <p className={css.quiet}>Undone by: {stop(s.compensate)}</p>}
                {s.if_aborted && !s.no_return && s.if_aborted !== before(steps, s) && <p className={css.quiet}>If aborted after it: {stop(s.if_aborted)}</p>}
                {s.no_return && <NoReturn />}
              </div>
            </div>
          ))}
        </li>
      ))}
    </ol>
  );
}

/** What an abort after the step before would leave: said once, not at every step. */
function before(steps: readonly PlannedStep[], step: PlannedStep): string | undefined {
  return steps[steps.indexOf(step) - 1]?.if_aborted;
}

/** The steps of a run as they stand. */
export function LiveSteps({ run }: { run: Execution }) {
  return (
    <ol className={css.steps} aria-label="Steps">
      {grouped(run.steps).map(({ group, steps: side }) => (
        <li key={group + side[0]!.id} className={css.group} data-parallel={side.length > 1 || undefined}>
          {side.length > 1 && <p className={css.together}>These {side.length} run side by side</p>}
          {side.map((s) => (
            <LiveStep key={s.id} step={s} run={run} />
          ))}
        </li>
      ))}
    </ol>
  );
}

function LiveStep({ step: s, run }: { step: Step; run: Execution }) {
  const look = stepLook(s);
  const current = run.current_step === s.id && run.state !== "ended";
  return (
    <div className={css.step} data-live data-state={s.state} aria-current={current ? "step" : undefined}>
      <span className={css.mark}>
        <Mark shape={look.shape} tone={look.tone} size={20} />
      </span>
      <div className={css.body}>
        <div className={css.line}>
          <p className={css.name}>{s.name}</p>
          <p className={css.state} data-tone={look.tone}>
            {look.word}
          </p>
          <p className={`${css.time} num`}>
            {s.started_at ? <Elapsed from={s.started_at} to={s.ended_at} ms={s.duration_ms} /> : ""}
          </p>
        </div>
        {s.description !== s.name && (
          <p className={css.text}>
            <Said text={s.description} />
          </p>
        )}
        {s.detail && !(s.approvals && s.approvals.length > 0) && (
          <p className={s.state === "failed" ? css.failed : css.detail}>
            <Said text={s.detail} />
          </p>
        )}
        {s.danger && !s.no_return && (s.state === "pending" || s.state === "ready") && (
          <p className={css.danger}>
            <Mark shape="degraded" tone="degraded" size={14} />
            <span>
                      <Said text={s.danger} />
                    </span>
          </p>
        )}
        {s.no_return && (s.state === "pending" || s.state === "ready") && run.state !== "ended" && <NoReturn />}
        {s.approvals && s.approvals.length > 0 && (
          <ul className={css.detail} aria-label={`Approvals of ${s.name}`}>
            {s.approvals.map((a) => (
              <li key={a.by}>
                Approved by <strong>{a.by}</strong>, <Age at={a.at} />
                {a.reason && `: ${a.reason}`}
              </li>
            ))}
          </ul>
        )}
        {s.evidence && s.evidence.length > 0 && (
          <details className={css.evidenceFold} open={s.state === "failed" || s.state === "unknown"}>
            <summary>{count(s.evidence.length, "finding")}</summary>
            <dl className={css.evidence} aria-label={`Evidence of ${s.name}`}>
              {s.evidence.map((e) => (
                <div key={e.name}>
                  <dt>{e.name.replaceAll("_", " ")}</dt>
                  <dd>
                    <Finding name={e.name} value={e.value} />
                  </dd>
                </div>
              ))}
            </dl>
          </details>
        )}
        {(s.attempts > 1 || s.ended_at) && (
          <p className={css.quiet}>
            {s.attempts > 1 && <>{count(s.attempts, "attempt")}. </>}
            {s.ended_at && (
              <>
                Ended <Age at={s.ended_at} />.
              </>
            )}
          </p>
        )}
      </div>
    </div>
  );
}

/** A finding may be a list of checks; then each is shown with its own mark. */
function Finding({ name, value }: { name: string; value: string }) {
  const checks = parseChecks(value);
  if (checks === null) return <>{withUnit(name, value)}</>;
  return (
    <ul className={css.checks}>
      {checks.map((c) => (
        <li key={c.name}>
          <Mark shape={c.ok ? "up" : "down"} tone={c.ok ? "up" : "down"} size={13} />
          <span>
            <span className="visually-hidden">{c.ok ? "passed: " : "failed: "}</span>
            {c.detail || c.name.replaceAll("_", " ")}
          </span>
        </li>
      ))}
    </ul>
  );
}

function NoReturn() {
  return (
    <p className={css.danger}>
      <Mark shape="degraded" tone="degraded" size={14} />
      <span>After this step there is no way back, only forward.</span>
    </p>
  );
}
