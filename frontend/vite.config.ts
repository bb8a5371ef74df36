import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  // The gateway's content security policy lets nothing inline through, `data:` scripts and styles among it.
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, manifest: true },
  server: { proxy: { "/api": { target: process.env.LEVAIN_URL ?? "http://127.0.0.1:8080", ws: true } } },
  test: { environment: "jsdom", include: ["tests/**/*.test.{ts,tsx}"], restoreMocks: true },
});
