import { expect, test } from "vitest";
import { ask, Fault, fromProblem, intentKey } from "./client";

test("a problem document becomes a sentence and, apart from it, a remedy", () => {
  const f = fromProblem(409, {
    detail: "region eu-west: already drained by ada since 09:14Z (lift that override first)",
    remedy: "lift that override first",
    kind: "conflict",
  });
  expect(f).toMatchObject({ status: 409, kind: "conflict", remedy: "lift that override first" });
  expect(f.message).toBe("region eu-west: already drained by ada since 09:14Z");
});

test("an answer that is no problem document still becomes a sentence", () => {
  expect(fromProblem(502, "<html>").message).toBe("the node answered with status 502 and no explanation");
});

test("silence is told from refusal", async () => {
  const silent = ask(Promise.reject(new TypeError("Failed to fetch")));
  await expect(silent).rejects.toMatchObject({ status: 0, kind: "unavailable" });
  const refused = ask(Promise.resolve({ error: { detail: "no", kind: "denied" }, response: new Response(null, { status: 403 }) }));
  await expect(refused).rejects.toBeInstanceOf(Fault);
  await expect(refused).rejects.toMatchObject({ status: 403, kind: "denied" });
});

test("every intent has a key of its own that the API accepts", () => {
  const keys = new Set(Array.from({ length: 100 }, intentKey));
  expect(keys.size).toBe(100);
  for (const key of keys) expect(key).toMatch(/^[A-Za-z0-9._:-]{8,128}$/);
});
