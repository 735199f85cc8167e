import { expect, test } from "vitest";
import type { DatabaseMember, Node, Override, Region } from "../api/client";
import { needsRestore, nodeLook, overrideSentence, regionLook, roleLook, runLook, stepLook } from "./words";

const at = "2026-11-22T03:00:00Z";
const now = Date.parse(at);

const base: Region = {
  id: "a", name: "a", measured: "up", effective: "up", because: "", since: at, latched: false, held: false,
  endpoints_up: 1, endpoints_down: 0, endpoints_total: 1,
};
const drain: Override = {
  id: "1", region: "a", state: "down", kind: "drain", by: "ada", reason: "upgrade", since: at, until: "2026-11-22T03:25:00Z", held: false,
};

test.each<[string, Partial<Region>, string, string, boolean]>([
  ["up", {}, "Up", "up", false],
  ["measured down and latched", { measured: "down", effective: "down", latched: true }, "Down", "down", true],
  ["well again but latched waits for a person", { effective: "down", latched: true }, "Up, kept out", "degraded", true],
  ["drained", { effective: "down", override: drain }, "Drained", "moving", true],
  ["drained and broken", { measured: "down", effective: "down", override: drain }, "Down, drained", "down", true],
  ["held after a drain", { effective: "down", held: true, override: { ...drain, held: true } }, "Held out", "degraded", true],
  ["forced up against what is measured", { measured: "down", override: { ...drain, kind: "force_up", state: "up" } }, "Forced up", "degraded", false],
  ["forced down", { effective: "down", override: { ...drain, kind: "force_down" } }, "Forced down", "moving", false],
  ["silent", { measured: "unknown" }, "Unknown", "unknown", false],
])("a region that is %s", (_name, over, word, tone, restore) => {
  const r = { ...base, ...over };
  expect(regionLook(r)).toMatchObject({ word, tone });
  expect(needsRestore(r)).toBe(restore);
});

test("an override says who, why and how long", () => {
  expect(overrideSentence(drain, now)).toBe("Drained by ada, 25 min left: upgrade");
  expect(overrideSentence({ ...drain, held: true }, now)).toBe("Drained by ada: upgrade. Its time is over; it stays out until a person restores it.");
});

test.each<[string, Partial<DatabaseMember>, string]>([
  ["a primary", { role: "primary" }, "Writes"],
  ["a standby", { role: "standby" }, "Standby"],
  ["a fenced server", { role: "stopped", agent: { reachable: true, fenced: true } }, "Fenced"],
  ["a server that does not answer", { role: "unknown", state: "down" }, "Down"],
  ["a server nobody has asked", { role: "unknown", state: "unknown" }, "Role unknown"],
])("%s", (_name, over, word) => {
  expect(roleLook({ region: "a", role: "", state: "up", because: "", ...over }).word).toBe(word);
});

test.each<[string, Partial<Node>, string]>([
  ["itself", { self: true }, "Up to date"],
  ["heard just now", { last_heard_ms: 200 }, "Up to date"],
  ["heard long ago", { last_heard_ms: 48_000 }, "Silent"],
  ["never heard", {}, "Never heard"],
  ["heard, with an older decision", { last_heard_ms: 200, confirmed: false }, "Behind"],
  ["with a problem", { last_heard_ms: 200, problem: "disk full" }, "Has a problem"],
])("a node %s", (_name, over, word) => {
  expect(nodeLook({ name: "n", region: "a", roles: [], generation: 1, confirmed: true, self: false, ...over }).word).toBe(word);
});

test("each outcome has a word and a shape of its own", () => {
  const looks = (["done", "refused", "undone", "stopped"] as const).map((outcome) => runLook({ state: "ended", outcome }));
  expect(new Set(looks.map((l) => l.shape)).size).toBe(4);
  expect(looks.map((l) => l.word)).toEqual(["Done", "Refused, nothing changed", "Undone, old writer serves", "Stopped half way"]);
});

test("what this console does not know yet is shown as text, not hidden", () => {
  expect(runLook({ state: "hibernating" as never }).word).toBe("hibernating");
  expect(stepLook({ state: "dreaming" as never }).word).toBe("dreaming");
});
