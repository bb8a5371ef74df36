import { useCallback, useEffect, useState } from "react";
import { Link, useLocation } from "wouter";
import { useSession } from "../access/session";
import { isTerminal, type LiveJob, useTrainingJob } from "../api/hooks/training";
import type { Job } from "../api/training/contracts.gen";
import { time } from "../format";
import { Confirm } from "../parts/confirm";
import { ConnectionBadge } from "../parts/connection";
import { save } from "../parts/download";
import { ErrorNote, isMissing } from "../parts/errors";
import { ProductGrid } from "../parts/grid";
import { Announcer } from "../parts/progress";
import { Report } from "../parts/report";
import { datasetName } from "../parts/titles";
import { texts } from "../texts";
import { useLoad } from "../useload";
import { useProducts } from "../useproducts";
import { Overview } from "./overview";

const { job: said } = texts;

export function JobView({ jobId }: { readonly jobId: string }) {
  const { api, tenant, getToken } = useSession();
  const live = useTrainingJob({ tenant, jobId, getToken });
  const details = useLoad(useCallback(() => api.job(jobId), [api, jobId]));
  const { reload } = details;
  const { stage } = live.job;
  // Each stage adds to what REST tells of a job.
  useEffect(() => {
    if (stage !== "started") reload();
  }, [stage, reload]);
  const rows = useProducts(jobId, live.job);
  const name = details.data ? datasetName(details.data) : "…";
  useEffect(() => {
    document.title = `${isTerminal(live.job.state) ? "" : `${live.job.progress} % `}${name} – ${texts.name}`;
  }, [live.job.progress, live.job.state, name]);

  if (live.status.kind === "refused" && isMissing(details.error)) return <Missing />;
  const old = live.status.kind === "stale" || live.status.kind === "refused";
  return (
    <>
      <p className="crumbs">
        <Link href="/">{texts.nav.jobs}</Link>
      </p>
      <div className="title-row">
        <h1>{name}</h1>
        <div className="actions">
          <ConnectionBadge status={live.status} />
          <Actions jobId={jobId} live={live} />
        </div>
      </div>
      {details.data && <Facts job={details.data} />}
      <div className={old ? "old" : ""}>
        <Overview live={live} details={details.data} />
      </div>
      <Announcer job={live.job} />
      {details.error && !isMissing(details.error) && !details.data && (
        <ErrorNote error={details.error} again={reload} />
      )}
      {details.data?.report && (
        <details className="card slim">
          <summary>{said.understood}</summary>
          <Report report={details.data.report} />
        </details>
      )}
      <ProductGrid jobId={jobId} rows={rows} total={live.job.totalProducts} over={isTerminal(live.job.state)} />
    </>
  );
}

function Facts({ job }: { readonly job: Job }) {
  return (
    <p className="muted facts-line">
      {said.started} {time.moment(job.created_at)} · {said.model} <code>{job.spec.model}</code> · {said.id}{" "}
      <code>{job.job_id}</code>
    </p>
  );
}

function Missing() {
  return (
    <div className="card empty">
      <h1>{said.notFound}</h1>
      <Link href="/" className="button">
        {said.back}
      </Link>
    </div>
  );
}

function Actions({ jobId, live: { job } }: { readonly jobId: string; readonly live: LiveJob }) {
  const { api, mayTrain } = useSession();
  const [, navigate] = useLocation();
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState<Error>();
  const over = isTerminal(job.state);
  const cancel = (yes: boolean) => {
    setAsking(false);
    if (yes) api.cancel(jobId).catch(setError);
  };
  const retry = () => api.retry(jobId).then((again) => navigate(`/jobs/${again.job_id}`), setError);
  const download = () => api.forecastsCsv(jobId).then((file) => save(file, `forecasts-${jobId}.csv`), setError);
  return (
    <>
      {job.state === "completed" && (
        <button type="button" onClick={() => void download()}>
          {said.download}
        </button>
      )}
      {over && mayTrain && job.productsFailed > 0 && (
        <button type="button" onClick={() => void retry()}>
          {said.retry}
        </button>
      )}
      {!over && mayTrain && (
        <button type="button" onClick={() => setAsking(true)}>
          {said.cancel}
        </button>
      )}
      {asking && (
        <Confirm
          title={said.cancelTitle}
          text={said.cancelText}
          yes={said.cancelYes}
          no={said.cancelNo}
          onAnswer={cancel}
        />
      )}
      {error && <ErrorNote error={error} />}
    </>
  );
}
