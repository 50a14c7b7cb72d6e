// A line as small as a word.
import { useCallback, useMemo } from "preact/hooks";
import uPlot from "uplot";
import { Plot, type Ink } from "./chart";

export function Spark(props: { label: string; values: (number | null)[]; least?: number }) {
  const { values, least = 0 } = props;
  const data = useMemo<uPlot.AlignedData>(() => [values.map((_, at) => at), values], [values]);
  const make = useCallback(
    (colours: Ink) => ({
      cursor: { show: false },
      legend: { show: false },
      padding: [2, 2, 2, 2] as uPlot.Padding,
      axes: [{ show: false }, { show: false }],
      scales: {
        x: { time: false },
        y: { range: (_: uPlot, __: number, most: number): [number, number] => [0, Math.max(most, least) || 1] },
      },
      series: [{}, { stroke: colours.accent, width: 1.5, fill: `${colours.accent}22`, points: { show: false } }],
    }),
    [least],
  );
  return <Plot data={data} make={make} height={34} label={props.label} />;
}
