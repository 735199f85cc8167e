import { Link } from "wouter";
import type { Status } from "../../api/client";
import { Empty } from "../../parts/Panel";
import { Said } from "../../parts/Said";
import { Tag } from "../../parts/Tag";
import { seconds } from "../../state/format";
import { stateLook } from "../../state/words";
import { Gets } from "./Gets";
import css from "./Tables.module.css";

/** Per service, one line for each group of clients. */
export function Services({ status }: { status: Status }) {
  if (status.services.length === 0) {
    return <Empty>No service is configured. A service is one DNS name whose answer follows the health of its endpoints.</Empty>;
  }
  return (
    <table className={css.table}>
      <thead>
        <tr>
          <th scope="col">Service</th>
          <th scope="col">Who asks</th>
          <th scope="col">Gets now</th>
          <th scope="col" className={css.right}>
            TTL
          </th>
          <th scope="col" className={css.wide}>
            Why
          </th>
        </tr>
      </thead>
      {status.services.map((s) => {
        const look = stateLook(s.state);
        const groups = s.answers.length > 0 ? s.answers : [undefined];
        return (
          <tbody key={s.id}>
            {groups.map((a, i) => (
              <tr key={a?.group ?? "none"}>
                {i === 0 && (
                  <th scope="rowgroup" rowSpan={groups.length} className={css.lead}>
                    <span className={css.leadName}>
                      <Link href={`/services/${s.id}`} className={css.plain}>{s.id}</Link>
                      <Tag shape={look.shape} tone={look.tone}>
                        {look.word}
                      </Tag>
                    </span>
                    <code className={css.sub}>{s.name}</code>
                    {s.writes_database && <span className={css.sub}>follows the writer of {s.writes_database}</span>}
                    {s.mode === "observe" && <span className={css.sub}>observed only, never answered</span>}
                  </th>
                )}
                {a === undefined ? (
                  <td colSpan={4} className="soft">
                    {s.mode === "observe" ? "Judged, not answered." : <Said text={s.because} />}
                  </td>
                ) : (
                  <>
                    <td data-label="Who asks">
                      {a.group}
                      {a.prefixes.length > 0 && <span className={css.sub}>{a.prefixes.join(", ")}</span>}
                    </td>
                    <td data-label="Gets now">
                      <Gets answer={a} />
                    </td>
                    <td data-label="TTL" className={`${css.right} num`}>
                      {seconds(a.ttl_seconds)}
                    </td>
                    <td data-label="Why" className={css.why}>
                      <Said text={a.because} bare />
                    </td>
                  </>
                )}
              </tr>
            ))}
          </tbody>
        );
      })}
    </table>
  );
}
