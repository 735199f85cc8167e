import { expect, test } from "vitest";
import { parseChecks } from "./checks";

test("a list of checks is told from other evidence", () => {
  expect(parseChecks('[{"name":"to_in_recovery","ok":"true","detail":"replay is not paused"},{"name":"slot","ok":false}]')).toEqual([
    { name: "to_in_recovery", ok: true, detail: "replay is not paused" },
    { name: "slot", ok: false, detail: "" },
  ]);
});

test.each([["0/15BA370"], ["[1,2]"], ["[{"], ['[{"a":1}]'], [""]])("%s is shown as it is", (value) => expect(parseChecks(value)).toBeNull());
