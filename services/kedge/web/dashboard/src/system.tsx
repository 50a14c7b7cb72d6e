// Is anything lost, and does everything run?
import type { Report } from "./api";
import { count } from "./format";
import { Panel, Scroll, Status, Title, Waiting } from "./parts";
import { useAsked } from "./state";

const COLUMNS = ["sent", "dropped", "missing", "received", "profiled", "dead_lettered", "duplicate", "late", "archived", "unreadable"];
const SAID = {
  whole: "All sums agree: nothing is lost, and nothing is counted twice.",
  behind: "Something has not caught up yet.",
  gap: "Something is missing that will not come by itself.",
};

export function System() {
  const asked = useAsked<Report>("/conservation");
  const report = asked.data;
  return (
    <>
      <Title beside={report && <Status of={report.status} />}>System</Title>
      {report ? (
        <>
          <p class="lead">{SAID[report.status]}</p>
          <Panel title="Findings">
            {report.findings.length ? (
              <ul class="open">
                {report.findings.map((each) => <li key={each.text}><Status of={each.severity} /> {each.text}</li>)}
              </ul>
            ) : <p class="note">None: no service lags, and there are no dead letters.</p>}
          </Panel>
          <Panel title="What became of every prediction">
            {report.lines.length === 0 && <p class="note">No prediction has been sent.</p>}
            <Scroll label="Conservation table">
              <table>
                <thead>
                  <tr><th scope="col">Model</th><th scope="col" class="n">Partition</th>{COLUMNS.map((name) => <th scope="col" class="n" key={name}>{name.replace("_", " ")}</th>)}</tr>
                </thead>
                <tbody>
                  {report.lines.map((line) => (
                    <tr key={`${line.model}/${line.partition}`}>
                      <th scope="row">{line.model || "unreadable"}</th><td class="n">{line.partition}</td>
                      {COLUMNS.map((name) => <td class="n" key={name}>{count(line[name] as number | null)}</td>)}
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroll>
            <p class="quiet">As `kedge doctor` says it, at most half a minute old.</p>
          </Panel>
        </>
      ) : <Waiting asked={asked} />}
    </>
  );
}
