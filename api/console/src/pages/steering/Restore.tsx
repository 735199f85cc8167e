import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";
import type { Region } from "../../api/client";
import { useRestore, useRestoreEffects } from "../../api/queries";
import { FaultNote } from "../../parts/FaultNote";
import { ReasonDialog } from "./ReasonDialog";

/** Lets a region take traffic again, as measured. */
export function Restore({ region, service, start }: { region: Region; service?: string; start?: boolean }) {
  const [opened, setOpened] = useState(start ?? false);
  const restore = useRestore();
  const effects = useRestoreEffects(region.id, service, opened);
  const name = service ? `${service} in ${region.id}` : region.id;
  const close = () => {
    setOpened(false);
    restore.reset();
  };
  return (
    <>
      <Button {...(service && { variant: "default", size: "xs" })} onClick={() => setOpened(true)}>
        Restore {name}…
      </Button>
      <ReasonDialog
        opened={opened}
        onClose={close}
        title={`Restore ${name}`}
        act={`Restore ${name}`}
        explain={[
          ...(effects.data?.effects ?? (effects.error ? [] : ["Asking what this would change…"])),
          ...(region.measured === "up"
            ? []
            : [`${region.id} is measured ${region.measured} now: restored or not, it gets traffic only once it is measured up.`]),
        ]}
        blocked={effects.error != null}
        error={restore.error}
        busy={restore.isPending}
        onAct={({ reason }) =>
          restore.mutate(
            { region: region.id, ...(service && { service }), reason },
            {
              onSuccess: (result) => {
                close();
                notifications.show({ title: `${name} is restored`, message: result.effects.join(" ") });
              },
            },
          )
        }
      >
        {effects.error != null && <FaultNote error={effects.error} />}
      </ReasonDialog>
    </>
  );
}
