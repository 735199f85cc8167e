// @ts-check
// The console's promises, kept in a real browser against the fixture. The walk
// against the real program is in walk.mjs.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { AxeBuilder } from "@axe-core/playwright";
import { launch, person } from "./browser.mjs";
import { start } from "./fixture.mjs";
import { screens } from "./screens.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {Awaited<ReturnType<typeof start>>} Fixture */

const only = process.argv[2];
const browser = await launch();
let failures = 0;

/**
 * @param {string} name
 * @param {Parameters<typeof start>[0] & {look?: import("playwright-core").BrowserContextOptions}} world
 * @param {(page: Page, fixture: Fixture) => Promise<void>} body
 */
async function promise(name, { look, ...world }, body) {
  if (only && !name.includes(only)) return;
  const fixture = await start(world);
  const { context, page } = await person(browser, look);
  /** @type {string[]} */
  const complaints = [];
  page.on("pageerror", (e) => complaints.push(e.message));
  page.on("request", (r) => {
    if (!r.url().startsWith(fixture.url) && !r.url().startsWith("data:")) complaints.push(`it asked ${r.url()}`);
  });
  page.on("console", (m) => {
    if (m.type() === "error" && !m.text().includes("Failed to load resource")) complaints.push(m.text());
  });
  try {
    await body(page, fixture);
    assert.deepEqual(complaints, [], "the page complained");
    console.log(`ok    ${name}`);
  } catch (e) {
    failures++;
    console.log(`FAIL  ${name}\n      ${String(e instanceof Error ? e.message : e).replaceAll("\n", "\n      ")}`);
    await page.screenshot({ path: `e2e-${name.replaceAll(/[^a-z0-9]+/gi, "-")}.png`, fullPage: true }).catch(() => {});
  } finally {
    await context.close();
    await fixture.close();
  }
}

const looks = {
  light: { colorScheme: /** @type {const} */ ("light") },
  dark: { colorScheme: /** @type {const} */ ("dark") },
  phone: { colorScheme: /** @type {const} */ ("dark"), viewport: { width: 390, height: 844 }, hasTouch: true },
};

for (const [how, look] of Object.entries(looks)) {
  for (const screen of screens) {
    await promise(`${screen.name} is accessible, ${how}`, { scenario: screen.scenario, signIn: screen.signIn ?? false, look: { ...look, reducedMotion: "reduce" } }, async (page, fixture) => {
      if (screen.stage) fixture.stage(screen.stage, screen.by);
      await page.goto(fixture.url + screen.path);
      await page.locator("h1").waitFor();
      await page.getByRole("status", { name: /^(Loading|Asking)/ }).first().waitFor({ state: "hidden" });
      await page.waitForTimeout(250);
      await screen.act?.(page, fixture);
      assert.equal(await page.locator("h1").count(), 1, "one h1 on each page");
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(wide, 0, `the page is ${wide} px wider than the window`);
      const { violations } = await new AxeBuilder({ page }).analyze();
      assert.deepEqual(
        violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 4).map((n) => `${n.target.join(" ")} (${n.any[0]?.message ?? n.all[0]?.message ?? ""})`).join(" | ")}`),
        [],
        "axe finds nothing",
      );
    });
  }
}

const h1 = (/** @type {Page} */ page, /** @type {string | RegExp} */ name) => page.getByRole("heading", { level: 1, name });

await promise("what changes is shown without a reload", { scenario: "calm" }, async (page, fixture) => {
  await page.goto(fixture.url);
  await h1(page, "Everything serves").waitFor();
  await page.getByRole("status", { name: "Freshness: Live" }).waitFor();
  fixture.become("incident");
  await h1(page, "us-east is down").waitFor({ timeout: 3000 });
  assert.equal(await page.title(), "us-east is down · Fairlead");
});

await promise("a page that hears nothing says so, and mends itself", { scenario: "calm" }, async (page, fixture) => {
  await page.goto(fixture.url);
  await page.getByRole("status", { name: "Freshness: Live" }).waitFor();
  fixture.die(true);
  await page.getByRole("status", { name: /Freshness: Not live, \d+ s old/ }).waitFor({ timeout: 30_000 });
  assert.ok(await h1(page, "Everything serves").isVisible(), "what was known stays on the page");
  fixture.die(false);
  await page.getByRole("status", { name: /Freshness: (Live|Every 5 s)/ }).waitFor({ timeout: 30_000 });
});

await promise("without a stream the page asks by itself", { scenario: "calm" }, async (page, fixture) => {
  await page.route("**/api/v1/events*", (route) => route.abort());
  await page.goto(fixture.url);
  await page.getByRole("status", { name: "Freshness: Every 5 s" }).waitFor();
  fixture.become("incident");
  await h1(page, "us-east is down").waitFor({ timeout: 8000 });
});

await promise("a region is drained by keyboard, by typing its name", { scenario: "calm" }, async (page, fixture) => {
  await page.goto(fixture.url);
  await h1(page, "Everything serves").waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("searchbox").or(page.getByPlaceholder(/A region/)).first().fill("drain ap");
  await page.waitForTimeout(200);
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Drain ap-south" });
  await dialog.getByText("its share goes to").waitFor();
  const act = dialog.getByRole("button", { name: "Drain ap-south", exact: true });
  assert.ok(await act.isDisabled(), "nothing is done before it is confirmed");
  await page.waitForTimeout(200);
  await page.keyboard.type("kernel upgrade, ticket 4711"); // the reason has the focus
  await dialog.getByLabel("Type ap-south to confirm").fill("ap-sout");
  assert.ok(await act.isDisabled(), "a name that is nearly right is wrong");
  await dialog.getByLabel("Type ap-south to confirm").fill("ap-south");
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "hidden" });
  await page.getByRole("button", { name: "Restore ap-south…" }).waitFor();
  assert.equal(await page.getByRole("button", { name: /^Drain/ }).count(), 0, "drain and restore are never offered together");
  await page.getByRole("region", { name: "Overrides" }).getByText("kernel upgrade, ticket 4711").waitFor();
});

await promise("draining a second region needs a second thought", { scenario: "incident" }, async (page, fixture) => {
  await page.goto(`${fixture.url}/regions/eu-central`);
  await page.getByRole("button", { name: "Drain eu-central…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("nothing drains a second region").waitFor();
  await dialog.getByLabel("Reason").fill("I must");
  await dialog.getByLabel("Type eu-central to confirm").fill("eu-central");
  assert.ok(await dialog.getByRole("button", { name: "Drain eu-central" }).isDisabled());
  await dialog.getByLabel(/all the same/).check();
  await dialog.getByText("gets nothing any more").waitFor();
  assert.ok(await dialog.getByRole("button", { name: "Drain eu-central" }).isEnabled());
});

await promise("a wrong token is refused in words, and nothing is kept of another person", { scenario: "calm", signIn: true }, async (page, fixture) => {
  await page.goto(`${fixture.url}/executions`);
  await page.getByLabel("Token", { exact: true }).fill("one.wrong");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByText("This token is not known here").waitFor();
  await page.getByLabel("Token", { exact: true }).fill("one.secret");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await h1(page, "Runs").waitFor(); // where they wanted to go
  await page.getByRole("button", { name: "You are ada" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await h1(page, "Sign in to Fairlead").waitFor();
  assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }).includes("secret")), false, "no token is stored");
});

await promise("a viewer is offered nothing that would be refused", { scenario: "calm", signIn: true }, async (page, fixture) => {
  await page.goto(`${fixture.url}/regions/us-east`);
  await page.getByLabel("Token", { exact: true }).fill("see.secret");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await h1(page, "us-east").waitFor();
  assert.equal(await page.getByRole("button", { name: /Drain|Restore/ }).count(), 0);
  await page.goto(`${fixture.url}/runbooks/switchover?database=orders`);
  await page.getByText("You may look at runbooks, but not start one").waitFor();
  assert.equal(await page.getByRole("button", { name: /^Start/ }).count(), 0);
});

await promise("whoever started a run is not offered to approve it", { scenario: "calm" }, async (page, fixture) => {
  const run = fixture.stage("awaiting_approval", "local");
  await page.goto(`${fixture.url}/executions/${run.id}`);
  await page.getByText("You started this run; a second person must approve it.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Approve…" }).count(), 0);
});

await promise("a click repeated by the network starts one run", { scenario: "calm" }, async (page, fixture) => {
  const before = fixture.runs.length;
  let lost = true;
  await page.route("**/api/v1/executions", async (route) => {
    if (route.request().method() !== "POST" || !lost) return route.continue();
    lost = false;
    await route.fetch(); // it arrives, its answer does not
    await route.abort();
  });
  await page.goto(`${fixture.url}/runbooks/switchover?database=orders`);
  await page.getByLabel("Reason").fill("drill");
  await page.getByRole("button", { name: /^Start switchover/ }).click();
  await page.getByText("This node does not answer your browser").waitFor();
  await page.getByRole("button", { name: /^Start switchover/ }).click();
  await page.waitForURL("**/executions/*");
  assert.equal(fixture.runs.length, before + 1);
});

await promise("a run is paused with a reason", { scenario: "calm" }, async (page, fixture) => {
  const run = fixture.stage("running");
  await page.goto(`${fixture.url}/executions/${run.id}`);
  await page.getByRole("button", { name: "Pause…" }).click();
  await page.getByRole("dialog").getByLabel("Reason").fill("wait for the network team");
  await page.getByRole("dialog").getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByText("This run is paused.").waitFor();
  await page.getByRole("button", { name: "Resume…" }).waitFor();
});

await promise("an answer is explained by the rule that decided", { scenario: "incident" }, async (page, fixture) => {
  await page.goto(`${fixture.url}/services/www`);
  const form = page.getByRole("form", { name: "Explain an answer" });
  await form.getByLabel("Client").fill("198.51.100.7");
  await form.getByRole("button", { name: "Explain" }).click();
  await page.getByText("Client 198.51.100.7").waitFor();
  const rules = page.getByRole("list", { name: "Rules in order of precedence" });
  assert.equal(await rules.getByText("This decided.").count(), 1);
  await form.getByLabel("Client").fill("nobody");
  await form.getByRole("button", { name: "Explain" }).click();
  await page.getByText("is neither an address nor a prefix").waitFor();
});

await promise("the theme is chosen once and kept", { scenario: "calm" }, async (page, fixture) => {
  await page.goto(fixture.url);
  await page.getByRole("button", { name: "Theme" }).click();
  await page.getByRole("menuitem", { name: "Dark" }).click();
  await page.reload({ waitUntil: "commit" });
  await page.locator("h1").waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.getAttribute("data-mantine-color-scheme")), "dark");
});

await promise("nothing jumps while the overview loads", { scenario: "calm" }, async (page, fixture) => {
  await page.addInitScript(() => {
    /** @type {any} */ (window).moved = 0;
    new PerformanceObserver((seen) => {
      for (const e of seen.getEntries()) /** @type {any} */ (window).moved += /** @type {any} */ (e).value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(fixture.url);
  await page.locator("h1").waitFor();
  await page.waitForTimeout(2500);
  const moved = await page.evaluate(() => /** @type {any} */ (window).moved);
  assert.ok(moved < 0.05, `things moved by ${moved}, at most 0.05 goes unnoticed`);
});

await promise("Tab reaches every card and the first stop skips the navigation", { scenario: "calm" }, async (page, fixture) => {
  await page.goto(fixture.url);
  await h1(page, "Everything serves").waitFor();
  await page.evaluate(() => (document.activeElement instanceof HTMLElement ? document.activeElement.blur() : undefined));
  await page.locator("body").press("Tab");
  const seen = [];
  for (let i = 0; i < 30; i++) {
    seen.push(await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? ""));
    await page.keyboard.press("Tab");
  }
  for (const wanted of ["us-east: Up", "eu-central: Up", "ap-south: Up", "www"]) assert.ok(seen.includes(wanted), `${wanted} is not among ${seen.join(", ")}`);
});

await promise("every compressed file is the file itself", { scenario: "calm" }, async () => {
  const dist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
  let twins = 0;
  for (const name of await readdir(dist, { recursive: true })) {
    const unpack = name.endsWith(".br") ? brotliDecompressSync : name.endsWith(".gz") ? gunzipSync : undefined;
    if (!unpack) continue;
    twins++;
    const packed = unpack(await readFile(join(dist, name)));
    assert.ok(packed.equals(await readFile(join(dist, name.slice(0, -3)))), `${name} holds something else than ${name.slice(0, -3)}`);
  }
  assert.ok(twins >= 4, `only ${twins} files have a compressed twin`);
});

await browser.close();
if (failures > 0) {
  console.log(`${failures} ${failures === 1 ? "promise was" : "promises were"} broken; pictures are beside`);
  process.exit(1);
}
console.log("all promises kept");
