// @ts-check
// The browser that tests drive: the machine's own chromium, with a fresh
// profile, told not to talk to anybody but the page under test.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const flags = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-default-browser-check", "--disable-default-apps",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/** Starts a browser; each of its contexts is a person of its own. */
export async function launch() {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) {
    throw new Error(`needs a browser at ${executablePath} (install chromium, or name one in CHROMIUM)`);
  }
  return chromium.launch({ executablePath, headless: true, args: flags });
}

/** A new person with a window of their own. @param {import("playwright-core").Browser} browser @param {import("playwright-core").BrowserContextOptions} [options] */
export async function person(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(15_000);
  return { context, page: await context.newPage() };
}
