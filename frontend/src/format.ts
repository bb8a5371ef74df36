/** Numbers, days and moments as people read them, in the language of the texts. */
import { locale } from "./texts";

const DAY_MS = 86_400_000;

function dateFormat(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat(locale, options);
}

const dayLong = dateFormat({ weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const dayShort = dateFormat({ day: "numeric", month: "short", timeZone: "UTC" });
const dayYear = dateFormat({ day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const weekday = dateFormat({ weekday: "long", timeZone: "UTC" });
const moment = dateFormat({ weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const clock = dateFormat({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const oneDecimal = new Intl.NumberFormat(locale, { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const twoDecimals = new Intl.NumberFormat(locale, { maximumFractionDigits: 2, minimumFractionDigits: 2 });
const percents = new Intl.NumberFormat(locale, {
  style: "percent",
  maximumFractionDigits: 1,
  minimumFractionDigits: 1,
});

/** A day of sales is a date and no moment: its number of days since 1970, the same in every time zone. */
export function dayNumber(day: string): number {
  return Date.parse(`${day}T00:00:00Z`) / DAY_MS;
}

export function dayAt(number: number): string {
  return new Date(number * DAY_MS).toISOString().slice(0, 10);
}

const utc = (day: string) => new Date(`${day}T00:00:00Z`);

export const day = {
  long: (iso: string) => dayLong.format(utc(iso)),
  short: (iso: string) => dayShort.format(utc(iso)),
  withYear: (iso: string) => dayYear.format(utc(iso)),
  weekday: (iso: string) => weekday.format(utc(iso)),
  isWeekend: (iso: string) => [0, 6].includes(utc(iso).getUTCDay()),
};

/** Moments are in the reader's own time zone. */
export const time = {
  moment: (iso: string) => moment.format(new Date(iso)),
  clock: (epochMs: number) => clock.format(new Date(epochMs)),
};

export const number = {
  whole: (value: number) => whole.format(value),
  oneDecimal: (value: number) => oneDecimal.format(value),
  twoDecimals: (value: number) => twoDecimals.format(value),
  percent: (share: number) => percents.format(share),
};

export function fileSize(bytes: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const unit = units[power] ?? "byte";
  return new Intl.NumberFormat(locale, { style: "unit", unit, maximumFractionDigits: power ? 1 : 0 }).format(
    bytes / 1000 ** power,
  );
}

/** "about 40 s", "about 3 min": as exact as an estimate is. */
export function duration(seconds: number): string {
  const unit = seconds < 90 ? "second" : seconds < 5400 ? "minute" : "hour";
  const size = { second: 1, minute: 60, hour: 3600 }[unit];
  const value = Math.max(1, Math.round(seconds / size));
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short" }).format(value);
}
