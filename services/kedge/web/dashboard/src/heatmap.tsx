// A statistic of every feature in every window. uPlot has the axes and the pointer, cells are ours.
import { useCallback, useMemo } from "preact/hooks";
import uPlot from "uplot";
import type { Matrix } from "./api";
import { axis, isoDates, Plot, type Ink } from "./chart";
import { number, percent, seconds, time } from "./format";
import { Scroll } from "./parts";

const ROW = 18;
const STEPS = [0.08, 0.2, 0.35, 0.5, 0.65, 0.8, 1];

export interface Cell {
  row: number;
  window: number;
}

export function Heatmap(props: {
  label: string;
  matrix: Matrix;
  /** From which value on a cell is as dark as can be. */
  most: number;
  share?: boolean;
  selected: Cell | null;
  select: (cell: Cell) => void;
}) {
  const { matrix, most, selected, select } = props;
  const { columns, starts, ends } = matrix;
  const shown = (value: number | null | undefined) => (props.share ? percent(value) : number(value));
  const data = useMemo<uPlot.AlignedData>(
    () => [starts.map(seconds), starts.map(() => 0)],
    [starts],
  );
  const row = selected?.row;
  const window = selected?.window;
  const make = useCallback(
    (colours: Ink): Omit<uPlot.Options, "width" | "height"> => {
      const longest = Math.max(6, ...columns.map((each) => each.column_name.length));
      const cell = (plot: uPlot): Cell | null => {
        const [x, y] = [plot.posToVal(plot.cursor.left!, "x"), plot.posToVal(plot.cursor.top!, "y")];
        const at = starts.findIndex((start, each) => seconds(start) <= x && x < seconds(ends[each]!));
        const line = Math.floor(-y);
        return at < 0 || line < 0 || line >= columns.length ? null : { row: line, window: at };
      };
      return {
        padding: [0, 8, 0, 0],
        cursor: { x: true, y: true, drag: { x: false, y: false }, points: { show: false } },
        legend: { show: false },
        scales: {
          x: { range: [seconds(starts[0]!), seconds(ends.at(-1)!)] },
          y: { range: [-columns.length, 0] },
        },
        axes: [
          axis(colours, { grid: { show: false }, size: 36, values: isoDates, space: 80 }),
          axis(colours, {
            grid: { show: false }, ticks: { show: false }, gap: 6, size: Math.min(150, longest * 6.6 + 14),
            splits: () => columns.map((_, at) => -at - 0.5),
            values: () => columns.map((each) => each.column_name.slice(0, 21)),
          }),
        ],
        series: [{}, { show: true, stroke: "transparent", points: { show: false } }],
        hooks: {
          draw: [(plot) => paint(plot, matrix, most, colours, row === undefined ? null : { row, window: window! })],
          ready: [
            (plot) => {
              plot.over.style.cursor = "pointer";
              plot.over.addEventListener("click", () => {
                const found = cell(plot);
                if (found) select(found);
              });
            },
          ],
          setCursor: [
            (plot) => {
              const found = plot.cursor.left! < 0 ? null : cell(plot);
              plot.over.title = found
                ? `${columns[found.row]!.column_name}, ${time(starts[found.window])}: ${shown(columns[found.row]!.values[found.window])}`
                : "";
            },
          ],
        },
      };
    },
    [matrix, most, row, window, select],
  );
  const chosen = selected && columns[selected.row];
  return (
    <>
      <Plot
        data={data}
        make={make}
        height={columns.length * ROW + 40}
        label={`${props.label}: ${columns.length} features and outputs in ${starts.length} windows. The fields below choose a cell.`}
        table={<MatrixTable {...props} shown={shown} />}
      />
      <div class="fields">
        <Choice
          id={`${props.label}-feature`} label="Feature" value={selected?.row ?? ""}
          options={columns.map((each) => each.column_name)}
          choose={(at) => select({ row: at, window: selected?.window ?? starts.length - 1 })}
        />
        <Choice
          id={`${props.label}-window`} label="Window" value={selected?.window ?? ""}
          options={starts.map((start) => time(start))}
          choose={(at) => select({ row: selected?.row ?? 0, window: at })}
        />
        <span role="status">
          {chosen && selected ? <b>{shown(chosen.values[selected.window])}</b> : <span class="quiet">Choose a cell to see its distribution.</span>}
        </span>
        <span class="legend right" aria-hidden="true">
          0 {STEPS.map((step) => <i key={step} style={{ opacity: step }} />)} {shown(most)} or more
        </span>
      </div>
    </>
  );
}

function Choice(props: {
  id: string; label: string; value: number | ""; options: string[]; choose: (at: number) => void;
}) {
  const id = props.id.replace(/\W+/g, "-");
  return (
    <>
      <label for={id}>{props.label}</label>
      <select id={id} value={props.value} onChange={(event) => props.choose(Number(event.currentTarget.value))}>
        {props.value === "" && <option value="">–</option>}
        {props.options.map((name, at) => <option key={name} value={at}>{name}</option>)}
      </select>
    </>
  );
}

function paint(plot: uPlot, matrix: Matrix, most: number, colours: Ink, selected: Cell | null) {
  const { ctx } = plot;
  ctx.save();
  const x = [...matrix.starts, matrix.ends.at(-1)!].map((at) => Math.round(plot.valToPos(seconds(at), "x", true)));
  const gap = x.length > 1 && (x.at(-1)! - x[0]!) / x.length > 6 * devicePixelRatio ? devicePixelRatio : 0;
  const edge = (line: number) => Math.round(plot.valToPos(-line, "y", true));
  matrix.columns.forEach((column, line) => {
    const [top, bottom] = [edge(line), edge(line + 1)];
    column.values.forEach((value, at) => {
      const left = x[at]!;
      const width = Math.max(1, x[at + 1]! - left - gap);
      if (value === null) {
        ctx.fillStyle = colours.line;
        ctx.fillRect(left, (top + bottom) / 2, width, devicePixelRatio);
      } else if (value > 0) {
        // A root: what lies between nothing and the threshold is to be told apart too.
        ctx.globalAlpha = Math.max(0.04, Math.sqrt(Math.min(1, value / most)));
        ctx.fillStyle = colours.accent;
        ctx.fillRect(left, top, width, bottom - top - devicePixelRatio);
        ctx.globalAlpha = 1;
      }
    });
  });
  if (selected && x[selected.window] !== undefined) {
    ctx.strokeStyle = colours.text;
    ctx.lineWidth = 2 * devicePixelRatio;
    const [left, top] = [x[selected.window]!, edge(selected.row)];
    ctx.strokeRect(left - 1, top - 1, x[selected.window + 1]! - left, edge(selected.row + 1) - top);
  }
  ctx.restore();
}

const SHOWN_AS_TABLE = 24;

function MatrixTable(props: { label: string; matrix: Matrix; shown: (value: number | null | undefined) => string }) {
  const { matrix } = props;
  const from = Math.max(0, matrix.starts.length - SHOWN_AS_TABLE);
  return (
    <Scroll label={`${props.label}, as a table`}>
      <table>
        <caption class="quiet">The last {matrix.starts.length - from} windows</caption>
        <thead>
          <tr>
            <th scope="col">Feature</th>
            {matrix.starts.slice(from).map((start) => <th scope="col" class="n" key={start}>{time(start)}</th>)}
          </tr>
        </thead>
        <tbody>
          {matrix.columns.map((each) => (
            <tr key={`${each.role}${each.column_name}`}>
              <th scope="row">{each.column_name}</th>
              {each.values.slice(from).map((value, at) => <td class="n" key={matrix.starts[from + at]}>{props.shown(value)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
