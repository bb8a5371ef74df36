import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { retryMs } from "../src/api/training/closing";
import { CLOSE_CODE } from "../src/api/training/contracts.gen";
import { withNumber } from "../src/api/training/growing";
import { day, dayAt, dayNumber } from "../src/format";
import { NO_PACE, type Pace, paceAt, perSecond, secondsLeft } from "../src/pace";
import { csvText } from "../src/parts/download";
import { datasetNameOf } from "../src/views/start";

it("ranges hold exactly the numbers that were put in, sorted, disjoint and merged", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 60 })), (numbers) => {
      const ranges = numbers.reduce(withNumber, []);
      const held = ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i));
      expect(held).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      ranges.slice(1).forEach(([first], i) => {
        expect(first).toBeGreaterThan((ranges[i]?.[1] ?? 0) + 1);
      });
    }),
  );
});

it("a day of sales is a date: there and back for every day of a century", () => {
  for (let n = dayNumber("1990-01-01"); n <= dayNumber("2100-12-31"); n++) expect(dayNumber(dayAt(n))).toBe(n);
  expect([day.weekday("2024-02-05"), day.isWeekend("2024-02-10"), day.isWeekend("2024-02-09")]).toEqual([
    "Monday",
    true,
    false,
  ]);
});

it.each([
  ['{"retry_ms":0}', 0],
  ['{"retry_ms":4000}', 4000],
  ['{"retry_ms":-1}', null],
  ['{"retry_ms":600001}', null],
  ['{"retry_ms":1.5}', null],
  ['{"retry_ms":true}', null],
  ["null", null],
  ["soon", null],
])("the reason %s of a %i asks for a pause of %j", (reason, pause) => {
  expect([retryMs(reason), CLOSE_CODE.restarting]).toEqual([pause, 1012]);
});

describe("the pace", () => {
  const paced = (points: readonly [number, number][]) =>
    points.reduce<Pace>((pace, [now, ended]) => paceAt(pace, now, ended), NO_PACE);

  it("counts from the first product's end, and over the last half minute", () => {
    const pace = paced([
      [0, 0],
      [20, 0],
      [30, 1],
      [31, 3],
      [32, 5],
    ]);
    expect(perSecond(pace, 32, 5)).toBe(2);
    const later = paced([
      [0, 1],
      [10, 101],
      [20, 111],
      [30, 121],
      [40, 131],
      [50, 141],
    ]);
    expect(perSecond(later, 50, 141)).toBeLessThan(2);
  });

  it("says how long only after 10 products or 5 %", () => {
    const pace = paced([
      [0, 0],
      [1, 1],
      [5, 9],
    ]);
    expect(secondsLeft(pace, 5, 9, 1000)).toBeNull();
    expect(secondsLeft(pace, 5, 9, 100)).toBeCloseTo(45.5);
    expect(secondsLeft(pace, 5, 9, null)).toBeNull();
    expect(secondsLeft(NO_PACE, 5, 20, 100)).toBeNull();
  });
});

it.each([
  ["Verkäufe 2024.csv", "verkaufe-2024"],
  ["--sales--.CSV", "sales"],
  ["パン.csv", "sales"],
  [`${"a".repeat(80)}.csv`, "a".repeat(63)],
  ["../../x.tar.csv", "x-tar"],
])("the file %s becomes the dataset %s", (file, name) => {
  expect(datasetNameOf(file)).toBe(name);
});

it("a CSV keeps every name and starts no formula", () => {
  const text = csvText([
    ["product", "mean"],
    ['Tarte 9", rund', 1.5],
    ["=HYPERLINK(1)", 2],
  ]);
  expect(text).toBe('product,mean\r\n"Tarte 9"", rund",1.5\r\n\'=HYPERLINK(1),2\r\n');
});
