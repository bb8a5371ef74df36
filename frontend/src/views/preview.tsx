import { type FormEvent, useCallback, useState } from "react";
import { useLocation } from "wouter";
import { useSession } from "../access/session";
import type { DataReport, NewReadingOptions } from "../api/training/contracts.gen";
import { ApiProblem } from "../api/training/rest";
import { ErrorNote } from "../parts/errors";
import { Report } from "../parts/report";
import { texts } from "../texts";
import { useLoad } from "../useload";
import { ReadingForm } from "./readingform";

const { start: said } = texts;
const DEFAULT_HORIZON = 14;

/** What is understood of an uploaded dataset; from here the training starts. */
export function Preview({ dataset }: { readonly dataset: string }) {
  const { api } = useSession();
  const [reading, setReading] = useState<NewReadingOptions>({});
  const preview = useLoad(useCallback(() => api.preview(dataset, reading), [api, dataset, reading]));
  const refused = preview.error instanceof ApiProblem && preview.error.status === 422;
  if (!preview.data && !preview.error) {
    return (
      <p className="note" role="status">
        {said.reading} …
      </p>
    );
  }
  return (
    <>
      {preview.data && (
        <Understood key={JSON.stringify(reading)} dataset={dataset} report={preview.data} reading={reading} />
      )}
      {preview.error && !refused && <ErrorNote error={preview.error} again={preview.reload} />}
      {refused && preview.error && (
        <div className="note bad" role="alert">
          <strong>{said.refused}</strong>
          <p>{preview.error.message}</p>
        </div>
      )}
      <details className="card slim" open={refused}>
        <summary>{said.differently}</summary>
        <ReadingForm reading={reading} onRead={setReading} />
      </details>
    </>
  );
}

interface UnderstoodProps {
  readonly dataset: string;
  readonly report: DataReport;
  readonly reading: NewReadingOptions;
}

function Understood({ dataset, report, reading }: UnderstoodProps) {
  const { api } = useSession();
  const [, navigate] = useLocation();
  const [horizon, setHorizon] = useState(DEFAULT_HORIZON);
  const [key] = useState(randomKey);
  const [going, setGoing] = useState(false);
  const [error, setError] = useState<Error>();
  const go = (event: FormEvent) => {
    event.preventDefault();
    setGoing(true);
    setError(undefined);
    // A key for each spec: a second try of the same starts nothing twice.
    api.start({ dataset: { name: dataset }, horizon_days: horizon, reading }, `${key}-${horizon}`).then(
      (job) => navigate(`/jobs/${job.job_id}`),
      (problem: Error) => {
        setError(problem);
        setGoing(false);
      },
    );
  };
  return (
    <section className="card">
      <h2>
        {said.understood}: <em>{dataset}</em>
      </h2>
      <Report report={report} />
      {error && <ErrorNote error={error} />}
      <form className="go" onSubmit={go}>
        <label>
          {said.horizon}
          <input
            type="number"
            min={1}
            max={365}
            required
            value={horizon}
            onChange={(e) => setHorizon(e.target.valueAsNumber)}
          />
        </label>
        <button type="submit" className="primary large" disabled={going || report.products === 0}>
          {going ? `${said.going} …` : said.go}
        </button>
      </form>
    </section>
  );
}

/** `randomUUID` is for https and this machine only. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
