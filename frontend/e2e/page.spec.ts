/** The page itself: smooth with many products, for every reader, at every width, in every time zone. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "@playwright/test";
import type { AxeResults } from "axe-core";
import { enter, expect, names, type Stack, salesCsv, test } from "./stack";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");
const LONG_TASK_MS = 200;
const MANY = names(2000, (n) => `${n % 10 === 9 ? "bad" : "Brot"} ${String(n).padStart(4, "0")}`);

async function longTasks(page: Page): Promise<() => Promise<number[]>> {
  await page.addInitScript(() => {
    const tasks: number[] = [];
    Object.assign(globalThis, { longTasks: tasks });
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({
      type: "longtask",
      buffered: true,
    });
  });
  return () => page.evaluate(() => (globalThis as unknown as { longTasks: number[] }).longTasks);
}

test("2,000 products stay smooth while they end, and the focus stays with its product", async ({
  page,
  stack,
  tenant,
}) => {
  const tasks = await longTasks(page);
  await stack.job(tenant, salesCsv(MANY, 40), "fails_some");
  await enter(page, stack.url, stack.token(tenant), "/jobs/job");
  const grid = page.getByRole("grid");
  await expect(grid).toHaveAttribute("aria-rowcount", "2000", { timeout: 60_000 });
  await page.getByRole("row").first().focus();
  for (let i = 0; i < 60; i++) await page.keyboard.press("ArrowDown");
  const focused = () =>
    page.evaluate(() => document.activeElement?.getAttribute("data-product") ?? document.activeElement?.tagName);
  const product = await focused();
  expect(product).toMatch(/^(brot|bad)-/);
  await stack.ended(tenant);
  await expect(page.locator(".connection")).toHaveText("Ended");
  await expect(page.getByText("Failed 200")).toBeVisible();
  expect(await focused()).toBe(product);
  await expect(page.locator(":focus")).toBeInViewport();
  expect(await page.getByRole("row").count()).toBeLessThan(60);
  await page.keyboard.press("End");
  await expect(page.getByRole("row").last()).toContainText("Brot 1998");
  await page.keyboard.press("Home");
  await expect(page.locator(":focus")).toContainText("bad 0009");
  await page.getByLabel("Search a product").fill("1234");
  await expect(grid).toHaveAttribute("aria-rowcount", "1");
  expect(Math.max(0, ...(await tasks()))).toBeLessThan(LONG_TASK_MS);
});

for (const timezoneId of ["America/New_York", "Pacific/Auckland"]) {
  test.describe(timezoneId, () => {
    test.use({ timezoneId });

    test("the days of sales are the same in every time zone", async ({ page, stack, tenant }) => {
      await stack.job(tenant, salesCsv(["Brot"]), "auto");
      await stack.ended(tenant);
      await enter(page, stack.url, stack.token(tenant), "/jobs/job");
      await page.getByRole("row").first().click();
      const rows = page.locator("tbody tr");
      await expect(rows).toHaveCount(14);
      await expect(rows.first()).toContainText(/Mon,? 5 Feb 2024/);
      const units = await rows.locator("strong").allTextContents();
      const days = await rows.locator("th").allTextContents();
      expect(days[units.indexOf(String(Math.max(...units.map(Number))))]).toMatch(/^Sat/);
      await expect(page.getByRole("img", { name: /Mon,? 5 Feb 2024 to Sun,? 18 Feb 2024/ })).toBeVisible();
      const download = page.waitForEvent("download");
      await page.getByRole("button", { name: "Download CSV" }).click();
      const csv = readFileSync(await (await download).path(), "utf8");
      expect(
        csv
          .split("\r\n")
          .slice(0, 2)
          .map((line) => line.split(",").slice(0, 2)),
      ).toEqual([
        ["\uFEFFproduct", "date"],
        ["Brot", "2024-02-05"],
      ]);
    });
  });
}

/** All views, each with something in it. */
async function views(page: Page, stack: Stack, tenant: string, visit: (name: string) => Promise<void>): Promise<void> {
  await page.goto(stack.url);
  await expect(page.getByRole("heading", { name: "Open your bakery" })).toBeVisible();
  await visit("without a token");
  await enter(page, stack.url, stack.token(tenant));
  await expect(page.getByRole("heading", { name: "No trainings yet" })).toBeVisible();
  await visit("no jobs");
  await stack.job(
    tenant,
    salesCsv(["Brot", "Croissant au beurre fait à la maison par le boulanger", "bad Tarte"]),
    "fails_some",
  );
  await stack.ended(tenant);
  await expect(page.locator(".job-row")).toBeVisible();
  await visit("jobs");
  await page.getByRole("link", { name: "Start a training" }).first().click();
  await expect(page.getByRole("button", { name: /sales/ })).toBeVisible();
  await visit("start");
  await page.getByRole("button", { name: /sales/ }).click();
  await expect(page.getByRole("button", { name: "Start training" })).toBeVisible();
  await page.getByText("Read it differently").click();
  await visit("preview");
  await page.goto(`${stack.url}/jobs/job#token=${stack.token(tenant)}`);
  await expect(page.locator(".connection")).toHaveText("Ended");
  await page.getByText("What was understood of the data").click();
  await expect(page.getByRole("row")).toHaveCount(3);
  await visit("job");
  await page.getByRole("row").last().click();
  await expect(page.locator(".chart canvas")).toBeVisible();
  await visit("product");
  await page.goBack();
  await page.getByRole("row").first().click();
  await expect(page.getByText("This product has no forecast")).toBeVisible();
  await visit("failed product");
}

for (const colorScheme of ["light", "dark"] as const) {
  test(`axe finds nothing serious in any view, ${colorScheme}`, async ({ page, stack, tenant }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await views(page, stack, tenant, async (name) => {
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() =>
        (globalThis as unknown as { axe: { run: () => Promise<AxeResults> } }).axe.run(),
      );
      const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      expect(
        serious.map((v) => [v.id, v.nodes.map((node) => node.target)]),
        name,
      ).toEqual([]);
    });
  });
}

test("at 360 px nothing is wider than the screen, and the content security policy has nothing to refuse", async ({
  page,
  stack,
  tenant,
}) => {
  const refused: string[] = [];
  page.on("console", (message) => message.type() === "error" && refused.push(message.text()));
  page.on("pageerror", (error) => refused.push(error.message));
  await page.setViewportSize({ width: 360, height: 740 });
  await views(page, stack, tenant, async (name) => {
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width, name).toBeLessThanOrEqual(360);
  });
  expect(refused).toEqual([]);
});

test("a file that can't be decided is asked about, and trained when it is answered", async ({
  page,
  stack,
  tenant,
}) => {
  const rows = Array.from(
    { length: 144 },
    (_, i) =>
      `${String((i % 12) + 1).padStart(2, "0")}/${String(Math.floor(i / 12) + 1).padStart(2, "0")}/2023,Brot,${20 + i}`,
  );
  await enter(page, stack.url, stack.token(tenant), "/start");
  const buffer = Buffer.from(["date,product,quantity", ...rows].join("\n"));
  await page
    .locator('input[type="file"]')
    .setInputFiles({ name: "sales.csv", mimeType: "application/vnd.ms-excel", buffer });
  await expect(page.getByRole("alert")).toContainText("This file can't be trained as it is");
  await page.getByLabel("How dates are written").selectOption({ label: "31/12/2025 (day first)" });
  await page.getByRole("button", { name: "Read it again" }).click();
  await expect(page.getByText("1 Jan 2023 to 12 Dec 2023")).toBeVisible();
  await page.getByRole("button", { name: "Start training" }).click();
  await expect(page.locator(".stages")).toContainText(/Completed|Failed/, { timeout: 60_000 });
  const [job] = (await stack.ask<{ items: { spec: { reading: { date_format: string } } }[] }>(tenant, "GET", "/jobs"))
    .items;
  expect(job?.spec.reading.date_format).toBe("%d/%m/%Y");
});

test("a workbook is refused by name, and a viewer is told that starting is not for them", async ({
  page,
  stack,
  tenant,
}) => {
  await enter(page, stack.url, stack.token(tenant), "/start");
  await page
    .locator('input[type="file"]')
    .setInputFiles({ name: "sales.csv", mimeType: "text/csv", buffer: Buffer.from("PK\u0003\u0004rest") });
  await expect(page.getByRole("alert")).toContainText("an Excel workbook or zip: save it as CSV");
  await enter(page, stack.url, stack.token(tenant, { role: "viewer" }), "/start");
  await expect(page.getByText("Your access lets you watch, not start.")).toBeVisible();
  await expect(page.locator('input[type="file"]')).toHaveCount(0);
});

test("a link opens the same view: filter and search are in the address", async ({ page, context, stack, tenant }) => {
  await stack.job(tenant, salesCsv(["Brot", "Brezel", "bad Tarte", "bad Torte"], 60), "fails_some");
  await stack.ended(tenant);
  await enter(page, stack.url, stack.token(tenant), "/jobs/job");
  await page.getByRole("radio", { name: "Failed 2" }).check();
  await page.getByLabel("Search a product").fill("tar");
  await expect(page.getByRole("row")).toHaveCount(1);
  const other = await context.newPage();
  await other.goto(page.url());
  await expect(other.getByRole("row")).toHaveCount(1);
  await expect(other.getByRole("row")).toContainText("bad Tarte");
  await other.goto(`${stack.url}/jobs/none`);
  await expect(other.getByText("There is no such training")).toBeVisible();
});

test("a perfect week has no MASE, and the page shows a dash that says why", async ({ page, stack, tenant }) => {
  await stack.job(tenant, salesCsv(["Brot"]), "auto");
  await stack.ended(tenant);
  await enter(page, stack.url, stack.token(tenant), "/jobs/job");
  await page.getByRole("row").first().click();
  const mase = page.locator(".numbers.small > div", { hasText: "MASE" });
  await expect(mase.locator("abbr")).toHaveText("–");
  await expect(mase.locator("abbr")).toHaveAttribute("title", /^no value: /);
});
