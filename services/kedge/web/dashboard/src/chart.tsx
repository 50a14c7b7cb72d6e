// Charts: uPlot in a component, with what it shows as a table beside it.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Ink {
  text: string;
  quiet: string;
  line: string;
  accent: string;
  critical: string;
  warning: string;
  band: string;
  other: string;
}

/** The colours of the style sheet as they are now: light or dark. */
export function ink(): Ink {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: of("text"), quiet: of("quiet"), line: of("line"), accent: of("accent"),
    critical: of("critical"), warning: of("warning"), band: of("band"), other: of("other"),
  };
}

const dark = matchMedia("(prefers-color-scheme: dark)");

export const FONT = "12px system-ui, sans-serif";

const DAY = 86_400;

/** Dates as ISO 8601 has them: `02-21`, and `14:30` where days are apart. */
export const isoDates = (_: uPlot, splits: number[], __: number, ___: number, step: number) =>
  splits.map((at, index) => {
    const text = new Date(at * 1e3).toISOString();
    const date = index === 0 || text.slice(0, 4) !== new Date(splits[index - 1]! * 1e3).toISOString().slice(0, 4)
      ? text.slice(0, 10) : text.slice(5, 10);
    return step >= DAY ? date : at % DAY === 0 || index === 0 ? `${text.slice(11, 16)}\n${date}` : text.slice(11, 16);
  });

export const axis = (colours: Ink, more: Partial<uPlot.Axis> = {}): uPlot.Axis => ({
  stroke: colours.quiet,
  font: FONT,
  grid: { stroke: colours.line, width: 1 },
  ticks: { stroke: colours.line, width: 1, size: 4 },
  ...more,
});

/** UTC, as the windows are. */
export const utc = (ts: number) => uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC");

/**
 * @param make options but for the size; made again when `data` or `key` changes.
 * @param label what the picture shows, for those who do not see it.
 */
export function Plot(props: {
  data: uPlot.AlignedData;
  make: (colours: Ink) => Omit<uPlot.Options, "width" | "height">;
  height: number;
  label: string;
  table?: ComponentChildren;
}) {
  const place = useRef<HTMLDivElement>(null);
  const { data, make, height } = props;
  useEffect(() => {
    const element = place.current!;
    let plot: uPlot | null = null;
    const draw = () => {
      plot?.destroy();
      plot = new uPlot({ tzDate: utc, ...make(ink()), width: element.clientWidth, height }, data, element);
    };
    draw();
    const resized = new ResizeObserver(() => {
      if (plot && plot.width !== element.clientWidth) {
        plot.setSize({ width: element.clientWidth, height });
      }
    });
    resized.observe(element);
    dark.addEventListener("change", draw);
    return () => {
      dark.removeEventListener("change", draw);
      resized.disconnect();
      plot?.destroy();
    };
  }, [data, make, height]);
  return (
    <figure class="plot">
      <div ref={place} role="img" aria-label={props.label} style={{ minHeight: `${height}px` }} />
      {props.table && (
        <details>
          <summary>As a table</summary>
          {props.table}
        </details>
      )}
    </figure>
  );
}
