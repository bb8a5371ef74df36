import { useDeferredValue, useEffect, useMemo, useState } from "react";
import { useSession } from "./access/session";
import type { ViewerState } from "./api/hooks/training";
import type { Product, ProductState } from "./api/training/contracts.gen";

export interface ProductRow {
  readonly id: string;
  readonly product: string;
  readonly shop: string | null;
  readonly status: ProductState;
  readonly reason: string | null;
  readonly message: string | null;
  readonly wape: number | null;
  readonly naiveWape: number | null;
}

/** All products of a job, failures first: the list by REST, and over it what ended since. */
export function useProducts(jobId: string, job: ViewerState): readonly ProductRow[] {
  const listed = useListed(jobId, job);
  const ends = useDeferredValue(job.products);
  return useMemo(() => {
    const rows = new Map(listed.map((p) => [p.product_id, rowOf(p)]));
    for (const [id, end] of ends.entries()) {
      const known = rows.get(id);
      if (!known || known.status === "pending") {
        const { product, shop, status, reason, message } = end;
        rows.set(id, { id, product, shop, status, reason, message, wape: null, naiveWape: null });
      }
    }
    const all = [...rows.values()];
    return [...all.filter((row) => row.status === "failed"), ...all.filter((row) => row.status !== "failed")];
  }, [listed, ends]);
}

function rowOf(p: Product): ProductRow {
  const { product_id: id, product, shop, status, reason, message, scores } = p;
  return {
    id,
    product,
    shop,
    status,
    reason,
    message,
    wape: scores?.wape ?? null,
    naiveWape: scores?.naive_wape ?? null,
  };
}

/** Asked when the products are known, and once more at the end, when they have scores. */
function useListed(jobId: string, job: ViewerState): readonly Product[] {
  const { api } = useSession();
  const [listed, setListed] = useState<readonly Product[]>([]);
  const when = job.stage === "training" || job.stage === "done" ? job.stage : null;
  useEffect(() => {
    if (when === null) return;
    let wanted = true;
    const read = async () => {
      let products: readonly Product[] = [];
      let after: string | null = null;
      do {
        const page = await api.products(jobId, after);
        products = [...products, ...page.items];
        after = page.next;
        if (!wanted) return;
        // The first page is seen at once; at the end it would only take away rows that are there.
        if (when === "training") setListed(products);
      } while (after !== null);
      setListed(products);
    };
    const retry = () => {
      if (wanted) setTimeout(() => wanted && read().catch(retry), 3000);
    };
    read().catch(retry);
    return () => {
      wanted = false;
    };
  }, [api, jobId, when]);
  return listed;
}
