/** The five main views, on the shipped sample. LEVAIN_SHOT_CSV looks at another file, into test-results. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import type { Job } from "../src/api/training/contracts.gen";
import { enter, expect, type Stack, test } from "./stack";

const OTHER = process.env.LEVAIN_SHOT_CSV;
const FOLDER = OTHER ? "test-results/shots" : join(import.meta.dirname, "..", "..", "docs", "img");
const TENANT = "corner-bakery";
const DATASET = OTHER ? "sales" : "sample";

test.setTimeout(120_000);

test("the five main views", async ({ browser, stack }) => {
  const light = await browser.newPage({ viewport: { width: 1180, height: 800 } });
  const dark = await browser.newPage({ viewport: { width: 1180, height: 800 }, colorScheme: "dark" });
  const phone = await browser.newPage({ viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 });
  const shoot = (page: Page, name: string) =>
    page.screenshot({ path: join(FOLDER, `${name}.png`), animations: "disabled" });
  const token = stack.token(TENANT);
  if (OTHER) await stack.ask(TENANT, "POST", "/datasets/sales", readFileSync(OTHER, "utf8"));
  await earlierJobs(stack);

  await enter(light, stack.url, token, `/start?dataset=${DATASET}`);
  await expect(light.getByText("This is what is understood")).toBeVisible();
  await shoot(light, "start");

  await light.getByRole("button", { name: "Start training" }).click();
  await enter(dark, stack.url, token);
  await expect.poll(() => percent(light), { timeout: 120_000, intervals: [50] }).toBeGreaterThan(44);
  await Promise.all([shoot(light, "job"), shoot(dark, "jobs")]);

  await expect(light.locator(".connection")).toHaveText("Ended", { timeout: 240_000 });
  await light.getByText("forecasts are better than").waitFor();
  const path = new URL(light.url()).pathname;

  await light.getByRole("radio", { name: /^Trained/ }).check();
  await light.getByLabel("Search a product").fill("baguette");
  await light.getByRole("row").first().click();
  await expect(light.locator(".chart canvas")).toBeVisible();
  await light.waitForTimeout(300);
  await shoot(light, "product");
  await enter(phone, stack.url, token, path);
  await phone.getByText("forecasts are better than").waitFor();
  await phone.getByText("Took").waitFor();
  await shoot(phone, "phone");
});

const percent = async (page: Page) =>
  Number(await page.getByRole("progressbar", { name: "Progress" }).getAttribute("aria-valuenow"));

/** So that the list has something to tell: one that completed, one whose data could not be read, one that was cancelled. */
async function earlierJobs(stack: Stack): Promise<void> {
  await stack.ask(TENANT, "POST", "/datasets/no-sales", "date,product,quantity\n2024-02-30,Brot,1\n");
  const start = (id: string, name: string, model: string) =>
    stack.ask<Job>(TENANT, "PUT", `/jobs/${id}`, JSON.stringify({ dataset: { name }, model }));
  await start("first", DATASET === "sample" ? "sample" : DATASET, "instant");
  await stack.ended(TENANT, "first");
  await start("second", "no-sales", "auto");
  await stack.ended(TENANT, "second");
  await start("third", DATASET, "slow");
  await stack.ask(TENANT, "POST", "/jobs/third/cancel");
}
