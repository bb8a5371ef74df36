/** Loaded when it is needed: the chart library is a fifth of the page. */
import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Forecast, Series } from "../api/training/contracts.gen";
import { day, dayAt, dayNumber, number } from "../format";
import { texts } from "../texts";

const { product: said } = texts;
const DAY_SECONDS = 86_400;
const HEIGHT_PX = 280;
const LABEL_PX = 72;
const MONDAY = 4; // 5 January 1970

type Column = (number | null)[];

interface ChartProps {
  readonly history: Series | null;
  readonly forecast: Forecast | null;
  /** So many days of history; null for all. */
  readonly days: number | null;
  readonly summary: string;
}

export default function Chart({ history, forecast, days, summary }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const data = useMemo(() => columnsOf(history, forecast, days), [history, forecast, days]);
  const [at, setAt] = useState<number | null>(null);
  const dark = useMedia("(prefers-color-scheme: dark)");

  // biome-ignore lint/correctness/useExhaustiveDependencies: `dark` changes the colours that are read in it
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const chart = new uPlot(optionsFor(element, highest(data) * 1.05, setAt), data, element);
    const sizes = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
    sizes.observe(element);
    return () => {
      sizes.disconnect();
      chart.destroy();
    };
  }, [data, dark]);

  return (
    <figure className="chart">
      <div className="chart-box" ref={box} role="img" aria-label={summary} />
      <figcaption>
        <span className="key sold">{said.sold}</span>
        <span className="key expected">{said.expected}</span>
        <span className="key interval">{said.interval}</span>
        <span className="readout muted">{at !== null && readout(data, at)}</span>
      </figcaption>
    </figure>
  );
}

type Columns = [x: number[], sold: Column, mean: Column, low: Column, high: Column];

function columnsOf(history: Series | null, forecast: Forecast | null, days: number | null): Columns {
  const columns: Columns = [[], [], [], [], []];
  const add = (at: number, ...values: (number | null)[]) =>
    [at * DAY_SECONDS, ...values].forEach((value, i) => {
      columns[i]?.push(value as number);
    });
  const values = history?.values ?? [];
  const skipped = days === null ? 0 : Math.max(0, values.length - days);
  const start = history ? dayNumber(history.start) : 0;
  values.slice(skipped).forEach((value, i) => {
    add(start + skipped + i, value, null, null, null);
  });
  const first = forecast ? dayNumber(forecast.start) : 0;
  forecast?.mean.forEach((mean, i) => {
    // Closed: a gap, as in the history.
    const closed = mean === 0 && forecast.hi80[i] === 0;
    if (closed) add(first + i, null, null, null, null);
    else add(first + i, null, mean, forecast.lo80[i] ?? mean, forecast.hi80[i] ?? mean);
  });
  return columns;
}

function readout([x, sold, mean, low, high]: Columns, at: number): string {
  const seconds = x[at];
  if (seconds === undefined) return "";
  const where = day.long(dayAt(seconds / DAY_SECONDS));
  const values = [sold[at], mean[at], low[at], high[at]].map((v) =>
    v === null || v === undefined ? said.dash : number.whole(v),
  );
  const [was, expected, from, to] = values;
  return mean[at] === null ? `${where}: ${was}` : `${where}: ${expected} (${from}–${to})`;
}

function highest([, ...columns]: Columns): number {
  return columns.flat().reduce<number>((most, value) => Math.max(most, value ?? 0), 1);
}

function optionsFor(element: HTMLElement, top: number, setAt: (at: number | null) => void): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour("--muted"),
    font: `12px ${style.fontFamily}`,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  // Each series an object of its own: uPlot writes into them.
  const edge = (): uPlot.Series => ({ points: { show: false }, stroke: "transparent", width: 0 });
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    // A day of sales is no moment: the axis counts in UTC, whatever the zone of the reader.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: false },
    padding: [12, 16, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: true }, y: { range: () => [0, top] } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 28,
        splits: mondays,
        values: (_, at) => at.map((s) => day.short(dayAt(s / DAY_SECONDS))),
      },
      { ...axis, size: 48, values: (_, splits) => splits.map((v) => number.whole(v)) },
    ],
    series: [
      {},
      { stroke: colour("--text"), width: 1.5, points: { show: false } },
      { stroke: colour("--accent"), width: 2.5, points: { show: false } },
      edge(),
      edge(),
    ],
    bands: [{ series: [4, 3], fill: colour("--band") }],
    hooks: { setCursor: [(chart) => setAt(chart.cursor.idx ?? null)] },
  };
}

/** So many first days of a week as have room. */
function mondays(chart: uPlot, _: number, min: number, max: number): number[] {
  const weeks = (max - min) / (7 * DAY_SECONDS);
  const step = Math.max(1, Math.ceil(weeks / (chart.bbox.width / devicePixelRatio / LABEL_PX)));
  const first = Math.ceil((min / DAY_SECONDS - MONDAY) / 7) * 7 + MONDAY;
  const count = Math.floor((max / DAY_SECONDS - first) / 7 / step) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => (first + i * step * 7) * DAY_SECONDS);
}

function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const change = () => setMatches(list.matches);
    list.addEventListener("change", change);
    return () => list.removeEventListener("change", change);
  }, [query]);
  return matches;
}
