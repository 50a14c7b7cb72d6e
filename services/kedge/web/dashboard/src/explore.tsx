// Questions to the archive in SQL, and their answers as a table and a chart.
import { useCallback, useMemo, useState } from "preact/hooks";
import uPlot from "uplot";
import { ask, Refusal } from "./api";
import { axis, isoDates, Plot, type Ink } from "./chart";
import { count, number, time } from "./format";
import { Panel, Scroll, Title } from "./parts";
import { useParameters } from "./state";

interface Answer {
  columns: { name: string; type: string }[];
  rows: unknown[][];
  truncated: boolean;
}

const FIRST = `SELECT window_start, release, max(value) AS psi
FROM statistics
WHERE statistic = 'psi' AND role = 'output'
GROUP BY ALL ORDER BY ALL`;
const SHOWN = 500;

export function Explore() {
  const [given, change] = useParameters();
  const [text, setText] = useState(given.get("sql") ?? FIRST);
  const [state, set] = useState<{ busy: boolean; error: string | null; answer: Answer | null }>({
    busy: false, error: null, answer: null,
  });
  async function run() {
    change({ sql: text, x: null, y: null });
    set((old) => ({ ...old, busy: true, error: null }));
    try {
      const answer = await ask<Answer>("/sql", { method: "POST", body: { query: text, rows: 5000 } });
      set({ busy: false, error: null, answer });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      set({ busy: false, error: error.message, answer: null });
    }
  }
  const { answer } = state;
  return (
    <>
      <Title>Explore</Title>
      <Panel title="Ask the archive">
        <form
          class="ask"
          onSubmit={(event) => { event.preventDefault(); void run(); }}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void run();
          }}
        >
          <label for="sql">One statement that reads. <code>SHOW TABLES</code> says what there is, <code>DESCRIBE predictions</code> what is in it.</label>
          <textarea id="sql" rows={7} spellcheck={false} required value={text} onInput={(event) => setText(event.currentTarget.value)} />
          <p class="fields">
            <button class="primary" disabled={state.busy}>{state.busy ? "Asking …" : "Run"}</button>
            <span class="quiet">or Ctrl+Enter</span>
            <span role="status">{answer && !state.busy && `${count(answer.rows.length)} rows${answer.truncated ? ", and there are more" : ""}`}</span>
          </p>
        </form>
        {state.error && <pre class="error" role="alert">{state.error}</pre>}
      </Panel>
      {answer && answer.rows.length > 0 && <Drawn answer={answer} />}
      {answer && (
        <Panel title="Answer">
          <Scroll label="Answer">
            <table>
              <thead><tr>{answer.columns.map((each, at) => <th scope="col" key={at} class={isNumber(each.type) ? "n" : ""} title={each.type}>{each.name}</th>)}</tr></thead>
              <tbody>
                {answer.rows.slice(0, SHOWN).map((row, at) => (
                  <tr key={at}>
                    {row.map((value, column) => <td key={column} class={isNumber(answer.columns[column]!.type) ? "n" : ""}>{shown(value)}</td>)}
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
          {answer.rows.length > SHOWN && <p class="quiet">The first {SHOWN} rows are shown.</p>}
        </Panel>
      )}
    </>
  );
}

const isNumber = (type: string) => /INT|DOUBLE|FLOAT|DECIMAL/.test(type) && !type.endsWith("]");
const isTime = (type: string) => /^(TIMESTAMP|DATE)/.test(type);
const shown = (value: unknown) =>
  value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);

/** The first column of times, else of numbers, is drawn along; a number over it. */
function Drawn({ answer }: { answer: Answer }) {
  const [given, change] = useParameters();
  const columns = answer.columns.map((each, at) => ({ ...each, at }));
  const xs = columns.filter((each) => isTime(each.type) || isNumber(each.type));
  const x = xs.find((each) => String(each.at) === given.get("x")) ?? xs.find((each) => isTime(each.type)) ?? xs[0];
  const ys = columns.filter((each) => isNumber(each.type) && each.at !== x?.at);
  const y = ys.find((each) => String(each.at) === given.get("y")) ?? ys.at(-1);
  const times = x !== undefined && isTime(x.type);
  const [xAt, yAt] = [x?.at ?? 0, y?.at ?? 0];
  const data = useMemo<uPlot.AlignedData>(() => {
    const points = answer.rows
      .map((row) => [times ? Date.parse(String(row[xAt])) / 1000 : Number(row[xAt]), row[yAt] as number | null] as const)
      .filter(([at]) => Number.isFinite(at))
      .sort(([a], [b]) => a - b);
    return [points.map(([at]) => at), points.map(([, value]) => (value === null ? null : Number(value)))];
  }, [answer, xAt, yAt, times]);
  const name = y?.name ?? "";
  const make = useCallback(
    (colours: Ink): Omit<uPlot.Options, "width" | "height"> => ({
      padding: [8, 8, 0, 0],
      scales: { x: { time: times } },
      axes: [
        axis(colours, { grid: { show: false }, ...(times ? { values: isoDates, space: 70 } : {}) }),
        axis(colours, { size: 60, values: (_, splits) => splits.map((value) => number(value)) }),
      ],
      series: [
        { label: x?.name ?? "", value: (_, at) => (at == null ? "–" : times ? time(at * 1000) : number(at)) },
        {
          label: name, stroke: colours.accent, width: 0, paths: () => null,
          points: { show: true, size: 5, fill: colours.accent }, value: (_, value) => number(value),
        },
      ],
    }),
    [times, name, x?.name],
  );
  if (!x || !y) return null;
  const choice = (id: "x" | "y", label: string, of: typeof columns, value: number) => (
    <>
      <label for={`axis-${id}`}>{label}</label>
      <select id={`axis-${id}`} value={value} onChange={(event) => change({ [id]: event.currentTarget.value })}>
        {of.map((each) => <option key={each.at} value={each.at}>{each.name}</option>)}
      </select>
    </>
  );
  return (
    <Panel title="Chart" beside={<span class="fields">{choice("y", "show", ys, y.at)}{choice("x", "over", xs, x.at)}</span>}>
      <Plot data={data} make={make} height={240} label={`${name} over ${x.name}: ${answer.rows.length} rows, as in the table below`} />
    </Panel>
  );
}
