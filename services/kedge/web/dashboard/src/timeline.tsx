// A statistic over time: which release served, what fired, and when aliases moved.
import { useCallback, useMemo } from "preact/hooks";
import uPlot from "uplot";
import type { Alias, Incident, Series } from "./api";
import { axis, FONT, isoDates, Plot, type Ink } from "./chart";
import { number, seconds, time } from "./format";
import { Scroll } from "./parts";

interface Band {
  release: number | null;
  from: number;
  to: number;
}

/** Stretches in which one release had most rows. */
export function bandsOf(series: Series[]): Band[] {
  const busiest = new Map<number, { release: number | null; to: number; rows: number }>();
  for (const each of series) {
    each.starts.forEach((start, at) => {
      const from = seconds(start);
      const rows = each.rows[at] ?? 0;
      if (rows >= (busiest.get(from)?.rows ?? 0)) {
        busiest.set(from, { release: each.release, to: seconds(each.ends[at]!), rows });
      }
    });
  }
  const bands: Band[] = [];
  for (const [from, { release, to }] of [...busiest].sort(([a], [b]) => a - b)) {
    const last = bands.at(-1);
    if (last && last.release === release) last.to = to;
    else bands.push({ release, from, to });
  }
  return bands;
}

function drawBands(plot: uPlot, bands: Band[], colours: Ink) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.font = scaled(FONT);
  ctx.textBaseline = "top";
  bands.forEach((band, at) => {
    const left = Math.max(bbox.left, plot.valToPos(band.from, "x", true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(band.to, "x", true));
    if (right <= left) return;
    if (at % 2) {
      ctx.fillStyle = colours.band;
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    const label = band.release === null ? "" : right - left > 70 * devicePixelRatio
      ? `release ${band.release}` : String(band.release);
    if (ctx.measureText(label).width + 6 < right - left) {
      ctx.fillStyle = colours.quiet;
      ctx.fillText(label, left + 4 * devicePixelRatio, bbox.top + 3 * devicePixelRatio);
    }
  });
  ctx.restore();
}

export const scaled = (font: string) =>
  font.replace(/^(\d+)px/, (_, size) => `${Number(size) * devicePixelRatio}px`);

function drawMarks(plot: uPlot, props: Marked, colours: Ink) {
  const { ctx, bbox } = plot;
  const bottom = bbox.top + bbox.height;
  const [from, to] = [plot.scales.x!.min!, plot.scales.x!.max!];
  ctx.save();
  for (const incident of props.incidents) {
    const starts = seconds(incident.starts_at);
    const ends = incident.ends_at ? seconds(incident.ends_at) : to;
    if (ends < from || starts > to) continue;
    const left = plot.valToPos(Math.max(from, starts), "x", true);
    const right = plot.valToPos(Math.min(to, ends), "x", true);
    ctx.fillStyle = incident.severity === "critical" ? colours.critical : colours.warning;
    ctx.fillRect(left, bottom - 4 * devicePixelRatio, Math.max(2, right - left), 4 * devicePixelRatio);
  }
  for (const { value, label } of props.thresholds) {
    const y = plot.valToPos(value, "y", true);
    if (y < bbox.top || y > bottom) continue;
    ctx.strokeStyle = colours.critical;
    ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.font = scaled(FONT);
    ctx.textAlign = "right";
    ctx.textBaseline = "bottom";
    ctx.fillStyle = colours.critical;
    ctx.fillText(label, bbox.left + bbox.width - 4, y - 2);
  }
  ctx.setLineDash([]);
  for (const move of props.moves) {
    const at = seconds(move.moved_at);
    if (at < from || at > to) continue;
    const x = plot.valToPos(at, "x", true);
    ctx.strokeStyle = colours.text;
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bottom);
    ctx.stroke();
  }
  ctx.restore();
}

interface Marked {
  incidents: Incident[];
  thresholds: { value: number; label: string }[];
  moves: Alias[];
}

const NONE: never[] = [];

export function Timeline(props: {
  label: string;
  series: Series[];
  incidents?: Incident[];
  thresholds?: Marked["thresholds"];
  moves?: Alias[];
  zoom?: (from: string, to: string) => void;
  height?: number;
}) {
  const { series, zoom, incidents = NONE, thresholds = NONE, moves = NONE } = props;
  const data = useMemo(
    () => uPlot.join(series.map((each): uPlot.AlignedData => [each.starts.map(seconds), each.values])),
    [series],
  );
  const bands = useMemo(() => bandsOf(series), [series]);
  const make = useCallback(
    (colours: Ink): Omit<uPlot.Options, "width" | "height"> => ({
      padding: [8, 8, 0, 0],
      legend: { show: true, live: true },
      cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
      scales: {
        y: {
          range: (_, least, most) => {
            const all = [least ?? 0, most ?? 1, 0, ...thresholds.map(({ value }) => value)];
            const top = Math.max(...all);
            const bottom = Math.min(...all);
            return [bottom, top + (top - bottom || 1) * 0.15];
          },
        },
      },
      axes: [
        axis(colours, { grid: { show: false }, values: isoDates, space: 70 }),
        axis(colours, { size: 52, values: (_, splits) => splits.map((value) => number(value)) }),
      ],
      series: [
        { label: "window from", value: (_, at) => (at == null ? "–" : time(at * 1000)) },
        ...series.map((each, at): uPlot.Series => ({
          label: `release ${each.release ?? "?"}${series.some((other) => other !== each && other.release === each.release) ? ` (${each.environment})` : ""}`,
          stroke: colours.accent,
          width: 1.5,
          // Of two that serve at once, the later is told apart by its dashes.
          dash: at % 2 ? [6, 4] : [],
          spanGaps: false,
          points: { show: true, size: 5, fill: colours.accent },
          value: (_, value) => number(value),
        })),
      ],
      hooks: {
        drawClear: [(plot) => drawBands(plot, bands, colours)],
        draw: [(plot) => drawMarks(plot, { incidents, thresholds, moves }, colours)],
        setSelect: [
          (plot) => {
            if (!zoom || plot.select.width < 8) return;
            const [from, to] = [plot.select.left, plot.select.left + plot.select.width].map((x) =>
              new Date(plot.posToVal(x, "x") * 1000).toISOString().slice(0, 19) + "Z");
            zoom(from!, to!);
          },
        ],
      },
    }),
    [series, bands, incidents, thresholds, moves, zoom],
  );
  return (
    <Plot
      data={data}
      make={make}
      height={props.height ?? 260}
      label={`${props.label}. ${spoken(series, bands)}`}
      table={<SeriesTable label={props.label} series={series} />}
    />
  );
}

function spoken(series: Series[], bands: Band[]): string {
  const values = series.flatMap((each) => each.values).filter((value) => value !== null);
  if (!values.length) return "There is no value.";
  return `${values.length} windows of ${new Set(bands.map((band) => band.release)).size} releases, `
    + `from ${number(Math.min(...values))} to ${number(Math.max(...values))}.`;
}

function SeriesTable(props: { label: string; series: Series[] }) {
  const rows = props.series
    .flatMap((each) => each.starts.map((start, at) => ({ each, start, at })))
    .sort((a, b) => (a.start < b.start ? 1 : -1));
  return (
    <Scroll label={`${props.label}, as a table`}>
      <table>
        <thead>
          <tr><th scope="col">Window from</th><th scope="col">Release</th><th scope="col" class="n">Value</th><th scope="col" class="n">Rows</th><th scope="col">Note</th></tr>
        </thead>
        <tbody>
          {rows.map(({ each, start, at }) => (
            <tr key={`${start}${each.release}${each.environment}`}>
              <td>{time(start)}</td>
              <td>{each.release}</td>
              <td class="n">{number(each.values[at])}</td>
              <td class="n">{each.rows[at]}</td>
              <td>{each.notes[at]}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
