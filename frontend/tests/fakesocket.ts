/** The browser's WebSocket as a test holds it: it opens, speaks and closes when the test says so. */
import { vi } from "vitest";
import type { Frame } from "../src/api/training/contracts.gen";

export class FakeSocket {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];
  readyState = 0;
  readonly sent: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  closedByPage = false;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    FakeSocket.all.push(this);
  }

  static install(): void {
    FakeSocket.all = [];
    vi.stubGlobal("WebSocket", FakeSocket);
  }

  static get last(): FakeSocket {
    const socket = FakeSocket.all.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  }

  static get open(): FakeSocket[] {
    return FakeSocket.all.filter((s) => s.readyState === 1);
  }

  get token(): string | undefined {
    return this.protocols[1]?.replace("levain.bearer.", "");
  }

  accept(...frames: Frame[]): this {
    this.readyState = 1;
    this.onopen?.();
    this.say(...frames);
    return this;
  }

  say(...frames: (Frame | { type: string })[]): void {
    for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) });
  }

  end(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.closedByPage = true;
    this.readyState = 3;
  }
}
