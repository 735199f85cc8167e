export interface Check {
  name: string;
  ok: boolean;
  detail: string;
}

/** Reads evidence that is a list of checks, [{"name", "ok", "detail"}, …]; null if it is anything else. */
export function parseChecks(value: string): Check[] | null {
  if (!value.startsWith("[{")) return null;
  let list: unknown;
  try {
    list = JSON.parse(value);
  } catch {
    return null;
  }
  if (!Array.isArray(list)) return null;
  const checks: Check[] = [];
  for (const item of list as Record<string, unknown>[]) {
    if (typeof item?.name !== "string" || item.ok === undefined) return null;
    checks.push({
      name: item.name,
      ok: item.ok === true || item.ok === "true",
      detail: typeof item.detail === "string" ? item.detail : "",
    });
  }
  return checks;
}
