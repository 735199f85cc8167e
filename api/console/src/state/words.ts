// What states look like and what they are called: one place, so that a thing
// is never red here and amber there.

import type { DatabaseMember, Execution, ExecutionSummary, Node, Override, Region, Step } from "../api/client";
import type { Shape, Tone } from "../parts/Mark";
import { instant, left } from "./format";

export interface Look {
  shape: Shape;
  tone: Tone;
  word: string;
}

export function stateLook(state: string): Look {
  switch (state) {
    case "up":
      return { shape: "up", tone: "up", word: "Up" };
    case "degraded":
      return { shape: "degraded", tone: "degraded", word: "Degraded" };
    case "down":
      return { shape: "down", tone: "down", word: "Down" };
    case "unknown":
      return { shape: "unknown", tone: "unknown", word: "Unknown" };
  }
  return { shape: "unknown", tone: "unknown", word: state };
}

/** Whether a region is kept from traffic, whatever is measured of it. */
export function isOut(r: Region): boolean {
  return r.latched || r.held || r.effective === "down";
}

/** Whether a person's decision is what lets it back, so that "restore" makes sense. */
export function needsRestore(r: Region): boolean {
  return r.latched || r.held || (r.override !== undefined && r.override.kind === "drain");
}

/**
 * A region in one word. Blue is what people decided, red what broke, amber what
 * waits for somebody.
 */
export function regionLook(r: Region): Look {
  const kind = r.override?.kind;
  if (kind === "force_up" && r.measured !== "up") return { shape: "degraded", tone: "degraded", word: "Forced up" };
  if (r.measured === "down") {
    if (r.held) return { shape: "down", tone: "down", word: "Down, held out" };
    if (kind === "drain") return { shape: "down", tone: "down", word: "Down, drained" };
    return { shape: "down", tone: "down", word: "Down" };
  }
  if (r.held) return { shape: "held", tone: "degraded", word: "Held out" };
  if (r.latched) return { shape: "held", tone: "degraded", word: `${stateLook(r.measured).word}, kept out` };
  if (kind === "drain" && !r.override?.service) return { shape: "out", tone: "moving", word: "Drained" };
  if (kind === "force_down" && !r.override?.service) return { shape: "out", tone: "moving", word: "Forced down" };
  return stateLook(r.measured);
}

/** An override as a sentence; `now` in milliseconds by the node's clock. */
export function overrideSentence(o: Override, now: number): string {
  const what = { drain: "Drained", force_up: "Forced up", force_down: "Forced down" }[o.kind] ?? o.kind;
  const scope = o.service ? ` for ${o.service}` : "";
  if (o.held) return `${what}${scope} by ${o.by}: ${o.reason}. Its time is over; it stays out until a person restores it.`;
  return `${what}${scope} by ${o.by}, ${left(instant(o.until), now)}: ${o.reason}`;
}

export function roleLook(m: DatabaseMember): Look {
  if (m.agent?.fenced || m.role === "fenced") return { shape: "held", tone: "degraded", word: "Fenced" };
  switch (m.role) {
    case "primary":
      return { ...stateLook(m.state), word: "Writes" };
    case "standby":
      return { ...stateLook(m.state), word: "Standby" };
    case "stopped":
      return { shape: "down", tone: m.state === "down" ? "down" : "unknown", word: "Stopped" };
  }
  if (m.state === "down") return stateLook("down");
  return { shape: "unknown", tone: "unknown", word: "Role unknown" };
}

export function runLook(x: Pick<Execution, "state" | "outcome">): Look {
  switch (x.state) {
    case "running":
      return { shape: "running", tone: "moving", word: "Running" };
    case "awaiting_approval":
      return { shape: "waiting", tone: "degraded", word: "Waits for approval" };
    case "paused":
      return { shape: "held", tone: "degraded", word: "Paused" };
    case "blocked":
      return { shape: "waiting", tone: "down", word: "Blocked, a person decides" };
    case "undoing":
      return { shape: "undone", tone: "degraded", word: "Taking back" };
  }
  switch (x.outcome) {
    case "done":
      return { shape: "up", tone: "up", word: "Done" };
    case "refused":
      return { shape: "skipped", tone: "unknown", word: "Refused, nothing changed" };
    case "undone":
      return { shape: "undone", tone: "degraded", word: "Undone, old writer serves" };
    case "stopped":
      return { shape: "down", tone: "down", word: "Stopped half way" };
  }
  return { shape: "unknown", tone: "unknown", word: x.outcome ?? x.state };
}

/** Whether somebody has to do something before the run can go on. */
export function callsForPerson(x: Pick<ExecutionSummary, "state">): boolean {
  return x.state === "awaiting_approval" || x.state === "blocked" || x.state === "paused";
}

export function stepLook(s: Pick<Step, "state">): Look {
  switch (s.state) {
    case "pending":
      return { shape: "pending", tone: "unknown", word: "To come" };
    case "ready":
      return { shape: "pending", tone: "moving", word: "Next" };
    case "awaiting_approval":
      return { shape: "waiting", tone: "degraded", word: "Waits for approval" };
    case "running":
      return { shape: "running", tone: "moving", word: "Running" };
    case "unknown":
      return { shape: "unknown", tone: "degraded", word: "Unclear, looks again" };
    case "succeeded":
      return { shape: "up", tone: "up", word: "Succeeded" };
    case "failed":
      return { shape: "down", tone: "down", word: "Failed" };
    case "skipped":
      return { shape: "skipped", tone: "unknown", word: "Skipped" };
    case "compensating":
      return { shape: "running", tone: "degraded", word: "Taking back" };
    case "compensated":
      return { shape: "undone", tone: "degraded", word: "Taken back" };
  }
  return { shape: "unknown", tone: "unknown", word: s.state };
}

export function nodeLook(n: Node): Look {
  if (n.problem) return { shape: "degraded", tone: "degraded", word: "Has a problem" };
  if (!n.self && n.last_heard_ms === undefined) return { shape: "unknown", tone: "unknown", word: "Never heard" };
  if (!n.self && n.last_heard_ms! > 10_000) return { shape: "unknown", tone: "degraded", word: "Silent" };
  if (!n.confirmed) return { shape: "degraded", tone: "degraded", word: "Behind" };
  return { shape: "up", tone: "up", word: "Up to date" };
}

/** What can still change: runs that a person on call should know of. */
export function isOpen(x: Pick<ExecutionSummary, "state">): boolean {
  return x.state !== "ended";
}

/** The verb a person would click, and what it means in one sentence. */
export const operations = {
  approve: { label: "Approve", means: "The run goes on at once, within what is shown here." },
  decline: { label: "Decline", means: "The run does not go on. What was changed so far is taken back." },
  pause: { label: "Pause", means: "The running step finishes, the next one waits until somebody resumes." },
  resume: { label: "Resume", means: "The run goes on with the next step." },
  retry: { label: "Retry step", means: "The step looks at the world again and does only what is still missing." },
  skip: { label: "Skip step", means: "The run goes on as if the step had succeeded. What it would have proved stays unproved." },
  abort: { label: "Abort run", means: "No further step runs." },
} as const;
