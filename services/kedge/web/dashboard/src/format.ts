// Numbers and times as people read them. Times are in UTC, as windows are.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (n: number | null | undefined) =>
  n == null ? "–" : Math.abs(n) < 100_000 ? whole.format(n) : compact.format(n);

export function number(value: number | null | undefined): string {
  if (value == null) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1000 ? whole.format(value) : size < 0.001 ? value.toExponential(1)
    : String(Number(value.toPrecision(3)));
}

export const percent = (share: number | null | undefined) =>
  share == null ? "–" : `${Number((share * 100).toPrecision(share < 0.1 ? 2 : 3))} %`;

export function time(moment: string | number | null | undefined): string {
  if (moment == null) return "–";
  const text = new Date(moment).toISOString();
  return text.endsWith("T00:00:00.000Z") ? text.slice(0, 10) : text.slice(0, 16).replace("T", " ");
}

export const seconds = (moment: string) => Date.parse(moment) / 1000;

/** How long ago, in the largest unit that fits. */
export function ago(moment: string, now = Date.now()): string {
  const past = Math.max(0, (now - Date.parse(moment)) / 1000);
  const units: [number, string][] = [
    [31_557_600, "y"], [86_400, "d"], [3600, "h"], [60, "min"], [1, "s"],
  ];
  const [size, unit] = units.find(([size]) => past >= size) ?? [1, "s"];
  return `${Math.floor(past / size)} ${unit} ago`;
}

/** Sentences of a text; a number's point ends none. */
export const sentences = (text: string) => text.split(/(?<=[.!?])\s+(?=[A-Z]|[a-z_]+ )/).filter(Boolean);

/** The name of a series, as in `missing_rate (null) of temp`. */
export function named(of: {
  statistic: string | null; kind?: string | null; column_name?: string | null; segment?: string | null;
}): string {
  return [
    of.statistic ?? "",
    of.kind && `(${of.kind})`,
    of.column_name && `of ${of.column_name}`,
    of.segment && `where ${of.segment}`,
  ].filter(Boolean).join(" ");
}
