import { defineConfig } from "@playwright/test";
import { chromium } from "./e2e/chromium";

/** The real page on the real embedded stack, in Debian's Chromium: nothing is downloaded. */
export default defineConfig({
  testDir: "e2e",
  testMatch: "*.spec.ts",
  outputDir: "test-results",
  // Each worker has a stack of its own, which trains too.
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  forbidOnly: true,
  reporter: [["list"]],
  use: { launchOptions: { executablePath: chromium(), args: ["--no-sandbox"] }, locale: "en-GB", trace: "off" },
});
