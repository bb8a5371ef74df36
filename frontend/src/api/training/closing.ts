import { CLOSE_CODE } from "./contracts.gen";
import { ApiProblem } from "./rest";

export type Refusal = "malformed" | "unauthenticated" | "forbidden" | "no_such_job";

/** What to do about the end of a socket. */
export type Reaction =
  | { readonly act: "done" }
  | { readonly act: "renew" }
  | { readonly act: "stop"; readonly why: Refusal }
  | { readonly act: "retry"; readonly afterMs: number | null };

const MAX_RETRY_MS = 600_000;

export function reaction(code: number, reason: string): Reaction {
  switch (code) {
    case CLOSE_CODE.job_ended:
      return { act: "done" };
    case CLOSE_CODE.unauthenticated:
      return { act: "renew" };
    case CLOSE_CODE.malformed:
      return { act: "stop", why: "malformed" };
    case CLOSE_CODE.forbidden:
      return { act: "stop", why: "forbidden" };
    case CLOSE_CODE.no_such_job:
      return { act: "stop", why: "no_such_job" };
    case CLOSE_CODE.restarting:
      return { act: "retry", afterMs: retryMs(reason) };
    default:
      return { act: "retry", afterMs: null };
  }
}

/** The pause that a 1012 asks for, or null where the reason holds none. */
export function retryMs(reason: string): number | null {
  try {
    const value: unknown = JSON.parse(reason).retry_ms;
    return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_RETRY_MS ? Number(value) : null;
  } catch {
    return null;
  }
}

const REFUSAL_OF_STATUS: Readonly<Record<number, Refusal>> = {
  400: "malformed",
  401: "unauthenticated",
  403: "forbidden",
  404: "no_such_job",
};

/** What an answer of REST says about ever watching this job, or null where it may pass. */
export function refusalOf(error: unknown): Refusal | null {
  return error instanceof ApiProblem ? (REFUSAL_OF_STATUS[error.status] ?? null) : null;
}
