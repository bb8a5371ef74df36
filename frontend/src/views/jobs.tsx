import { useCallback, useEffect, useState } from "react";
import { Link } from "wouter";
import { useSession } from "../access/session";
import { isTerminal, useTrainingJob } from "../api/hooks/training";
import type { Job, JobState } from "../api/training/contracts.gen";
import { number, time } from "../format";
import { Choice } from "../parts/choice";
import { ErrorNote } from "../parts/errors";
import { ProgressBar } from "../parts/progress";
import { datasetName, reasonText } from "../parts/titles";
import { texts } from "../texts";
import { useLoad } from "../useload";
import { useUrlWord } from "../useurl";

const PAGE = 30;
const EVERY_MS = 5000;
/** So many rows at most have a socket of their own; the list itself is asked again every few seconds. */
const LIVE_ROWS = 12;
const FILTERS: readonly (JobState | "")[] = ["", "training", "completed", "failed", "cancelled"];

export function JobsView() {
  const { api } = useSession();
  const [state, setState] = useUrlWord("state", "");
  const list = useLoad(
    useCallback(() => api.jobs({ state, limit: PAGE }), [api, state]),
    EVERY_MS,
  );
  const [older, setOlder] = useState<{ items: readonly Job[]; next: string | null } | null>(null);
  const [error, setError] = useState<Error>();
  useEffect(() => {
    document.title = `${texts.jobs.title} – ${texts.name}`;
  }, []);

  const next = older ? older.next : (list.data?.next ?? null);
  const more = () =>
    api
      .jobs({ state, limit: PAGE, after: next })
      .then(
        (page) => setOlder((known) => ({ items: [...(known?.items ?? []), ...page.items], next: page.next })),
        setError,
      );
  const filter = (value: string) => {
    setOlder(null);
    setState(value);
  };
  const jobs = unique([...(list.data?.items ?? []), ...(older?.items ?? [])]);
  const live = jobs.filter((job) => !isTerminal(job.state)).slice(0, LIVE_ROWS);
  return (
    <>
      <div className="title-row">
        <h1>{texts.jobs.title}</h1>
        <Link href="/start" className="button primary">
          {texts.nav.start}
        </Link>
      </div>
      <Choice
        legend={texts.jobs.filter}
        value={state}
        onChange={filter}
        options={FILTERS.map((s) => [s, s === "" ? texts.jobs.all : texts.state[s]])}
      />
      {(error ?? list.error) && <ErrorNote error={(error ?? list.error) as Error} again={list.reload} />}
      {list.data && jobs.length === 0 && <Empty filtered={state !== ""} />}
      <ul className="jobs">
        {jobs.map((job) => (
          <li key={job.job_id}>{live.includes(job) ? <LiveRow job={job} ended={list.reload} /> : <Row job={job} />}</li>
        ))}
      </ul>
      {next !== null && (
        <button type="button" onClick={() => void more()}>
          {texts.jobs.older}
        </button>
      )}
    </>
  );
}

function unique(jobs: readonly Job[]): readonly Job[] {
  return [...new Map(jobs.map((job) => [job.job_id, job])).values()];
}

function Empty({ filtered }: { readonly filtered: boolean }) {
  if (filtered) return <p className="empty">{texts.jobs.emptyFiltered}</p>;
  return (
    <div className="card empty">
      <h2>{texts.jobs.empty}</h2>
      <p>{texts.jobs.emptyHint}</p>
      <Link href="/start" className="button">
        {texts.nav.start}
      </Link>
    </div>
  );
}

function LiveRow({ job, ended }: { readonly job: Job; readonly ended: () => void }) {
  const { tenant, getToken } = useSession();
  const { job: seen, status } = useTrainingJob({ tenant, jobId: job.job_id, getToken });
  useEffect(() => {
    if (status.kind === "ended") ended();
  }, [status.kind, ended]);
  const analysing = seen.stage === "analysing" || job.state === "analysing";
  const state = seen.state ?? (seen.stage === "training" ? "training" : analysing ? "analysing" : job.state);
  return (
    <Row
      job={{
        ...job,
        state,
        suspended: seen.suspendedSeq >= job.seq ? seen.suspended : job.suspended,
        progress: Math.max(job.progress, seen.progress),
        products_completed: Math.max(job.products_completed, seen.productsCompleted),
        products_failed: Math.max(job.products_failed, seen.productsFailed),
        total_products: seen.totalProducts ?? job.total_products,
      }}
    />
  );
}

function Row({ job }: { readonly job: Job }) {
  const state = job.suspended ? "suspended" : job.state;
  return (
    <Link href={`/jobs/${job.job_id}`} className="card job-row">
      <span className="job-name">
        <strong>{datasetName(job)}</strong>
        {job.retry_of !== null && <span className="muted"> ({texts.jobs.ofRetry})</span>}
      </span>
      <span className="job-when muted">{time.moment(job.created_at)}</span>
      <span className={`badge ${state}`}>{texts.state[state]}</span>
      <ProgressBar percent={job.progress} label={datasetName(job)} state={job.state} quiet />
      <span className="job-counts">
        <span>{number.whole(job.progress)} %</span>
        {job.total_products !== null && (
          <span className="muted">
            {texts.job.of(number.whole(job.products_completed), texts.products(job.total_products))}
            {job.products_failed > 0 && <span className="bad">, {texts.jobs.failed(job.products_failed)}</span>}
          </span>
        )}
        {job.total_products === null && job.state === "failed" && job.reason !== null && (
          <span className="muted">{reasonText(job.reason)}</span>
        )}
      </span>
    </Link>
  );
}
