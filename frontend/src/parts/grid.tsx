import { defaultRangeExtractor, useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { number } from "../format";
import { texts } from "../texts";
import type { ProductRow } from "../useproducts";
import { useUrlWord } from "../useurl";
import { Choice } from "./choice";
import { productName, reasonText } from "./titles";

const { grid: said } = texts;
const STATES = ["", "failed", "trained", "pending"] as const;
const ROW_PX = 52;
const PAGE_ROWS = 10;

interface ProductGridProps {
  readonly jobId: string;
  readonly rows: readonly ProductRow[];
  readonly total: number | null;
  readonly over: boolean;
}

export function ProductGrid({ jobId, rows, total, over }: ProductGridProps) {
  const [state, setState] = useUrlWord("show", "");
  const [search, setSearch] = useUrlWord("q", "");
  const shown = useMemo(() => {
    const words = search.trim().toLocaleLowerCase();
    return rows.filter(
      (row) =>
        (state === "" || row.status === state) && (!words || productName(row).toLocaleLowerCase().includes(words)),
    );
  }, [rows, state, search]);
  const count = (s: string) => (s === "" ? rows.length : rows.filter((row) => row.status === s).length);
  return (
    <section>
      <div className="title-row">
        <h2>{said.title}</h2>
        {over && <Verdict rows={rows} />}
      </div>
      <div className="grid-tools">
        <Choice
          legend={said.show}
          value={state}
          onChange={setState}
          options={STATES.map((s) => [s, `${s === "" ? said.all : texts.productState[s]} ${number.whole(count(s))}`])}
        />
        <input
          type="search"
          value={search}
          aria-label={said.search}
          placeholder={said.search}
          onChange={(e) => setSearch(e.target.value)}
        />
      </div>
      {shown.length > 0 && <Rows jobId={jobId} rows={shown} />}
      {shown.length === 0 && (
        <p className="empty">{rows.length === 0 && total === null && !over ? said.waiting : said.none}</p>
      )}
    </section>
  );
}

function Verdict({ rows }: { readonly rows: readonly ProductRow[] }) {
  const scored = rows.flatMap(({ wape, naiveWape }) => (wape === null || naiveWape === null ? [] : [wape < naiveWape]));
  return scored.length > 0 && <p className="muted">{said.better(scored.filter(Boolean).length, scored.length)}</p>;
}

/** Only the rows in sight are in the document, and the one that has the focus: it keeps it wherever its product moves. */
function Rows({ jobId, rows }: { readonly jobId: string; readonly rows: readonly ProductRow[] }) {
  const [, navigate] = useLocation();
  const box = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState<string | null>(null);
  const activeIndex = Math.max(0, active === null ? 0 : rows.findIndex((row) => row.id === active));
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    getItemKey: (i) => rows[i]?.id ?? i,
    overscan: 8,
    useFlushSync: false,
    rangeExtractor: (range) => [...new Set([...defaultRangeExtractor(range), activeIndex])].sort((a, b) => a - b),
  });
  useFollow(box, active, activeIndex);

  const go = (index: number) => {
    const to = Math.min(Math.max(index, 0), rows.length - 1);
    setActive(rows[to]?.id ?? null);
    virtual.scrollToIndex(to);
  };
  const steps: Readonly<Record<string, number>> = {
    ArrowDown: activeIndex + 1,
    ArrowUp: activeIndex - 1,
    PageDown: activeIndex + PAGE_ROWS,
    PageUp: activeIndex - PAGE_ROWS,
    Home: 0,
    End: rows.length - 1,
  };
  const hrefOf = (row: ProductRow) => `/jobs/${jobId}/products/${row.id}`;
  const open = (row: ProductRow) => navigate(hrefOf(row));
  const onKeyDown = (event: KeyboardEvent) => {
    const to = steps[event.key];
    const row = rows[activeIndex];
    if (to !== undefined) go(to);
    else if (event.key === "Enter" && row) open(row);
    else return;
    event.preventDefault();
  };
  return (
    <div className="grid-box" ref={box}>
      <div
        role="grid"
        tabIndex={-1}
        aria-label={said.label}
        aria-rowcount={rows.length}
        className="grid"
        style={{ blockSize: `${virtual.getTotalSize()}px` }}
      >
        {virtual.getVirtualItems().map(({ index, start, key }) => {
          const row = rows[index];
          return (
            row && (
              <div
                key={key}
                role="row"
                data-product={row.id}
                aria-rowindex={index + 1}
                tabIndex={index === activeIndex ? 0 : -1}
                className={`grid-row ${row.status}`}
                style={{ transform: `translateY(${start}px)` }}
                onFocus={() => setActive(row.id)}
                onClick={() => open(row)}
                onKeyDown={onKeyDown}
              >
                <Cells row={row} href={hrefOf(row)} />
              </div>
            )
          );
        })}
      </div>
    </div>
  );
}

/** The focus goes to the active row, and a row that has it stays where it is on the screen while others move past it. */
function useFollow(box: React.RefObject<HTMLDivElement | null>, active: string | null, index: number): void {
  const before = useRef({ active, index });
  useLayoutEffect(() => {
    const old = before.current;
    before.current = { active, index };
    const element = box.current;
    if (!element || active === null) return;
    const focused = document.activeElement;
    const inside = element.contains(focused);
    if (old.active === active && old.index !== index && inside) element.scrollTop += (index - old.index) * ROW_PX;
    if (!inside && focused !== document.body) return;
    const row = element.querySelector<HTMLElement>(`[data-product="${active}"]`);
    if (row && row !== focused && (inside || old.active === active))
      row.focus({ preventScroll: old.active === active });
  });
}

const MARKS = { pending: "", trained: "✓", failed: "!" } as const;

/** The link is for opening a product in a tab of its own; the row itself is what keys and most clicks are for. */
function Cells({ row, href }: { readonly row: ProductRow; readonly href: string }) {
  const { status } = row;
  return (
    <>
      <span role="gridcell" className="cell-mark" tabIndex={-1}>
        <span className={`mark ${status}`} aria-hidden="true">
          {MARKS[status]}
        </span>
        <span className="sr-only">{texts.productState[status]}</span>
      </span>
      <span role="gridcell" className="cell-name" tabIndex={-1}>
        <Link href={href} tabIndex={-1} onClick={(event) => event.stopPropagation()}>
          {row.product}
        </Link>
        {row.shop !== null && <span className="muted"> {row.shop}</span>}
      </span>
      <span role="gridcell" className="cell-detail muted" tabIndex={-1}>
        {detailOf(row)}
      </span>
    </>
  );
}

function detailOf(row: ProductRow): string {
  if (row.status === "failed") return reasonText(row.reason ?? "");
  if (row.wape === null) return row.status === "pending" ? texts.productState.pending : "";
  const miss = said.miss(number.percent(row.wape));
  return row.naiveWape === null ? miss : `${miss}, ${said.missNaive(number.percent(row.naiveWape))}`;
}
