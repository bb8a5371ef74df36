import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { texts } from "../texts";

type Give = (text: string) => boolean;

export function TokenPrompt({ give }: { readonly give: Give }) {
  return (
    <section className="card prompt">
      <h1>{texts.access.firstTitle}</h1>
      <p>{texts.access.first}</p>
      <TokenForm give={give} />
      <p className="muted">{texts.access.hint}</p>
    </section>
  );
}

/** Over the page, which keeps what it knew. */
export function TokenDialog({ give }: { readonly give: Give }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="card prompt" aria-labelledby={title} onCancel={(event) => event.preventDefault()}>
      <h2 id={title}>{texts.access.newTitle}</h2>
      <p>{texts.access.new}</p>
      <TokenForm give={give} />
    </dialog>
  );
}

function TokenForm({ give }: { readonly give: Give }) {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState(false);
  const field = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setWrong(!give(text));
    setText("");
  };
  return (
    <form onSubmit={submit}>
      <label htmlFor={field}>{texts.access.label}</label>
      <div className="field-row">
        <input
          id={field}
          type="password"
          autoComplete="off"
          spellCheck={false}
          required
          value={text}
          aria-invalid={wrong}
          aria-describedby={wrong ? `${field}-wrong` : undefined}
          onChange={(event) => setText(event.target.value)}
        />
        <button type="submit" className="primary">
          {texts.access.open}
        </button>
      </div>
      {wrong && (
        <p className="error" role="alert" id={`${field}-wrong`}>
          {texts.access.wrong}
        </p>
      )}
    </form>
  );
}
