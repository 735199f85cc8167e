// The first sentence a commander reads. It is composed from the status alone,
// so it can be tested without a screen.

import type { Alarm, ExecutionSummary, Status } from "../api/client";
import type { Tone } from "../parts/Mark";
import { count, list } from "./format";
import { callsForPerson, isOpen } from "./words";

export interface Headline {
  tone: Tone;
  sentence: string; // the page's heading
  detail: string; // what that means for users
}

export function headline(s: Status, runs: readonly ExecutionSummary[] = []): Headline {
  const names = (pick: (r: Status["regions"][number]) => boolean) => s.regions.filter(pick).map((r) => r.id);
  const down = names((r) => r.measured === "down");
  const degraded = names((r) => r.measured === "degraded");
  const out = names((r) => r.measured !== "down" && r.effective === "down");
  const unknown = names((r) => r.measured === "unknown" && r.effective !== "down");
  const critical = s.alarms.filter((a) => a.severity === "critical");
  const warnings = s.alarms.filter((a) => a.severity === "warning");
  const waiting = runs.filter((x) => isOpen(x) && callsForPerson(x));

  const detail = users(s, [...down, ...out]);
  if (s.regions.length === 0) {
    return {
      tone: "unknown",
      sentence: "No regions are configured",
      detail: "Describe regions and services in the configuration file; this page fills itself.",
    };
  }
  // A node that is cut off sees the world through a wall: that comes before what it sees.
  if (s.standpoint?.us) return { tone: "unknown", sentence: "This node is cut off: believe the others", detail: s.standpoint.sentence };
  if (down.length === s.regions.length) return { tone: "down", sentence: "Every region is down", detail };
  if (down.length > 0) return { tone: "down", sentence: `${list(down)} ${is(down)} down`, detail };
  if (critical.length > 0) {
    return { tone: "down", sentence: critical.length === 1 ? plain(about(critical[0]!)) : `${critical.length} critical alarms`, detail };
  }
  if (waiting.length > 0) {
    return {
      tone: "degraded",
      sentence: waiting.length === 1 ? "A run waits for a person" : `${waiting.length} runs wait for a person`,
      detail: waiting.map((x) => x.title).join("; "),
    };
  }
  if (out.length > 0) return { tone: "degraded", sentence: `${list(out)} ${is(out)} kept out of traffic`, detail };
  if (degraded.length > 0) return { tone: "degraded", sentence: `${list(degraded)} ${is(degraded)} degraded`, detail };
  if (unknown.length > 0) {
    return { tone: "unknown", sentence: `Nothing is known of ${list(unknown)}`, detail: detail || "Answers keep what was last good." };
  }
  if (warnings.length > 0) return { tone: "degraded", sentence: `Users are served; ${count(warnings.length, "thing")} to look at`, detail };
  return { tone: "up", sentence: "Everything serves", detail };
}

/** An alarm names what it is about, even where its sentence leaves that to its subject. */
export function about(a: Alarm): string {
  const name = a.subject.split(" ").pop() ?? "";
  return name === "" || a.sentence.includes(name) ? a.sentence : `${name}: ${a.sentence}`;
}

const is = (names: readonly string[]) => (names.length === 1 ? "is" : "are");

/** A heading ends without a full stop. */
const plain = (text: string) => text.replace(/\.$/, "");

/**
 * Where users are sent now, in one or two sentences. Names that still answer a
 * region that is out come last and by name: they are what somebody must move.
 */
function users(s: Status, without: readonly string[]): string {
  const steered = s.services.filter((x) => x.mode === "steer");
  if (steered.length === 0) return "No service is steered yet.";
  const reached = new Set<string>();
  const stuck: string[] = [];
  const empty: string[] = [];
  for (const service of steered) {
    const got = new Set(service.answers.flatMap((a) => a.regions.filter((r) => r.share_percent > 0).map((r) => r.region)));
    const bad = without.filter((id) => got.has(id));
    if (got.size === 0) empty.push(service.id);
    else if (bad.length > 0) stuck.push(`${service.id} still answers ${list(bad)}${service.writes_database ? ", because only a run moves a writer" : ""}`);
    else for (const region of got) reached.add(region);
  }
  const order = s.regions.map((r) => r.id).filter((id) => reached.has(id));
  const sentences: string[] = [];
  if (order.length > 0) sentences.push(`Users are sent to ${list(order)}.`);
  for (const sentence of stuck) sentences.push(`${sentence}.`);
  if (empty.length > 0) sentences.push(`${list(empty)} ${empty.length === 1 ? "has" : "have"} no answer.`);
  return sentences.join(" ");
}
