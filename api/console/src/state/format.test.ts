import { expect, test } from "vitest";
import { ago, bytes, count, fullTime, instant, left, list, parseSpan, percent, short, span, withUnit } from "./format";

const now = Date.parse("2026-11-22T03:14:07Z");

test.each([
  [0, "0 ms"],
  [740, "740 ms"],
  [1000, "1 s"],
  [1800, "1.8 s"],
  [12_400, "12 s"],
  [60_000, "1 min"],
  [80_000, "1 min 20 s"],
  [3_600_000, "1 h"],
  [2 * 3_600_000 + 5 * 60_000, "2 h 5 min"],
  [4 * 86_400_000 + 3 * 3_600_000, "4 d 3 h"],
  [-1500, "−1.5 s"],
  [NaN, "an unknown time"],
])("a span of %d ms reads %s", (ms, want) => expect(span(ms)).toBe(want));

test.each([
  [now - 500, "just now"],
  [now - 12_000, "12 s ago"],
  [now - 200_000, "3 min 20 s ago"],
  [now - 45 * 60_000 - 20_000, "45 min ago"],
  [now - 3 * 3_600_000, "3 h ago"],
  [now + 30_000, "in 30 s"],
  [NaN, "at an unknown time"],
])("an age is said in one breath: %d", (at, want) => expect(ago(at, now)).toBe(want));

test("time left never goes below nothing", () => {
  expect(left(now + 90_000, now)).toBe("1 min 30 s left");
  expect(left(now - 1, now)).toBe("over");
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.00 kB"],
  [16_777_216, "16.8 MB"],
  [250_000_000, "250 MB"],
  [-2048, "−2.05 kB"],
])("%d bytes read %s", (n, want) => expect(bytes(n)).toBe(want));

test.each([
  [0, "0 %"],
  [0.0004, "< 0.1 %"],
  [0.005, "0.5 %"],
  [0.5, "50 %"],
  [0.9999, "> 99.9 %"],
  [1, "100 %"],
])("a share of %d reads %s and never rounds something to nothing", (n, want) => expect(percent(n)).toBe(want));

test.each([
  ["90s", 90_000],
  ["1h30m", 5_400_000],
  ["10 min", 600_000],
  ["0.5h", 1_800_000],
  ["soon", NaN],
  ["10", NaN],
  ["", NaN],
])("the duration %s is %d ms", (text, want) => expect(parseSpan(text)).toBe(want));

test("an instant that was never set is not the year 1", () => {
  expect(instant("0001-01-01T00:00:00Z")).toBeNaN();
  expect(instant(undefined)).toBeNaN();
  expect(instant("2026-11-22T03:14:07Z")).toBe(now);
});

test("a full time names its offset", () => expect(fullTime(now)).toMatch(/^2026-11-2\d \d\d:\d\d:\d\d UTC/));

test("words", () => {
  expect(count(1, "node")).toBe("1 node");
  expect(count(3, "answer", "answers")).toBe("3 answers");
  expect(list([])).toBe("");
  expect(list(["a"])).toBe("a");
  expect(list(["a", "b", "c"])).toBe("a, b and c");
  expect(short("sha256:0123456789abcdef")).toBe("0123456789ab");
});

test.each([
  ["max_lag_bytes", "16777216", "16.8 MB"],
  ["bytes_max", "0", "0 B"],
  ["seconds_max", "0.4", "400 ms"],
  ["timeline", "2", "2"],
  ["wal_lsn", "0/3A5F2C8", "0/3A5F2C8"],
])("%s %s reads %s", (name, value, want) => expect(withUnit(name, value)).toBe(want));
