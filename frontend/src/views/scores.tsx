import type { Scores } from "../api/training/contracts.gen";
import { number } from "../format";
import { texts } from "../texts";

const { product: said } = texts;
const POINTS = 100;

/** How far off it was on days that it had not seen, beside the simplest forecast that there is. */
export function ScoreCard({ scores }: { readonly scores: Scores }) {
  const { wape, naive_wape: naive } = scores;
  return (
    <section className="card no-print">
      <h2>{said.scores}</h2>
      {wape === null && naive === null && scores.test_days === 0 && <p className="muted">{said.noScores}</p>}
      {wape !== null && naive !== null && <p className="verdict">{verdict(wape, naive)}</p>}
      {wape !== null && (
        <div className="bars">
          <Bar name={said.miss} share={wape} of={Math.max(wape, naive ?? 0)} className="ours" />
          {naive !== null && <Bar name={said.missNaive} share={naive} of={Math.max(wape, naive)} className="naive" />}
          <p className="muted">{said.missHint(scores.test_days)}</p>
        </div>
      )}
      <dl className="numbers small">
        <Score name={said.mase} value={scores.mase} why={scores.undefined.mase} format={number.twoDecimals} />
        <Score name={said.bias} value={scores.bias} why={scores.undefined.bias} format={number.percent} />
        <Score
          name={said.coverage}
          value={scores.coverage80}
          why={scores.undefined.coverage80}
          format={number.percent}
        />
      </dl>
    </section>
  );
}

function verdict(wape: number, naive: number): string {
  const points = Math.round((naive - wape) * POINTS * 10) / 10;
  if (points === 0) return said.same;
  return points > 0 ? said.better(number.oneDecimal(points)) : said.worse(number.oneDecimal(-points));
}

interface BarProps {
  readonly name: string;
  readonly share: number;
  readonly of: number;
  readonly className: string;
}

function Bar({ name, share, of, className }: BarProps) {
  return (
    <div className="bar-line">
      <span>{name}</span>
      <span className={`score-bar ${className}`} aria-hidden="true">
        <span style={{ inlineSize: `${of > 0 ? (share / of) * 100 : 0}%` }} />
      </span>
      <strong>{number.percent(share)}</strong>
    </div>
  );
}

interface ScoreProps {
  readonly name: string;
  readonly value: number | null;
  readonly why: string | undefined;
  readonly format: (value: number) => string;
}

/** A score without a value is a dash that says why. */
function Score({ name, value, why, format }: ScoreProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value === null ? <abbr title={why ? said.undefinedBecause(why) : ""}>{said.dash}</abbr> : format(value)}</dd>
    </div>
  );
}
