// The API as the pages use it. The token is kept for this tab alone, and goes in a header.

const KEY = "kedge.token";

export class Refusal extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value: string) => sessionStorage.setItem(KEY, value),
  clear: () => sessionStorage.removeItem(KEY),
};

export function headers(more: Record<string, string> = {}): Record<string, string> {
  const held = token.get();
  return held ? { ...more, Authorization: `Bearer ${held}` } : more;
}

export async function ask<T>(
  path: string,
  options: { method?: string; body?: unknown; seen?: number; signal?: AbortSignal } = {},
): Promise<T> {
  const more: Record<string, string> = {};
  if (options.body !== undefined) more["Content-Type"] = "application/json";
  if (options.seen !== undefined) more["If-Match"] = `"${options.seen}"`;
  const method = options.method ?? "GET";
  const send = () => fetch(`/api/v1${path}`, {
    method,
    headers: headers(more),
    body: options.body === undefined ? null : JSON.stringify(options.body),
    signal: options.signal ?? null,
  });
  const answer = await send().catch(async (error: unknown) => {
    if (options.signal?.aborted) throw error;
    // A line breaks now and then; reading again does no harm.
    const again = method === "GET" ? await send().catch(() => null) : null;
    if (!again) throw new Refusal(0, "Kedge's web service does not answer.");
    return again;
  });
  const told = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refusal(answer.status, told?.detail ?? answer.statusText);
  return told as T;
}

/** A path with the parameters that have a value. */
export function query(path: string, given: Record<string, string | number | null | undefined>) {
  const kept = Object.entries(given).filter(([, value]) => value !== null && value !== undefined);
  const text = new URLSearchParams(kept.map(([key, value]) => [key, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

export const modelPath = (model: string) => `/models/${encodeURIComponent(model)}`;

export interface Page<T> {
  items: T[];
  next: string | null;
}
export interface Caller {
  name: string;
  scope: "read" | "operate" | "admin";
}
export interface Alias {
  model: string;
  alias: string;
  generation: number;
  from_release: number | null;
  to_release: number;
  actor: string;
  reason: string;
  incident: string | null;
  moved_at: string;
  share: number | null;
}
export interface OpenIncident {
  incident: string;
  starts_at: string;
  severity: string | null;
  summary: string | null;
}
export interface Recent {
  window_start: string;
  window_end: string;
  release: number | null;
  rows: number | null;
  errors: number | null;
  label_coverage: number | null;
  drift: number | null;
  missing: number | null;
}
export interface Overview {
  name: string;
  aliases: Alias[];
  open_incidents: OpenIncident[];
  windows: Recent[];
}
export interface Series {
  release: number | null;
  environment: string | null;
  starts: string[];
  ends: string[];
  values: (number | null)[];
  rows: (number | null)[];
  lows: (number | null)[];
  highs: (number | null)[];
  notes: (string | null)[];
}
export interface Matrix {
  starts: string[];
  ends: string[];
  releases: (number | null)[];
  rows: (number | null)[];
  columns: { role: string | null; column_name: string; values: (number | null)[] }[];
}
export interface Distribution {
  role: string;
  column_name: string;
  type: string;
  release: number;
  reference_rows: number;
  window_rows: number;
  bins: { label: string; reference: number; window: number }[];
  missing: { kind: string; reference: number; window: number }[];
}
export interface Entry {
  name: string;
  group: string;
  of: "window" | "column";
  unit: string;
  meaning: string;
  conventional: string;
}
export interface SeriesName {
  statistic: string;
  role: string | null;
  column_name: string | null;
  kind: string | null;
  segment: string | null;
  windows: number;
}
export interface Incident {
  model: string;
  incident: string;
  starts_at: string;
  ends_at: string | null;
  status: string | null;
  severity: string | null;
  rule: string | null;
  summary: string | null;
  alias: string | null;
  release: number | null;
  verdict: string | null;
  verdict_because: string[] | null;
  onset: string | null;
  onset_earliest: string | null;
  onset_latest: string | null;
  decision_action: string | null;
  decision_to_release: number | null;
  decision_reason: string | null;
  decided_at: string | null;
  helped: boolean | null;
  alerts: number;
}
export interface Alert {
  id: string;
  step: string | null;
  status: string | null;
  severity: string | null;
  model: string;
  release: number | null;
  environment: string | null;
  alias: string | null;
  rule: string | null;
  statistic: string | null;
  role: string | null;
  column_name: string | null;
  kind: string | null;
  segment: string | null;
  threshold: number | null;
  value: number | null;
  rows: number | null;
  starts_at: string | null;
  ends_at: string | null;
  window_start: string | null;
  window_end: string | null;
  summary: string | null;
  decision_action: string | null;
  decision_from_release: number | null;
  decision_to_release: number | null;
  decision_generation: number | null;
  decision_reason: string | null;
  decided_at: string | null;
  produced_at: string;
}
export interface Proposal {
  id: number;
  incident: string;
  alias: string;
  from_release: number;
  to_release: number;
  reason: string;
  expires_at: string;
  state: string;
  answered_by: string | null;
  answer: string | null;
}
export interface Release {
  number: number;
  model_version: string;
  code_version: string;
  created_at: string;
  actor: string;
  reason: string;
}
export interface Difference {
  part: string;
  what: string;
  before: string;
  after: string;
}
export interface Average {
  statistic: string;
  kind: string | null;
  windows: number;
  rows: number | null;
  average: number | null;
  least: number;
  greatest: number;
}
export interface Window {
  release: number | null;
  window_start: string;
  window_end: string;
}
export interface Line {
  model: string;
  partition: number;
  [count: string]: number | string | null;
}
export interface Report {
  status: "whole" | "gap" | "behind";
  lines: Line[];
  findings: { severity: string; text: string }[];
}
export interface Policy {
  model: string;
  environment: string | null;
  alias: string;
  rules: Record<string, unknown>[];
  rollback: Record<string, unknown>;
  webhooks: string[];
}
