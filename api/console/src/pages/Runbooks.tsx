import { Link, useSearchParams } from "wouter";
import { useRunbooks } from "../api/queries";
import { FaultNote } from "../parts/FaultNote";
import { ChevronIcon } from "../parts/icons";
import { Empty, PageHead, Panel, Waiting } from "../parts/Panel";
import { count } from "../state/format";
import css from "./Runbooks.module.css";

export function Runbooks() {
  const runbooks = useRunbooks();
  const [search] = useSearchParams();
  const database = search.get("database");
  const suffix = database ? `?database=${encodeURIComponent(database)}` : "";
  return (
    <>
      <PageHead
        title={database ? `Runbooks for ${database}` : "Runbooks"}
        detail="Step-by-step procedures. Opening one starts nothing: it shows what it would do first."
      />
      <Panel title="All runbooks">
        {runbooks.error ? (
          <div style={{ padding: 16 }}>
            <FaultNote error={runbooks.error} retry={() => void runbooks.refetch()} />
          </div>
        ) : runbooks.data === undefined ? (
          <Waiting label="Loading the runbooks" />
        ) : runbooks.data.runbooks.length === 0 ? (
          <Empty>No runbook is configured.</Empty>
        ) : (
          <ul>
            {runbooks.data.runbooks.map((b) => (
              <li key={b.name} className={css.row}>
                <div className={css.text}>
                  <h3 className={css.title}>
                    <Link href={`/runbooks/${b.name}${suffix}`} className={css.link}>
                      {b.title}
                    </Link>
                  </h3>
                  <p className="soft">{b.description}</p>
                  <p className="soft small">
                    <code>{b.name}</code>, {count(b.steps_total, "step")}
                    {b.engine ? `, for ${b.engine}` : ""}, {b.source === "shipped" ? "shipped with Fairlead" : `from ${b.source}`}
                  </p>
                </div>
                <ChevronIcon />
              </li>
            ))}
          </ul>
        )}
      </Panel>
    </>
  );
}
