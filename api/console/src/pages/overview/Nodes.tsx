import type { Status } from "../../api/client";
import { Age } from "../../parts/Age";
import { Empty } from "../../parts/Panel";
import { Tag } from "../../parts/Tag";
import { instant } from "../../state/format";
import { nodeLook } from "../../state/words";
import css from "./Tables.module.css";

export function Nodes({ status }: { status: Status }) {
  const at = instant(status.at);
  if (status.nodes.length === 0) return <Empty>This node knows of no other, and does not list itself.</Empty>;
  return (
    <table className={css.table} data-rows>
      <thead>
        <tr>
          <th scope="col">Node</th>
          <th scope="col">State</th>
          <th scope="col">Region</th>
          <th scope="col">Roles</th>
          <th scope="col" className={css.right}>
            Steers by
          </th>
          <th scope="col" className={css.right}>
            Last heard
          </th>
        </tr>
      </thead>
      <tbody>
        {status.nodes.map((n) => {
          const look = nodeLook(n);
          return (
            <tr key={n.name}>
              <th scope="row" className={css.strong}>
                {n.name}
                {n.self && <span className="soft"> (this one)</span>}
              </th>
              <td>
                <Tag shape={look.shape} tone={look.tone}>
                  {look.word}
                </Tag>
                {n.problem && <span className={css.sub}>{n.problem}</span>}
                {n.not_heard_by && n.not_heard_by.length > 0 && <span className={css.sub}>not heard by {n.not_heard_by.join(", ")}</span>}
              </td>
              <td data-label="Region">{n.region || "–"}</td>
              <td data-label="Roles">{n.roles.join(", ")}</td>
              <td data-label="Steers by" className={`${css.right} num`}>
                decision {n.generation}
              </td>
              <td data-label="Last heard" className={css.right}>
                {n.self ? "itself" : n.last_heard_ms === undefined ? "never" : <Age at={at - n.last_heard_ms} />}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
