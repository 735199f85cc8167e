// What the screens ask for. Keys name the thing; live.ts invalidates by them.

import { useMutation, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { ask, http, intentKey, type Execution, type Operation } from "./client";
import { fallback, heard, heartbeat, useLiveness } from "./live";

const every = () => {
  const { streaming } = useLiveness();
  return streaming ? heartbeat : fallback;
};

export function useStatus() {
  const refetchInterval = every();
  return useQuery({
    queryKey: ["status"],
    queryFn: async ({ signal }) => {
      const status = await ask(http.GET("/api/v1/status", { signal }));
      heard(status.at);
      return status;
    },
    refetchInterval,
  });
}

export function useWhoami() {
  return useQuery({
    queryKey: ["whoami"],
    queryFn: ({ signal }) => ask(http.GET("/api/v1/whoami", { signal })),
    refetchInterval: 60_000,
  });
}

export function useExecutions() {
  const refetchInterval = every();
  return useQuery({
    queryKey: ["executions"],
    queryFn: ({ signal }) => ask(http.GET("/api/v1/executions", { params: { query: { limit: 100 } }, signal })),
    refetchInterval,
  });
}

export function useExecution(id: string) {
  const { streaming } = useLiveness();
  return useQuery({
    queryKey: ["execution", id],
    queryFn: async ({ signal }) => {
      const run = await ask(http.GET("/api/v1/executions/{id}", { params: { path: { id } }, signal }));
      heard(run.at);
      return run;
    },
    refetchInterval: (query) => (query.state.data?.state === "ended" ? heartbeat * 4 : streaming ? 3000 : fallback),
  });
}

export function useRunbooks() {
  return useQuery({
    queryKey: ["runbooks"],
    queryFn: ({ signal }) => ask(http.GET("/api/v1/runbooks", { signal })),
  });
}

export function useRunbook(name: string) {
  return useQuery({
    queryKey: ["runbook", name],
    queryFn: ({ signal }) => ask(http.GET("/api/v1/runbooks/{name}", { params: { path: { name } }, signal })),
  });
}

export interface Intent {
  runbook: string;
  database?: string;
  to?: string;
  ungraceful?: boolean;
  params?: Record<string, string>;
}

export function usePreview(intent: Intent | null) {
  return useQuery({
    queryKey: ["preview", intent],
    enabled: intent !== null,
    queryFn: ({ signal }) => ask(http.POST("/api/v1/executions/preview", { body: intent!, signal })),
    gcTime: 0,
    refetchInterval: 15_000,
  });
}

/** Starts a run. The key is made once per opened page, so a second click changes nothing. */
export function useStart() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ key, ...body }: Intent & { reason: string; plan_hash?: string; key: string }) =>
      ask(http.POST("/api/v1/executions", { body, params: { header: { "Idempotency-Key": key } } })),
    onSuccess: (run) => {
      queries.setQueryData(["execution", run.id], run);
      void queries.invalidateQueries({ queryKey: ["executions"] });
    },
  });
}

export function useOperate(id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ operation, ...body }: { operation: Operation; reason: string; step?: string; plan_hash?: string }) =>
      ask(http.POST("/api/v1/executions/{id}/{operation}", { params: { path: { id, operation } }, body })),
    onSuccess: (run: Execution) => queries.setQueryData(["execution", id], run),
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: ["execution", id] });
      void queries.invalidateQueries({ queryKey: ["executions"] });
    },
  });
}

export interface DrainIntent {
  region: string;
  reason: string;
  for: string;
  service?: string;
  force?: boolean;
}

const refreshSteering = (queries: ReturnType<typeof useQueryClient>) => {
  void queries.invalidateQueries({ queryKey: ["status"] });
  void queries.invalidateQueries({ queryKey: ["overrides"] });
  void queries.invalidateQueries({ queryKey: ["steering"] });
};

/** What a drain would do; the reason does not matter to that, but the API wants one. */
export function useDrainEffects(intent: Omit<DrainIntent, "reason">, enabled: boolean) {
  const { region, ...body } = intent;
  return useQuery({
    queryKey: ["steering", "drain", intent],
    enabled,
    gcTime: 0,
    queryFn: ({ signal }) =>
      ask(
        http.POST("/api/v1/regions/{region}/drain", {
          params: { path: { region } },
          body: { ...body, reason: "preview", dry_run: true },
          signal,
        }),
      ),
  });
}

export function useDrain() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ region, ...body }: DrainIntent) =>
      ask(http.POST("/api/v1/regions/{region}/drain", { params: { path: { region } }, body })),
    onSuccess: () => refreshSteering(queries),
  });
}

export function useRestoreEffects(region: string, service: string | undefined, enabled: boolean) {
  return useQuery({
    queryKey: ["steering", "restore", region, service],
    enabled,
    gcTime: 0,
    queryFn: ({ signal }) =>
      ask(
        http.POST("/api/v1/regions/{region}/restore", {
          params: { path: { region } },
          body: { ...(service && { service }), reason: "preview", dry_run: true },
          signal,
        }),
      ),
  });
}

export function useRestore() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ region, ...body }: { region: string; service?: string; reason: string }) =>
      ask(http.POST("/api/v1/regions/{region}/restore", { params: { path: { region } }, body })),
    onSuccess: () => refreshSteering(queries),
  });
}

export function useOverrides() {
  return useQuery({
    queryKey: ["overrides"],
    queryFn: ({ signal }) => ask(http.GET("/api/v1/overrides", { signal })),
    refetchInterval: 15_000,
  });
}

export function useEndOverride() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, reason }: { id: string; reason: string }) =>
      ask(http.POST("/api/v1/overrides/{id}/end", { params: { path: { id } }, body: { reason } })),
    onSuccess: () => refreshSteering(queries),
  });
}

export function useFreeze() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ reason, for: span }: { reason: string; for: string }) =>
      ask(http.POST("/api/v1/freeze", { body: { reason, for: span } })),
    onSuccess: () => refreshSteering(queries),
  });
}

export function useEndFreeze() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ reason }: { reason: string }) => ask(http.DELETE("/api/v1/freeze", { params: { query: { reason } } })),
    onSuccess: () => refreshSteering(queries),
  });
}

export function useExplain(question: { name: string; type?: string; client?: string; at?: string } | null) {
  return useQuery({
    queryKey: ["explain", question],
    enabled: question !== null,
    queryFn: ({ signal }) => ask(http.GET("/api/v1/explain", { params: { query: question! }, signal })),
    refetchInterval: question?.at ? false : 10_000,
  });
}

export const auditPage = 50;

export function useAudit(from: number | undefined) {
  return useQuery({
    queryKey: ["audit", from ?? "newest"],
    queryFn: ({ signal }) => ask(http.GET("/api/v1/audit", { params: { query: { from, limit: auditPage } }, signal })),
    placeholderData: (before) => before,
  });
}

export function useVerify() {
  return useMutation({ mutationFn: () => ask(http.GET("/api/v1/audit/verify")) });
}

/** Drops what another person may have been shown. */
export function forget(queries: QueryClient) {
  queries.removeQueries({ predicate: (q) => q.queryKey[0] !== "whoami" });
}

export function useSignIn() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (token: string) => ask(http.POST("/api/v1/session", { body: { token } })),
    onSuccess: (whoami) => {
      forget(queries);
      queries.setQueryData(["whoami"], whoami);
    },
  });
}

export function useSignOut() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => ask(http.DELETE("/api/v1/session")),
    onSettled: () => queries.resetQueries({ queryKey: ["whoami"] }),
  });
}

export { intentKey };
