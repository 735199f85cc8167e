import { useMantineColorScheme } from "@mantine/core";
import { Spotlight, type SpotlightActionGroupData } from "@mantine/spotlight";
import { useLocation } from "wouter";
import { useExecutions, useRunbooks, useStatus } from "../api/queries";
import { SearchIcon } from "../parts/icons";
import { isOpen, needsRestore, regionLook, runLook } from "../state/words";

/** Ctrl K: every place and every act, by typing. An act opens its dialog; nothing is done from here. */
export function Palette() {
  const [, go] = useLocation();
  const { setColorScheme } = useMantineColorScheme();
  const status = useStatus();
  const runs = useExecutions();
  const runbooks = useRunbooks();

  const groups: SpotlightActionGroupData[] = [
    {
      group: "Runs",
      actions: (runs.data?.executions ?? []).filter(isOpen).map((x) => ({
        id: `run-${x.id}`,
        label: x.title,
        description: `${runLook(x).word}: ${x.sentence}`,
        onClick: () => go(`/executions/${x.id}`),
      })),
    },
    {
      group: "Regions",
      actions: (status.data?.regions ?? []).flatMap((r) => [
        {
          id: `region-${r.id}`,
          label: r.id,
          description: `${regionLook(r).word}: ${r.because}`,
          keywords: r.name,
          onClick: () => go(`/regions/${r.id}`),
        },
        needsRestore(r)
          ? {
              id: `restore-${r.id}`,
              label: `Restore ${r.id}…`,
              description: "Let it take traffic again, as measured",
              onClick: () => go(`/regions/${r.id}?act=restore`),
            }
          : {
              id: `drain-${r.id}`,
              label: `Drain ${r.id}…`,
              description: `${r.id} loses its traffic`,
              onClick: () => go(`/regions/${r.id}?act=drain`),
            },
      ]),
    },
    {
      group: "Services",
      actions: (status.data?.services ?? []).map((s) => ({
        id: `service-${s.id}`,
        label: s.id,
        description: s.name,
        onClick: () => go(`/services/${s.id}`),
      })),
    },
    {
      group: "Runbooks",
      actions: (runbooks.data?.runbooks ?? []).map((b) => ({
        id: `runbook-${b.name}`,
        label: b.title,
        description: b.description,
        keywords: b.name,
        onClick: () => go(`/runbooks/${b.name}`),
      })),
    },
    {
      group: "Pages",
      actions: [
        { id: "go-overview", label: "Overview", onClick: () => go("/") },
        { id: "go-runbooks", label: "Runbooks", onClick: () => go("/runbooks") },
        { id: "go-runs", label: "Runs", onClick: () => go("/executions") },
        { id: "go-audit", label: "Audit", onClick: () => go("/audit") },
        { id: "theme-light", label: "Theme: light", onClick: () => setColorScheme("light") },
        { id: "theme-dark", label: "Theme: dark", onClick: () => setColorScheme("dark") },
        { id: "theme-auto", label: "Theme: as the system", onClick: () => setColorScheme("auto") },
      ],
    },
  ];

  return (
    <Spotlight
      actions={groups.filter((g) => g.actions.length > 0)}
      shortcut={["mod + K"]}
      nothingFound="Nothing has that name."
      highlightQuery
      attributes={{ content: { "aria-label": "Search and commands" } }}
      scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}
      scrollable
      maxHeight={460}
      limit={30}
      searchProps={{ leftSection: <SearchIcon />, placeholder: "A region, a service, a runbook, an act…", "aria-label": "Search and commands" }}
    />
  );
}
