import { useEffect, useRef, useState } from "react";
import type { ViewerState } from "../api/hooks/training";
import { texts } from "../texts";

const ANNOUNCE_EVERY_MS = 10_000;

interface ProgressBarProps {
  readonly percent: number;
  readonly label: string;
  readonly state: string;
  readonly quiet?: boolean;
}

export function ProgressBar({ percent, label, state, quiet = false }: ProgressBarProps) {
  return (
    <div
      className={`progress ${state}${quiet ? " quiet" : ""}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <div className="progress-done" style={{ inlineSize: `${percent}%` }} />
    </div>
  );
}

/** Tells a screen reader how far it is, at most every ten seconds, and at once when the stage changes. */
export function Announcer({ job }: { readonly job: ViewerState }) {
  const said = useRef({ at: 0, stage: "" });
  const [text, setText] = useState("");
  const { stage, state, progress, productsCompleted, totalProducts, productsFailed } = job;
  useEffect(() => {
    const say = () => {
      said.current = { at: Date.now(), stage };
      const what = texts.job.announce(progress, productsCompleted, totalProducts, productsFailed);
      setText(`${state === null || stage !== "done" ? texts.stage[stage] : texts.state[state]}, ${what}`);
    };
    const wait = said.current.stage === stage ? said.current.at + ANNOUNCE_EVERY_MS - Date.now() : 0;
    const timer = setTimeout(say, Math.max(0, wait));
    return () => clearTimeout(timer);
  }, [stage, state, progress, productsCompleted, totalProducts, productsFailed]);
  return (
    <div className="sr-only" role="status" aria-live="polite">
      {text}
    </div>
  );
}
