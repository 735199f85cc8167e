import { Button } from "@mantine/core";
import { useState } from "react";
import type { Status, Whoami } from "../../api/client";
import { useEndFreeze, useFreeze } from "../../api/queries";
import { instant, left } from "../../state/format";
import { useNow } from "../../parts/now";
import { ReasonDialog } from "./ReasonDialog";

/** Whether automatic changes of answers are frozen, and the way in and out of that. */
export function Frozen({ freeze, me }: { freeze: Status["freeze"]; me: Whoami }) {
  const now = useNow();
  const [open, setOpen] = useState(false);
  const set = useFreeze();
  const end = useEndFreeze();
  const may = me.may.includes("freeze");
  return (
    <p>
      {freeze.frozen ? (
        <>
          Automatic changes are frozen by {freeze.by}
          {freeze.until ? `, ${left(instant(freeze.until), now)}` : ""}: {freeze.reason}. What is dead is still taken out.{" "}
        </>
      ) : (
        "Automatic changes of answers are on. "
      )}
      {may && (
        <Button variant="default" size="compact-sm" ml={4} onClick={() => setOpen(true)}>
          {freeze.frozen ? "End the freeze…" : "Freeze…"}
        </Button>
      )}
      {freeze.frozen ? (
        <ReasonDialog
          opened={open}
          onClose={() => setOpen(false)}
          title="End the freeze"
          act="End the freeze"
          explain={["Ramps and automatic returns go on from here."]}
          error={end.error}
          busy={end.isPending}
          onAct={({ reason }) => end.mutate({ reason }, { onSuccess: () => setOpen(false) })}
        />
      ) : (
        <ReasonDialog
          opened={open}
          onClose={() => setOpen(false)}
          title="Freeze automatic changes"
          act="Freeze automatic changes"
          withSpan="30m"
          explain={["Answers stay as they are until the end you give. What dies is still taken out."]}
          error={set.error}
          busy={set.isPending}
          onAct={({ reason, span }) => set.mutate({ reason, for: span }, { onSuccess: () => setOpen(false) })}
        />
      )}
    </p>
  );
}
