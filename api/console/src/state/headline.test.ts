import { expect, test } from "vitest";
import type { Alarm, ExecutionSummary, Region, Service, Status } from "../api/client";
import { headline } from "./headline";

const at = "2026-11-22T03:14:07Z";

function region(id: string, over: Partial<Region> = {}): Region {
  return {
    id, name: id, measured: "up", effective: "up", because: "", since: at, latched: false, held: false,
    endpoints_up: 1, endpoints_down: 0, endpoints_total: 1, ...over,
  };
}

function service(id: string, regions: string[], over: Partial<Service> = {}): Service {
  return {
    id, name: `${id}.example.`, mode: "steer", state: "up", because: "", policy: { kind: "failover" }, endpoints: [],
    answers: [
      {
        group: "everyone else", prefixes: [], ttl_seconds: 5, because: "",
        regions: regions.map((r) => ({ region: r, share_percent: 100 / regions.length, addresses: [] })),
      },
    ],
    ...over,
  };
}

function world(regions: Region[], services: Service[], alarms: Alarm[] = []): Status {
  return {
    at, node: "n1", version: "", generation: 1, store: { reachable: true, leader: "n1", since: at },
    config: { source: "", ok: true, loaded_at: at }, freeze: { frozen: false }, regions, services, databases: [], alarms, nodes: [],
  };
}

const alarm = (severity: Alarm["severity"], sentence: string): Alarm => ({ id: sentence, severity, subject: "", sentence, remedy: "", since: at });
const down: Partial<Region> = { measured: "down", effective: "down", latched: true };
const waiting = { id: "x", title: "switchover of orders", state: "awaiting_approval" } as ExecutionSummary;

test.each<[string, Status, ExecutionSummary[], string, string]>([
  ["calm", world([region("a"), region("b")], [service("www", ["a"])]), [], "Everything serves", "Users are sent to a."],
  [
    "a node that is cut off says so before what it sees",
    { ...world([region("a", down), region("b", down)], []), standpoint: { stand: "us", us: true, sentence: "us: this node hears none of the other 2", missing: ["n2", "n3"] } },
    [],
    "This node is cut off: believe the others",
    "us: this node hears none of the other 2",
  ],
  ["a region is down", world([region("a", down), region("b")], [service("www", ["b"])]), [], "a is down", "Users are sent to b."],
  [
    "a name that only a run can move is named",
    world([region("a", down), region("b")], [service("www", ["b"]), service("orders", ["a"], { writes_database: "orders" })]),
    [],
    "a is down",
    "Users are sent to b. orders still answers a, because only a run moves a writer.",
  ],
  ["two are down", world([region("a", down), region("b", down), region("c")], [service("www", ["c"])]), [], "a and b are down", "Users are sent to c."],
  ["all are down", world([region("a", down)], [service("www", ["a"])]), [], "Every region is down", "www still answers a."],
  ["a drained region is not a failed one", world([region("a", { effective: "down" }), region("b")], [service("www", ["b"])]), [], "a is kept out of traffic", "Users are sent to b."],
  ["a critical alarm comes before a waiting run", world([region("a")], [service("www", ["a"])], [alarm("critical", "the store is gone.")]), [waiting], "the store is gone", "Users are sent to a."],
  ["a waiting run comes before a warning", world([region("a")], [service("www", ["a"])], [alarm("warning", "look")]), [waiting], "A run waits for a person", "switchover of orders"],
  ["a warning is not calm", world([region("a")], [service("www", ["a"])], [alarm("warning", "look")]), [], "Users are served; 1 thing to look at", "Users are sent to a."],
  ["silence is not failure", world([region("a", { measured: "unknown" }), region("b")], [service("www", ["a", "b"])]), [], "Nothing is known of a", "Users are sent to a and b."],
  ["a name without an answer is named", world([region("a")], [service("www", [])]), [], "Everything serves", "www has no answer."],
  ["an observed service misleads nobody", world([region("a")], [service("x", ["a"], { mode: "observe" })]), [], "Everything serves", "No service is steered yet."],
  ["nothing is configured", world([], []), [], "No regions are configured", "Describe regions and services in the configuration file; this page fills itself."],
])("%s", (_name, status, runs, sentence, detail) => {
  expect(headline(status, runs)).toMatchObject({ sentence, detail });
});
