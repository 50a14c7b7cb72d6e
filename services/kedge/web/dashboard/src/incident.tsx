// One incident: what, since when, whose fault, what was done, did it help, and what to do now.
import { useMemo } from "preact/hooks";
import {
  modelPath, query, type Alert, type Alias, type Caller, type Incident as Told, type Page,
  type Proposal, type Series,
} from "./api";
import { Distribution } from "./distribution";
import { count, named, number, seconds, sentences, time } from "./format";
import { outcome } from "./overview";
import { Act, Facts, Link, Moment, Panel, Scroll, Status, Title, Waiting } from "./parts";
import { useAsked } from "./state";
import { Timeline } from "./timeline";

const FAULT: Record<string, string> = {
  model: "The model", code: "The inference code", upstream: "An upstream feed", world: "The world",
  unclear: "Not clear yet",
};

export function Incident(props: { model: string; incident: string; caller: Caller }) {
  const { model, incident } = props;
  const told = useAsked<Page<Told>>(query("/incidents", { model, incident }));
  const changes = useAsked<Page<Alert>>(query("/alerts", { model, incident, limit: 1000 }));
  const entry = told.data?.items[0];
  const alerts = changes.data?.items;
  const above = (
    <><Link to="/">Overview</Link> / <Link to={modelPath(model)}>{model}</Link></>
  );
  if (!entry || !alerts?.length) {
    return (
      <>
        <Title above={above}>Incident</Title>
        <Waiting asked={told.data ? changes : told} empty={`There is no incident ${incident} of ${model}.`} />
      </>
    );
  }
  return <Body {...props} entry={entry} alerts={alerts} above={above} />;
}

function Body(props: {
  model: string; incident: string; caller: Caller; entry: Told; alerts: Alert[];
  above: preact.ComponentChildren;
}) {
  const { model, incident, entry, alerts } = props;
  const newest = alerts[0]!;
  const first = alerts.at(-1)!;
  const firing = entry.status === "firing";
  const effect = alerts.find((each) => each.step === "recovered" || each.step === "not_helped");
  return (
    <>
      <Title
        above={props.above}
        beside={<Status of={firing ? (entry.severity ?? "firing") : "resolved"}>{firing ? `${entry.severity}, firing` : "resolved"}</Status>}
      >
        {entry.rule ?? "Incident"}
      </Title>
      <p class="lead">{sentences(first.summary ?? "")[0]}</p>
      <Facts
        of={[
          ["What", named(first)],
          ["Value", <>{number(first.value)}{alerts.length > 1 && <>, now {number(newest.value)}</>} <span class="quiet">threshold {number(newest.threshold)}</span></>],
          ["Since", <><Moment at={entry.starts_at} /> UTC</>],
          ...(entry.onset ? [["Began", <Onset entry={entry} />] as [string, preact.ComponentChildren]] : []),
          ["Until", entry.ends_at ? <><Moment at={entry.ends_at} /> UTC</> : "still on"],
          ["Release", <Link to={`${modelPath(model)}/releases/${first.release}`}>release {first.release}</Link>],
          ["Done", outcome(entry)],
        ]}
      />
      <div class="columns">
        <Panel title="Whose fault">
          {entry.verdict ? (
            <>
              <p class="verdict">{FAULT[entry.verdict] ?? entry.verdict}</p>
              <ul>{(entry.verdict_because ?? []).map((each) => <li key={each}>{each}</li>)}</ul>
            </>
          ) : <p class="note">No verdict yet.</p>}
        </Panel>
        <Panel title="What was done">
          <Decision entry={entry} />
          <h3>Did it help?</h3>
          <p>
            {entry.helped !== null && <Status of={entry.helped ? "resolved" : "critical"}>{entry.helped ? "Yes. " : "No. "}</Status>}
            {effect ? effect.summary : firing ? "It still fires; no window since says so." : newest.summary}
          </p>
        </Panel>
      </div>
      <Picture model={model} alert={first} entry={entry} />
      <Actions {...props} firing={firing} first={first} />
      <Panel title="How it went">
        <Scroll label="Changes of the alert">
          <table>
            <thead><tr><th scope="col">Window</th><th scope="col">State</th><th scope="col" class="n">Value</th><th scope="col" class="n">Rows</th><th scope="col">Told</th><th scope="col">At</th></tr></thead>
            <tbody>
              {alerts.map((each) => (
                <tr key={each.id}>
                  <td class="nowrap">{time(each.window_start)}</td>
                  <td><Status of={each.status === "firing" ? (each.severity ?? "firing") : "resolved"}>{each.status}</Status></td>
                  <td class="n">{number(each.value)}</td>
                  <td class="n">{count(each.rows)}</td>
                  <td class="why">{sentences(each.summary ?? "")[0]}</td>
                  <td class="nowrap"><Moment at={each.produced_at} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
        <p class="quiet">Incident {incident}</p>
      </Panel>
    </>
  );
}

function Onset({ entry }: { entry: Told }) {
  return (
    <>
      <Moment at={entry.onset} /> UTC
      {entry.onset_earliest && <span class="quiet"> ({time(entry.onset_earliest)} to {time(entry.onset_latest)})</span>}
    </>
  );
}

function Decision({ entry }: { entry: Told }) {
  if (!entry.decision_action) return <p>Those were told whom the policy names. No rollback was asked for.</p>;
  // Each reason, and within the rehearsal each finding, is parted by a semicolon.
  const reasons = (entry.decision_reason ?? "").split("; ");
  const at = reasons.findIndex((each) => each.startsWith("rehearsed: "));
  const [why, rehearsed] = at < 0 ? [reasons, []] : [reasons.slice(0, at), reasons.slice(at)];
  return (
    <>
      <p class="verdict">{outcome(entry)[0]!.toUpperCase() + outcome(entry).slice(1)} <span class="quiet">at <Moment at={entry.decided_at} /> UTC</span></p>
      <ul>{why.map((each) => <li key={each}>{each}</li>)}</ul>
      {rehearsed.length > 0 && (
        <>
          <h3>Rehearsal on logged inputs</h3>
          <ul>{rehearsed.map((each) => <li key={each}>{each.replace(/^rehearsed: /, "")}</li>)}</ul>
        </>
      )}
    </>
  );
}

function Picture({ model, alert, entry }: { model: string; alert: Alert; entry: Told }) {
  const length = seconds(alert.window_end!) - seconds(alert.window_start!);
  const around = (moment: string, windows: number) =>
    new Date((seconds(moment) + windows * length) * 1000).toISOString();
  const series = useAsked<Series[]>(
    query(`${modelPath(model)}/points`, {
      statistic: alert.statistic, column: alert.column_name, role: alert.role, kind: alert.kind,
      segment: alert.segment, start: around(entry.starts_at, -10), end: around(entry.ends_at ?? alert.window_end!, 12),
    }),
  );
  const incidents = useMemo(() => [entry], [entry]);
  const thresholds = useMemo(
    () => (alert.threshold === null ? [] : [{ value: alert.threshold, label: `threshold ${number(alert.threshold)}` }]),
    [alert.threshold],
  );
  return (
    <div class="columns">
      <Panel title="Before, during and after">
        {series.data?.length ? (
          <Timeline label={named(alert)} series={series.data} incidents={incidents} thresholds={thresholds} />
        ) : <Waiting asked={series} empty="The archive has no windows of it." />}
      </Panel>
      {alert.column_name && alert.role && alert.release !== null && (
        <Panel title="The first window over the reference">
          <Distribution
            model={model} release={alert.release} role={alert.role} column={alert.column_name}
            start={alert.window_start!} end={alert.window_end!}
          />
        </Panel>
      )}
    </div>
  );
}

const HOURS: [string, string][] = [["1", "1 hour"], ["8", "8 hours"], ["24", "1 day"], ["168", "1 week"]];

function Actions(props: {
  model: string; incident: string; caller: Caller; entry: Told; firing: boolean; first: Alert;
}) {
  const { model, incident, entry, first } = props;
  const proposals = useAsked<Page<Proposal>>(query("/proposals", { model, limit: 1000 }));
  const name = entry.alias ?? "production";
  const alias = useAsked<Alias>(`${modelPath(model)}/aliases/${encodeURIComponent(name)}`);
  const mine = proposals.data?.items.find((each) => each.incident === incident);
  if (props.caller.scope === "read") {
    return (
      <Panel title="Act on it">
        <p class="note">You may read. Sign in with a token of the scope operate to roll back, approve or silence.</p>
      </Panel>
    );
  }
  return (
    <Panel title="Act on it">
      <div class="acts">
        {mine?.state === "pending" && (
          <>
            <Act
              id="approve" label="Approve the rollback"
              explain={<>Proposed: {mine.alias} from release {mine.from_release} to release {mine.to_release}, until <Moment at={mine.expires_at} /> UTC.</>}
              send={(reason) => ({ path: `/proposals/${mine.id}/approve`, body: { reason } })}
            />
            <Act
              id="reject" label="Reject it"
              explain="The alias stays where it is, and this incident moves nothing any more."
              send={(reason) => ({ path: `/proposals/${mine.id}/reject`, body: { reason } })}
            />
          </>
        )}
        {alias.data && mine?.state !== "pending" && (
          <Act
            id="rollback" label={`Roll ${name} back`} danger
            explain={<>{name} is on release {alias.data.to_release}, generation {alias.data.generation}. It goes back to the release that it was on before.</>}
            send={(reason) => ({
              path: `${modelPath(model)}/aliases/${encodeURIComponent(name)}/rollback`,
              body: entry.decision_action ? { reason } : { reason, incident }, seen: alias.data!.generation,
            })}
          />
        )}
        <Act
          id="silence" label="Silence"
          explain={<>Webhooks say nothing of the rule “{first.rule}” of {model} for a while. It still may move the alias.</>}
          send={(comment, form) => ({
            path: "/silences",
            body: {
              matchers: { model, rule: first.rule }, comment,
              ends_at: new Date(Date.now() + Number(form.get("hours")) * 3_600_000).toISOString(),
            },
          })}
        >
          <label for="silence-hours">For</label>
          <select id="silence-hours" name="hours">
            {HOURS.map(([hours, label]) => <option key={hours} value={hours}>{label}</option>)}
          </select>
        </Act>
      </div>
      {mine && mine.state !== "pending" && (
        <p class="quiet">Proposal {mine.id} is {mine.state}{mine.answered_by ? ` by ${mine.answered_by}: ${mine.answer}` : ""}.</p>
      )}
    </Panel>
  );
}
