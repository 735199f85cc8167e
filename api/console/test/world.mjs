// @ts-check
// The world that the fixture serves: the three regions of the demo, on a good
// day and on bad ones. Types come from the OpenAPI document, so what the tests
// look at is what the program may send.

/** @typedef {import("../src/api/schema").components["schemas"]} Schemas */
/** @typedef {"calm" | "incident" | "shops" | "drained" | "held" | "blind" | "cutoff" | "empty"} Scenario */

/** @param {number} secondsAgo */
export const past = (secondsAgo) => new Date(Date.now() - secondsAgo * 1000).toISOString();
/** @param {number} seconds */
export const ahead = (seconds) => past(-seconds);

const places = [
  { id: "us-east", name: "US East (Virginia)", latitude: 38.9, longitude: -77.4, address: "127.10.0.1" },
  { id: "eu-central", name: "EU Central (Frankfurt)", latitude: 50.1, longitude: 8.7, address: "127.20.0.1" },
  { id: "ap-south", name: "Asia Pacific South (Mumbai)", latitude: 19.1, longitude: 72.9, address: "127.30.0.1" },
];

const born = Date.now();
/** Something that has been so for a while when the fixture starts. @param {number} seconds */
const since = (seconds) => new Date(born - seconds * 1000).toISOString();

/**
 * @param {Scenario} scenario
 * @param {{writer: string, epoch: number, drained: Record<string, Schemas["Override"]>, restored: Set<string>}} decided
 * @returns {Schemas["Status"]}
 */
export function status(scenario, decided) {
  const lost = scenario === "incident"; // the servers of us-east died as well, not only its shops
  const usDown = (lost || scenario === "shops") && !decided.restored.has("us-east");
  const alone = scenario === "cutoff"; // it hears nobody, and is blind all the more
  const blind = scenario === "blind" || alone;
  if (scenario === "empty") return empty();

  /** @type {Schemas["Region"][]} */
  const regions = places.map(({ address: _, ...p }) => {
    const down = usDown && p.id === "us-east";
    const override = decided.drained[p.id];
    const held = scenario === "held" && p.id === "ap-south" && !decided.restored.has("ap-south");
    const unknown = blind && p.id === "ap-south";
    /** @type {Schemas["Region"]} */
    const r = {
      ...p,
      measured: down ? "down" : unknown ? "unknown" : "up",
      effective: down || override || held ? "down" : unknown ? "up" : "up",
      because: down
        ? "both endpoints fail from 3 of 3 vantage points: connection refused"
        : unknown
          ? "no vantage point has reported for 48 s; it keeps what was last good"
          : override
            ? "every endpoint answers, but people keep it out"
            : "every endpoint answers",
      since: down ? since(194) : unknown ? since(48) : since(86_400 * 3 + 7000),
      latched: down,
      held,
      endpoints_up: down ? 0 : 2,
      endpoints_down: down ? 2 : 0,
      endpoints_total: 2,
    };
    if (override) r.override = override;
    if (held) {
      r.because = "every endpoint answers, but its drain is over and nobody has restored it";
      r.override = {
        id: "o-7", region: p.id, state: "down", kind: "drain", by: "bea", reason: "network maintenance, ticket 4711",
        since: since(9000), until: since(1800), held: true,
      };
    }
    return r;
  });
  const serving = (/** @type {string} */ id) => {
    const r = regions.find((x) => x.id === id);
    return r !== undefined && r.effective !== "down";
  };
  const pick = (/** @type {string[]} */ order) => order.filter(serving)[0] ?? order[0] ?? "";
  const address = (/** @type {string} */ id) => [places.find((p) => p.id === id)?.address ?? ""];
  /** @param {string} id @param {number} share @returns {Schemas["AnswerShare"]} */
  const share = (id, share) => ({ region: id, share_percent: share, addresses: address(id) });
  const gone = regions.filter((r) => r.effective === "down").map((r) => r.id);
  const note = gone.length ? `${gone.join(" and ")} ${gone.length === 1 ? "is" : "are"} out` : "";

  /** @param {string} service @param {string} region @returns {Schemas["Endpoint"]} */
  const endpoint = (service, region) => {
    const r = regions.find((x) => x.id === region);
    const down = r?.measured === "down";
    const silent = r?.measured === "unknown";
    return {
      id: `${service}@${region}`,
      region,
      addresses: address(region),
      measured: r?.measured ?? "unknown",
      effective: r?.effective ?? "unknown",
      because: down ? "3 of 3 vantage points: connect: connection refused" : silent ? "no report that still counts" : "3 of 3 vantage points: HTTP 200",
      since: r?.since ?? since(0),
      ...(down || silent ? {} : { latency_ms: region === "us-east" ? 1.4 : region === "eu-central" ? 2.1 : 3.8 }),
      check: "http GET /healthz every 500 ms, 3 to fall, 2 to rise",
      reports: silent
        ? []
        : places.map((p, i) => ({
            vantage: `n${i + 1}`,
            vantage_region: p.id,
            state: down ? "down" : "up",
            because: down ? "connect to 127.10.0.1:8081: connection refused" : "HTTP 200 OK",
            age_ms: 120 + i * 170,
            ...(down ? {} : { latency_ms: 1.1 + i * 0.9 }),
          })),
    };
  };

  /** @type {Schemas["Service"][]} */
  const services = [
    {
      id: "www",
      name: "www.shop.example.",
      mode: "steer",
      state: gone.length ? "degraded" : "up",
      because: gone.length ? `2 of 3 regions serve; ${note}` : "all 3 regions serve",
      policy: { kind: "weighted", weights: { "us-east": 100, "eu-central": 100, "ap-south": 50 }, when_all_down: "answer_all" },
      endpoints: places.map((p) => endpoint("www", p.id)),
      answers: [
        {
          group: "americas",
          prefixes: ["198.51.100.0/24", "192.0.2.0/25"],
          regions: [share(pick(["us-east", "eu-central", "ap-south"]), 100)],
          ttl_seconds: 5,
          because: serving("us-east") ? "first of its order that serves" : `us-east is out, the next of its order is eu-central`,
        },
        {
          group: "europe",
          prefixes: ["203.0.113.0/24"],
          regions: [share(pick(["eu-central", "us-east", "ap-south"]), 100)],
          ttl_seconds: 5,
          because: "first of its order that serves",
        },
        {
          group: "everyone else",
          prefixes: [],
          regions: serving("us-east")
            ? [share("us-east", 40), share("eu-central", 40), ...(serving("ap-south") ? [share("ap-south", 20)] : [])]
            : [share("eu-central", 66.67), share("ap-south", 33.33)],
          ttl_seconds: 5,
          because: gone.length ? `by weight among those that serve; ${note}` : "by weight among those that serve",
        },
      ],
    },
    {
      id: "orders",
      name: "orders.shop.example.",
      mode: "steer",
      state: serving(decided.writer) ? "up" : "down",
      because: serving(decided.writer) ? `its writer ${decided.writer} serves` : `its writer ${decided.writer} does not answer; a run has to move it`,
      writes_database: "orders",
      policy: { kind: "failover", regions: ["us-east", "eu-central"], when_all_down: "answer_all" },
      endpoints: [endpoint("orders", "us-east"), endpoint("orders", "eu-central")],
      answers: [
        {
          group: "everyone else",
          prefixes: [],
          regions: [share(decided.writer, 100)],
          ttl_seconds: 2,
          because: `pinned to ${decided.writer}, the writer of orders in epoch 1.${decided.epoch}`,
        },
      ],
    },
    {
      id: "media",
      name: "media.shop.example.",
      mode: "observe",
      state: "up",
      because: "1 of 1 region serves",
      policy: { kind: "all" },
      endpoints: [],
      answers: [],
    },
  ];

  /** @type {Schemas["DatabaseMember"][]} */
  const members = ["us-east", "eu-central"].map((region) => {
    const writer = region === decided.writer;
    const dead = usDown && lost && region === "us-east";
    return {
      region,
      role: dead ? "unknown" : writer ? "primary" : "standby",
      state: dead ? "down" : "up",
      because: dead ? "connect: connection refused, from 3 of 3 vantage points" : writer ? "accepts writes" : "streams from the writer",
      timeline: decided.epoch,
      ...(writer || dead ? {} : usDown && lost ? { lag_bytes: 16_384, lag_seconds: 0.4 } : { lag_bytes: 0, lag_seconds: 0.02 }),
      measured_age_ms: dead ? 194_000 : usDown && lost ? 190_000 : 400,
      agent: dead ? { reachable: false, age_ms: 194_000, problem: "connection refused" } : { reachable: true, age_ms: 250 },
    };
  });

  /** @type {Schemas["Alarm"][]} */
  const alarms = [];
  if (usDown) {
    alarms.push(
      {
        id: "region-us-east", severity: "critical", subject: "region us-east", since: since(194),
        sentence: "us-east is down: both endpoints fail from 3 of 3 vantage points",
        remedy: "reads already go to eu-central and ap-south; when it is well again, restore us-east",
      },
    );
    if (lost) {
      alarms.push({
        id: "writer-orders", severity: "critical", subject: "database orders", since: since(192),
        sentence: "the writer of orders in us-east does not answer, so nobody can place an order",
        remedy: "run the failover runbook to eu-central, or bring the writer back",
      });
    }
  }
  if (scenario === "held") {
    alarms.push({
      id: "held-ap-south", severity: "warning", subject: "region ap-south", since: since(1800),
      sentence: "the drain of ap-south ended half an hour ago and nobody has restored it", remedy: "restore ap-south, or drain it for longer",
    });
  }
  if (blind) {
    alarms.push(
      {
        id: "store", severity: "critical", subject: "store", since: since(95),
        sentence: "the store cannot be reached, so nothing can be decided", remedy: "start at least two of the three control nodes; answers go on meanwhile",
      },
      {
        id: "config", severity: "warning", subject: "configuration", since: since(600),
        sentence: "the newest configuration was refused; the one before is in force", remedy: "mend fleet.yaml line 41 and save it",
      },
    );
  }
  /** @type {Schemas["Node"][]} */
  const nodes = places.map((p, i) => ({
    name: `n${i + 1}`,
    region: p.id,
    roles: ["control", "probe", "dns"],
    version: "0.1.0",
    generation: blind && i === 2 ? 411 : 412,
    confirmed: !(blind && i === 2) && !(alone && i === 1),
    ...(i === 0 ? {} : { last_heard_ms: (blind && i === 2) || (alone && i === 1) ? 48_000 : 180 + 90 * i }),
    ...(blind && i === 2 ? { not_heard_by: alone ? ["n1"] : ["n1", "n2"] } : {}),
    self: i === 0,
  }));

  return {
    at: new Date().toISOString(),
    node: "n1",
    version: "0.1.0",
    generation: 412,
    store: blind
      ? { reachable: false, leader: "", since: since(95), problem: "no quorum: 1 of 3 members answers" }
      : { reachable: true, leader: "n1", since: since(86_400) },
    config: blind
      ? { source: "/etc/fairlead/fleet.yaml", ok: false, loaded_at: since(86_400), problem: "fleet.yaml:41:12: unknown region eu-centrl (did you mean eu-central?)" }
      : { source: "/etc/fairlead/fleet.yaml", ok: true, loaded_at: since(86_400) },
    freeze: { frozen: false },
    regions,
    services,
    databases: [
      {
        id: "orders", engine: "postgres", writer_region: decided.writer, epoch: { incarnation: 1, number: decided.epoch },
        because: usDown && lost && decided.writer === "us-east" ? "the writer does not answer; the standby in eu-central could take over, about 16 kB behind" : "the writer accepts writes, 1 standby streams",
        members,
      },
    ],
    alarms,
    nodes,
    standpoint: alone
      ? { stand: "us", us: true, sentence: "us: this node hears none of the other 2; what is shown here is its own view: believe the others", missing: ["n2", "n3"], since: since(48) }
      : blind
        ? { stand: "cut_off", us: false, sentence: "n3 is cut off from n1 and n2, or not running (they hear each other): believe n1 and n2", missing: ["n3"], since: since(48) }
        : { stand: "together", us: false, sentence: "all 3 nodes hear each other", missing: [] },
  };
}

/** @returns {Schemas["Status"]} */
function empty() {
  return {
    at: new Date().toISOString(),
    node: "n1",
    version: "0.1.0",
    generation: 1,
    store: { reachable: true, leader: "n1", since: since(20) },
    config: { source: "/etc/fairlead/fleet.yaml", ok: true, loaded_at: since(20) },
    freeze: { frozen: false },
    regions: [],
    services: [],
    databases: [],
    alarms: [],
    nodes: [{ name: "n1", region: "", roles: ["control", "probe", "dns"], generation: 1, confirmed: true, self: true }],
  };
}

/** @type {Schemas["PlannedStep"][]} */
export const steps = [
  { id: "preflight", name: "preflight", kind: "preflight", guard: true, description: "look at both servers: roles, timelines, slots, room for WAL", if_aborted: "nothing has been changed by then" },
  { id: "approve", name: "approve", kind: "approve", needs_approval: true, approvals_total: 1, description: "one other person agrees to move the writer of orders", if_aborted: "nothing has been changed by then" },
  { id: "rpo-gate", name: "rpo-gate", kind: "rpo_gate", guard: true, description: "go on only if eu-central is at most 16 MB and 30 s behind", if_aborted: "nothing has been changed by then" },
  { id: "quiesce", name: "quiesce", kind: "quiesce", description: "stop new writes in us-east and let the running ones finish", compensate: "let us-east take writes again", if_aborted: "taken back: let us-east take writes again" },
  { id: "fence", name: "fence", kind: "fence", guard: true, description: "stop postgres in us-east and keep it from starting", danger: "nobody can write until the promotion", compensate: "start postgres in us-east and let it write", if_aborted: "taken back: start postgres in us-east, then let it take writes again" },
  { id: "replay", name: "replay", kind: "wait_replay", description: "wait until eu-central has replayed everything that us-east wrote", if_aborted: "taken back: start postgres in us-east, then let it take writes again" },
  { id: "promote", name: "promote", kind: "promote", no_return: true, description: "promote the server in eu-central", danger: "timeline 2 begins; us-east can only come back as a standby" },
  { id: "verify", name: "verify", kind: "verify_writable", guard: true, description: "write a row in eu-central and read it back" },
  { id: "repoint", name: "repoint", kind: "repoint", description: "make eu-central the writer in epoch 1.2; orders.shop.example. answers it", parallel_group: "after" },
  { id: "reprotect", name: "reprotect", kind: "reprotect", description: "make us-east a standby of eu-central", parallel_group: "after" },
];

/** @type {Record<string, Schemas["Evidence"][]>} */
export const evidence = {
  preflight: [{ name: "checks", value: JSON.stringify([{ name: "from_writes", ok: "true", detail: "us-east is a primary" }, { name: "streaming", ok: "true", detail: "eu-central streams from us-east" }, { name: "slot", ok: "true", detail: "there is a slot for the way back" }]) }, { name: "writer", value: "us-east, timeline 1" }, { name: "standby", value: "eu-central, timeline 1, streaming" }],
  "rpo-gate": [{ name: "receipt", value: "0 bytes and 0 s, measured 0.2 s ago" }, { name: "ceiling_bytes", value: "16777216" }],
  fence: [{ name: "fenced_by", value: "agent at us-east:8472" }, { name: "last_wal", value: "0/3A5F2C8" }],
  replay: [{ name: "replayed", value: "0/3A5F2C8" }, { name: "missing_bytes", value: "0" }],
  promote: [{ name: "timeline", value: "2" }, { name: "took", value: "412 ms" }],
  verify: [{ name: "wrote_and_read", value: "1 row in 6 ms" }],
  repoint: [{ name: "confirmed_by", value: "n1, n2, n3" }, { name: "epoch", value: "1.2 eu-central" }],
};

export const runbookText = `name: switchover
title: Move a database's writer to another region
on_failure: undo
params:
  - name: max_lag_bytes
    type: bytes
    default: 16MiB
steps:
  - id: preflight
    kind: preflight
  - id: approve
    kind: approve
  - id: rpo-gate
    kind: rpo_gate
    with: {max_bytes: \${max_lag_bytes}}
  - id: quiesce
    kind: quiesce
    compensate: {kind: unquiesce}
  - id: fence
    kind: fence
    compensate: {kind: unfence}
`;
