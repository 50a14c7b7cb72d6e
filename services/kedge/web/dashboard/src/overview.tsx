// Every model at a glance: what an on-call sees first.
import { useMemo } from "preact/hooks";
import { modelPath, type Incident, type Overview as Told, type Page } from "./api";
import { count, percent, sentences } from "./format";
import { Link, Moment, Panel, Scroll, Status, Title, Waiting } from "./parts";
import { Spark } from "./spark";
import { useAsked } from "./state";

const WORST = ["critical", "warning", "info"];

function health(model: Told): string {
  const open = model.open_incidents.map((incident) => incident.severity);
  return WORST.find((severity) => open.includes(severity)) ?? (model.windows.length ? "healthy" : "silent");
}

export const incidentPath = (incident: { model: string; incident: string }) =>
  `/incidents/${encodeURIComponent(incident.model)}/${encodeURIComponent(incident.incident)}`;

export function Overview() {
  const models = useAsked<Page<Told>>("/overview?windows=60&limit=200");
  const incidents = useAsked<Page<Incident>>("/incidents?limit=20");
  const ordered = useMemo(() => {
    const rank = [...WORST, "silent", "healthy"];
    return [...(models.data?.items ?? [])].sort(
      (a, b) => rank.indexOf(health(a)) - rank.indexOf(health(b)) || a.name.localeCompare(b.name),
    );
  }, [models.data]);
  return (
    <>
      <Title>Overview</Title>
      {ordered.length ? (
        <ul class="cards">
          {ordered.map((model) => <li key={model.name}><Card model={model} /></li>)}
        </ul>
      ) : (
        <Waiting asked={models} empty="There is no model yet: `kedge model register` makes one." />
      )}
      <Panel title="Latest incidents">
        {incidents.data?.items.length ? (
          <IncidentTable label="Latest incidents" incidents={incidents.data.items} />
        ) : (
          <Waiting asked={incidents} empty="Nothing has fired so far." />
        )}
      </Panel>
    </>
  );
}

function Card({ model }: { model: Told }) {
  const state = health(model);
  const live = model.aliases.find((each) => each.alias === "production") ?? model.aliases[0];
  const last = model.windows.at(-1);
  const covered = model.windows.findLast((each) => each.label_coverage !== null);
  const line = (of: (each: Told["windows"][number]) => number | null) => model.windows.map(of);
  const [rows, drift, missing] = useMemo(
    () => [line((w) => w.rows), line((w) => w.drift), line((w) => w.missing)],
    [model.windows],
  );
  return (
    <article class="card" aria-labelledby={`model-${model.name}`}>
      <div class="head">
        <h2 id={`model-${model.name}`}><Link to={modelPath(model.name)}>{model.name}</Link></h2>
        <Status of={state} />
        <span class="quiet right">
          {live ? (
            <>
              {live.alias}: <Link to={`${modelPath(model.name)}/releases/${live.to_release}`}>release {live.to_release}</Link>
              {" "}since <Moment at={live.moved_at} relative />
            </>
          ) : "no alias"}
        </span>
      </div>
      <div class="sparks">
        <div><span class="quiet">predictions</span> <b>{count(last?.rows)}</b>
          <Spark values={rows} label={`Predictions in each of the last ${rows.length} windows, ${count(last?.rows)} in the newest`} /></div>
        <div><span class="quiet">most drift (PSI)</span> <b>{last?.drift?.toPrecision(2) ?? "–"}</b>
          <Spark values={drift} least={0.25} label={`PSI of the feature that drifts most, ${last?.drift?.toPrecision(2) ?? "unknown"} in the newest window`} /></div>
        <div><span class="quiet">most missing</span> <b>{percent(last?.missing)}</b>
          <Spark values={missing} least={0.05} label={`Missing rate of the feature that lacks most, ${percent(last?.missing)} in the newest window`} /></div>
      </div>
      <p class="quiet meta">
        {last ? <>newest window ends <Moment at={last.window_end} /> UTC</> : "no window yet"}
        {" · "}labels {covered ? <>{percent(covered.label_coverage)} (window of <Moment at={covered.window_start} />)</> : "–"}
        {" · "}errors {last?.rows ? percent((last.errors ?? 0) / last.rows) : "–"}
      </p>
      {model.open_incidents.length > 0 && (
        <ul class="open">
          {model.open_incidents.slice(0, 4).map((incident) => (
            <li key={incident.incident}>
              <Status of={incident.severity ?? "info"} />{" "}
              <Link to={incidentPath({ model: model.name, incident: incident.incident })}>
                {sentences(incident.summary ?? "")[0] ?? incident.incident}
              </Link>
            </li>
          ))}
          {model.open_incidents.length > 4 && <li class="quiet">and {model.open_incidents.length - 4} more</li>}
        </ul>
      )}
    </article>
  );
}

const DONE: Record<string, string> = {
  rolled_back: "rolled back", refused: "alias stays", proposed: "a person is asked", deferred: "not decided yet",
};

export const outcome = (of: { decision_action: string | null; decision_to_release: number | null }) =>
  of.decision_action === "rolled_back" && of.decision_to_release !== null
    ? `rolled back to release ${of.decision_to_release}`
    : (DONE[of.decision_action ?? ""] ?? "notified");

export function IncidentTable(props: { label: string; incidents: Incident[]; plain?: boolean }) {
  return (
    <Scroll label={props.label}>
      <table>
        <thead>
          <tr>
            <th scope="col">State</th><th scope="col">Since</th>{!props.plain && <th scope="col">Model</th>}
            <th scope="col">Rule</th>{!props.plain && <th scope="col">What</th>}<th scope="col">Release</th><th scope="col">Done</th>
          </tr>
        </thead>
        <tbody>
          {props.incidents.map((incident) => (
            <tr key={incident.model + incident.incident}>
              <td><Status of={incident.status === "firing" ? (incident.severity ?? "firing") : "resolved"} /></td>
              <td class="nowrap"><Moment at={incident.starts_at} /></td>
              {!props.plain && <td><Link to={modelPath(incident.model)}>{incident.model}</Link></td>}
              <td><Link to={incidentPath(incident)}>{incident.rule ?? incident.incident}</Link></td>
              {!props.plain && <td class="short">{sentences(incident.summary ?? "")[0]}</td>}
              <td>{incident.release}</td>
              <td>{outcome(incident)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
