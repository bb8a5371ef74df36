/** A job before a viewer's eyes: from its file to its end, through cuts, with old tokens, in several tabs. */
import type { Page } from "@playwright/test";
import { enter, expect, names, salesCsv, test } from "./stack";

const bar = (page: Page) => page.getByRole("progressbar", { name: "Progress" });
const percent = async (page: Page) => Number(await bar(page).getAttribute("aria-valuenow"));
const connection = (page: Page) => page.locator(".connection");
const slow = names(24, (n) => `Brot ${n} 0.4s`);

/** Everything that two viewers of a job must see alike. */
async function seen(page: Page) {
  return {
    percent: await percent(page),
    numbers: (await page.locator(".overview .numbers > div").allInnerTexts()).filter(
      (text) => !/^(Speed|Time left)/.test(text),
    ),
    stages: await page.locator(".stages").textContent(),
    filters: await page.locator(".grid-tools label").allInnerTexts(),
    rows: await page.getByRole("row").allInnerTexts(),
  };
}

test("a CSV is dropped, looked at, trained, and watched from 0 over 20 to 100", async ({ page, stack, tenant }) => {
  const percents: number[] = [];
  await page.exposeFunction("sawPercent", (value: string) => percents.push(Number(value)));
  await page.addInitScript(() => {
    const saw = (globalThis as unknown as { sawPercent: (value: string | null) => void }).sawPercent;
    new MutationObserver(() => {
      const value = document
        .querySelector('[role="progressbar"][aria-label="Progress"]')
        ?.getAttribute("aria-valuenow");
      if (value) saw(value);
    }).observe(document, { subtree: true, childList: true, attributes: true });
  });
  // The default trainer learns from a whole shop, and six products end within a moment: nobody would see one after the other.
  await page.route(/\/training\/jobs(\/[^/]+)?$/, async (route) => {
    const body = route.request().postDataJSON();
    await route.continue(body === null ? {} : { postData: { ...body, model: "slow" } });
  });
  await enter(page, stack.url, stack.token(tenant));
  await page.getByRole("link", { name: "Start a training" }).first().click();
  const sales = salesCsv(names(6, (n) => `Brot ${n} 0.3s`)).replace("date,product", "Datum,Artikel");
  const csv = `${sales}2024-02-05,"Brot 0 0.3s",x\n`;
  await page
    .locator('input[type="file"]')
    .setInputFiles({ name: "Verkäufe 2024.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
  const card = page.locator(".card", { hasText: "This is what is understood" });
  await expect(card).toContainText("verkaufe-2024");
  await expect(card.locator(".facts")).toContainText("Products6");
  await expect(card.locator(".facts")).toContainText("1 Jan 2023 to 4 Feb 2024");
  await expect(card.locator(".facts")).toContainText("Datum → date, Artikel → product");
  await expect(card).toContainText("1× a quantity that is no number: day unknown (lines 2402)");
  await card.getByRole("button", { name: "Start training" }).click();
  await expect(bar(page)).toHaveAttribute("aria-valuenow", "100", { timeout: 60_000 });
  await expect(connection(page)).toHaveText("Ended");
  await expect(page.getByRole("grid")).toHaveAttribute("aria-rowcount", "6");
  expect([...percents].sort((a, b) => a - b)).toEqual(percents);
  expect(percents).toContain(0);
  expect(percents).toContain(20);
  expect(percents.filter((p) => p > 20 && p < 100).length).toBeGreaterThan(0);
});

test("a network that goes away amid a job and comes back loses nothing", async ({
  page,
  context,
  stack,
  tenant,
  network,
}) => {
  await stack.job(tenant, salesCsv(slow, 60), "slow");
  await enter(page, network.url, stack.token(tenant), "/jobs/job");
  await expect(connection(page)).toHaveText("Live");
  await expect.poll(() => percent(page)).toBeGreaterThan(20);
  await context.setOffline(true);
  network.cut();
  await expect(connection(page)).toContainText("Reconnecting (attempt");
  const before = await percent(page);
  await expect(connection(page)).toContainText(/Stale since \d\d:\d\d:\d\d \(attempt \d+\)/);
  await expect(page.locator(".old .percent")).toBeVisible();
  network.mend();
  await context.setOffline(false);
  await expect(connection(page)).toHaveText(/Live|Ended/);
  await expect(page.locator(".old")).toHaveCount(0);
  await expect.poll(() => percent(page)).toBeGreaterThan(before);
  const job = await stack.ended(tenant);
  await expect(bar(page)).toHaveAttribute("aria-valuenow", "100");
  expect([job.state, job.products_completed]).toEqual(["completed", slow.length]);
  await expect(page.getByText(`Trained ${slow.length}`)).toBeVisible();
});

test("a token that expires amid a job is renewed by a new link, and the page goes on where it was", async ({
  page,
  stack,
  tenant,
}) => {
  await stack.job(tenant, salesCsv(slow, 60), "slow");
  await enter(page, stack.url, stack.token(tenant, { seconds: 3 }), "/jobs/job");
  await expect.poll(() => percent(page)).toBeGreaterThan(20);
  const dialog = page.getByRole("dialog", { name: "Your access has run out" });
  await expect(dialog).toBeVisible();
  expect(await percent(page)).toBeGreaterThan(20);
  await dialog.getByLabel("Link or token").fill("no token at all");
  await dialog.getByRole("button", { name: "Open" }).click();
  await expect(dialog.getByRole("alert")).toContainText("no valid token");
  await dialog.getByLabel("Link or token").fill(`${stack.url}/#token=${stack.token(tenant)}`);
  await dialog.getByRole("button", { name: "Open" }).click();
  await expect(dialog).toBeHidden();
  await expect(connection(page)).toHaveText(/Live|Ended/);
  await expect(bar(page)).toHaveAttribute("aria-valuenow", "100");
});

test("two tabs see the same, and so does one that comes after the end; a new tab needs no token of its own", async ({
  context,
  stack,
  tenant,
}) => {
  const tooNew = '2023-03-01,"Croissant",3\n2023-03-01,"Tarte",2\n';
  const [one, two] = [await context.newPage(), await context.newPage()];
  await stack.job(tenant, salesCsv(slow, 60) + tooNew, "slow");
  await enter(one, stack.url, stack.token(tenant), "/jobs/job");
  await two.goto(`${stack.url}/jobs/job`);
  for (const page of [one, two]) await expect(connection(page)).toHaveText("Live");
  await stack.ended(tenant);
  for (const page of [one, two]) await expect(connection(page)).toHaveText("Ended");
  const late = await context.newPage();
  await late.goto(`${stack.url}/jobs/job`);
  await expect(connection(late)).toHaveText("Ended");
  await expect(late.getByText("Failed 2")).toBeVisible();
  await expect.poll(async () => await seen(one)).toEqual(await seen(late));
  await expect.poll(async () => await seen(two)).toEqual(await seen(late));
  expect((await seen(late)).rows.slice(0, 2)).toEqual([
    expect.stringContaining("Croissant"),
    expect.stringContaining("Tarte"),
  ]);
});

test("the row of a running job moves in the list, and a cancelled one says so", async ({ page, stack, tenant }) => {
  await stack.job(tenant, salesCsv(slow, 60), "slow");
  await enter(page, stack.url, stack.token(tenant));
  const row = page.locator(".job-row");
  const rowPercent = async () => Number(await row.getByRole("progressbar").getAttribute("aria-valuenow"));
  await expect.poll(rowPercent).toBeGreaterThan(20);
  const before = await rowPercent();
  await expect.poll(rowPercent).toBeGreaterThan(before);
  await row.click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Cancel training" }).click();
  await expect(page.locator(".stages")).toContainText("Cancelled");
  await page.goBack();
  await expect(row.locator(".badge")).toHaveText("Cancelled");
});

test("the token is never in the address, in storage or in a request's address", async ({ page, stack, tenant }) => {
  await stack.job(tenant, salesCsv(["Brot"], 60), "instant");
  const token = stack.token(tenant);
  const addresses: string[] = [];
  page.on("request", (request) => addresses.push(request.url()));
  page.on("websocket", (socket) => addresses.push(socket.url()));
  await enter(page, stack.url, token, "/jobs/job");
  await expect(connection(page)).toHaveText("Ended");
  await page.getByRole("row").first().click();
  await expect(page.getByRole("heading", { name: "Brot" })).toBeVisible();
  const stored = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state, location.href]),
  );
  expect(stored).not.toContain(token);
  expect(addresses.filter((address) => address.split("#")[0]?.includes(token))).toEqual([]);
  await page.goBack();
  await page.goBack();
  expect(page.url()).not.toContain("token");
});

test("where WebSockets are blocked the job is watched by REST", async ({ page, stack, tenant, network }) => {
  network.blocksSockets = true;
  await stack.job(tenant, salesCsv(slow, 60), "slow");
  await enter(page, network.url, stack.token(tenant), "/jobs/job");
  await expect(connection(page)).toHaveText("Live, every 2 s");
  await expect(bar(page)).toHaveAttribute("aria-valuenow", "100", { timeout: 40_000 });
  await expect(page.getByText(`Trained ${slow.length}`)).toBeVisible();
});
