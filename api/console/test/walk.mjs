// @ts-check
// The walk: two people live through a bad night with nothing but the console.
// It drives the real program by the names that a screen reader would read, and
// ends at the first broken promise with one sentence and a picture.
//
//   BASE_URL=http://127.0.0.1:8470 TOKEN_ONE=ID.SECRET TOKEN_TWO=ID.SECRET npm run test:walk
//
// What must be true before: the region REGION (us-east) is judged down, or will
// be soon, while both servers of DATABASE (orders) live; RUNBOOK (switchover)
// has a step that waits for a second person. TO (eu-central) gets the writer.
// PATIENCE is how many seconds one thing may take (60). PICTURES is a folder
// that gets a picture of each station; SCREENSHOT the file of the one on failure.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { launch, person } from "./browser.mjs";

const env = process.env;
const base = env.BASE_URL;
const region = env.REGION ?? "us-east";
const database = env.DATABASE ?? "orders";
const to = env.TO ?? "eu-central";
const runbook = env.RUNBOOK ?? "switchover";
const patience = Number(env.PATIENCE ?? "60") * 1000;
const screenshot = env.SCREENSHOT ?? "walk-failed.png";

if (!base || !env.TOKEN_ONE || !env.TOKEN_TWO) {
  console.error("the walk needs BASE_URL, TOKEN_ONE and TOKEN_TWO: the console's address and the tokens of two people");
  process.exit(2);
}

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").Locator} Locator */

class Broken extends Error {}

const browser = await launch();
/** @type {Page | undefined} */
let looking; // whose screen a failure is shown on
let station = 0;
let now = "before anything";

/** Says what is tried, does it, and turns whatever goes wrong into one sentence. @param {string} promise @param {() => Promise<void>} act */
async function promised(promise, act) {
  now = promise;
  const started = Date.now();
  try {
    await act();
  } catch (e) {
    throw e instanceof Broken ? e : new Broken(`${promise}: not kept: ${String(e instanceof Error ? e.message : e).split("\n")[0]}`);
  }
  console.log(`kept  ${promise} (${Date.now() - started} ms)`);
  if (env.PICTURES) {
    await mkdir(env.PICTURES, { recursive: true });
    await looking?.screenshot({ path: join(env.PICTURES, `walk-${String(++station).padStart(2, "0")}.png`), fullPage: true });
  }
}

/** @param {Locator} locator @param {string} missing what to say if it never shows */
async function shows(locator, missing, ms = patience) {
  try {
    await locator.first().waitFor({ state: "visible", timeout: ms });
  } catch {
    throw new Broken(`${now}: ${missing}`);
  }
}

/** @param {Page} page @param {string} token @param {string} path */
async function signIn(page, token, path) {
  await page.goto(new URL(path, base).href);
  await shows(page.getByRole("heading", { level: 1, name: "Sign in to Fairlead" }), "the console did not ask who it is (tokens must exist on this node)");
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await shows(page.getByRole("navigation", { name: "Main" }), `the token was refused: ${await alertText(page)}`);
}

/** @param {Page} page */
async function alertText(page) {
  const alert = page.getByRole("alert").first();
  return (await alert.count()) > 0 ? (await alert.innerText()).replaceAll("\n", " ") : "nothing says why";
}

let failed = false;
try {
  const one = (await person(browser, { colorScheme: "light" })).page;
  const two = (await person(browser, { colorScheme: "dark" })).page;
  /** @type {string[]} */
  const strangers = [];
  /** @type {string[]} */
  const broken = [];
  for (const page of [one, two]) {
    page.on("request", (r) => {
      if (!r.url().startsWith(new URL(base).origin) && !r.url().startsWith("data:")) strangers.push(r.url());
    });
    page.on("pageerror", (e) => broken.push(`${now}: the page itself failed: ${e.message}`));
  }
  looking = one;

  await promised("the first person signs in with a token", async () => {
    await signIn(one, env.TOKEN_ONE ?? "", "/");
  });

  await promised("the overview is live", async () => {
    await shows(one.getByRole("status", { name: "Freshness: Live" }), "the page does not say that it is live");
    await shows(one.getByRole("region", { name: "Services" }).getByRole("table"), "no services are shown");
  });

  await promised(`${region} is shown as down`, async () => {
    await shows(one.getByRole("link", { name: new RegExp(`^${region}: Down`) }), `${region} is not shown as down`);
    await shows(one.getByRole("region", { name: "Alarms" }).getByText("What to do"), "no alarm says what to do");
  });

  await promised(`its page says why ${region} is down`, async () => {
    await one.getByRole("link", { name: new RegExp(`^${region}: Down`) }).click();
    await shows(one.getByRole("heading", { level: 1, name: region }), "its page has not opened");
    const why = one.getByRole("region", { name: "Why" });
    await shows(why, "nothing says why");
    const text = (await why.innerText()).replace(/\s+/g, " ");
    if (text.length < 40) throw new Broken(`${now}: the reason is too short to be one: ${text}`);
    await shows(one.getByRole("region", { name: "Endpoints" }).getByRole("row").getByText("Down"), "no vantage point's report is shown");
  });

  await promised(`the ${runbook} of ${database} to ${to} is previewed and not refused`, async () => {
    await one.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Overview" }).click();
    await one.getByRole("link", { name: `Runbooks that move the writer of ${database}…` }).click();
    await shows(one.getByRole("heading", { level: 1, name: `Runbooks for ${database}` }), "the list of runbooks has not opened");
    await one.locator(`a[href^="/runbooks/${runbook}?"]`).click();
    await shows(one.getByLabel("Database"), `the runbook ${runbook} does not ask for a database`);
    await one.getByLabel("Database").selectOption(database);
    await one.getByLabel("Shall write").selectOption(to);
    await shows(one.getByRole("button", { name: `Start ${runbook} of ${database} to ${to}` }), `the plan is not shown: ${await alertText(one)}`);
    const refusal = one.getByText("It would be refused now");
    if ((await refusal.count()) > 0) throw new Broken(`${now}: ${(await refusal.locator("..").innerText()).replaceAll("\n", " ")}`);
    await shows(one.getByRole("list", { name: "Steps" }), "the steps are not shown");
  });

  let address = "";
  await promised("it starts with a reason and waits for another person", async () => {
    await one.getByLabel("Reason").fill(`${region} is down; moving the writer to ${to}`);
    await one.getByRole("button", { name: `Start ${runbook} of ${database} to ${to}` }).click();
    try {
      await one.waitForURL("**/executions/*", { timeout: patience });
    } catch {
      throw new Broken(`${now}: the run did not start: ${await alertText(one)}`);
    }
    address = new URL(one.url()).pathname;
    await shows(one.getByText("This run waits for approval"), `it does not wait for approval; it stands: ${await standing(one)}`);
    await shows(one.getByText("You started this run; a second person must approve it."), "it does not say that a second person must approve");
    if ((await one.getByRole("button", { name: "Approve…" }).count()) > 0) throw new Broken(`${now}: whoever started it is offered to approve it`);
  });

  looking = two;
  await promised("the second person finds the run on the overview", async () => {
    await signIn(two, env.TOKEN_TWO ?? "", "/");
    const open = two.getByRole("region", { name: "Open runs" });
    await shows(open, "the overview shows no open run");
    await open.getByRole("link").first().click();
    await two.waitForURL(`**${address}`, { timeout: patience });
  });

  await promised("approving shows what is approved", async () => {
    await two.getByRole("button", { name: "Approve…" }).click();
    const dialog = two.getByRole("dialog");
    await shows(dialog, "no dialog opened");
    await shows(dialog.getByText("Covers", { exact: true }), "the envelope is not shown");
    await shows(dialog.getByText("Plan", { exact: true }), "the plan's hash is not shown");
    await dialog.getByLabel("Reason").fill("read the plan and the reason; go");
    await dialog.getByRole("button", { name: "Approve", exact: true }).click();
    try {
      await dialog.waitFor({ state: "hidden", timeout: patience });
    } catch {
      throw new Broken(`${now}: the approval was refused: ${await alertText(two)}`);
    }
  });

  looking = one;
  await promised("the first person watches it finish without touching anything", async () => {
    const end = Date.now() + patience * 3;
    for (;;) {
      const title = await one.title();
      if (title.startsWith("Done:")) break;
      if (/^(Refused|Undone|Stopped|Blocked)/.test(title)) throw new Broken(`${now}: it ended as "${title.split(":")[0]}": ${await standing(one)}`);
      if (Date.now() > end) throw new Broken(`${now}: it has not ended after ${(patience * 3) / 1000} s; it stands: ${await standing(one)}`);
      await one.waitForTimeout(200);
    }
    const steps = one.getByRole("list", { name: "Steps" });
    if ((await steps.getByText("Failed", { exact: true }).count()) > 0) throw new Broken(`${now}: it is done although a step failed`);
    await shows(one.getByRole("region", { name: "Journal" }).getByRole("table"), "the journal is not shown");
  });

  await promised(`the overview names ${to} as the writer of ${database}`, async () => {
    await one.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Overview" }).click();
    const card = one.getByRole("region", { name: "Databases" }).getByRole("article").filter({ has: one.getByRole("heading", { name: database, exact: true }) });
    await shows(card.locator("header").getByRole("link", { name: to, exact: true }), `${to} is not named as the writer`);
  });

  await promised("the audit trail names both people and verifies", async () => {
    await one.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Audit" }).click();
    await one.getByRole("button", { name: "Verify the chain" }).click();
    await shows(one.getByText("Note it down elsewhere"), "the chain is not verified");
    const names = await Promise.all([one, two].map((p) => p.getByRole("button", { name: /^You are / }).getAttribute("aria-label")));
    for (const name of names.map((n) => (n ?? "").replace("You are ", ""))) {
      await shows(one.getByRole("cell", { name, exact: true }), `${name} is not in the trail`);
    }
  });

  if (broken[0]) throw new Broken(broken[0]);
  if (strangers.length > 0) throw new Broken(`the console asked somebody else than the node: ${strangers[0]}`);
  console.log("all promises kept");
} catch (e) {
  failed = true;
  console.error(e instanceof Broken ? e.message : `${now}: ${String(e)}`);
  try {
    await looking?.screenshot({ path: screenshot, fullPage: true });
    console.error(`what was on the screen is in ${screenshot}`);
  } catch (cause) {
    console.error(`there is no picture of it: ${String(cause)}`);
  }
} finally {
  await browser.close();
}
process.exit(failed ? 1 : 0);

/** Where the run stands, by its own words. @param {Page} page */
async function standing(page) {
  const s = page.getByRole("status", { name: "Where the run stands" });
  return (await s.count()) > 0 ? await s.innerText() : "nothing is said";
}
