import type { ReactNode } from "react";
import type { DataReport, Repair } from "../api/training/contracts.gen";
import { day, dayNumber, number } from "../format";
import { texts } from "../texts";
import { reasonText } from "./titles";

const { report: said } = texts;

/** What was understood of a file: before training and after it alike. */
export function Report({ report }: { readonly report: DataReport }) {
  const roles = Object.entries(report.columns);
  return (
    <div className="report">
      <dl className="facts">
        <Fact name={said.products}>{number.whole(report.products)}</Fact>
        {report.shops > 1 && <Fact name={said.shops}>{number.whole(report.shops)}</Fact>}
        {report.first_date && report.last_date && (
          <Fact name={said.period}>{periodOf(report.first_date, report.last_date)}</Fact>
        )}
        <Fact name={said.rows}>{said.rowsOf(number.whole(report.rows_used), number.whole(report.rows_read))}</Fact>
        <Fact name={said.format}>{report.format}</Fact>
        {roles.length > 0 && (
          <Fact name={said.columns}>
            {roles.map(([role, name], i) => (
              <span key={role}>
                {i > 0 && ", "}
                <code>{name}</code>
                {name !== role && <> → {said.roles[role] ?? role}</>}
              </span>
            ))}
          </Fact>
        )}
      </dl>
      <Section title={said.repairs}>
        {report.repairs.length === 0 ? (
          <p className="muted">{said.noRepairs}</p>
        ) : (
          <ul>{report.repairs.map(repairLine)}</ul>
        )}
      </Section>
      {report.winsorised && (
        <Section title={said.winsorised}>
          <ul>{repairLine(report.winsorised)}</ul>
        </Section>
      )}
      {report.skipped.length > 0 && (
        <Section title={said.skipped}>
          <ul>
            {report.skipped.map((s) => (
              <li key={s.reason}>
                <strong>{texts.products(s.count)}</strong>, {reasonText(s.reason)}:{" "}
                <span className="muted">
                  {s.products.slice(0, 6).join(", ")} {s.count > 6 && said.more(s.count - 6)}
                </span>
              </li>
            ))}
          </ul>
        </Section>
      )}
      {report.notes.length > 0 && (
        <Section title={said.notes}>
          <ul>
            {report.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </Section>
      )}
    </div>
  );
}

function periodOf(first: string, last: string): string {
  return said.periodOf(day.withYear(first), day.withYear(last), texts.days(dayNumber(last) - dayNumber(first) + 1));
}

function repairLine(repair: Repair) {
  return (
    <li key={repair.code}>
      <strong>{number.whole(repair.count)}×</strong> {texts.repairs[repair.code] ?? repair.message}{" "}
      {repair.lines.length > 0 && <span className="muted">({said.lines(repair.lines.slice(0, 8).join(", "))})</span>}
    </li>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Section({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section>
      <h3>{title}</h3>
      {children}
    </section>
  );
}
