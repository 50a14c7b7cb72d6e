// Where the values of a window lie, beside those of the reference.
import { useCallback, useMemo } from "preact/hooks";
import uPlot from "uplot";
import { modelPath, query, type Distribution as Told } from "./api";
import { axis, Plot, type Ink } from "./chart";
import { count, percent, time } from "./format";
import { Scroll, Waiting } from "./parts";
import { useAsked } from "./state";

export function Distribution(props: {
  model: string; release: number; role: string; column: string; start: string; end: string;
}) {
  const { model, release, role, column, start, end } = props;
  const asked = useAsked<Told>(
    query(`${modelPath(model)}/releases/${release}/distribution`, { role, column, start, end }),
  );
  if (!asked.data) return <Waiting asked={asked} />;
  return <Bars told={asked.data} start={start} end={end} />;
}

function Bars(props: { told: Told; start: string; end: string }) {
  const { told } = props;
  const rows = useMemo(() => {
    const missing = told.missing.filter((each) => each.reference || each.window);
    const share = (n: number, of: number) => (of ? n / of : 0);
    return [
      ...told.bins.map((each) => ({ name: each.label, ...each })),
      ...missing.map((each) => ({ name: `missing: ${each.kind.replace("_", " ")}`, ...each })),
    ].map(({ name, reference, window }) => ({
      name,
      reference: share(reference, told.reference_rows),
      window: share(window, told.window_rows),
    }));
  }, [told]);
  const data = useMemo<uPlot.AlignedData>(
    () => [rows.map((_, at) => at), rows.map((row) => row.reference), rows.map((row) => row.window)],
    [rows],
  );
  const make = useCallback(
    (colours: Ink): Omit<uPlot.Options, "width" | "height"> => ({
      padding: [8, 64, 0, 0],
      cursor: { drag: { x: false, y: false }, points: { show: false } },
      scales: {
        x: { time: false, range: [-0.6, rows.length - 0.4] },
        y: { range: (_, __, most) => [0, (most || 1) * 1.05] },
      },
      axes: [
        axis(colours, {
          grid: { show: false },
          rotate: -40,
          size: 92,
          splits: () => rows.map((_, at) => at).filter((at) => at % Math.ceil(rows.length / 30) === 0),
          values: (_, splits) => splits.map((at) => rows[at]?.name.slice(0, 20) ?? ""),
        }),
        axis(colours, { size: 52, values: (_, splits) => splits.map((value) => percent(value)) }),
      ],
      series: [
        { label: "bin", value: (_, at) => (at == null ? "–" : (rows[at]?.name ?? "–")) },
        {
          label: "reference", stroke: colours.other, fill: `${colours.other}55`, width: 1,
          points: { show: false }, paths: uPlot.paths.bars!({ size: [0.42, 40], align: -1 }),
          value: (_, value) => percent(value),
        },
        {
          label: "this window", stroke: colours.accent, fill: colours.accent, width: 1,
          points: { show: false }, paths: uPlot.paths.bars!({ size: [0.42, 40], align: 1 }),
          value: (_, value) => percent(value),
        },
      ],
    }),
    [rows],
  );
  if (!told.bins.length) return <p class="note">Vectors have no distribution to be shown.</p>;
  if (!told.window_rows) return <p class="note">The archive has no predictions of release {told.release} in this window.</p>;
  const label = `${told.role} ${told.column_name} of release ${told.release}, ${time(props.start)} to ${time(props.end)}`;
  return (
    <>
      <p class="quiet">
        <strong>{told.column_name}</strong>, release {told.release}, {time(props.start)} – {time(props.end)}:
        {" "}{count(told.window_rows)} predictions over the {count(told.reference_rows)} rows of the reference.
      </p>
      <Plot
        data={data}
        make={make}
        height={280}
        label={`Distribution of ${label}, over the reference's`}
        table={
          <Scroll label={`Distribution of ${label}`}>
            <table>
              <thead><tr><th scope="col">Bin</th><th scope="col" class="n">Reference</th><th scope="col" class="n">This window</th></tr></thead>
              <tbody>
                {rows.map((row) => (
                  <tr key={row.name}><td>{row.name}</td><td class="n">{percent(row.reference)}</td><td class="n">{percent(row.window)}</td></tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        }
      />
    </>
  );
}
