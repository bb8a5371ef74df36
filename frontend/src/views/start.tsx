import { useCallback, useEffect, useState } from "react";
import { Link, useSearch } from "wouter";
import { useSession } from "../access/session";
import type { Dataset } from "../api/training/contracts.gen";
import { fileSize } from "../format";
import { DropZone } from "../parts/dropzone";
import { ErrorNote } from "../parts/errors";
import { texts } from "../texts";
import { useLoad } from "../useload";
import { useUrlWord } from "../useurl";
import { Preview } from "./preview";

const { start: said } = texts;

/** The dataset is in the address, so a link shows the same preview. */
export function StartView() {
  const { mayTrain } = useSession();
  const [dataset, setDataset] = useUrlWord("dataset", "");
  const search = useSearch();
  useEffect(() => {
    document.title = `${said.title} – ${texts.name}`;
  }, []);
  return (
    <>
      <h1>{said.title}</h1>
      <p className="lead">{said.intro}</p>
      {!mayTrain && <p className="note">{said.viewerOnly}</p>}
      {mayTrain && (dataset === "" ? <Choose onChosen={setDataset} /> : <Preview key={dataset} dataset={dataset} />)}
      {dataset !== "" && search !== "" && (
        <p>
          <Link href="/start">{said.another}</Link>
        </p>
      )}
    </>
  );
}

function Choose({ onChosen }: { readonly onChosen: (dataset: string) => void }) {
  const { api } = useSession();
  const known = useLoad(useCallback(() => api.datasets(), [api]));
  const [uploading, setUploading] = useState<File>();
  const [error, setError] = useState<Error>();
  const upload = (file: File) => {
    setUploading(file);
    setError(undefined);
    api
      .upload(datasetNameOf(file.name), file)
      .then(({ name }) => onChosen(name), setError)
      .finally(() => setUploading(undefined));
  };
  return (
    <>
      <DropZone onFile={upload} busy={uploading && said.uploading(uploading.name, fileSize(uploading.size))} />
      {error && <ErrorNote error={error} />}
      {known.data && known.data.items.length > 0 && <Known datasets={known.data.items} onChosen={onChosen} />}
    </>
  );
}

interface KnownProps {
  readonly datasets: readonly Dataset[];
  readonly onChosen: (dataset: string) => void;
}

function Known({ datasets, onChosen }: KnownProps) {
  return (
    <section>
      <h2>{said.known}</h2>
      <ul className="datasets">
        {datasets.map((dataset) => (
          <li key={dataset.name}>
            <button type="button" className="card" onClick={() => onChosen(dataset.name)}>
              <strong>{dataset.name}</strong>
              <span className="muted">
                {said.version(dataset.version)}, {fileSize(dataset.size_bytes)}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** `Verkäufe 2024.csv` → `verkaufe-2024`: the same name for the next version of the same file. */
export function datasetNameOf(file: string): string {
  const stem = file.replace(/\.[^.]*$/, "");
  const plain = stem
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase();
  const name = plain
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+/, "")
    .slice(0, 63)
    .replace(/-+$/, "");
  return name || "sales";
}
