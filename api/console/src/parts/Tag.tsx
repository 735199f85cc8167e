import type { ReactNode } from "react";
import { Mark, type Shape, type Tone } from "./Mark";
import css from "./Tag.module.css";

/** A state as shape, word and colour, on a line of its own height. */
export function Tag({ shape, tone, children, solid }: { shape: Shape; tone: Tone; children: ReactNode; solid?: boolean }) {
  return (
    <span className={css.tag} data-tone={tone} data-solid={solid || undefined}>
      <Mark shape={shape} tone={tone} size={14} />
      <span>{children}</span>
    </span>
  );
}
