import type { FormEvent } from "react";
import type { NewLayout, NewReadingOptions } from "../api/training/contracts.gen";
import { texts } from "../texts";

const { start: said } = texts;
const ROLES = ["date", "product", "quantity", "shop"] as const;

interface ReadingFormProps {
  readonly reading: NewReadingOptions;
  readonly onRead: (reading: NewReadingOptions) => void;
}

/** Where the content of a file does not say it, a person does. */
export function ReadingForm({ reading, onRead }: ReadingFormProps) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const word = (name: string) => String(form.get(name) ?? "").trim() || null;
    const columns = Object.fromEntries(ROLES.map((role) => [role, word(role)]));
    const layout = word("layout") as NewLayout;
    onRead({ layout, date_format: word("date_format"), decimal: word("decimal") as "." | "," | null, columns });
  };
  return (
    <form className="reading" onSubmit={submit}>
      <Select name="layout" label={said.layout} value={reading.layout} options={said.layouts} />
      <Select name="date_format" label={said.dateFormat} value={reading.date_format} options={said.dateFormats} />
      <Select name="decimal" label={said.decimal} value={reading.decimal} options={said.decimals} />
      {ROLES.map((role) => (
        <label key={role}>
          {said.columns[role]}
          <input
            name={role}
            defaultValue={reading.columns?.[role] ?? ""}
            placeholder={said.columnHint}
            maxLength={200}
          />
        </label>
      ))}
      <div className="actions">
        <button type="submit">{said.readAgain}</button>
      </div>
    </form>
  );
}

interface SelectProps {
  readonly name: string;
  readonly label: string;
  readonly value: string | null | undefined;
  readonly options: Readonly<Record<string, string>>;
}

function Select({ name, label, value, options }: SelectProps) {
  return (
    <label>
      {label}
      <select name={name} defaultValue={value ?? ""}>
        {Object.entries(options).map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
