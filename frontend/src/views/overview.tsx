import { useEffect, useState } from "react";
import { isTerminal, type LiveJob, type Stage, type ViewerState } from "../api/hooks/training";
import { type Job, STAGES } from "../api/training/contracts.gen";
import { duration, number } from "../format";
import { NO_PACE, paceAt, perSecond, secondsLeft } from "../pace";
import { ProgressBar } from "../parts/progress";
import { reasonText } from "../parts/titles";
import { texts } from "../texts";

const { job: said } = texts;

interface OverviewProps {
  readonly live: LiveJob;
  readonly details: Job | undefined;
}

/** How far the job is: the percentage, its stage, its numbers. */
export function Overview({ live: { job, known, status }, details }: OverviewProps) {
  const over = isTerminal(job.state);
  return (
    <section className="card overview" aria-label={said.progress}>
      <div className="overview-head">
        <span className="percent">
          {known ? number.whole(job.progress) : "–"}
          <small> %</small>
        </span>
        <div className="overview-bar">
          <ProgressBar percent={job.progress} label={said.progress} state={job.state ?? "training"} />
          <Stages stage={job.stage} state={job.state} />
        </div>
      </div>
      <Numbers job={job} details={details} over={over} fresh={status.kind === "live" || status.kind === "polling"} />
      {job.suspended && <p className="note">{said.suspended}</p>}
      {over && job.state !== "completed" && job.reason !== null && (
        <div className="note bad">
          <strong>{capital(reasonText(job.reason))}</strong>
          {job.message && job.message !== job.reason && <p>{job.message}</p>}
        </div>
      )}
    </section>
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function Stages({ stage, state }: { readonly stage: Stage; readonly state: ViewerState["state"] }) {
  const at = STAGES.indexOf(stage);
  return (
    <ol className="stages">
      {STAGES.map((name, i) => (
        <li
          key={name}
          className={i < at || stage === "done" ? "past" : i === at ? "now" : ""}
          aria-current={i === at ? "step" : undefined}
        >
          {name === "done" && state !== null && stage === "done" ? texts.state[state] : texts.stage[name]}
        </li>
      ))}
    </ol>
  );
}

interface NumbersProps {
  readonly job: ViewerState;
  readonly details: Job | undefined;
  readonly over: boolean;
  readonly fresh: boolean;
}

function Numbers({ job, details, over, fresh }: NumbersProps) {
  const pace = usePace(job);
  // Out of contact nothing ends, as far as we know: a speed that sinks would be an invention.
  const { rate, left } = fresh ? pace : { rate: null, left: null };
  const total = job.totalProducts;
  const running = !over && job.stage === "training";
  const took = details?.ended_at ? (Date.parse(details.ended_at) - Date.parse(details.created_at)) / 1000 : null;
  return (
    <dl className="numbers">
      <Fact name={said.products}>
        {total === null ? "–" : said.of(number.whole(job.productsCompleted), number.whole(total))}
      </Fact>
      <Fact name={said.failed} bad={job.productsFailed > 0}>
        {number.whole(job.productsFailed)}
      </Fact>
      {running && <Fact name={said.pace}>{rate === null ? "–" : said.perSecond(number.oneDecimal(rate))}</Fact>}
      {running && (
        <Fact name={said.left}>{left === null ? "–" : left < 1 ? said.soon : said.about(duration(left))}</Fact>
      )}
      {over && took !== null && <Fact name={said.took}>{duration(took)}</Fact>}
    </dl>
  );
}

function Fact({
  name,
  children,
  bad = false,
}: {
  readonly name: string;
  readonly children: string;
  readonly bad?: boolean;
}) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className={bad ? "bad" : ""}>{children}</dd>
    </div>
  );
}

const seconds = () => performance.now() / 1000;

function usePace({ productsCompleted: ended, totalProducts: total, state }: ViewerState): {
  rate: number | null;
  left: number | null;
} {
  const [{ pace, now }, setPace] = useState({ pace: NO_PACE, now: seconds() });
  useEffect(() => {
    const look = () => setPace((old) => ({ pace: paceAt(old.pace, seconds(), ended), now: seconds() }));
    look();
    const timer = isTerminal(state) ? undefined : setInterval(look, 1000);
    return () => clearInterval(timer);
  }, [ended, state]);
  return { rate: perSecond(pace, now, ended), left: secondsLeft(pace, now, ended, total) };
}
