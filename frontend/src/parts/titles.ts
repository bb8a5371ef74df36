import type { Job } from "../api/training/contracts.gen";
import { texts } from "../texts";

/** What people call a training: its data. */
export function datasetName({ spec: { dataset } }: Job): string {
  return dataset.name ?? texts.jobs.uri(dataset.uri ?? "");
}

/** What a reason's code means; one that these texts don't know is told by its own words. */
export function reasonText(code: string): string {
  return texts.reasons[code] ?? code.replaceAll("_", " ");
}

export function productName({ product, shop }: { readonly product: string; readonly shop: string | null }): string {
  return shop === null ? product : `${product} (${shop})`;
}
