// One model over time.
import { useCallback, useMemo } from "preact/hooks";
import {
  modelPath, query, type Alias, type Entry, type Incident, type Matrix, type Page, type Policy,
  type Release, type Series, type SeriesName, type Window,
} from "./api";
import { Distribution } from "./distribution";
import { named, time } from "./format";
import { Heatmap, type Cell } from "./heatmap";
import { IncidentTable } from "./overview";
import { Link, Moment, Panel, Scroll, Title, Waiting } from "./parts";
import { useAsked, useParameters } from "./state";
import { Timeline } from "./timeline";

const SPANS: [string, string, number][] = [
  ["24h", "24 hours", 86_400], ["7d", "7 days", 604_800], ["30d", "30 days", 2_592_000],
  ["90d", "90 days", 7_776_000], ["all", "everything", 0],
];
const USUAL = "90d";

/** The time range in the address: `from` and `to`, or the `last` so many days before the newest window. */
function useRange(model: string) {
  const [given, change] = useParameters();
  const newest = useAsked<Page<Window>>(`${modelPath(model)}/windows?limit=1`);
  const last = given.get("last") ?? USUAL;
  const span = SPANS.find(([name]) => name === last)?.[2] ?? 0;
  const [from, to] = [given.get("from"), given.get("to")];
  const until = newest.data?.items[0]?.window_end;
  const start = from ?? (span && until ? new Date(Date.parse(until) - span * 1000).toISOString() : null);
  const set = useCallback(
    (given: { last?: string; from?: string; to?: string }) =>
      change({ last: given.last ?? null, from: given.from ?? null, to: given.to ?? null }),
    [change],
  );
  return { start, end: to, last: from || to ? null : last, set, known: newest.data !== null, asked: newest };
}

const KEY = (of: SeriesName) => [of.statistic, of.column_name ?? "", of.kind ?? "", of.segment ?? "", of.role ?? ""].join("|");

export function Model({ model }: { model: string }) {
  const range = useRange(model);
  const releases = useAsked<Page<Release>>(`${modelPath(model)}/releases?limit=20`);
  const aliases = useAsked<{ aliases: Alias[] }>(modelPath(model));
  const incidents = useAsked<Page<Incident>>(query("/incidents", { model, limit: 200 }));
  const name = aliases.data?.aliases.find((each) => each.alias === "production")?.alias ?? aliases.data?.aliases[0]?.alias;
  const moves = useAsked<Page<Alias>>(name ? `${modelPath(model)}/aliases/${encodeURIComponent(name)}/history?limit=200` : null);
  const choose = useCallback((from: string, to: string) => range.set({ from, to }), [range.set]);
  return (
    <>
      <Title
        above={<Link to="/">Overview</Link>}
        beside={<Range range={range} />}
      >
        {model}
      </Title>
      {range.asked.error && <Waiting asked={range.asked} />}
      {range.known && (
        <>
          <Over model={model} range={range} zoom={choose} incidents={incidents.data?.items} moves={moves.data?.items} />
          <Heat model={model} range={range} />
        </>
      )}
      <div class="columns">
        <Panel title="Incidents">
          {incidents.data?.items.length
            ? <IncidentTable plain label={`Incidents of ${model}`} incidents={incidents.data.items} />
            : <Waiting asked={incidents} empty="Nothing has fired." />}
        </Panel>
        <Panel title={`Moves of ${name ?? "an alias"}`}>
          {moves.data?.items.length ? (
            <Scroll label="Moves of the alias">
              <table>
                <thead><tr><th scope="col">At</th><th scope="col">Release</th><th scope="col">Who</th><th scope="col">Why</th></tr></thead>
                <tbody>
                  {moves.data.items.map((move) => (
                    <tr key={move.generation}>
                      <td class="nowrap"><Moment at={move.moved_at} /></td>
                      <td class="nowrap">{move.from_release ?? "–"} → <Link to={`${modelPath(model)}/releases/${move.to_release}`}>{move.to_release}</Link></td>
                      <td>{move.actor}</td>
                      <td class="why"><span class="clamp" title={move.reason}>{move.reason}</span></td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroll>
          ) : <Waiting asked={name ? moves : aliases} empty="No alias points at a release yet." />}
        </Panel>
      </div>
      <Panel title="Releases">
        {releases.data?.items.length ? (
          <Scroll label="Releases">
            <table>
              <thead><tr><th scope="col">Release</th><th scope="col">Model version</th><th scope="col">Code version</th><th scope="col">Made</th><th scope="col">By</th><th scope="col">Why</th></tr></thead>
              <tbody>
                {releases.data.items.map((each) => (
                  <tr key={each.number}>
                    <td><Link to={`${modelPath(model)}/releases/${each.number}`}>release {each.number}</Link></td>
                    <td><code>{each.model_version.slice(0, 10)}</code></td>
                    <td><code>{each.code_version.slice(0, 10)}</code></td>
                    <td class="nowrap"><Moment at={each.created_at} /></td>
                    <td>{each.actor}</td>
                    <td class="why">{each.reason}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        ) : <Waiting asked={releases} empty="There is no release yet." />}
      </Panel>
    </>
  );
}

type Ranged = ReturnType<typeof useRange>;

function Range({ range }: { range: Ranged }) {
  return (
    <div class="range" role="group" aria-label="Time range">
      {range.last === null && (
        <span>{range.start ? time(range.start) : "beginning"} – {range.end ? time(range.end) : "now"}</span>
      )}
      {SPANS.map(([name, label]) => (
        <button key={name} aria-pressed={range.last === name} onClick={() => range.set({ last: name })}>{label}</button>
      ))}
    </div>
  );
}

function Over(props: {
  model: string; range: Ranged; zoom: (from: string, to: string) => void; incidents: Incident[] | undefined;
  moves: Alias[] | undefined;
}) {
  const { model, range } = props;
  const [given, change] = useParameters();
  const names = useAsked<Page<SeriesName>>(`${modelPath(model)}/series?limit=1000`);
  const catalogue = useAsked<Entry[]>("/statistics");
  const policies = useAsked<Policy[]>("/policies");
  const all = names.data?.items ?? [];
  const chosen = all.find((each) => KEY(each) === given.get("over"))
    ?? all.find((each) => each.statistic === "psi" && each.role === "output")
    ?? all.find((each) => each.statistic === "rows") ?? all[0];
  const series = useAsked<Series[]>(
    chosen
      ? query(`${modelPath(model)}/points`, {
          statistic: chosen.statistic, column: chosen.column_name, role: chosen.role, kind: chosen.kind,
          segment: chosen.segment, start: range.start, end: range.end,
        })
      : null,
  );
  const entry = catalogue.data?.find((each) => each.name === chosen?.statistic);
  const over = chosen ? KEY(chosen) : "";
  const thresholds = useMemo(() => {
    const rules = (policies.data ?? []).filter((policy) => policy.model === model || policy.model === "*").flatMap((policy) => policy.rules);
    return rules
      .filter((rule) => rule.statistic === chosen?.statistic && (rule.kind ?? null) === (chosen?.kind ?? null)
        && (rule.role == null || rule.role === chosen?.role)
        && (!chosen?.column_name || matches(rule.columns as string[], chosen.column_name)))
      .map((rule) => ({ value: Number(rule.above ?? rule.below), label: String(rule.name) }));
  }, [policies.data, over]);
  const groups = useMemo(() => grouped(all), [names.data]);
  return (
    <Panel
      title="Over time"
      beside={chosen && (
        <span class="fields">
          <label for="over">Statistic</label>
          <select id="over" value={KEY(chosen)} onChange={(event) => change({ over: event.currentTarget.value })}>
            {groups.map(([label, members]) => (
              <optgroup key={label} label={label}>
                {members.map((each) => <option key={KEY(each)} value={KEY(each)}>{named(each)}</option>)}
              </optgroup>
            ))}
          </select>
        </span>
      )}
    >
      {entry && <p class="quiet">{entry.meaning} {entry.conventional && `Usual: ${entry.conventional}.`}</p>}
      {series.data?.length && chosen ? (
        <Timeline
          label={named(chosen)} series={series.data} thresholds={thresholds} zoom={props.zoom}
          incidents={props.incidents ?? []} moves={props.moves ?? []}
        />
      ) : <Waiting asked={chosen ? series : names} empty="No window of this model has been archived in this time." />}
      <p class="quiet">Drag over the chart to look closer. A bar at the bottom is an incident; shading tells which release served.</p>
    </Panel>
  );
}

const matches = (globs: string[] | undefined, name: string) =>
  !globs || globs.some((glob) => new RegExp(`^${glob.replace(/[.+^${}()|\\[\]]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`).test(name));

function grouped(all: SeriesName[]): [string, SeriesName[]][] {
  const groups = new Map<string, SeriesName[]>();
  for (const each of all) {
    const label = each.column_name ? `${each.statistic}` : "the whole window";
    groups.set(label, [...(groups.get(label) ?? []), each]);
  }
  return [...groups];
}

const HEATS: [string, string, number, boolean][] = [
  ["psi", "Drift (PSI)", 1, false], ["missing_rate", "Missing rate", 1, true],
];

function Heat({ model, range }: { model: string; range: Ranged }) {
  const [given, change] = useParameters();
  const [statistic, label, most, share] = HEATS.find(([name]) => name === given.get("heat")) ?? HEATS[0]!;
  const asked = useAsked<Matrix>(
    query(`${modelPath(model)}/matrix`, { statistic, start: range.start, end: range.end }),
  );
  const matrix = asked.data;
  const selected = useMemo<Cell | null>(() => {
    const row = matrix?.columns.findIndex((each) => `${each.role}.${each.column_name}` === given.get("cell")) ?? -1;
    const window = matrix?.starts.indexOf(given.get("window") ?? "") ?? -1;
    return row < 0 || window < 0 ? null : { row, window };
  }, [matrix, given.get("cell"), given.get("window")]);
  const select = useCallback(
    ({ row, window }: Cell) => {
      const column = matrix!.columns[row]!;
      change({ cell: `${column.role}.${column.column_name}`, window: matrix!.starts[window]! });
    },
    [matrix, change],
  );
  const column = selected && matrix?.columns[selected.row];
  return (
    <div class={column ? "columns wide" : ""}>
      <Panel
        title="Every feature"
        beside={
          <span class="range" role="group" aria-label="What the heat map shows">
            {HEATS.map(([name, text]) => (
              <button key={name} aria-pressed={name === statistic} onClick={() => change({ heat: name })}>{text}</button>
            ))}
          </span>
        }
      >
        {matrix?.columns.length ? (
          <Heatmap label={label} matrix={matrix} most={most} share={share} selected={selected} select={select} />
        ) : <Waiting asked={asked} empty="No window of this model has been archived in this time." />}
      </Panel>
      {column && selected && matrix && (
        <Panel title="The window over the reference" beside={<button onClick={() => change({ cell: null, window: null })}>Close</button>}>
          <Distribution
            model={model} release={matrix.releases[selected.window] ?? 0} role={column.role ?? "feature"}
            column={column.column_name} start={matrix.starts[selected.window]!} end={matrix.ends[selected.window]!}
          />
        </Panel>
      )}
    </div>
  );
}
