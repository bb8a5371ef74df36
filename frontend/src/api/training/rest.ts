import type {
  DataReport,
  Dataset,
  Job,
  NewJobSpec,
  NewReadingOptions,
  Problem,
  ProductDetail,
  ProductPage,
} from "./contracts.gen";

/** A token; with `refused` another one than that, or null where there is none. May wait for a person. */
export type GetToken = (refused?: string) => Promise<string | null>;

export interface Tenant {
  /** Where the gateway is: empty for the page's own origin, else as in `https://levain.example`. */
  readonly baseUrl: string;
  readonly tenant: string;
  readonly getToken: GetToken;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: string | null;
}

/** The API said no. `code` is a row of docs/errors.md, or `http` where the answer was no problem document. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly fields: Problem["errors"] = [],
  ) {
    super(detail);
  }
}

/** No answer: the network, a proxy or the gateway is away. */
export class Unreachable extends Error {}

const ANSWER_SECONDS = 30;
const PAGE = 1000;

export class Api {
  constructor(private readonly place: Tenant) {}

  jobs(options: { state?: string; after?: string | null; limit: number }, signal?: AbortSignal): Promise<Page<Job>> {
    return this.get(`/jobs?${query(options)}`, signal);
  }

  job(jobId: string): Promise<Job> {
    return this.get(`/jobs/${jobId}`);
  }

  /** Ends after `seq`, in their order, at most a page of them. */
  endsAfter(jobId: string, seq: number): Promise<ProductPage> {
    return this.get(`/jobs/${jobId}/products?after_seq=${seq}&limit=${PAGE}`);
  }

  products(jobId: string, after: string | null): Promise<ProductPage> {
    return this.get(`/jobs/${jobId}/products?${query({ after, limit: PAGE })}`);
  }

  product(jobId: string, productId: string): Promise<ProductDetail> {
    return this.get(`/jobs/${jobId}/products/${productId}`);
  }

  datasets(): Promise<Page<Dataset>> {
    return this.get("/datasets?limit=1000");
  }

  upload(name: string, file: Blob): Promise<Dataset> {
    return this.ask("POST", `/datasets/${name}`, { body: file, seconds: null });
  }

  preview(name: string, options: NewReadingOptions): Promise<DataReport> {
    return this.ask("POST", `/datasets/${name}/preview`, { json: options, seconds: 300 });
  }

  /** `key` makes a repeated request start nothing new. */
  start(spec: NewJobSpec, key: string): Promise<Job> {
    return this.ask("POST", "/jobs", { json: spec, headers: { "Idempotency-Key": key } });
  }

  async cancel(jobId: string): Promise<void> {
    await this.ask("POST", `/jobs/${jobId}/cancel`);
  }

  retry(jobId: string): Promise<Job> {
    return this.ask("POST", `/jobs/${jobId}/retry`);
  }

  async forecastsCsv(jobId: string): Promise<Blob> {
    return (await this.fetch("GET", `/jobs/${jobId}/forecasts.csv`, {})).blob();
  }

  private get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.ask("GET", path, signal ? { signal } : {});
  }

  private async ask<T>(method: string, path: string, options: Asked = {}): Promise<T> {
    const response = await this.fetch(method, path, options);
    if (response.status === 204) return undefined as T;
    try {
      return (await response.json()) as T;
    } catch (error) {
      throw unreachable(error);
    }
  }

  private async fetch(method: string, path: string, options: Asked): Promise<Response> {
    const token = await this.place.getToken();
    const response = await this.once(method, path, options, token);
    if (response.status !== 401 || token === null) return checked(response);
    const fresh = await this.place.getToken(token);
    return fresh === null || fresh === token
      ? checked(response)
      : checked(await this.once(method, path, options, fresh));
  }

  private async once(method: string, path: string, options: Asked, token: string | null): Promise<Response> {
    const { json, body, headers, seconds = ANSWER_SECONDS } = options;
    const signals = [options.signal, seconds === null ? undefined : AbortSignal.timeout(seconds * 1000)];
    const request: RequestInit = {
      method,
      headers: {
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...(json === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      body: json === undefined ? (body ?? null) : JSON.stringify(json),
      signal: AbortSignal.any(signals.filter((s) => s !== undefined)),
    };
    try {
      return await fetch(`${this.place.baseUrl}/api/v1/tenants/${this.place.tenant}/training${path}`, request);
    } catch (error) {
      throw unreachable(error);
    }
  }
}

interface Asked {
  readonly json?: unknown;
  readonly body?: Blob;
  readonly headers?: Readonly<Record<string, string>>;
  readonly seconds?: number | null;
  readonly signal?: AbortSignal;
}

function unreachable(error: unknown): Error {
  return error instanceof DOMException && error.name === "AbortError" ? error : new Unreachable(String(error));
}

function query(parts: Readonly<Record<string, string | number | null | undefined>>): string {
  const given = Object.entries(parts).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
}

async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  const problem: Partial<Problem> = await response.json().catch(() => ({}));
  throw new ApiProblem(
    response.status,
    problem.code ?? "http",
    problem.detail ?? `HTTP ${response.status}`,
    problem.errors,
  );
}
