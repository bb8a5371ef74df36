import { lazy, Suspense, useCallback, useEffect } from "react";
import { Link } from "wouter";
import { useSession } from "../access/session";
import { useTrainingJob } from "../api/hooks/training";
import type { ProductDetail } from "../api/training/contracts.gen";
import { day, dayAt, dayNumber } from "../format";
import { Choice } from "../parts/choice";
import { ErrorNote, isMissing } from "../parts/errors";
import { productName, reasonText } from "../parts/titles";
import { texts } from "../texts";
import { useLoad } from "../useload";
import { useUrlWord } from "../useurl";
import { Days } from "./days";
import { ScoreCard } from "./scores";

const { product: said } = texts;
const Chart = lazy(() => import("../parts/chart"));
const DEFAULT_DAYS = "91";

interface ProductViewProps {
  readonly jobId: string;
  readonly productId: string;
}

export function ProductView({ jobId, productId }: ProductViewProps) {
  const { api, tenant, getToken } = useSession();
  const product = useLoad(useCallback(() => api.product(jobId, productId), [api, jobId, productId]));
  const { job } = useTrainingJob({ tenant, jobId, getToken });
  const ended = job.products.has(productId);
  const { data, error, reload } = product;
  const waiting = data?.status === "pending";
  useEffect(() => {
    if (ended && waiting) reload();
  }, [ended, waiting, reload]);
  const name = data ? productName(data) : "";
  useEffect(() => {
    if (name) document.title = `${name} – ${texts.name}`;
  }, [name]);
  return (
    <>
      <p className="crumbs no-print">
        <Link href="/">{texts.nav.jobs}</Link> / <Link href={`/jobs/${jobId}`}>{said.back}</Link>
      </p>
      {isMissing(error) && <p className="empty">{said.notFound}</p>}
      {error && !isMissing(error) && <ErrorNote error={error} again={reload} />}
      {!data && !error && <p className="muted">{texts.loading} …</p>}
      {data && <Product product={data} />}
    </>
  );
}

function Product({ product }: { readonly product: ProductDetail }) {
  const { forecast, history } = product;
  return (
    <>
      <div className="title-row">
        <h1>
          {product.product} {product.shop !== null && <small className="muted">{product.shop}</small>}
        </h1>
        <span className={`badge no-print ${product.status}`}>{texts.productState[product.status]}</span>
      </div>
      {product.status === "failed" && (
        <div className="note bad">
          <strong>{said.failed}</strong>
          <p>{[reasonText(product.reason ?? ""), product.message].filter(Boolean).join(": ")}</p>
        </div>
      )}
      {product.status === "pending" && <p className="note">{said.waiting}</p>}
      {(history || forecast) && <ChartCard product={product} />}
      {product.scores && forecast && <ScoreCard scores={product.scores} />}
      {forecast && <Days name={productName(product)} forecast={forecast} />}
    </>
  );
}

function ChartCard({ product: { history, forecast } }: { readonly product: ProductDetail }) {
  const [range, setRange] = useUrlWord("days", DEFAULT_DAYS);
  const days = Number(range) > 0 ? Number(range) : null;
  const last = forecast ? dayNumber(forecast.start) + forecast.mean.length - 1 : null;
  return (
    <section className="card no-print">
      <div className="title-row">
        <h2>{said.chart}</h2>
        <Choice
          legend={said.range}
          value={range}
          onChange={setRange}
          options={Object.entries(said.ranges).sort(([a], [b]) => (Number(a) || 1e9) - (Number(b) || 1e9))}
        />
      </div>
      <Suspense fallback={<div className="chart-box muted">{said.loadingChart} …</div>}>
        <Chart
          history={history}
          forecast={forecast}
          days={days}
          summary={
            forecast && last !== null
              ? said.chartSummary(forecast.mean.length, day.long(forecast.start), day.long(dayAt(last)))
              : said.chart
          }
        />
      </Suspense>
    </section>
  );
}
