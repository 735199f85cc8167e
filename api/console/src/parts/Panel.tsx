import { useEffect, useId, useRef, type ReactNode } from "react";
import css from "./Panel.module.css";

/** A section of a page, named by its heading. */
export function Panel({
  title,
  note,
  actions,
  children,
  bare,
  className,
}: {
  title: string;
  note?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  bare?: boolean; // without a sheet of paper underneath
  className?: string | undefined;
}) {
  const id = useId();
  return (
    <section aria-labelledby={id} className={`${css.section} ${className ?? ""}`}>
      <header className={css.head}>
        <h2 id={id} className={css.title}>
          {title}
        </h2>
        {note !== undefined && <p className={css.note}>{note}</p>}
        {actions !== undefined && <div className={css.actions}>{actions}</div>}
      </header>
      {bare ? children : <div className={css.paper}>{children}</div>}
    </section>
  );
}

/** A page begins with one heading, which also names the tab and takes the focus. */
export function PageHead({
  title,
  tab,
  mark,
  detail,
  actions,
  over,
}: {
  title: string;
  tab?: string;
  mark?: ReactNode;
  detail?: ReactNode;
  actions?: ReactNode;
  over?: ReactNode;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${tab ?? title} · Fairlead`;
  }, [tab, title]);
  useEffect(() => {
    window.scrollTo(0, 0);
    heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <header className={css.page}>
      <div className={css.pageText}>
        {over !== undefined && <p className={css.over}>{over}</p>}
        <div className={css.pageTitle}>
          {mark}
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
        </div>
        {detail !== undefined && <div className={css.detail}>{detail}</div>}
      </div>
      {actions !== undefined && <div className={css.pageActions}>{actions}</div>}
    </header>
  );
}

/** Where there is nothing to show, a sentence says so, and what would change that. */
export function Empty({ children }: { children: ReactNode }) {
  return <p className={css.empty}>{children}</p>;
}

/** Keeps the place of something that is on its way, so that nothing jumps. */
export function Waiting({ rows = 3, label }: { rows?: number; label: string }) {
  return (
    <div className={css.waiting} role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, i) => (
        <span key={i} className={css.bone} style={{ width: `${90 - ((i * 23) % 45)}%` }} />
      ))}
    </div>
  );
}
