import type { ReactNode } from "react";
import css from "./Facts.module.css";

/** Names and values, aligned. */
export function Facts({ items, columns }: { items: readonly (readonly [string, ReactNode] | null | false)[]; columns?: boolean }) {
  return (
    <dl className={css.facts} data-columns={columns || undefined}>
      {items.map(
        (item) =>
          item && (
            <div key={item[0]} className={css.fact}>
              <dt>{item[0]}</dt>
              <dd>{item[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}
