// @ts-check
// Pictures of every screen, to be looked at by people: light, dark, and on a
// phone. They land in the folder named on the command line (default: shots).
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { launch, person } from "./browser.mjs";
import { start } from "./fixture.mjs";
import { screens } from "./screens.mjs";

const folder = process.argv[2] ?? "shots";
const only = process.argv[3];
await mkdir(folder, { recursive: true });

const looks = [
  { name: "light", options: { colorScheme: /** @type {const} */ ("light"), viewport: { width: 1280, height: 900 } } },
  { name: "dark", options: { colorScheme: /** @type {const} */ ("dark"), viewport: { width: 1280, height: 900 } } },
  { name: "phone", options: { colorScheme: /** @type {const} */ ("dark"), viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true } },
];

const browser = await launch();
for (const look of looks) {
  const { context, page } = await person(browser, look.options);
  for (const screen of screens) {
    if (only && !screen.name.startsWith(only)) continue;
    const fixture = await start({ scenario: screen.scenario, signIn: screen.signIn ?? false });
    if (screen.stage) fixture.stage(screen.stage, screen.by);
    page.on("pageerror", (e) => console.error(`${screen.name}: ${e.message}`));
    await page.goto(fixture.url + screen.path);
    await page.locator("h1").waitFor();
    await page.waitForTimeout(700);
    await screen.act?.(page, fixture);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) console.error(`${screen.name} on ${look.name}: ${wide} px too wide`);
    await page.screenshot({ path: join(folder, `${screen.name}-${look.name}.png`), fullPage: !screen.act || screen.name === "audit" });
    await page.goto("about:blank");
    page.removeAllListeners("pageerror");
    await fixture.close();
  }
  await context.close();
}
await browser.close();
