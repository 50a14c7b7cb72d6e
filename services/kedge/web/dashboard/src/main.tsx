// The dashboard: who asks, and which page the address names.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import "./app.css";
import { ask, Refusal, token, type Caller } from "./api";
import { Explore } from "./explore";
import { Incident } from "./incident";
import { listen, type Line } from "./live";
import { Model } from "./model";
import { Overview } from "./overview";
import { Link } from "./parts";
import { Policy } from "./policy";
import { Release } from "./release";
import { useAddress } from "./state";
import { System } from "./system";

const PAGES: [string, string][] = [["/", "Overview"], ["/explore", "Explore"], ["/policy", "Policy"], ["/system", "System"]];

function Page({ path, caller }: { path: string; caller: Caller }) {
  const parts = path.split("/").slice(1).map(decodeURIComponent);
  const [page, first, second, third] = parts;
  if (path === "/") return <Overview />;
  if (page === "models" && first && second === "releases" && /^\d+$/.test(third ?? "")) {
    return <Release key={`${first}/${third}`} model={first} number={Number(third)} />;
  }
  if (page === "models" && first && !second) return <Model key={first} model={first} />;
  if (page === "incidents" && first && second) {
    return <Incident key={`${first}/${second}`} model={first} incident={second} caller={caller} />;
  }
  if (page === "explore") return <Explore />;
  if (page === "policy") return <Policy />;
  if (page === "system") return <System />;
  return <p class="note">There is no such page. <Link to="/">Overview</Link></p>;
}

function SignIn(props: { known: (caller: Caller) => void; back: (() => void) | undefined }) {
  const [error, setError] = useState<string | null>(null);
  async function submit(event: SubmitEvent) {
    event.preventDefault();
    const given = String(new FormData(event.currentTarget as HTMLFormElement).get("token")).trim();
    const before = token.get();
    token.set(given);
    try {
      props.known(await ask<Caller>("/caller"));
    } catch (refused) {
      if (before) token.set(before);
      else token.clear();
      setError(refused instanceof Refusal ? refused.message : "A token has letters and digits only.");
    }
  }
  return (
    <form class="signin" onSubmit={submit}>
      <h1>Sign in</h1>
      <p>With a token of <code>kedge token create NAME --scope operate</code>, or read to look only. It is kept in this tab until you close it.</p>
      <label for="token">Token</label>
      <input id="token" name="token" type="password" required autocomplete="off" spellcheck={false} />
      <p role="alert" class="error">{error}</p>
      <button class="primary">Sign in</button>
      {props.back && <button type="button" onClick={props.back}>Back</button>}
    </form>
  );
}

function App() {
  const path = useAddress().pathname;
  const [caller, setCaller] = useState<Caller | null>(null);
  const [signing, setSigning] = useState(false);
  const [away, setAway] = useState<string | null>(null);
  const [line, setLine] = useState<Line>("live");
  useEffect(() => (caller && !signing ? listen(setLine) : undefined), [caller, signing]);
  const main = useRef<HTMLElement>(null);
  const look = () => {
    setAway(null);
    ask<Caller>("/caller").then(setCaller, (error: Refusal) => {
      if (error.status === 401) {
        token.clear();
        setSigning(true);
      } else setAway(error.message);
    });
  };
  useEffect(look, []);
  const shown = useRef(path);
  useEffect(() => {
    // A new page is read from its top, by the eye and by a screen reader.
    if (shown.current !== path) main.current?.focus();
    shown.current = path;
  }, [path]);
  return (
    <>
      <a class="skip" href="#main">Skip to the content</a>
      <header class="bar">
        <Link to="/" class="brand"><img src="/assets/icon.svg" alt="" width="20" height="20" /> Kedge</Link>
        {caller && !signing && (
          <nav aria-label="Pages">
            {PAGES.map(([to, label]) => <Link key={to} to={to} current={path === to}>{label}</Link>)}
          </nav>
        )}
        {caller && !signing && (
          <span class="right who">
            <span role="status" class="quiet">{line === "live" ? "● live" : "○ reconnecting"}</span>
            <span class="quiet">{caller.name}, may {caller.scope}</span>
            {token.get()
              ? <button onClick={() => { token.clear(); location.reload(); }}>Sign out</button>
              : <button onClick={() => setSigning(true)}>Sign in</button>}
          </span>
        )}
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {signing ? (
          <SignIn
            known={(known) => { setCaller(known); setSigning(false); }}
            back={caller ? () => setSigning(false) : undefined}
          />
        ) : caller ? <Page path={path} caller={caller} />
          : away ? <p class="note" role="alert">{away} <button onClick={look}>Try again</button></p>
          : <p class="note">Loading …</p>}
      </main>
    </>
  );
}

render(<App />, document.getElementById("app")!);
