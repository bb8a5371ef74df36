import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { currentOf, watch } from "../src/api/training/connections";
import type { Frame, Job } from "../src/api/training/contracts.gen";
import type { JobPlace, Status } from "../src/api/training/live";
import { FakeSocket } from "./fakesocket";
import { SimulatedJob } from "./histories";

let job: SimulatedJob;
let place: JobPlace;
let leave: (() => void) | undefined;
let rest: ReturnType<typeof vi.fn>;
let tokens: string[];

beforeEach(() => {
  vi.useFakeTimers({ now: new Date("2024-02-05T12:00:00Z") });
  vi.spyOn(Math, "random").mockReturnValue(1);
  FakeSocket.install();
  rest = vi.fn(async () => Response.error());
  vi.stubGlobal("fetch", rest);
  tokens = ["first", "second", "third", "fourth"];
  place = {
    baseUrl: "https://levain.test",
    tenant: "corner-bakery",
    jobId: "job-1",
    getToken: vi.fn(async (refused?: string) => {
      if (refused) tokens = tokens.filter((t) => t !== refused);
      return tokens[0] ?? null;
    }),
  };
  job = new SimulatedJob(4);
  job.analyse();
});

afterEach(async () => {
  leave?.();
  leave = undefined;
  await vi.advanceTimersByTimeAsync(1000);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const status = (): Status => currentOf(place).status;
const state = () => currentOf(place).job;
const ms = (n: number) => vi.advanceTimersByTimeAsync(n);
const snapshot = () => job.snapshots.at(-1) as Frame;
const answer = (body: unknown, code = 200) => new Response(JSON.stringify(body), { status: code });

async function watching(): Promise<void> {
  leave = watch(place, () => {});
  await ms(0);
}

async function live(): Promise<FakeSocket> {
  await watching();
  const socket = FakeSocket.last.accept(snapshot());
  await ms(100);
  return socket;
}

async function nextSocket(): Promise<FakeSocket> {
  const count = FakeSocket.all.length;
  while (FakeSocket.all.length === count) await ms(50);
  return FakeSocket.last;
}

/** The closing reads of this job, as the store would answer them. */
function serveEnds(): void {
  rest.mockImplementation(async (url: string) => {
    const after = Number(new URL(url).searchParams.get("after_seq"));
    const items = job.endsBetween(after, job.seq).map(([seq, end]) => ({ ...end, seq, scores: null }));
    return answer({ items, next: null, seq: job.seq });
  });
}

describe("one socket a job", () => {
  it("is shared by all who watch, and left half a second after the last", async () => {
    const one = watch(place, () => {});
    const two = watch(place, () => {});
    await ms(0);
    expect(FakeSocket.all).toHaveLength(1);
    one();
    two();
    const back = watch(place, () => {});
    await ms(1000);
    expect(FakeSocket.last.closedByPage).toBe(false);
    back();
    await ms(1000);
    expect(FakeSocket.last.closedByPage).toBe(true);
    expect(FakeSocket.all).toHaveLength(1);
  });

  it("carries the token in the sub-protocol and never in the address", async () => {
    await watching();
    expect(FakeSocket.last.url).toBe("wss://levain.test/api/v1/tenants/corner-bakery/training/jobs/job-1/live");
    expect(FakeSocket.last.protocols).toEqual(["levain.v1", "levain.bearer.first"]);
  });

  it("tells its users in bursts, however many frames come at once", async () => {
    const socket = await live();
    const listener = vi.fn();
    const deaf = watch(place, listener);
    for (let n = 0; n < 4; n++) job.endProduct(n, null);
    socket.say(...job.frames.slice(2, -1));
    expect(listener).not.toHaveBeenCalled();
    await ms(60);
    expect(listener).toHaveBeenCalledTimes(1);
    expect(state().products.size).toBe(4);
    deaf();
  });
});

describe("a connection that is lost", () => {
  it("is reconnecting, then stale with the time of the last news, then live by the snapshot", async () => {
    const socket = await live();
    expect(status()).toEqual({ kind: "live" });
    const heard = Date.now() - 100;
    socket.end();
    expect(status()).toEqual({ kind: "reconnecting", attempt: 1 });
    for (let i = 0; i < 6; i++) (await nextSocket()).accept().end();
    expect(status()).toEqual({ kind: "stale", since: heard, attempt: 7 });
    job.endProduct(0, null);
    (await nextSocket()).accept(snapshot());
    await ms(100);
    expect(status()).toEqual({ kind: "live" });
    expect(state().productsCompleted).toBe(1);
  });

  it("waits ever longer, with full jitter", async () => {
    await live();
    const pauses: number[] = [];
    for (let i = 0; i < 8; i++) {
      FakeSocket.last.accept().end();
      const since = Date.now();
      await nextSocket();
      pauses.push(Date.now() - since);
    }
    expect(pauses).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  it("honours the pause that a 1012 names", async () => {
    const socket = await live();
    socket.end(1012, '{"retry_ms":7000}');
    await ms(6900);
    expect(FakeSocket.all).toHaveLength(1);
    await ms(200);
    expect(FakeSocket.all).toHaveLength(2);
  });

  it.each([1006, 1011, 1013, 4408, 4429, 1000, 1012])("comes back after %i", async (code) => {
    (await live()).end(code);
    await ms(300);
    expect(FakeSocket.all).toHaveLength(2);
  });

  it("is tried at once when the network is back or the page is seen again", async () => {
    for (const wake of [
      () => dispatchEvent(new Event("online")),
      () => document.dispatchEvent(new Event("visibilitychange")),
    ]) {
      const count = FakeSocket.all.length;
      if (count === 0) await watching();
      FakeSocket.last.accept(snapshot()).end(1012, '{"retry_ms":60000}');
      wake();
      await ms(0);
      expect(FakeSocket.all).toHaveLength(Math.max(count, 1) + 1);
    }
  });

  it("is noticed where the other side is silent: a ping, then the end", async () => {
    const socket = await live();
    await ms(15_100);
    expect(socket.sent).toEqual(['{"type":"ping"}']);
    socket.say({ type: "pong" });
    await ms(14_900);
    expect(status().kind).toBe("live");
    await ms(11_000);
    expect(socket.closedByPage).toBe(true);
    expect(["reconnecting", "stale"]).toContain(status().kind);
  });

  it("is noticed soon where the network said that it changed", async () => {
    const socket = await live();
    dispatchEvent(new Event("offline"));
    expect(socket.sent).toHaveLength(1);
    await ms(3100);
    expect(FakeSocket.all.length).toBeGreaterThan(0);
    expect(socket.closedByPage).toBe(true);
  });
});

describe("a connection that is refused", () => {
  it.each([
    [4400, "malformed"],
    [4403, "forbidden"],
    [4404, "no_such_job"],
  ])("by %i is over: %s", async (code, why) => {
    await watching();
    FakeSocket.last.accept().end(code);
    await ms(120_000);
    expect(status()).toEqual({ kind: "refused", why });
    expect(FakeSocket.all).toHaveLength(1);
  });

  it("by 4401 comes back with a fresh token, and keeps what it knew", async () => {
    (await live()).end(4401);
    expect(status()).toEqual({ kind: "reconnecting", attempt: 1 });
    await ms(0);
    expect(FakeSocket.last.token).toBe("second");
    expect(state().progress).toBe(20);
    FakeSocket.last.accept(snapshot());
    await ms(100);
    expect(status().kind).toBe("live");
  });

  it("by 4401 is over where there is no other token, or each new one is refused too", async () => {
    tokens = ["only"];
    (await live()).end(4401);
    await ms(60_000);
    expect([status(), FakeSocket.all.length]).toEqual([{ kind: "refused", why: "unauthenticated" }, 1]);
    leave?.();
    await ms(1000);
    tokens = ["first", "second", "third", "fourth", "fifth"];
    await watching();
    for (let i = 0; i < 5; i++) {
      FakeSocket.last.accept().end(4401);
      await ms(1000);
    }
    expect([status(), FakeSocket.all.length]).toEqual([{ kind: "refused", why: "unauthenticated" }, 4]);
  });

  it("by 4401 again and again is none where each new token was good for a while", async () => {
    await live();
    for (const token of ["second", "third", "fourth"]) {
      await ms(6000);
      FakeSocket.last.end(4401);
      await ms(0);
      expect(FakeSocket.last.token).toBe(token);
      FakeSocket.last.accept(snapshot());
    }
    expect(status().kind).toBe("live");
  });

  it("waits for a token that takes its time, and for one whose source is away", async () => {
    let give = (_: string) => {};
    place = { ...place, getToken: () => new Promise((resolve) => (give = resolve)) };
    await watching();
    await ms(60_000);
    expect([status().kind, FakeSocket.all.length]).toEqual(["connecting", 0]);
    give("late");
    await ms(0);
    expect(FakeSocket.last.token).toBe("late");
    leave?.();
    await ms(1000);
    const source = vi.fn().mockRejectedValueOnce(new Error("away")).mockResolvedValue("back");
    place = { ...place, getToken: source };
    await watching();
    expect(status().kind).toBe("reconnecting");
    await ms(300);
    expect(FakeSocket.last.token).toBe("back");
  });
});

describe("what was missed", () => {
  it("is read by REST at once after the first snapshot", async () => {
    job.endProduct(0, "too_short");
    job.endProduct(1, null);
    serveEnds();
    await live();
    expect(rest.mock.calls.map(([url]) => new URL(url).search)).toEqual(["?after_seq=0&limit=1000"]);
    expect([state().products.size, state().closedSeq]).toEqual([2, 4]);
  });

  it("amid a job is read after a second, once, and at most one such read comes in five seconds", async () => {
    serveEnds();
    const socket = await live();
    rest.mockClear();
    job.endProduct(0, null);
    job.endProduct(1, null);
    socket.say(job.frames.at(-1) as Frame);
    await ms(900);
    expect(rest).not.toHaveBeenCalled();
    await ms(4200);
    expect(rest).toHaveBeenCalledTimes(1);
    expect(state().products.size).toBe(2);
    job.endProduct(2, null);
    job.endProduct(3, null);
    socket.say(job.frames.at(-2) as Frame);
    await ms(4000);
    expect(rest).toHaveBeenCalledTimes(1);
    await ms(1500);
    expect(rest).toHaveBeenCalledTimes(2);
    expect(state().products.size).toBe(4);
  });

  it("is read after the job's end too, again and again until it is there", async () => {
    const socket = await live();
    for (let n = 0; n < 4; n++) job.endProduct(n, null);
    socket.say(job.frames.at(-1) as Frame);
    await ms(100);
    expect(status().kind).toBe("ended");
    await ms(8000);
    expect(state().products.size).toBe(0);
    serveEnds();
    await ms(8000);
    expect(state().products.size).toBe(4);
    expect(FakeSocket.all).toHaveLength(1);
  });
});

describe("where WebSockets are blocked", () => {
  const asJob = () =>
    ({
      ...(snapshot() as { data: object }).data,
      ...snapshot(),
      updated_at: "2024-02-05T12:00:00Z",
      report: null,
    }) as unknown as Job;

  async function blocked(): Promise<void> {
    await watching();
    FakeSocket.last.end();
    (await nextSocket()).end();
    await ms(0);
  }

  function serveJob(): void {
    rest.mockImplementation(async (url: string) => {
      const after = new URL(url).searchParams.get("after_seq");
      if (after === null) return answer(asJob());
      const items = job.endsBetween(Number(after), job.seq).map(([seq, end]) => ({ ...end, seq, scores: null }));
      return answer({ items, next: null, seq: job.seq });
    });
  }

  it("the job is asked for by REST until its end", async () => {
    serveJob();
    await blocked();
    expect(status().kind).toBe("polling");
    job.endProduct(0, null);
    await ms(8000);
    expect([state().productsCompleted, state().products.size]).toEqual([1, 1]);
    for (let n = 1; n < 4; n++) job.endProduct(n, null);
    await ms(8000);
    expect([status().kind, state().progress, state().products.size]).toEqual(["ended", 100, 4]);
    const calls = rest.mock.calls.length;
    await ms(60_000);
    expect(rest.mock.calls.length).toBe(calls);
  });

  it("a socket that opens later takes over", async () => {
    serveJob();
    await blocked();
    (await nextSocket()).end();
    (await nextSocket()).accept(snapshot());
    await ms(100);
    expect(status().kind).toBe("live");
    rest.mockClear();
    await ms(10_000);
    expect(rest).not.toHaveBeenCalled();
  });

  it("REST that is away later is a lost connection: sockets are tried soon again", async () => {
    serveJob();
    await blocked();
    (await nextSocket()).end();
    rest.mockImplementation(async () => Response.error());
    await ms(2000);
    expect(status().kind).toBe("reconnecting");
    const since = Date.now();
    await nextSocket();
    expect(Date.now() - since).toBeLessThan(10_000);
  });

  it("REST that is away too is told as a lost connection, and one that refuses as a refusal", async () => {
    await blocked();
    expect(status()).toEqual({ kind: "reconnecting", attempt: 2 });
    rest.mockImplementation(async () => answer({ code: "no_such_job", detail: "none" }, 404));
    await ms(3000);
    expect(status()).toEqual({ kind: "refused", why: "no_such_job" });
  });
});

it("frames of another job and of unknown types change nothing", async () => {
  const socket = await live();
  const before = state();
  socket.say({ ...snapshot(), job_id: "job-2", progress: 90 } as Frame, { type: "news" });
  await ms(100);
  expect(state()).toBe(before);
});
