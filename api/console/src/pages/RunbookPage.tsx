import { Button, Checkbox, NativeSelect, TextInput, Textarea } from "@mantine/core";
import { useRef, useState, type ReactNode } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import type { Database, Plan, Runbook, RunbookParam, Whoami } from "../api/client";
import { intentKey, usePreview, useRunbook, useStart, useStatus, type Intent } from "../api/queries";
import { Age } from "../parts/Age";
import { Facts } from "../parts/Facts";
import { FaultNote } from "../parts/FaultNote";
import { ArrowIcon } from "../parts/icons";
import { Mark } from "../parts/Mark";
import { useSettled } from "../parts/now";
import { Empty, PageHead, Panel, Waiting } from "../parts/Panel";
import { Said } from "../parts/Said";
import { bytes, short, span, stop } from "../state/format";
import css from "./RunbookPage.module.css";
import { PlannedSteps } from "./run/Steps";

export function RunbookPage({ name, me }: { name: string; me: Whoami }) {
  const runbook = useRunbook(name);
  const status = useStatus();
  const over = <Link href="/runbooks">Runbooks</Link>;
  if (runbook.data === undefined || status.data === undefined) {
    const error = runbook.error ?? status.error;
    return (
      <>
        <PageHead title={name} over={over} />
        {error ? <FaultNote error={error} retry={() => void runbook.refetch()} /> : <Waiting rows={6} label={`Loading ${name}`} />}
      </>
    );
  }
  return (
    <>
      <PageHead title={runbook.data.title} over={over} detail={runbook.data.description} />
      <Preparation runbook={runbook.data} databases={status.data.databases} regions={status.data.regions.map((r) => r.id)} me={me} />
    </>
  );
}

/** What to run it on, what that would do now, and the reason to start it. */
function Preparation({ runbook, databases, regions, me }: { runbook: Runbook; databases: readonly Database[]; regions: readonly string[]; me: Whoami }) {
  const [search] = useSearchParams();
  const fitting = databases.filter((d) => !runbook.engine || d.engine === runbook.engine);
  const asked = search.get("database");
  const [database, setDatabase] = useState(
    fitting.some((d) => d.id === asked) ? asked! : fitting.length === 1 ? fitting[0]!.id : "",
  );
  const own = runbook.params.filter((p) => p.name !== "database" && p.name !== "to");
  const [params, setParams] = useState<Record<string, string>>(() =>
    Object.fromEntries(own.map((p) => [p.name, p.default ?? ""])),
  );
  const chosen = fitting.find((d) => d.id === database);
  const candidates = chosen?.members.filter((m) => m.region !== chosen.writer_region).map((m) => m.region) ?? [];
  const [to, setTo] = useState(search.get("to") ?? "");
  const target = candidates.includes(to) ? to : candidates.length === 1 ? candidates[0]! : "";
  const [ungraceful, setUngraceful] = useState(search.get("ungraceful") === "true" || /^ungraceful:\s*true/m.test(runbook.text));

  const given = Object.fromEntries(Object.entries(params).filter(([, value]) => value !== ""));
  const complete = (fitting.length === 0 || (database !== "" && target !== "")) && own.every((p) => !p.required || given[p.name]);
  const intent: Intent | null = complete
    ? {
        runbook: runbook.name,
        ...(database && { database }),
        ...(target && { to: target }),
        ...(ungraceful && { ungraceful }),
        ...(Object.keys(given).length > 0 && { params: given }),
      }
    : null;
  const settled = useSettled(JSON.stringify(intent), 250);
  const preview = usePreview(JSON.parse(settled) as Intent | null);

  return (
    <>
      <Panel title="What it is run on">
        <div className={css.form}>
          {fitting.length > 0 && (
            <>
              <NativeSelect
                label="Database"
                value={database}
                onChange={(e) => setDatabase(e.currentTarget.value)}
                data={[{ value: "", label: "Choose a database" }, ...fitting.map((d) => ({ value: d.id, label: `${d.id} (${d.engine})` }))]}
              />
              <div className={css.move}>
                <Facts items={[["Writes now", <strong key="w">{chosen?.writer_region ?? "–"}</strong>]]} columns />
                <ArrowIcon />
                <NativeSelect
                  label="Shall write"
                  value={target}
                  onChange={(e) => setTo(e.currentTarget.value)}
                  disabled={chosen === undefined}
                  data={[{ value: "", label: "Choose a region" }, ...candidates]}
                />
              </div>
              <Checkbox
                checked={ungraceful}
                onChange={(e) => setUngraceful(e.currentTarget.checked)}
                label={`${chosen?.writer_region ?? "The old writer"} is lost or cannot be asked`}
                description="What had not reached the new writer is lost then. The plan below says how much at most."
              />
            </>
          )}
          {own.map((p) => (
            <Param key={p.name} param={p} value={params[p.name] ?? ""} regions={regions} databases={databases} set={(value) => setParams({ ...params, [p.name]: value })} />
          ))}
        </div>
      </Panel>

      {intent === null ? (
        <Panel title="What it does" note="in general; choose above to see it for this very case">
          <PlannedSteps steps={runbook.steps} />
        </Panel>
      ) : preview.error ? (
        <Panel title="What would happen now">
          <div style={{ padding: 16 }}>
            <FaultNote error={preview.error} retry={() => void preview.refetch()} />
          </div>
        </Panel>
      ) : preview.data === undefined ? (
        <Panel title="What would happen now">
          <Waiting rows={8} label="Asking what would happen" />
        </Panel>
      ) : (
        <Preview plan={preview.data} intent={intent} current={settled === JSON.stringify(intent)} me={me} />
      )}

      <details className={css.text}>
        <summary>The runbook's text</summary>
        <pre tabIndex={0}>{runbook.text}</pre>
      </details>
    </>
  );
}

function Param({
  param: p,
  value,
  regions,
  databases,
  set,
}: {
  param: RunbookParam;
  value: string;
  regions: readonly string[];
  databases: readonly Database[];
  set: (value: string) => void;
}) {
  const label = capital(p.name.replaceAll("_", " "));
  const description = capital(p.description);
  if (p.type === "boolean") {
    return (
      <Checkbox
        label={label}
        description={description}
        checked={value === "true"}
        onChange={(e) => set(e.currentTarget.checked ? "true" : "false")}
      />
    );
  }
  if (p.type === "region" || p.type === "database") {
    const names = p.type === "region" ? regions : databases.map((d) => d.id);
    return (
      <NativeSelect
        label={label}
        description={description}
        required={p.required}
        value={value}
        onChange={(e) => set(e.currentTarget.value)}
        data={[{ value: "", label: p.required ? `Choose a ${p.type}` : "None" }, ...names]}
      />
    );
  }
  const unit = p.type === "duration" ? "such as 30s or 5m" : p.type === "bytes" ? "such as 0, 512kB or 16MiB" : p.type === "integer" ? "a whole number" : "";
  return (
    <TextInput
      label={label}
      description={[description, unit].filter(Boolean).join("; ")}
      required={p.required}
      value={value}
      onChange={(e) => set(e.currentTarget.value)}
    />
  );
}

function Preview({ plan, intent, current, me }: { plan: Plan; intent: Intent; current: boolean; me: Whoami }) {
  const [, go] = useLocation();
  const start = useStart();
  const [reason, setReason] = useState("");
  const key = useRef(intentKey());
  const refused = plan.refusals.length > 0;
  const may = me.may.includes("run");
  const what = plan.to && plan.database ? `${intent.runbook} of ${plan.database} to ${plan.to}` : intent.runbook;
  return (
    <>
      <Panel
        title="What would happen now"
        note={
          <>
            asked <Age at={plan.at} />
          </>
        }
      >
        <div className={css.plan}>
          <p className={css.planTitle}>
            <Said text={plan.title} bare />
          </p>
          {refused && (
            <Sentences tone="degraded" title="It would be refused now">
              {plan.refusals.map((r) => (
                <li key={r.subject + r.problem}>
                  <strong>{r.subject}:</strong> {stop(r.problem)} {r.remedy && <>What to do: {stop(r.remedy)}</>}
                </li>
              ))}
            </Sentences>
          )}
          {plan.dangers.length > 0 && (
            <Sentences tone="degraded" title="What cannot be taken back">
              {plan.dangers.map((d) => (
                <li key={d}>
                  <Said text={d} />
                </li>
              ))}
            </Sentences>
          )}
          <EnvelopeFacts envelope={plan.envelope} hash={plan.plan_hash} />
        </div>
        <PlannedSteps steps={plan.steps} />
      </Panel>

      <Panel title="Start">
        <form
          className={css.start}
          onSubmit={(e) => {
            e.preventDefault();
            start.mutate(
              { ...intent, reason: reason.trim(), plan_hash: plan.plan_hash, key: key.current },
              { onSuccess: (run) => go(`/executions/${run.id}`) },
            );
          }}
        >
          {may ? (
            <>
              <Textarea
                label="Reason"
                description="Kept in the audit trail, and shown to whoever has to approve."
                value={reason}
                onChange={(e) => setReason(e.currentTarget.value)}
                maxLength={500}
                autosize
                minRows={2}
                required
              />
              {start.error && <FaultNote error={start.error} />}
              <div>
                <Button type="submit" size="md" disabled={refused || !current || reason.trim() === ""} loading={start.isPending}>
                  Start {what}
                </Button>
              </div>
            </>
          ) : (
            <Empty>You may look at runbooks, but not start one: your roles are {me.roles.join(", ") || "none"}. Ask an operator.</Empty>
          )}
        </form>
      </Panel>
    </>
  );
}

const capital = (text: string) => (text === "" ? "" : text[0]!.toUpperCase() + text.slice(1));

export function EnvelopeFacts({ envelope, hash }: { envelope: Plan["envelope"]; hash: string }) {
  return (
    <Facts
      items={[
        ["Covers", envelope.sentence],
        envelope.target ? ["Target", envelope.target] : null,
        envelope.max_loss_seconds !== undefined || envelope.max_loss_bytes !== undefined
          ? [
              "Loss at most",
              <span className="num" key="l">
                {[
                  envelope.max_loss_seconds === undefined ? "" : span(envelope.max_loss_seconds * 1000),
                  envelope.max_loss_bytes === undefined ? "" : bytes(envelope.max_loss_bytes),
                ]
                  .filter(Boolean)
                  .join(", ")}
              </span>,
            ]
          : null,
        [
          "Plan",
          <code key="h" title={hash}>
            {short(hash)}
          </code>,
        ],
      ]}
    />
  );
}

export function Sentences({ tone, title, children }: { tone: "degraded" | "down"; title: string; children: ReactNode }) {
  return (
    <div className={css.sentences} data-tone={tone}>
      <Mark shape={tone} tone={tone} size={18} />
      <div>
        <p className={css.sentencesTitle}>{title}</p>
        <ul>{children}</ul>
      </div>
    </div>
  );
}
