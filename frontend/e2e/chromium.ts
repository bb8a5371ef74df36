import { existsSync } from "node:fs";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** LEVAIN_CHROMIUM, or where packages put it. */
export function chromium(): string {
  const found = [process.env.LEVAIN_CHROMIUM, ...PLACES].find((path) => path !== undefined && existsSync(path));
  if (!found) throw new Error("no Chromium here: apt-get install chromium, or name it with LEVAIN_CHROMIUM");
  return found;
}
