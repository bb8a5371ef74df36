import fc from "fast-check";
import { describe, expect, it } from "vitest";
import table from "../../tests/contracts/viewer_cases.json";
import type { Frame } from "../src/api/training/contracts.gen";
import { STAGES } from "../src/api/training/contracts.gen";
import { decodeFrame } from "../src/api/training/frames";
import {
  apply,
  closeGap,
  emptyState,
  hasGap,
  isTerminal,
  type ProductEnd,
  type ViewerState,
} from "../src/api/training/reducer";
import { jobs, SimulatedJob } from "./histories";

interface ClosingRead {
  readonly seq: number;
  readonly products: readonly (ProductEnd & { readonly seq: number })[];
}
type Step = { readonly frame: object } | { readonly closing_read: ClosingRead };

function take(state: ViewerState, step: Step): ViewerState {
  if ("frame" in step) {
    const frame = decodeFrame(JSON.stringify({ ...table.frame_defaults, ...step.frame }));
    if (!frame) throw new Error("the table's frames are frames");
    return apply(state, frame);
  }
  const { seq, products } = step.closing_read;
  return closeGap(
    state,
    seq,
    products.map((p) => [p.seq, p]),
  );
}

function asInTheTable(s: ViewerState) {
  return {
    stage: s.stage,
    state: s.state,
    progress: s.progress,
    products_completed: s.productsCompleted,
    products_failed: s.productsFailed,
    total_products: s.totalProducts,
    failures: s.failures.map((f) => [f.seq, f.product_id]),
    products: Object.fromEntries([...s.products.entries()].map(([id, end]) => [id, end.status])),
    suspended: s.suspended,
    reason: s.reason,
    latest_seq: s.latestSeq,
    closed_seq: s.closedSeq,
    gap: hasGap(s),
  };
}

/** Equal as two viewers are: without what only says which frames have come. */
function visible(s: ViewerState) {
  const { latest_seq, closed_seq, gap, ...rest } = asInTheTable(s);
  return rest;
}

describe("the table of cases that the Python reducer passes too", () => {
  it.each(table.cases as { name: string; steps: Step[]; expect: object }[])("$name", ({ steps, expect: expected }) => {
    expect(asInTheTable(steps.reduce(take, emptyState()))).toEqual(expected);
  });
});

type Arrival = Frame | number;

function arrive(job: SimulatedJob, state: ViewerState, arrival: Arrival): ViewerState {
  if (typeof arrival !== "number") return apply(state, arrival);
  return closeGap(state, arrival, job.endsBetween(state.closedSeq, arrival));
}

function seenBy(job: SimulatedJob, arrivals: readonly Arrival[]): ViewerState {
  return arrivals.reduce((state, arrival) => arrive(job, state, arrival), emptyState());
}

/** A job with frames and snapshots in any order, some twice, some never, and closing reads at any time. */
const arrivals = jobs.chain((job) =>
  fc
    .array(fc.oneof(fc.constantFrom(...job.frames, ...job.snapshots), fc.integer({ min: 1, max: job.seq })), {
      maxLength: 3 * job.seq,
    })
    .map((received) => ({ job, received })),
);

const last = (job: SimulatedJob) => job.snapshots.at(-1) as Frame;

describe("any job, any arrival", () => {
  it("ends in the same state after a closing read and a snapshot, whatever came before", () => {
    fc.assert(
      fc.property(arrivals, ({ job, received }) => {
        const inOrder = seenBy(job, [...job.frames, job.seq, last(job)]);
        const healed = seenBy(job, [...received, job.seq, last(job)]);
        expect(visible(healed)).toEqual(visible(inOrder));
        expect(healed.suspended).toBe(job.suspended);
        expect(hasGap(healed)).toBe(false);
        expect(healed.products.size).toBe(job.ends.length);
      }),
    );
  });

  it("never takes back what a viewer has seen", () => {
    fc.assert(
      fc.property(arrivals, ({ job, received }) => {
        let old = emptyState();
        for (const arrival of received) {
          const now = arrive(job, old, arrival);
          expect(now.progress).toBeGreaterThanOrEqual(old.progress);
          expect(now.productsCompleted).toBeGreaterThanOrEqual(old.productsCompleted);
          expect(now.closedSeq).toBeGreaterThanOrEqual(old.closedSeq);
          expect(STAGES.indexOf(now.stage)).toBeGreaterThanOrEqual(STAGES.indexOf(old.stage));
          for (const [id, end] of old.products.entries()) expect(now.products.get(id)).toEqual(end);
          if (isTerminal(old.state)) expect([now.state, now.reason]).toEqual([old.state, old.reason]);
          old = now;
        }
      }),
    );
  });

  it("is a join: commutative, associative, idempotent", () => {
    const three = jobs.chain((job) => {
      const frame = fc.constantFrom(...job.frames, ...job.snapshots);
      return fc.tuple(fc.array(frame, { maxLength: 10 }), frame, frame, frame);
    });
    fc.assert(
      fc.property(three, ([before, a, b, c]) => {
        const start = before.reduce(apply, emptyState());
        expect(asInTheTable(apply(apply(start, a), b))).toEqual(asInTheTable(apply(apply(start, b), a)));
        expect(asInTheTable([a, b, c].reduce(apply, start))).toEqual(asInTheTable([c, a, b].reduce(apply, start)));
        expect(asInTheTable(apply(apply(start, a), a))).toEqual(asInTheTable(apply(start, a)));
      }),
    );
  });

  it("sees a gap exactly while a number is missing", () => {
    const some = jobs.chain((job) => fc.array(fc.constantFrom(...job.frames), { maxLength: 2 * job.seq }));
    fc.assert(
      fc.property(some, (received) => {
        const state = received.reduce(apply, emptyState());
        const numbers = new Set(received.map((f) => f.seq));
        let missing = 1;
        while (numbers.has(missing)) missing += 1;
        expect(state.closedSeq).toBe(missing - 1);
        expect(hasGap(state)).toBe(Math.max(0, ...numbers) >= missing);
      }),
    );
  });

  it("leaves the state before as it was", () => {
    fc.assert(
      fc.property(arrivals, ({ job, received }) => {
        const start = seenBy(job, received);
        const before = asInTheTable(start);
        const one = job.frames.map((frame) => asInTheTable(apply(start, frame)));
        expect(asInTheTable(start)).toEqual(before);
        expect(job.frames.map((frame) => asInTheTable(apply(start, frame)))).toEqual(one);
      }),
    );
  });
});

it("twenty thousand products in any order end equal", () => {
  const job = new SimulatedJob(20_000);
  job.analyse();
  job.snapshots.length = 0;
  for (let n = 0; n < job.total; n++) {
    job.endProduct(n, n % 4000 === 0 ? "too_short" : null);
    job.snapshots.length = 0;
  }
  const backwards = [...job.frames].reverse();
  expect(visible(seenBy(job, backwards))).toEqual(visible(seenBy(job, job.frames)));
});

describe("what is no frame of ours", () => {
  it.each(["[]", "123", "null", '"ping"', "{bad", '{"type":"pong"}', '{"type":["snapshot"]}', '{"type":"toString"}'])(
    "%s is ignored",
    (text) => {
      expect(decodeFrame(text)).toBeNull();
    },
  );

  it("any damage to a frame is a frame or nothing, and never an error in the reducer", () => {
    const damaged = jobs.chain((job) =>
      fc.tuple(
        fc.constantFrom(...job.frames, ...job.snapshots),
        fc.constantFrom("data", "seq", "progress", "time"),
        fc.jsonValue(),
      ),
    );
    fc.assert(
      fc.property(damaged, ([frame, field, value]) => {
        const decoded = decodeFrame(JSON.stringify({ ...frame, [field]: value }));
        if (decoded) apply(emptyState(), decoded);
      }),
    );
  });
});
