// @ts-check
// Every screen of the console in every state that looks different.

/** @typedef {Awaited<ReturnType<typeof import("./fixture.mjs").start>>} Fixture */
/** @typedef {import("playwright-core").Page} Page */

const dialog = async (/** @type {Page} */ page, /** @type {string} */ button) => {
  await page.getByRole("button", { name: button }).first().click();
  await page.getByRole("dialog").waitFor();
  await page.waitForTimeout(350);
};

/** @type {{name: string, scenario: import("./world.mjs").Scenario, path: string, signIn?: boolean, stage?: Parameters<Fixture["stage"]>[0], by?: string, act?: (page: Page, fixture: Fixture) => Promise<void>}[]} */
export const screens = [
  { name: "overview-calm", scenario: "calm", path: "/" },
  { name: "overview-incident", scenario: "incident", path: "/", stage: "awaiting_approval" },
  { name: "overview-drained", scenario: "drained", path: "/" },
  { name: "overview-blind", scenario: "blind", path: "/" },
  { name: "overview-cutoff", scenario: "cutoff", path: "/" },
  { name: "overview-empty", scenario: "empty", path: "/" },
  { name: "region-down", scenario: "incident", path: "/regions/us-east" },
  { name: "region-up", scenario: "calm", path: "/regions/eu-central" },
  { name: "region-held", scenario: "held", path: "/regions/ap-south" },
  { name: "drain", scenario: "calm", path: "/regions/us-east", act: (page) => dialog(page, "Drain us-east…") },
  { name: "drain-refused", scenario: "incident", path: "/regions/eu-central", act: (page) => dialog(page, "Drain eu-central…") },
  { name: "restore", scenario: "held", path: "/regions/ap-south", act: (page) => dialog(page, "Restore ap-south…") },
  { name: "service", scenario: "incident", path: "/services/www" },
  { name: "service-writer", scenario: "calm", path: "/services/orders" },
  { name: "runbooks", scenario: "calm", path: "/runbooks" },
  { name: "runbook", scenario: "calm", path: "/runbooks/switchover" },
  { name: "runbook-refused", scenario: "incident", path: "/runbooks/switchover" },
  { name: "runbook-params", scenario: "calm", path: "/runbooks/rotate-certificates" },
  { name: "runs", scenario: "calm", path: "/executions", stage: "running" },
  { name: "run-awaiting-other", scenario: "calm", path: "/executions/run-0013", stage: "awaiting_approval", by: "ada" },
  { name: "run-awaiting-own", scenario: "calm", path: "/executions/run-0013", stage: "awaiting_approval", by: "local" },
  { name: "run-approve", scenario: "calm", path: "/executions/run-0013", stage: "awaiting_approval", by: "ada", act: (page) => dialog(page, "Approve…") },
  { name: "run-running", scenario: "calm", path: "/executions/run-0013", stage: "running" },
  { name: "run-blocked", scenario: "calm", path: "/executions/run-0013", stage: "blocked" },
  { name: "run-unknown", scenario: "calm", path: "/executions/run-0013", stage: "unknown" },
  { name: "run-done", scenario: "calm", path: "/executions/run-0007" },
  { name: "run-undone", scenario: "calm", path: "/executions/run-0008" },
  { name: "audit", scenario: "calm", path: "/audit", act: async (page) => { await page.getByRole("button", { name: "Verify the chain" }).click(); await page.waitForTimeout(300); } },
  { name: "sign-in", scenario: "calm", path: "/", signIn: true, act: async (page) => { await page.getByLabel("Token", { exact: true }).fill("wrong"); await page.getByRole("button", { name: "Sign in" }).click(); await page.waitForTimeout(300); } },
  { name: "palette", scenario: "incident", path: "/", act: async (page) => { await page.keyboard.press("Control+k"); await page.waitForTimeout(400); } },
  { name: "nowhere", scenario: "calm", path: "/somewhere" },
];
