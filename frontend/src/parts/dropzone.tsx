import { type DragEvent, useEffect, useState } from "react";
import { texts } from "../texts";

interface DropZoneProps {
  readonly onFile: (file: File) => void;
  /** What goes on meanwhile, in words. */
  readonly busy: string | undefined;
}

export function DropZone({ onFile, busy }: DropZoneProps) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    // A file that is dropped beside the zone would else be opened instead of the page.
    const stay = (event: Event) => event.preventDefault();
    addEventListener("dragover", stay);
    addEventListener("drop", stay);
    return () => {
      removeEventListener("dragover", stay);
      removeEventListener("drop", stay);
    };
  }, []);
  const drag = (event: DragEvent) => {
    event.preventDefault();
    setOver(event.type === "dragover");
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const file = event.dataTransfer.files[0];
    if (file && !busy) onFile(file);
  };
  return (
    <label className={over ? "drop over" : "drop"} onDragOver={drag} onDragLeave={drag} onDrop={drop}>
      <input
        type="file"
        className="sr-only"
        accept=".csv,.txt,.tsv,.parquet,text/csv"
        disabled={busy !== undefined}
        onChange={({ target }) => {
          const file = target.files?.[0];
          if (file) onFile(file);
          target.value = "";
        }}
      />
      {busy === undefined ? (
        <>
          <strong>{texts.start.drop}</strong>
          <span className="link">{texts.start.choose}</span>
          <span className="muted">{texts.start.shape}</span>
        </>
      ) : (
        <strong role="status">{busy} …</strong>
      )}
    </label>
  );
}
