import type { Forecast } from "../api/training/contracts.gen";
import { day, dayAt, dayNumber, number } from "../format";
import { csvFile, csvText, save } from "../parts/download";
import { texts } from "../texts";

const { product: said } = texts;

interface DaysProps {
  readonly name: string;
  readonly forecast: Forecast;
}

/** The forecast as a table, to print and to take along. */
export function Days({ name, forecast }: DaysProps) {
  const first = dayNumber(forecast.start);
  const rows = forecast.mean.map((mean, i) => ({
    date: dayAt(first + i),
    mean,
    low: forecast.lo80[i] ?? mean,
    high: forecast.hi80[i] ?? mean,
  }));
  const download = () => {
    const lines = rows.map((row) => [name, row.date, rounded(row.mean), rounded(row.low), rounded(row.high)]);
    save(csvFile(csvText([["product", "date", "mean", "lo80", "hi80"], ...lines])), `forecast-${forecast.start}.csv`);
  };
  return (
    <section className="card">
      <div className="title-row">
        <h2>{said.table(rows.length)}</h2>
        <div className="actions no-print">
          <button type="button" onClick={() => print()}>
            {said.print}
          </button>
          <button type="button" onClick={download}>
            {said.download}
          </button>
        </div>
      </div>
      <table>
        <thead>
          <tr>
            <th scope="col">{said.day}</th>
            <th scope="col">{said.bake}</th>
            <th scope="col">{said.low}</th>
            <th scope="col">{said.high}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.date} className={day.isWeekend(row.date) ? "weekend" : ""}>
              <th scope="row">
                <time dateTime={row.date}>{day.long(row.date)}</time>
              </th>
              <td>
                <strong>{shown(row.mean)}</strong>
              </td>
              <td className="muted">{shown(row.low)}</td>
              <td className="muted">{shown(row.high)}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">{said.total}</th>
            <td>{shown(rows.reduce((sum, row) => sum + row.mean, 0))}</td>
            <td />
            <td />
          </tr>
        </tfoot>
      </table>
    </section>
  );
}

const rounded = (value: number) => Math.round(value * 1000) / 1000;

/** Small numbers need their decimal. */
function shown(value: number): string {
  return value > 0 && value < 10 ? number.oneDecimal(value) : number.whole(value);
}
