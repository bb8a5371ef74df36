/** What a test in a browser stands on: a stack of its own worker, tokens, a network that can be cut, and REST. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test as base, type Page } from "@playwright/test";
import type { Job } from "../src/api/training/contracts.gen";

const ROOT = join(import.meta.dirname, "..", "..");
const PYTHON = process.env.LEVAIN_PYTHON ?? join(ROOT, ".venv", "bin", "python");

export class Stack {
  private constructor(
    private readonly process: ChildProcess,
    readonly url: string,
    private readonly secret: string,
  ) {}

  static async start(): Promise<Stack> {
    const child = spawn(PYTHON, ["-m", "tests.page.stack"], { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
    const [line] = await once(createInterface({ input: child.stdout }), "line");
    const { url, secret } = JSON.parse(line);
    return new Stack(child, url, secret);
  }

  async stop(): Promise<void> {
    this.process.stdin?.end();
    if (this.process.exitCode === null) await once(this.process, "exit");
  }

  token(tenant: string, options: { seconds?: number; role?: string } = {}): string {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: "levain",
      aud: "levain",
      sub: "browser",
      iat: now - 60,
      exp: now + (options.seconds ?? 3600),
    };
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const body = `${part({ alg: "HS256", typ: "JWT" })}.${part({ ...claims, tenant_id: tenant, role: options.role ?? "trainer" })}`;
    return `${body}.${createHmac("sha256", this.secret).update(body).digest("base64url")}`;
  }

  async ask<T>(tenant: string, method: string, path: string, body?: string): Promise<T> {
    const answer = await fetch(`${this.url}/api/v1/tenants/${tenant}/training${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.token(tenant)}`, "Content-Type": "application/json" },
      body: body ?? null,
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  /** A job of so many products, started by REST. */
  async job(tenant: string, csv: string, model: string, jobId = "job"): Promise<void> {
    await this.ask(tenant, "POST", "/datasets/sales", csv);
    await this.ask(tenant, "PUT", `/jobs/${jobId}`, JSON.stringify({ dataset: { name: "sales" }, model }));
  }

  async ended(tenant: string, jobId = "job"): Promise<Job> {
    for (;;) {
      const job = await this.ask<Job>(tenant, "GET", `/jobs/${jobId}`);
      if (job.ended_at !== null) return job;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Between the browser and the gateway: what `setOffline` leaves alone, sockets that are open, is cut here. */
export class Network {
  private readonly open = new Set<Socket>();
  private readonly server: Server;
  private away = false;
  /** As proxies do that know nothing of WebSockets. */
  blocksSockets = false;

  constructor(private readonly to: URL) {
    this.server = createServer((near) => this.join(near));
  }

  async listen(): Promise<string> {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    const address = this.server.address();
    return typeof address === "object" && address ? `http://127.0.0.1:${address.port}` : "";
  }

  cut(): void {
    this.away = true;
    for (const socket of this.open) socket.destroy();
  }

  mend(): void {
    this.away = false;
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  private join(near: Socket): void {
    if (this.away) {
      near.destroy();
      return;
    }
    const far = connect(Number(this.to.port), this.to.hostname);
    near.on("data", (bytes) => {
      if (this.blocksSockets && /^upgrade: websocket/im.test(bytes.toString("latin1"))) near.destroy();
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}

interface Fixtures {
  /** Fresh for each test, so that tests share a stack and see nothing of each other. */
  readonly tenant: string;
  readonly network: Network & { readonly url: string };
}

let tenants = 0;

export const test = base.extend<Fixtures, { readonly stack: Stack }>({
  stack: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixtures that are wanted from it
    async ({}, use) => {
      const stack = await Stack.start();
      await use(stack);
      await stack.stop();
    },
    { scope: "worker", timeout: 60_000 },
  ],
  // biome-ignore lint/correctness/noEmptyPattern: as above
  tenant: async ({}, use) => {
    tenants += 1;
    await use(`bakery-${tenants}`);
  },
  network: async ({ stack }, use) => {
    const network = new Network(new URL(stack.url));
    const url = await network.listen();
    await use(Object.assign(network, { url }));
    network.close();
  },
});

export { expect } from "@playwright/test";

/** Opens the page by the link that a person is given. */
export async function enter(page: Page, url: string, token: string, path = "/"): Promise<void> {
  await page.goto(`${url}${path}#token=${token}`);
}

const WEEK = [20, 21, 22, 23, 28, 35, 24]; // Monday to Sunday: Saturday is the peak
const FIRST = Date.UTC(2023, 0, 1);
const DAY_MS = 86_400_000;

/** Daily sales from Sunday 1 January 2023 on. */
export function salesCsv(products: readonly string[], days = 400): string {
  const lines = ["date,product,quantity"];
  for (let i = 0; i < days; i++) {
    const date = new Date(FIRST + i * DAY_MS);
    const units = WEEK[(date.getUTCDay() + 6) % 7];
    for (const product of products) lines.push(`${date.toISOString().slice(0, 10)},"${product}",${units}`);
  }
  return `${lines.join("\n")}\n`;
}

export function names(count: number, name: (n: number) => string = (n) => `Product ${n}`): string[] {
  return Array.from({ length: count }, (_, n) => name(n));
}
