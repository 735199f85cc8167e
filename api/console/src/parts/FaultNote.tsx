import { Button } from "@mantine/core";
import { Fault } from "../api/client";
import css from "./FaultNote.module.css";
import { Mark } from "./Mark";
import { Remedy } from "./Remedy";
import { Said } from "./Said";

/** What went wrong and what to do now, as sentences. */
export function FaultNote({ error, retry }: { error: unknown; retry?: () => void }) {
  const fault =
    error instanceof Fault
      ? error
      : new Fault(0, "internal", `the console itself failed: ${error instanceof Error ? error.message : String(error)}`, "reload the page; the command line shows the same: fairlead status");
  const soft = fault.kind === "conflict" || fault.kind === "denied" || fault.kind === "not_found";
  return (
    <div className={css.note} role="alert" data-soft={soft || undefined}>
      <Mark shape={soft ? "degraded" : "down"} tone={soft ? "degraded" : "down"} size={18} />
      <div className={css.text}>
        <p className={css.detail}><Said text={fault.message} /></p>
        {fault.remedy !== "" && <p>What to do: <Remedy text={fault.remedy} /></p>}
      </div>
      {retry && (
        <Button variant="default" size="xs" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}
