/** Fails where the JavaScript of the first load, gzipped, is more than a phone on a slow line should wait for. */
import { readFileSync, rmSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT_BYTES = 120 * 1024;
const manifest = JSON.parse(readFileSync("dist/.vite/manifest.json", "utf8"));
rmSync("dist/.vite", { recursive: true });

const first = new Set();
const add = (name) => {
  if (first.has(name)) return;
  first.add(name);
  manifest[name].imports?.forEach(add);
};
add("index.html");
const size = (name) => gzipSync(readFileSync(`dist/${manifest[name].file}`)).length;
const bytes = [...first].map(size).reduce((a, b) => a + b, 0);
const kib = (n) => `${(n / 1024).toFixed(1)} KiB`;
const later = Object.keys(manifest).filter((name) => !first.has(name) && manifest[name].file.endsWith(".js"));
console.log(
  `first load: ${kib(bytes)} of JavaScript (gzip, limit ${kib(LIMIT_BYTES)}); later: ${later.map((n) => `${n} ${kib(size(n))}`).join(", ")}`,
);
if (bytes > LIMIT_BYTES) {
  console.error("the first load is larger than its limit: load something later, or leave it out");
  process.exit(1);
}
