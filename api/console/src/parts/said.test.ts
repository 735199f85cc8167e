import { expect, test } from "vitest";
import { capitalise } from "./Said";

test.each([
  ["the writer of orders does not answer", "The writer of orders does not answer"],
  ["us-east is down", "us-east is down"],
  ["www has no answer", "www has no answer"],
  ["region eu-west: already drained", "Region eu-west: already drained"],
  ["3 of 3 vantage points", "3 of 3 vantage points"],
  ["127.0.0.1:80 refuses", "127.0.0.1:80 refuses"],
  ["", ""],
])("%s", (text, want) => expect(capitalise(text, new Set(["www", "us-east"]))).toBe(want));
