import { Button } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { auditPage, useAudit, useVerify } from "../api/queries";
import { Age } from "../parts/Age";
import { FaultNote } from "../parts/FaultNote";
import { Mark } from "../parts/Mark";
import { Empty, PageHead, Panel, Waiting } from "../parts/Panel";
import { Said } from "../parts/Said";
import { fullTime, instant, short } from "../state/format";
import css from "./Audit.module.css";
import tables from "./overview/Tables.module.css";

export function Audit() {
  const [from, setFrom] = useState<number | undefined>(undefined);
  const audit = useAudit(from);
  const verify = useVerify();
  const page = audit.data;
  const entries = [...(page?.entries ?? [])].reverse(); // the newest on top
  const first = page?.entries[0]?.position;
  const last = page?.entries[page.entries.length - 1]?.position;
  const older = first !== undefined && first > 1;
  const newer = page !== undefined && last !== undefined && last < page.head;
  return (
    <>
      <PageHead
        title="Audit"
        detail="Who decided what, when and why. Each entry seals the one before it, so nothing can be changed or left out unseen."
        actions={
          <Button variant="default" onClick={() => verify.mutate()} loading={verify.isPending}>
            Verify the chain
          </Button>
        }
      />
      {verify.error && <FaultNote error={verify.error} />}
      {verify.data && (
        <div className={css.verdict} data-ok={verify.data.ok || undefined} role="status">
          <Mark shape={verify.data.ok ? "up" : "down"} tone={verify.data.ok ? "up" : "down"} size={20} />
          <div>
            <p className={css.strong}><Said text={verify.data.sentence} /></p>
            {verify.data.head_hash && (
              <p className="small">
                {!verify.data.sentence.includes(verify.data.head_hash) && (
                  <>
                    Head <code className={css.hash}>{verify.data.head_hash}</code>.{" "}
                  </>
                )}
                Note it down elsewhere: it seals everything before it.
              </p>
            )}
          </div>
        </div>
      )}
      <Panel
        title="Entries"
        note={page && first !== undefined ? `${first} to ${last} of ${page.head}, newest first` : undefined}
        actions={
          <div className={css.pages}>
            <Button
              variant="default"
              size="xs"
              disabled={!newer}
              onClick={() => setFrom(last! + auditPage >= page!.head ? undefined : last! + 1)}
            >
              Newer
            </Button>
            <Button variant="default" size="xs" disabled={!older} onClick={() => setFrom(Math.max(1, first! - auditPage))}>
              Older
            </Button>
          </div>
        }
      >
        {audit.error ? (
          <div style={{ padding: 16 }}>
            <FaultNote error={audit.error} retry={() => void audit.refetch()} />
          </div>
        ) : page === undefined ? (
          <Waiting rows={8} label="Loading the audit trail" />
        ) : entries.length === 0 ? (
          <Empty>Nobody has decided anything yet.</Empty>
        ) : (
          <table className={tables.table} data-rows>
            <thead>
              <tr>
                <th scope="col" className={tables.right}>
                  Entry
                </th>
                <th scope="col">When</th>
                <th scope="col">Who</th>
                <th scope="col" className={css.wide}>
                  What
                </th>
                <th scope="col">Seal</th>
              </tr>
            </thead>
            <tbody>
              {entries.map((e) => (
                <tr key={e.position}>
                  <td data-label="Entry" className={`${tables.right} num`}>
                    {e.position}
                  </td>
                  <td data-label="When" title={fullTime(instant(e.at))}>
                    <Age at={e.at} />
                  </td>
                  <td data-label="Who" className={tables.strong}>
                    {e.principal}
                  </td>
                  <td data-label="What">
                    <span>
                      {e.sentence}
                      {e.reason && <span className={tables.sub}>Reason: {e.reason}</span>}
                      <span className={tables.sub}>
                        {e.kind.replaceAll("_", " ")}, {e.subject}
                        {e.execution && (
                          <>
                            , <Link href={`/executions/${e.execution}`}>the run</Link>
                          </>
                        )}
                      </span>
                    </span>
                  </td>
                  <td data-label="Seal" title={e.hash}>
                    <code>{short(e.hash)}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Panel>
    </>
  );
}
