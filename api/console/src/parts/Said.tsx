import { useQueryClient } from "@tanstack/react-query";
import type { Status } from "../api/client";
import { stop } from "../state/format";

/**
 * What the program said, as a sentence: with a capital unless it begins with a
 * name, which keeps its own spelling.
 */
export function Said({ text, bare }: { text: string; bare?: boolean }) {
  const capital = useSentence()(text);
  return <>{bare ? capital : stop(capital)}</>;
}

/** The same for where only plain text can stand: headings and titles. */
export function useSentence(): (text: string) => string {
  const queries = useQueryClient();
  return (text) => {
    const status = queries.getQueryData<Status>(["status"]);
    return capitalise(text, status ? names(status) : new Set());
  };
}

/** Every name that the fleet gives to something. */
export function names(s: Status): Set<string> {
  return new Set([
    ...s.regions.map((r) => r.id),
    ...s.services.map((x) => x.id),
    ...s.databases.map((d) => d.id),
    ...s.nodes.map((n) => n.name),
  ]);
}

export function capitalise(text: string, known: ReadonlySet<string>): string {
  const first = /^[a-z]+(?=[ ,;.:]|$)/.exec(text)?.[0];
  if (first === undefined || known.has(first)) return text;
  return text[0]!.toUpperCase() + text.slice(1);
}
