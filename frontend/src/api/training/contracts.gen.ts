// Made from libs/levain_contracts by `make docs`; `make check` fails where it differs.

export const PROTOCOL = "levain.v1" as const;

export const BEARER_PROTOCOL_PREFIX = "levain.bearer." as const;

export const MAX_FAILURES = 20 as const;

export const STAGES = ["started", "analysing", "training", "done"] as const;

export const TERMINAL_STATES = ["completed", "failed", "cancelled"] as const;

export const CLOSE_CODE = {
  "job_ended": 1000,
  "restarting": 1012,
  "try_again_later": 1013,
  "malformed": 4400,
  "unauthenticated": 4401,
  "forbidden": 4403,
  "no_such_job": 4404,
  "too_slow": 4408,
  "too_many": 4429
} as const;

export const FINAL_CLOSE_CODES = [1000, 4400, 4401, 4403, 4404] as const;

/** What a frame's `data` must hold, by the frame's type: the kinds that each field may be of. */
export const FRAME_FIELDS = {
  snapshot: {
    state: ["string"],
    stage: ["string"],
    suspended: ["boolean"],
    products_completed: ["number"],
    products_failed: ["number"],
    total_products: ["null", "number"],
    failures: ["array", "undefined"],
    reason: ["null", "string", "undefined"],
    message: ["null", "string", "undefined"],
  },
  started: {
    total_products: ["null", "number", "undefined"],
  },
  progress: {
    step: ["string", "undefined"],
    total_products: ["number"],
    report: ["object"],
  },
  product_completed: {
    product_id: ["string"],
    product: ["string"],
    shop: ["null", "string", "undefined"],
    status: ["string"],
    reason: ["null", "string", "undefined"],
    message: ["null", "string", "undefined"],
    products_completed: ["number"],
    products_failed: ["number"],
    total_products: ["number"],
  },
  completed: {
    successful: ["number"],
    failed: ["number"],
    total_products: ["number"],
    duration_seconds: ["number"],
    failures: ["array", "undefined"],
  },
  failed: {
    reason: ["string"],
    message: ["string"],
    successful: ["number"],
    failed: ["number"],
    total_products: ["null", "number", "undefined"],
    duration_seconds: ["number"],
    failures: ["array", "undefined"],
  },
} as const;

export interface AnalysisData {
  readonly step: "data_analysis";
  readonly total_products: number;
  readonly report: DataReport;
}

/** The file's own names for our columns; what is None is found by its usual names. */
export interface Columns {
  readonly date: string | null;
  readonly product: string | null;
  readonly quantity: string | null;
  readonly shop: string | null;
}

export interface CompletedData {
  readonly successful: number;
  readonly failed: number;
  readonly total_products: number;
  readonly duration_seconds: number;
  readonly failures: readonly ProductFailure[];
}

/** `winsorised`: days that training sees clipped to what is usual; the series keep them. */
export interface DataReport {
  readonly dataset: string | null;
  readonly dataset_version: number | null;
  readonly sha256: string | null;
  readonly format: string;
  readonly columns: Readonly<Record<string, string>>;
  readonly rows_read: number;
  readonly rows_used: number;
  readonly products: number;
  readonly shops: number;
  readonly first_date: string | null;
  readonly last_date: string | null;
  readonly repairs: readonly Repair[];
  readonly winsorised: Repair | null;
  readonly skipped: readonly Skipped[];
  readonly notes: readonly string[];
}

/** One version of a dataset. Versions start at 1 and never change. */
export interface Dataset {
  readonly name: string;
  readonly version: number;
  readonly sha256: string;
  readonly size_bytes: number;
  readonly created_at: string;
}

/** Exactly one: the `name` of an uploaded dataset (its latest version is taken) or a `uri` below an allowed prefix. */
export interface DatasetRef {
  readonly name: string | null;
  readonly uri: string | null;
}

/** `reason` is `cancelled` for a cancelled job, whose state is `cancelled` and not `failed`. */
export interface FailedData {
  readonly reason: string;
  readonly message: string;
  readonly successful: number;
  readonly failed: number;
  readonly total_products: number | null;
  readonly duration_seconds: number;
  readonly failures: readonly ProductFailure[];
}

export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/** Units per day from `start` on, one entry a day in each list. `lo80` and `hi80` are the 10 % and 90 % quantiles of a day's sales, and `q25`, `q50`, `q75` those between. Workers always send these three; forecasts of version 0.1 have none. */
export interface Forecast {
  readonly start: string;
  readonly mean: readonly number[];
  readonly lo80: readonly number[];
  readonly hi80: readonly number[];
  readonly q25: readonly number[] | null;
  readonly q50: readonly number[] | null;
  readonly q75: readonly number[] | null;
}

/** One job as the store has it. `seq` numbers its changes; `progress` is percent. `started_by`: the role of the token that started it, None where that was not written down. */
export interface Job {
  readonly job_id: string;
  readonly tenant_id: string;
  readonly spec: JobSpec;
  readonly state: JobState;
  readonly stage: Stage;
  readonly suspended: boolean;
  readonly progress: number;
  readonly seq: number;
  readonly products_completed: number;
  readonly products_failed: number;
  readonly total_products: number | null;
  readonly failures: readonly ProductFailure[];
  readonly reason: string | null;
  readonly message: string | null;
  readonly retry_of: string | null;
  readonly started_by: Role | null;
  readonly report: DataReport | null;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly updated_at: string;
}

/** What to train. `products`: names or product ids; None means all of them. `country` (ISO 3166-1 alpha-2) and `subdivision` say which days are public holidays. `calendar`: the name of an uploaded dataset of closings, openings and labelled days (date, status, label); its latest version is taken when the sales are read. A field may be written as here or in camel case, as in the TrainingJob resource. */
export interface JobSpec {
  readonly dataset: DatasetRef;
  readonly products: readonly string[] | null;
  readonly horizon_days: number;
  readonly model: string;
  readonly max_failed_products: number | null;
  readonly active_deadline_seconds: number | null;
  readonly reading: ReadingOptions;
  readonly country: string | null;
  readonly subdivision: string | null;
  readonly calendar: string | null;
}

export type JobState = "pending" | "analysing" | "training" | "completed" | "failed" | "cancelled";

/** `LONG`: a row per day and product. `DAY_COLUMNS`: a row per product, a column per day. `PRODUCT_COLUMNS`: the other way round. */
export type Layout = "long" | "day_columns" | "product_columns";

/** The file's own names for our columns; what is None is found by its usual names. */
export interface NewColumns {
  readonly date?: string | null;
  readonly product?: string | null;
  readonly quantity?: string | null;
  readonly shop?: string | null;
}

/** Exactly one: the `name` of an uploaded dataset (its latest version is taken) or a `uri` below an allowed prefix. */
export interface NewDatasetRef {
  readonly name?: string | null;
  readonly uri?: string | null;
}

/** What to train. `products`: names or product ids; None means all of them. `country` (ISO 3166-1 alpha-2) and `subdivision` say which days are public holidays. `calendar`: the name of an uploaded dataset of closings, openings and labelled days (date, status, label); its latest version is taken when the sales are read. A field may be written as here or in camel case, as in the TrainingJob resource. */
export interface NewJobSpec {
  readonly dataset: NewDatasetRef;
  readonly products?: readonly string[] | null;
  readonly horizon_days?: number;
  readonly model?: string;
  readonly max_failed_products?: number | null;
  readonly active_deadline_seconds?: number | null;
  readonly reading?: NewReadingOptions;
  readonly country?: string | null;
  readonly subdivision?: string | null;
  readonly calendar?: string | null;
}

/** `LONG`: a row per day and product. `DAY_COLUMNS`: a row per product, a column per day. `PRODUCT_COLUMNS`: the other way round. */
export type NewLayout = "long" | "day_columns" | "product_columns";

/** `date_format` is a strptime pattern such as `%d/%m/%Y`; what is None is inferred from the whole column. `time_zone`: times with an offset are converted to it; None takes the date as written. `cut_over_hour`: a sale before it belongs to the day before. */
export interface NewReadingOptions {
  readonly columns?: NewColumns;
  readonly layout?: NewLayout;
  readonly date_format?: string | null;
  readonly decimal?: "." | "," | null;
  readonly time_zone?: string | null;
  readonly cut_over_hour?: number;
}

/** RFC 9457. `code` is stable and names the row of docs/errors.md; `type` is `urn:levain:problem:<code>`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly errors: readonly FieldError[];
}

/** One product of a job. `seq` is the number of its end. */
export interface Product {
  readonly product_id: string;
  readonly product: string;
  readonly shop: string | null;
  readonly status: ProductState;
  readonly seq: number | null;
  readonly reason: string | null;
  readonly message: string | null;
  readonly scores: Scores | null;
}

export interface ProductData {
  readonly product_id: string;
  readonly product: string;
  readonly shop: string | null;
  readonly status: "trained" | "failed";
  readonly reason: string | null;
  readonly message: string | null;
  readonly products_completed: number;
  readonly products_failed: number;
  readonly total_products: number;
}

/** One product of a job with its sales. `history` is None where there is too little of it to learn from. */
export interface ProductDetail {
  readonly product_id: string;
  readonly product: string;
  readonly shop: string | null;
  readonly status: ProductState;
  readonly seq: number | null;
  readonly reason: string | null;
  readonly message: string | null;
  readonly scores: Scores | null;
  readonly history: Series | null;
  readonly forecast: Forecast | null;
}

/** Why one product has no forecast. `seq` is that of the product's end and orders a job's failures. */
export interface ProductFailure {
  readonly product_id: string;
  readonly product: string;
  readonly shop: string | null;
  readonly seq: number;
  readonly reason: string;
  readonly message: string;
}

/** `seq` is the job's: the answer names all ends up to it that come after the `after_seq` of the question. */
export interface ProductPage {
  readonly items: readonly Product[];
  readonly next: string | null;
  readonly seq: number;
}

export type ProductState = "pending" | "trained" | "failed";

/** `date_format` is a strptime pattern such as `%d/%m/%Y`; what is None is inferred from the whole column. `time_zone`: times with an offset are converted to it; None takes the date as written. `cut_over_hour`: a sale before it belongs to the day before. */
export interface ReadingOptions {
  readonly columns: Columns;
  readonly layout: Layout;
  readonly date_format: string | null;
  readonly decimal: "." | "," | null;
  readonly time_zone: string | null;
  readonly cut_over_hour: number;
}

/** One kind of repair: how often, the first lines (the header is line 1 of a file that starts with it) and an example. */
export interface Repair {
  readonly code: string;
  readonly count: number;
  readonly lines: readonly number[];
  readonly message: string;
}

export type Role = "viewer" | "trainer" | "operator";

/** Out of sample. A score that has no value is None, and `undefined` says why, by the score's name. */
export interface Scores {
  readonly wape: number | null;
  readonly mase: number | null;
  readonly bias: number | null;
  readonly coverage80: number | null;
  readonly naive_wape: number | null;
  readonly naive_mase: number | null;
  readonly test_days: number;
  readonly undefined: Readonly<Record<string, string>>;
}

/** One product's sales by day from `start` on; None where nothing is known (a closed day, or a gap). */
export interface Series {
  readonly product_id: string;
  readonly product: string;
  readonly shop: string | null;
  readonly start: string;
  readonly values: readonly (number | null)[];
}

/** Products that can't be trained, by reason, with the first names. */
export interface Skipped {
  readonly reason: string;
  readonly count: number;
  readonly products: readonly string[];
}

/** The job as the store has it. `reason` and `message` are there when it failed or was cancelled. */
export interface SnapshotData {
  readonly state: JobState;
  readonly stage: Stage;
  readonly suspended: boolean;
  readonly products_completed: number;
  readonly products_failed: number;
  readonly total_products: number | null;
  readonly failures: readonly ProductFailure[];
  readonly reason: string | null;
  readonly message: string | null;
}

/** How far a job is, in order. */
export type Stage = "started" | "analysing" | "training" | "done";

export interface StartedData {
  readonly total_products: number | null;
}

export interface SnapshotFrame {
  readonly type: "snapshot";
  readonly job_id: string;
  readonly tenant_id: string;
  readonly seq: number;
  readonly time: string;
  readonly progress: number;
  readonly data: SnapshotData;
}

export interface StartedFrame {
  readonly type: "started";
  readonly job_id: string;
  readonly tenant_id: string;
  readonly seq: number;
  readonly time: string;
  readonly progress: number;
  readonly data: StartedData;
}

export interface ProgressFrame {
  readonly type: "progress";
  readonly job_id: string;
  readonly tenant_id: string;
  readonly seq: number;
  readonly time: string;
  readonly progress: number;
  readonly data: AnalysisData;
}

export interface ProductCompletedFrame {
  readonly type: "product_completed";
  readonly job_id: string;
  readonly tenant_id: string;
  readonly seq: number;
  readonly time: string;
  readonly progress: number;
  readonly data: ProductData;
}

export interface CompletedFrame {
  readonly type: "completed";
  readonly job_id: string;
  readonly tenant_id: string;
  readonly seq: number;
  readonly time: string;
  readonly progress: number;
  readonly data: CompletedData;
}

export interface FailedFrame {
  readonly type: "failed";
  readonly job_id: string;
  readonly tenant_id: string;
  readonly seq: number;
  readonly time: string;
  readonly progress: number;
  readonly data: FailedData;
}

export type Frame =
  | SnapshotFrame
  | StartedFrame
  | ProgressFrame
  | ProductCompletedFrame
  | CompletedFrame
  | FailedFrame;
