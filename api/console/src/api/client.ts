// The only way from the console to the program: typed by the OpenAPI document
// that the program itself serves.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
export type Status = Schemas["Status"];
export type Region = Schemas["Region"];
export type Service = Schemas["Service"];
export type Endpoint = Schemas["Endpoint"];
export type Report = Schemas["Report"];
export type AnswerGroup = Schemas["AnswerGroup"];
export type Database = Schemas["Database"];
export type DatabaseMember = Schemas["DatabaseMember"];
export type Node = Schemas["Node"];
export type Alarm = Schemas["Alarm"];
export type Override = Schemas["Override"];
export type Explanation = Schemas["Explanation"];
export type Runbook = Schemas["Runbook"];
export type RunbookSummary = Schemas["RunbookSummary"];
export type RunbookParam = Schemas["RunbookParam"];
export type Plan = Schemas["Plan"];
export type PlannedStep = Schemas["PlannedStep"];
export type Envelope = Schemas["Envelope"];
export type Execution = Schemas["Execution"];
export type ExecutionSummary = Schemas["ExecutionSummary"];
export type Step = Schemas["Step"];
export type Operation = Schemas["Operation"];
export type Whoami = Schemas["Whoami"];
export type Problem = Schemas["Problem"];

const http = createClient<paths>({ baseUrl: "/", credentials: "same-origin" });

/** What went wrong, as the program says it, or as the network left it. */
export class Fault extends Error {
  readonly status: number; // 0: no answer at all
  readonly kind: string;
  readonly subject: string;
  readonly remedy: string;

  constructor(status: number, kind: string, detail: string, remedy = "", subject = "") {
    super(detail);
    this.name = "Fault";
    this.status = status;
    this.kind = kind;
    this.remedy = remedy;
    this.subject = subject;
  }
}

/** Turns a problem document into a Fault whose sentence does not repeat its remedy. */
export function fromProblem(status: number, body: unknown): Fault {
  if (typeof body === "object" && body !== null && "detail" in body) {
    const p = body as Partial<Problem>;
    const remedy = p.remedy ?? "";
    let detail = p.detail ?? p.title ?? "";
    if (remedy && detail.endsWith(`(${remedy})`)) detail = detail.slice(0, -remedy.length - 2).trimEnd();
    return new Fault(status, p.kind ?? "internal", detail, remedy, p.subject ?? "");
  }
  return new Fault(
    status,
    status >= 500 ? "unavailable" : "invalid",
    `the node answered with status ${status} and no explanation`,
    status >= 500 ? "try again; if it stays, read the node's log" : "reload the page",
  );
}

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** Waits for an answer; whatever is not a success is thrown as a Fault. */
export async function ask<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new Fault(
      0,
      "unavailable",
      "this node does not answer your browser",
      "it keeps trying; another node's console shows the same picture, and so does `fairlead status`",
    );
  }
  if (!answer.response.ok) throw fromProblem(answer.response.status, answer.error);
  return answer.data as T;
}

/** One key per intent, so that a click repeated by the network starts one run. */
export function intentKey(): string {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(random, (b) => b.toString(16).padStart(2, "0")).join("")}`;
}

export { http };
