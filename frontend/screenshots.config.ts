import { defineConfig } from "@playwright/test";
import tests from "./playwright.config";

/** `npm run screenshots` makes the pictures of docs/img anew, from the shipped sample. */
export default defineConfig({
  ...tests,
  testMatch: "screenshots.ts",
  use: { ...tests.use, viewport: { width: 1180, height: 800 } },
});
