import { Link } from "wouter";
import type { Execution, ExecutionSummary } from "../api/client";
import { useExecutions } from "../api/queries";
import { Age, Elapsed } from "../parts/Age";
import { FaultNote } from "../parts/FaultNote";
import { Empty, PageHead, Panel, Waiting } from "../parts/Panel";
import { Said } from "../parts/Said";
import { Tag } from "../parts/Tag";
import { isOpen, runLook } from "../state/words";
import tables from "./overview/Tables.module.css";

export function Runs() {
  const runs = useExecutions();
  const all = runs.data?.executions ?? [];
  const open = all.filter(isOpen);
  const over = all.filter((x) => !isOpen(x));
  return (
    <>
      <PageHead title="Runs" detail="Every runbook that was started: by whom, why, and how it ended." />
      {runs.error ? (
        <FaultNote error={runs.error} retry={() => void runs.refetch()} />
      ) : runs.data === undefined ? (
        <Waiting rows={6} label="Loading the runs" />
      ) : (
        <>
          <Panel title="Open" note="not ended yet">
            {open.length === 0 ? <Empty>Nothing runs now.</Empty> : <Table runs={open} />}
          </Panel>
          <Panel title="Ended">
            {over.length === 0 ? (
              <Empty>
                No run has ended yet. <Link href="/runbooks">Choose a runbook</Link> to see what it would do.
              </Empty>
            ) : (
              <Table runs={over} />
            )}
          </Panel>
        </>
      )}
    </>
  );
}

function Table({ runs }: { runs: readonly ExecutionSummary[] }) {
  return (
    <table className={tables.table} data-rows>
      <thead>
        <tr>
          <th scope="col">Run</th>
          <th scope="col">State</th>
          <th scope="col">Started by</th>
          <th scope="col" className={tables.right}>
            Started
          </th>
          <th scope="col" className={tables.right}>
            Took
          </th>
        </tr>
      </thead>
      <tbody>
        {runs.map((x) => {
          const look = runLook(x as Pick<Execution, "state" | "outcome">);
          return (
            <tr key={x.id}>
              <th scope="row" className={tables.wide}>
                <Link href={`/executions/${x.id}`} className={tables.strong}>
                  <Said text={x.title} bare />
                </Link>
                <span className={tables.sub}>{x.reason}</span>
              </th>
              <td>
                <Tag shape={look.shape} tone={look.tone}>
                  {look.word}
                </Tag>
                <span className={tables.sub}>
                  <Said text={x.sentence} />
                </span>
              </td>
              <td data-label="Started by">{x.started_by}</td>
              <td data-label="Started" className={tables.right}>
                <Age at={x.started_at} />
              </td>
              <td data-label="Took" className={tables.right}>
                <Elapsed from={x.started_at} to={x.ended_at} ms={x.duration_ms} />
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
