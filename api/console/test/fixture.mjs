// @ts-check
// A server for tests and for looking at the console: the built console plus an
// API that behaves like the program's, with a run that really goes through its
// states. It is used by nothing but the files in this folder.
//
//   npm run fixture -- --scenario incident --port 8499

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { ahead, evidence, past, runbookText, status, steps } from "./world.mjs";

/** @typedef {import("../src/api/schema").components["schemas"]} Schemas */
/** @typedef {import("./world.mjs").Scenario} Scenario */

const dist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const mimes = /** @type {Record<string, string>} */ ({
  ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".txt": "text/plain",
});
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** @type {Record<string, Schemas["Whoami"]>} */
const people = {
  "one.secret": { name: "ada", roles: ["operator", "approver"], method: "session", token_id: "one", may: ["view", "drain", "restore", "override", "freeze", "check", "run", "approve", "operate", "audit"] },
  "two.secret": { name: "bea", roles: ["operator", "approver"], method: "session", token_id: "two", may: ["view", "drain", "restore", "override", "freeze", "check", "run", "approve", "operate", "audit"] },
  "see.secret": { name: "cyd", roles: ["viewer"], method: "session", token_id: "see", may: ["view", "audit"] },
};
/** @type {Schemas["Whoami"]} */
const local = { name: "local", roles: ["admin"], method: "local", may: ["view", "drain", "restore", "override", "freeze", "check", "run", "approve", "operate", "tokens", "audit"], note: "No token exists yet, so everybody on this machine is local." };

class Refusal extends Error {
  /** @param {number} status @param {Schemas["Problem"]["kind"]} kind @param {string} detail @param {string} [remedy] */
  constructor(status, kind, detail, remedy) {
    super(detail);
    this.problem = { type: `/problems/${kind}`, title: kind, status, detail: remedy ? `${detail} (${remedy})` : detail, kind, ...(remedy && { remedy }) };
  }
}

/**
 * @param {{scenario?: Scenario, signIn?: boolean, port?: number, pace?: number, runs?: boolean}} [options]
 *   pace: milliseconds per step of a run
 */
export async function start({ scenario = "incident", signIn = false, port = 0, pace = 500, runs: withRuns = true } = {}) {
  const decided = { writer: "us-east", epoch: 1, drained: /** @type {Record<string, Schemas["Override"]>} */ ({}), restored: new Set(/** @type {string[]} */ ([])) };
  let now = scenario;
  if (scenario === "drained") decided.drained["ap-south"] = override("ap-south", "ada", "kernel upgrade, ticket 4711", 3600);
  /** @type {Schemas["AuditEntry"][]} */
  const audit = [];
  /** @type {Schemas["Execution"][]} */
  const runs = [];
  const listeners = new Set(/** @type {import("node:http").ServerResponse[]} */ ([]));
  const timers = new Set(/** @type {NodeJS.Timeout[]} */ ([]));
  const intents = /** @type {Map<string, string>} */ (new Map());
  let events = 1;
  let broken = false; // answers nothing, as a dead node would

  /** @param {string} type @param {unknown} data */
  const publish = (type, data) => {
    for (const res of listeners) res.write(`id: f:${events}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
    events++;
  };
  const hash = (/** @type {number} */ n) => Array.from({ length: 8 }, (_, i) => (((n + 3) * 2654435761 + i * 40503 * (n + 7)) >>> 0).toString(16).padStart(8, "0")).join("");
  /** @param {Partial<Schemas["AuditEntry"]> & {principal: string, kind: string, subject: string, sentence: string}} entry */
  const record = (entry) => {
    const position = audit.length + 1;
    /** @type {Schemas["AuditEntry"]} */
    const whole = { position, at: new Date().toISOString(), hash: hash(position), generation: 300 + position, ...entry };
    audit.push(whole);
    publish("audit", whole);
    return whole;
  };
  const push = () => publish("status", status(now, decided));

  seed();

  function seed() {
    const old = (/** @type {number} */ s) => ({ at: past(s) });
    record({ principal: "fairlead n1", kind: "fleet", subject: "configuration", sentence: "applied the fleet of /etc/fairlead/fleet.yaml", ...old(86_400) });
    record({ principal: "ada", kind: "token_created", subject: "token two", sentence: "created a token for bea with the roles operator and approver", reason: "on call this week", ...old(80_000) });
    record({ principal: "ada", kind: "drain", subject: "region ap-south", sentence: "drained ap-south for 1 h", reason: "kernel upgrade, ticket 4688", ...old(52_000) });
    record({ principal: "ada", kind: "restore", subject: "region ap-south", sentence: "restored ap-south", reason: "upgrade done", ...old(50_000) });
    for (let i = 0; i < 60; i++) record({ principal: i % 3 ? "ada" : "bea", kind: "signed_in", subject: "session", sentence: "signed in with a token", ...old(49_000 - i * 600) });
    if (!withRuns) return;
    runs.push(finished("run-0007", "done", 40_000));
    runs.push(finished("run-0008", "undone", 30_000));
    runs.push(finished("run-0009", "refused", 20_000));
  }

  /** @param {string} id @param {Schemas["Outcome"]} outcome @param {number} secondsAgo @returns {Schemas["Execution"]} */
  function finished(id, outcome, secondsAgo) {
    const run = blank(id, "ada", outcome === "done" ? "rehearsal before the season" : "planned move", secondsAgo);
    run.state = "ended";
    run.outcome = outcome;
    run.duration_ms = outcome === "refused" ? 1200 : 9_400;
    run.ended_at = past(secondsAgo - run.duration_ms / 1000);
    run.sentence = { done: "eu-central writes orders; all 3 nodes confirmed", undone: "us-east writes orders as before; replay took too long", refused: "nothing was changed: eu-central is 41 MB behind", stopped: "" }[outcome];
    run.steps.forEach((s, i) => {
      const limit = outcome === "done" ? 99 : outcome === "undone" ? 6 : 2;
      if (i >= limit) {
        if (outcome === "undone" && i === limit) s.state = "pending";
        return;
      }
      s.state = "succeeded";
      s.attempts = 1;
      s.started_at = past(secondsAgo - i);
      s.ended_at = past(secondsAgo - i - 0.7);
      s.duration_ms = 740;
      const found = evidence[s.id];
      if (found) s.evidence = found;
      if (outcome === "undone" && (s.id === "quiesce" || s.id === "fence")) s.state = "compensated";
      if (outcome === "undone" && s.id === "replay") {
        s.state = "failed";
        s.detail = "eu-central did not replay up to 0/3A5F2C8 within 30 s: it stands at 0/3A5E000";
      }
    });
    if (outcome === "refused") {
      const gate = run.steps[2];
      if (gate) Object.assign(gate, { state: "failed", attempts: 1, started_at: past(secondsAgo - 2), ended_at: past(secondsAgo - 2.2), duration_ms: 200, detail: "eu-central is 41 MB behind, at most 16 MB are allowed" });
    }
    run.allowed_operations = [];
    return run;
  }

  /** @param {string} id @param {string} by @param {string} reason @param {number} secondsAgo @returns {Schemas["Execution"]} */
  function blank(id, by, reason, secondsAgo) {
    const entry = record({ principal: by, kind: "started", subject: `run ${id}`, sentence: "started switchover of orders to eu-central", reason, execution: id, at: past(secondsAgo) });
    return {
      at: new Date().toISOString(), id, runbook: "switchover", title: "Move the writer of orders from us-east to eu-central",
      database: "orders", from: "us-east", to: "eu-central", state: "running", sentence: "runs step preflight", reason, started_by: by,
      started_at: past(secondsAgo), plan_hash: `sha256:${hash(77)}`, params: { max_lag_bytes: "16777216" },
      envelope: { sentence: "no loss: eu-central has replayed all that us-east wrote", max_loss_seconds: 0, max_loss_bytes: 0, target: "postgres at 127.20.0.1:5432, system 7312904" },
      allowed_operations: [], refused_operations: [], current_step: "preflight",
      steps: steps.map((s) => ({ ...s, state: "pending", attempts: 0 })),
      journal: [{ position: entry.position, at: entry.at, principal: by, kind: "started", detail: reason, hash: entry.hash }],
    };
  }

  /** @param {Schemas["Execution"]} run @param {string} principal @param {string} kind @param {string} detail @param {string} [step] */
  function journal(run, principal, kind, detail, step) {
    const entry = record({ principal, kind, subject: `run ${run.id}`, sentence: detail, execution: run.id, ...(step && { step }) });
    run.journal.push({ position: entry.position, at: entry.at, principal, kind, detail, hash: entry.hash, ...(step && { step }) });
  }

  /** Takes one step after the other, as the engine would. @param {Schemas["Execution"]} run */
  function advance(run) {
    if (run.state !== "running") return;
    const step = run.steps.find((s) => s.state === "pending" || s.state === "ready");
    if (!step) {
      run.state = "ended";
      run.outcome = "done";
      run.ended_at = new Date().toISOString();
      run.duration_ms = Date.parse(run.ended_at) - Date.parse(run.started_at);
      run.sentence = "eu-central writes orders; all 3 nodes confirmed";
      delete run.current_step;
      journal(run, "fairlead n1", "ended", run.sentence);
      decided.writer = "eu-central";
      decided.epoch = 2;
      push();
      return told(run);
    }
    run.current_step = step.id;
    if (step.kind === "approve") {
      step.state = "awaiting_approval";
      step.started_at = new Date().toISOString();
      run.state = "awaiting_approval";
      run.sentence = "waits for approval of step approve: 0 of 1";
      return told(run);
    }
    step.state = "running";
    step.attempts = 1;
    step.started_at = new Date().toISOString();
    run.sentence = `runs step ${step.id}`;
    journal(run, "fairlead n1", "intended", step.description, step.id);
    told(run);
    later(pace, () => {
      step.state = "succeeded";
      step.ended_at = new Date().toISOString();
      step.duration_ms = Date.parse(step.ended_at) - Date.parse(step.started_at ?? step.ended_at);
      const found = evidence[step.id];
      if (found) step.evidence = found;
      journal(run, "fairlead n1", "finished", "succeeded", step.id);
      if (run.state === "paused") return told(run);
      advance(run);
    });
  }

  /** @param {number} ms @param {() => void} act */
  function later(ms, act) {
    const t = setTimeout(() => {
      timers.delete(t);
      act();
    }, ms);
    timers.add(t);
  }

  /** @param {Schemas["Execution"]} run */
  const told = (run) => publish("execution", summary(run));

  /** @param {Schemas["Execution"]} x @returns {Schemas["ExecutionSummary"]} */
  const summary = ({ id, runbook, title, database, from, to, state, outcome, sentence, reason, started_by, started_at, ended_at, duration_ms, current_step, plan_hash }) => ({
    id, runbook, title, state, sentence, reason, started_by, started_at, plan_hash,
    ...(database && { database }), ...(from && { from }), ...(to && { to }), ...(outcome && { outcome }), ...(ended_at && { ended_at }), ...(duration_ms !== undefined && { duration_ms }), ...(current_step && { current_step }),
  });

  /** What a person may do depends on who asks. @param {Schemas["Execution"]} run @param {Schemas["Whoami"]} me @returns {Schemas["Execution"]} */
  function seen(run, me) {
    const at = new Date().toISOString();
    /** @type {Schemas["Operation"][]} */
    let possible = [];
    if (run.state === "running") possible = ["pause", "abort"];
    if (run.state === "awaiting_approval") possible = ["approve", "decline", "pause", "abort"];
    if (run.state === "paused") possible = ["resume", "abort"];
    if (run.state === "blocked") possible = ["retry", "skip", "abort"];
    /** @type {Schemas["RefusedOperation"][]} */
    const refused = [];
    const allowed = possible.filter((operation) => {
      const verb = operation === "approve" || operation === "decline" ? "approve" : "operate";
      if (!me.may.includes(verb)) {
        refused.push({ operation, because: "your roles do not allow it" });
        return false;
      }
      if (operation === "approve" && run.started_by === me.name) {
        refused.push({ operation, because: "whoever started a run may not approve it" });
        return false;
      }
      return true;
    });
    return { ...run, at, allowed_operations: allowed, refused_operations: refused, ...(run.state !== "ended" && { duration_ms: Date.now() - Date.parse(run.started_at) }) };
  }

  /** @param {string} region @param {string} by @param {string} reason @param {number} seconds @returns {Schemas["Override"]} */
  function override(region, by, reason, seconds) {
    return { id: `o-${region}`, region, state: "down", kind: "drain", by, reason, since: new Date().toISOString(), until: ahead(seconds), held: false };
  }

  /** @type {Schemas["RunbookSummary"][]} */
  const shipped = [
    { name: "switchover", title: "Move a database's writer to another region", description: "Planned: both servers live, nothing is lost, users wait a few seconds.", source: "shipped", engine: "postgres", steps_total: steps.length, params: [{ name: "max_lag_bytes", type: "bytes", description: "How far the standby may be behind before anything is changed", required: false, default: "16MiB" }] },
    { name: "failover", title: "Promote a standby because the writer is lost", description: "Unplanned: the writer is dead or out of reach. Says first how much may be lost.", source: "shipped", engine: "postgres", steps_total: 8, params: [] },
    { name: "rotate-certificates", title: "Renew the certificates of all nodes", description: "One node after the other, each verified before the next.", source: "runbooks/rotate.yaml", steps_total: 4, params: [{ name: "valid_for", type: "duration", description: "How long the new ones are valid", required: true, default: "720h" }] },
  ];

  /** @param {string} method @param {URL} url @param {any} body @param {Schemas["Whoami"]} me @param {import("node:http").IncomingMessage} req @returns {[number, unknown]} */
  function answer(method, url, body, me, req) {
    const path = url.pathname.slice("/api/v1".length);
    const at = new Date().toISOString();
    const act = (/** @type {string} */ verb) => {
      if (!me.may.includes(verb)) throw new Refusal(403, "denied", `${me.name} may not ${verb}: that takes another role than ${me.roles.join(", ")}`, "ask an operator");
    };
    /** @type {RegExpMatchArray | null} */
    let m;
    if (method === "GET" && path === "/status") return [200, status(now, decided)];
    if (method === "GET" && path === "/whoami") return [200, me];
    if (method === "GET" && path === "/runbooks") return [200, { runbooks: now === "empty" ? [] : shipped }];
    if (method === "GET" && (m = path.match(/^\/runbooks\/([^/]+)$/))) {
      const b = shipped.find((x) => x.name === m?.[1]);
      if (!b) throw new Refusal(404, "not_found", `runbook ${m[1]}: there is none of that name`, "see fairlead runbook list");
      const { steps_total: _, ...rest } = b;
      return [200, { ...rest, steps: b.name === "switchover" ? steps : steps.slice(0, b.steps_total), text: runbookText }];
    }
    if (method === "POST" && path === "/executions/preview") {
      const late = now === "incident" && !body.ungraceful;
      return [200, plan(body, late)];
    }
    if (method === "GET" && path === "/executions") {
      const open = url.searchParams.get("open") === "true";
      return [200, { at, executions: runs.filter((x) => !open || x.state !== "ended").map((x) => summary(seen(x, me))).reverse() }];
    }
    if (method === "POST" && path === "/executions") {
      act("run");
      const key = String(req.headers["idempotency-key"] ?? "");
      const before = runs.find((x) => x.id === intents.get(key));
      if (before) return [201, seen(before, me)];
      if (runs.some((x) => x.state !== "ended")) throw new Refusal(409, "conflict", "database orders: another run is moving its writer already", "wait for it, or abort it");
      const run = blank(`run-00${10 + runs.length}`, me.name, body.reason, 0);
      runs.push(run);
      if (key) intents.set(key, run.id);
      later(30, () => advance(run));
      return [201, seen(run, me)];
    }
    if (method === "GET" && (m = path.match(/^\/executions\/([^/]+)$/))) return [200, seen(find(m[1]), me)];
    if (method === "POST" && (m = path.match(/^\/executions\/([^/]+)\/([a-z]+)$/))) return [200, seen(operate(find(m[1]), m[2] ?? "", body, me), me)];
    if (method === "GET" && path === "/overrides") {
      const held = status(now, decided).regions.flatMap((r) => (r.override ? [r.override] : []));
      return [200, { at, overrides: held }];
    }
    if (method === "POST" && (m = path.match(/^\/regions\/([^/]+)\/(drain|restore)$/))) {
      const [region = "", what] = m.slice(1);
      act(what ?? "");
      if (what === "drain") {
        if (now === "incident" && region !== "us-east" && !body.force) {
          throw new Refusal(409, "conflict", `region ${region}: us-east is out already, and nothing drains a second region while a first is out`, "restore us-east first, or drain all the same");
        }
        const effects = [`www: ${region} gets nothing any more; its share goes to ${region === "eu-central" ? "ap-south" : "eu-central"}`, ...(region === decided.writer ? [`orders: still answers ${region}, because only a run moves the writer`] : [])];
        if (body.dry_run) return [200, { generation: 412, dry_run: true, effects, overrides: [] }];
        decided.drained[region] = override(region, me.name, body.reason, 3600);
        record({ principal: me.name, kind: "drain", subject: `region ${region}`, sentence: `drained ${region}`, reason: body.reason });
        push();
        return [200, { generation: 413, dry_run: false, effects, overrides: [decided.drained[region]] }];
      }
      const effects = [`${region} takes traffic again as it is measured`, "www: shares return to their weights"];
      if (body.dry_run) return [200, { generation: 412, dry_run: true, effects, overrides: [] }];
      delete decided.drained[region];
      decided.restored.add(region);
      record({ principal: me.name, kind: "restore", subject: `region ${region}`, sentence: `restored ${region}`, reason: body.reason });
      push();
      return [200, { generation: 413, dry_run: false, effects, overrides: [] }];
    }
    if (method === "GET" && path === "/explain") return [200, explain(url.searchParams)];
    if (method === "GET" && path === "/audit") {
      const limit = Number(url.searchParams.get("limit") ?? 100);
      const from = url.searchParams.has("from") ? Number(url.searchParams.get("from")) : Math.max(1, audit.length - limit + 1);
      const entries = audit.filter((e) => e.position >= from).slice(0, limit);
      const next = from + limit <= audit.length ? from + limit : undefined;
      return [200, { entries, head: audit.length, ...(next && { next }) }];
    }
    if (method === "GET" && path === "/audit/verify") {
      return [200, { ok: true, checked: audit.length, first: 1, last: audit.length, head_hash: hash(audit.length), sentence: `all ${audit.length} entries fit together` }];
    }
    if (method === "POST" && path === "/freeze") return [200, { frozen: true, by: me.name, reason: body.reason, since: at, until: ahead(1800) }];
    throw new Refusal(404, "not_found", `there is nothing at ${path}`);
  }

  /** @param {string | undefined} id */
  function find(id) {
    const run = runs.find((x) => x.id === id);
    if (!run) throw new Refusal(404, "not_found", `run ${id}: there is none of that name`, "see fairlead execution list");
    return run;
  }

  /** @param {Schemas["Execution"]} run @param {string} operation @param {any} body @param {Schemas["Whoami"]} me */
  function operate(run, operation, body, me) {
    const view = seen(run, me);
    const no = view.refused_operations.find((r) => r.operation === operation);
    if (no) throw new Refusal(403, "denied", `run ${run.id}: ${no.because}`, "ask a second person");
    if (!view.allowed_operations.includes(/** @type {Schemas["Operation"]} */ (operation))) throw new Refusal(409, "conflict", `run ${run.id}: it takes no ${operation} now`, "look again");
    if (operation === "approve" && body.plan_hash && body.plan_hash !== run.plan_hash) throw new Refusal(409, "conflict", `run ${run.id}: its plan is another one than the one you saw`, "look again");
    const step = run.steps.find((s) => s.id === run.current_step);
    journal(run, me.name, { approve: "approved", decline: "declined", pause: "paused", resume: "resumed", retry: "retried", skip: "skipped", abort: "aborted" }[operation] ?? operation, body.reason, run.current_step);
    if (operation === "approve" && step) {
      step.state = "succeeded";
      step.attempts = 1;
      step.ended_at = new Date().toISOString();
      step.approvals = [{ by: me.name, at: step.ended_at, reason: body.reason }];
      step.detail = `approved by ${me.name}`;
      run.state = "running";
      later(30, () => advance(run));
    }
    if (operation === "pause") {
      run.state = "paused";
      run.sentence = `paused before step ${run.current_step}`;
    }
    if (operation === "resume" || operation === "retry") {
      run.state = "running";
      if (step?.state === "failed") step.state = "pending";
      if (step?.state === "awaiting_approval") step.state = "pending";
      later(30, () => advance(run));
    }
    if (operation === "decline" || operation === "abort") {
      run.state = "ended";
      run.outcome = "refused";
      run.ended_at = new Date().toISOString();
      run.sentence = `nothing was changed: ${operation === "decline" ? "declined" : "aborted"} by ${me.name}`;
    }
    told(run);
    return run;
  }

  /** @param {any} body @param {boolean} late @returns {Schemas["Plan"]} */
  function plan(body, late) {
    return {
      runbook: body.runbook, title: `Move the writer of ${body.database ?? "orders"} from us-east to ${body.to ?? "eu-central"}`,
      database: body.database ?? "orders", from: "us-east", to: body.to ?? "eu-central", ungraceful: body.ungraceful ?? false, at: new Date().toISOString(),
      plan_hash: `sha256:${hash(77)}`, steps,
      dangers: ["Nobody can place an order between the fence and the promotion, usually 2 to 5 s.", "After the promotion there is no way back but another switchover."],
      refusals: late ? [{ subject: "server us-east", problem: "does not answer, so it cannot be asked to stop writing", remedy: "run failover instead, or bring it back" }] : [],
      envelope: { sentence: "no loss: eu-central has replayed all that us-east wrote", max_loss_seconds: 0, max_loss_bytes: 0, target: "postgres at 127.20.0.1:5432, system 7312904" },
    };
  }

  /** @param {URLSearchParams} q @returns {Schemas["Explanation"]} */
  function explain(q) {
    const name = q.get("name") ?? "";
    const s = status(now, decided);
    const service = s.services.find((x) => x.name === name || x.name === `${name}.`);
    const client = q.get("client") ?? undefined;
    if (client && !/^[0-9a-f.:]+(\/\d+)?$/.test(client)) throw new Refusal(400, "invalid", `client ${client}: is neither an address nor a prefix`, "write it like 198.51.100.0/24");
    if (!service) return { name, type: q.get("type") ?? "A", at: s.at, node: "n1", generation: 412, answer: "this name is not steered: it is answered as its zone file says", reasons: [], decided_by: "", endpoints: [], wire: `;; ->>HEADER<<- opcode: QUERY, status: NOERROR\n${name} 300 IN A 192.0.2.10\n` };
    const group = service.answers.find((a) => client && a.prefixes.some((p) => client.startsWith(p.split(".").slice(0, 3).join(".")))) ?? service.answers[service.answers.length - 1];
    const region = group?.regions[0]?.region ?? "";
    const writer = service.writes_database !== undefined;
    /** @type {Schemas["PrecedenceReason"][]} */
    const reasons = [
      { rule: "writer_interlock", applies: writer, decisive: writer, sentence: writer ? `pinned to ${decided.writer}, the writer of orders in epoch 1.${decided.epoch}` : "the name writes no database" },
      { rule: "break_glass", applies: false, decisive: false, sentence: "nobody has broken the glass" },
      { rule: "override", applies: Object.keys(decided.drained).length > 0, decisive: false, sentence: Object.keys(decided.drained).length ? "ap-south is drained" : "nobody has overridden anything" },
      { rule: "freeze", applies: false, decisive: false, sentence: "automatic changes are on" },
      { rule: "health", applies: true, decisive: !writer && now === "incident", sentence: now === "incident" ? "us-east is down and left out" : "every endpoint serves" },
      { rule: "policy", applies: true, decisive: !writer && now !== "incident", sentence: `of what is left, ${group?.group ?? ""} gets ${region}` },
    ];
    return {
      name: service.name, type: q.get("type") ?? "A", ...(client && { client }), at: s.at, node: "n1", generation: 412, service: service.id, group: group?.group ?? "",
      answer: `${region} is answered, because ${group?.because ?? ""}`, regions: group?.regions ?? [], ttl_seconds: group?.ttl_seconds ?? 0, bucket: 4711, decided_by: reasons.find((r) => r.decisive)?.rule ?? "",
      reasons, ...(client && { ecs_scope: client }),
      endpoints: service.endpoints.map((e) => ({ id: e.id, region: e.region, addresses: e.addresses, measured: e.measured, effective: e.effective, answered: e.region === region, because: e.measured === "down" ? e.because : e.region === region ? "chosen" : "serves, but this group gets another" })),
      wire: `;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 0\n;; flags: qr aa; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1\n\n;; QUESTION SECTION:\n;${service.name}\tIN\tA\n\n;; ANSWER SECTION:\n${service.name}\t${group?.ttl_seconds}\tIN\tA\t${group?.regions[0]?.addresses[0]}\n`,
    };
  }

  const server = createServer(async (req, res) => {
    if (broken) return void req.socket.destroy();
    const url = new URL(req.url ?? "/", "http://fixture");
    /** @param {number} code @param {unknown} body @param {Record<string, string>} [headers] */
    const send = (code, body, headers = {}) => {
      res.writeHead(code, { "content-type": code >= 400 ? "application/problem+json" : "application/json", "cache-control": "no-store", ...headers });
      res.end(code === 204 ? undefined : JSON.stringify(body));
    };
    try {
      if (!url.pathname.startsWith("/api/")) return await file(url.pathname, res);
      let text = "";
      for await (const chunk of req) text += chunk;
      const body = text ? JSON.parse(text) : {};
      const token = /fairlead_session=([^;]+)/.exec(req.headers.cookie ?? "")?.[1];
      const me = token ? people[decodeURIComponent(token)] : signIn ? undefined : local;
      if (url.pathname === "/api/v1/session") {
        if (req.method === "DELETE") return send(204, undefined, { "set-cookie": "fairlead_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict" });
        const who = people[body.token];
        if (!who) throw new Refusal(401, "denied", "this token is not known here", "look whether it was copied whole: ID.SECRET");
        return send(200, who, { "set-cookie": `fairlead_session=${encodeURIComponent(body.token)}; Path=/; HttpOnly; SameSite=Strict` });
      }
      if (!me) throw new Refusal(401, "denied", "nobody is signed in", "sign in with a token");
      if (url.pathname === "/api/v1/events") {
        res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
        listeners.add(res);
        req.on("close", () => listeners.delete(res));
        res.write(`id: f:${events}\nevent: status\ndata: ${JSON.stringify(status(now, decided))}\n\n`);
        return;
      }
      const [code, out] = answer(req.method ?? "GET", url, body, me, req);
      send(code, out);
    } catch (e) {
      if (e instanceof Refusal) send(e.problem.status, e.problem);
      else send(500, new Refusal(500, "internal", String(e)).problem);
    }
  });

  /** @param {string} path @param {import("node:http").ServerResponse} res */
  async function file(path, res) {
    const name = normalize(path).replace(/^(\.\.[/\\])+/, "").slice(1);
    for (const candidate of [name, "index.html"]) {
      if (!candidate) continue;
      try {
        const plain = await readFile(join(dist, candidate));
        // Browsers get the compressed twin, as from the program: what is tested
        // is what people run.
        const packed = await readFile(join(dist, `${candidate}.gz`)).catch(() => undefined);
        const data = packed ?? plain;
        res.writeHead(200, { ...(packed && { "content-encoding": "gzip" }), "content-type": mimes[extname(candidate)] ?? "application/octet-stream", "content-security-policy": policy });
        return void res.end(data);
      } catch {
        // not a file: the page routes it
      }
    }
    res.writeHead(503).end("build the console first: npm run build");
  }

  await new Promise((done) => server.listen(port, "127.0.0.1", () => done(undefined)));
  const bound = server.address();
  const url = `http://127.0.0.1:${typeof bound === "object" && bound ? bound.port : port}`;
  return {
    url,
    runs,
    /** @param {Scenario} next */
    become(next) {
      now = next;
      push();
    },
    /** A run that stands at a chosen point. @param {"awaiting_approval" | "running" | "blocked" | "unknown" | "paused"} how @param {string} [by] */
    stage(how, by = "ada") {
      const run = blank(`run-00${10 + runs.length}`, by, "us-east loses its uplink at 04:00, ticket 4715", 74);
      const upto = how === "awaiting_approval" ? 1 : how === "unknown" ? 6 : 4;
      run.steps.slice(0, upto).forEach((s, i) => {
        Object.assign(s, { state: "succeeded", attempts: 1, started_at: past(70 - i * 6), ended_at: past(66 - i * 6), duration_ms: 320 + i * 613 });
        const found = evidence[s.id];
        if (found) s.evidence = found;
        if (s.kind === "approve") {
          s.approvals = [{ by: "bea", at: past(60), reason: "lag is nil, go" }];
          s.detail = "approved by bea";
        }
        journal(run, "fairlead n1", "intended", s.description, s.id);
        journal(run, "fairlead n1", "finished", "succeeded", s.id);
      });
      const step = run.steps[upto];
      if (step) {
        run.current_step = step.id;
        step.started_at = past(12);
        step.attempts = 1;
        run.state = how === "unknown" ? "running" : how;
        step.state = how === "awaiting_approval" ? "awaiting_approval" : how === "blocked" ? "failed" : how === "unknown" ? "unknown" : how === "paused" ? "ready" : "running";
        if (how === "awaiting_approval") run.sentence = "waits for approval of step approve: 0 of 1";
        if (how === "running") run.sentence = `runs step ${step.id}`;
        if (how === "paused") run.sentence = `paused before step ${step.id}`;
        if (how === "blocked") {
          step.attempts = 3;
          step.detail = "agent at us-east:8472: postgres did not stop within 20 s, process 4711 still holds the data directory";
          run.sentence = `step ${step.id} failed: ${step.detail}; retry, skip or abort`;
        }
        if (how === "unknown") {
          step.detail = "the engine was lost while it ran; the world is looked at before anything else";
          run.sentence = `runs step ${step.id}`;
        }
      }
      runs.push(run);
      return run;
    },
    /** Answers nothing from now on, or answers again. @param {boolean} dead */
    die(dead) {
      broken = dead;
      if (dead) for (const res of listeners) res.destroy();
    },
    push,
    async close() {
      for (const t of timers) clearTimeout(t);
      for (const res of listeners) res.destroy();
      server.closeAllConnections();
      await new Promise((done) => server.close(() => done(undefined)));
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const arg = (/** @type {string} */ name, /** @type {string} */ or) => {
    const i = process.argv.indexOf(`--${name}`);
    return i < 0 ? or : (process.argv[i + 1] ?? or);
  };
  const fixture = await start({
    scenario: /** @type {Scenario} */ (arg("scenario", "incident")),
    port: Number(arg("port", "8499")),
    signIn: process.argv.includes("--sign-in"),
    pace: Number(arg("pace", "1500")),
  });
  console.log(`the fixture answers at ${fixture.url}; tokens are one.secret, two.secret and see.secret; Ctrl-C ends it`);
}
