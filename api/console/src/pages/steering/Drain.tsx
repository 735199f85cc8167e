import { Button, Checkbox, NativeSelect } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";
import { Fault, type Region, type Service } from "../../api/client";
import { useDrain, useDrainEffects } from "../../api/queries";
import { FaultNote } from "../../parts/FaultNote";
import { useSettled } from "../../parts/now";
import { ReasonDialog } from "./ReasonDialog";

/** Takes a region out of answers. What that does is asked of the program first, never guessed here. */
export function Drain({ region, services, start }: { region: Region; services: readonly Service[]; start?: boolean }) {
  const [opened, setOpened] = useState(start ?? false);
  const [service, setService] = useState("");
  const [force, setForce] = useState(false);
  const [span, setSpan] = useState("1h");
  const drain = useDrain();
  const intent = { region: region.id, for: useSettled(span, 300), ...(service && { service }), ...(force && { force }) };
  const effects = useDrainEffects(intent, opened);
  const refused = effects.error instanceof Fault && effects.error.kind === "conflict";
  const name = service ? `${service} from ${region.id}` : region.id;

  const close = () => {
    setOpened(false);
    setForce(false);
    setService("");
    setSpan("1h");
    drain.reset();
  };
  return (
    <>
      <Button color="danger" variant="outline" onClick={() => setOpened(true)}>
        Drain {region.id}…
      </Button>
      <ReasonDialog
        opened={opened}
        onClose={close}
        title={`Drain ${region.id}`}
        act={`Drain ${name}`}
        danger
        typed={region.id}
        withSpan="1h"
        onSpan={setSpan}
        blocked={effects.error != null}
        explain={[
          ...(effects.data?.effects ?? (effects.error ? [] : ["Asking what this would change…"])),
          `When the time is over, ${region.id} stays out and somebody is paged; it comes back when a person restores it.`,
        ]}
        error={drain.error}
        busy={drain.isPending}
        onAct={({ reason, span: chosen }) =>
          drain.mutate(
            { ...intent, reason, for: chosen },
            {
              onSuccess: (result) => {
                close();
                notifications.show({ title: `${name} is drained`, message: result.effects.join(" ") });
              },
            },
          )
        }
      >
        {services.length > 1 && (
          <NativeSelect
            label="What is drained"
            value={service}
            onChange={(e) => setService(e.currentTarget.value)}
            data={[
              { value: "", label: `Everything in ${region.id}` },
              ...services.map((s) => ({ value: s.id, label: `Only ${s.id} (${s.name})` })),
            ]}
          />
        )}
        {effects.error != null && <FaultNote error={effects.error} />}
        {(refused || force) && (
          <Checkbox
            checked={force}
            onChange={(e) => setForce(e.currentTarget.checked)}
            color="danger"
            label={`Drain ${region.id} all the same: I have read what stands against it`}
          />
        )}
      </ReasonDialog>
    </>
  );
}
