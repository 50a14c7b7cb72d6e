// One release beside the one before.
import { modelPath, query, type Average, type Difference, type Page, type Release as Told } from "./api";
import { count, number } from "./format";
import { Facts, Link, Moment, Panel, Scroll, Title, Waiting } from "./parts";
import { useAsked, useParameters } from "./state";

export function Release(props: { model: string; number: number }) {
  const base = `${modelPath(props.model)}/releases`;
  const [given, change] = useParameters();
  const releases = useAsked<Page<Told>>(`${base}?limit=1000`);
  const release = useAsked<Told>(`${base}/${props.number}`);
  const others = (releases.data?.items ?? []).filter((each) => each.number !== props.number);
  const before = others.find((each) => String(each.number) === given.get("against"))
    ?? others.find((each) => each.number < props.number);
  const differences = useAsked<Difference[]>(before ? query(`${base}/${props.number}/diff`, { against: before.number }) : null);
  const mine = useAsked<Average[]>(`${base}/${props.number}/averages`);
  const theirs = useAsked<Average[]>(before ? `${base}/${before.number}/averages` : null);
  const told = release.data;
  return (
    <>
      <Title
        above={<><Link to="/">Overview</Link> / <Link to={modelPath(props.model)}>{props.model}</Link></>}
        beside={before && (
          <span class="fields">
            <label for="against">beside</label>
            <select id="against" value={before.number} onChange={(event) => change({ against: event.currentTarget.value })}>
              {others.map((each) => <option key={each.number} value={each.number}>release {each.number}</option>)}
            </select>
          </span>
        )}
      >
        {`Release ${props.number}`}
      </Title>
      {told ? (
        <Facts
          of={[
            ["Model version", <code>{told.model_version.slice(0, 16)}</code>],
            ["Code version", <code>{told.code_version.slice(0, 16)}</code>],
            ["Made", <><Moment at={told.created_at} /> UTC by {told.actor}</>],
            ["Why", told.reason || "–"],
          ]}
        />
      ) : <Waiting asked={release} />}
      <Panel title={before ? `What changed against release ${before.number}` : "What changed"}>
        {!before ? <p class="note">It is the first.</p> : differences.data?.length ? (
          <Scroll label="Differences">
            <table>
              <thead><tr><th scope="col">Part</th><th scope="col">What</th><th scope="col">Release {before.number}</th><th scope="col">Release {props.number}</th></tr></thead>
              <tbody>
                {differences.data.map((each) => (
                  <tr key={each.part + each.what}><td>{each.part}</td><td>{each.what}</td><td class="why"><code>{each.before}</code></td><td class="why"><code>{each.after}</code></td></tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        ) : <Waiting asked={differences} empty="Nothing: both pair the same versions." />}
      </Panel>
      <Panel title="How it did">
        {mine.data ? <Beside mine={mine.data} theirs={theirs.data ?? []} number={props.number} before={before?.number} /> : <Waiting asked={mine} />}
      </Panel>
    </>
  );
}

function Beside(props: { mine: Average[]; theirs: Average[]; number: number; before: number | undefined }) {
  const key = (each: Average) => `${each.statistic}${each.kind ? ` (${each.kind})` : ""}`;
  const theirs = new Map(props.theirs.map((each) => [key(each), each]));
  const names = [...new Set([...props.mine, ...props.theirs].map(key))].sort();
  const mine = new Map(props.mine.map((each) => [key(each), each]));
  if (!names.length) return <p class="note">No window of it has been archived.</p>;
  return (
    <Scroll label="Statistics of both releases">
      <table>
        <caption class="quiet">On average over the windows that each served, weighted with their rows; least and greatest in brackets.</caption>
        <thead>
          <tr>
            <th scope="col">Statistic</th>
            {props.before !== undefined && <th scope="col" class="n">Release {props.before}</th>}
            <th scope="col" class="n">Release {props.number}</th>
            {props.before !== undefined && <th scope="col" class="n">Difference</th>}
          </tr>
        </thead>
        <tbody>
          {names.map((name) => {
            const [here, there] = [mine.get(name), theirs.get(name)];
            const both = here?.average != null && there?.average != null;
            return (
              <tr key={name}>
                <th scope="row">{name}</th>
                {props.before !== undefined && <Cell of={there} />}
                <Cell of={here} />
                {props.before !== undefined && <td class="n">{both ? signed(here.average! - there.average!) : "–"}</td>}
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}

const signed = (difference: number) => (difference > 0 ? `+${number(difference)}` : number(difference));

function Cell({ of }: { of: Average | undefined }) {
  if (!of) return <td class="n">–</td>;
  return (
    <td class="n" title={`${of.windows} windows, ${count(of.rows)} rows`}>
      {number(of.average)} <span class="quiet">({number(of.least)} to {number(of.greatest)})</span>
    </td>
  );
}
