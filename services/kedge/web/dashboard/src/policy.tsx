// The rules in force.
import type { Policy as Told } from "./api";
import { number } from "./format";
import { Facts, Panel, Scroll, Status, Title, Waiting } from "./parts";
import { useAsked } from "./state";

export function Policy() {
  const asked = useAsked<Told[]>("/policies");
  return (
    <>
      <Title>Policy</Title>
      {asked.data?.length
        ? asked.data.map((policy) => <Rules key={`${policy.model}/${policy.environment}`} policy={policy} />)
        : <Waiting asked={asked} empty="No policy is set: KEDGE_ALERTING__POLICY names a file or a folder." />}
    </>
  );
}

function Rules({ policy }: { policy: Told }) {
  const rule = (each: Record<string, unknown>) => {
    const columns = (each.columns as string[]).join(", ");
    return [
      String(each.statistic), each.kind && `(${each.kind})`, each.role && `of ${each.role}s`,
      columns !== "*" && columns, each.segment && `where ${each.segment}`,
      each.above != null ? `above ${number(each.above as number)}` : `below ${number(each.below as number)}`,
      each.evidence_above && `and evidence above ${each.evidence_above}`,
    ].filter(Boolean).join(" ");
  };
  return (
    <Panel title={policy.model === "*" ? "Every other model" : policy.model}>
      <Facts
        of={[
          ["Environment", policy.environment ?? "any"],
          ["Alias", policy.alias],
          ["Rollback", String(policy.rollback.mode)],
          ["Told", policy.webhooks.join(", ") || "nobody"],
        ]}
      />
      <Scroll label={`Rules of ${policy.model}`}>
        <table>
          <thead><tr><th scope="col">Rule</th><th scope="col">Severity</th><th scope="col">Fires when</th><th scope="col" class="n">Windows</th><th scope="col" class="n">Rows at least</th><th scope="col">Action</th></tr></thead>
          <tbody>
            {policy.rules.map((each) => (
              <tr key={String(each.name)}>
                <th scope="row">{String(each.name)}</th>
                <td><Status of={String(each.severity)} /></td>
                <td>{rule(each)}</td>
                <td class="n">{String(each.windows)}</td>
                <td class="n">{String(each.min_rows)}</td>
                <td>{String(each.action)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <details>
        <summary>Limits of rollbacks</summary>
        <Facts of={Object.entries(policy.rollback).map(([name, value]) => [name.replaceAll("_", " "), typeof value === "object" ? JSON.stringify(value) : String(value)])} />
      </details>
    </Panel>
  );
}
