// Small parts of pages.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ask, Refusal } from "./api";
import { ago, time } from "./format";
import { go, renew, type Asked } from "./state";

export function Link(props: { to: string; children: ComponentChildren; class?: string; current?: boolean }) {
  return (
    <a
      href={props.to}
      class={props.class}
      aria-current={props.current ? "page" : undefined}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
        event.preventDefault();
        go(props.to);
        scrollTo(0, 0);
      }}
    >
      {props.children}
    </a>
  );
}

const MARKS: Record<string, string> = {
  critical: "▲", warning: "◆", info: "●", healthy: "✓", resolved: "✓", whole: "✓", silent: "○",
  gap: "▲", behind: "◆", firing: "▲", note: "●",
};

/** A state in words, with a mark of its own shape: colour only repeats it. */
export function Status(props: { of: string; children?: ComponentChildren }) {
  return (
    <span class={`status ${props.of}`}>
      <span aria-hidden="true">{MARKS[props.of] ?? "●"}</span> {props.children ?? props.of}
    </span>
  );
}

export function Moment(props: { at: string | null | undefined; relative?: boolean }) {
  if (!props.at) return <>–</>;
  return (
    <time dateTime={props.at} title={`${time(props.at)} UTC`}>
      {props.relative ? ago(props.at) : time(props.at)}
    </time>
  );
}

export function Title(props: { children: string; above?: ComponentChildren; beside?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${props.children} – Kedge`;
  }, [props.children]);
  return (
    <header class="title">
      {props.above && <nav aria-label="Breadcrumb">{props.above}</nav>}
      <h1>{props.children}</h1>
      {props.beside}
    </header>
  );
}

export function Panel(props: { title: string; beside?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class="panel">
      <div class="head">
        <h2>{props.title}</h2>
        {props.beside}
      </div>
      {props.children}
    </section>
  );
}

/** Why there is nothing to show: it is on its way, or it could not be had. */
export function Waiting(props: { asked: Asked<unknown>; empty?: string }) {
  const { data, error } = props.asked;
  if (error) {
    return <p class="note" role="alert">{error.message} <button onClick={props.asked.again}>Try again</button></p>;
  }
  return <p class="note">{data === null ? "Loading …" : (props.empty ?? "Nothing.")}</p>;
}

export function Scroll(props: { label: string; children: ComponentChildren }) {
  return (
    <div class="scroll" role="region" aria-label={props.label} tabIndex={0}>
      {props.children}
    </div>
  );
}

export function Facts(props: { of: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {props.of.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
    </dl>
  );
}

/** Something that is done for a reason, which is asked for. */
export function Act(props: {
  id: string;
  label: string;
  explain: ComponentChildren;
  danger?: boolean;
  children?: ComponentChildren;
  send: (reason: string, form: FormData) => { path: string; body: unknown; seen?: number };
}) {
  const [state, set] = useState<{ busy: boolean; error: string | null; done: boolean }>({
    busy: false, error: null, done: false,
  });
  async function submit(event: SubmitEvent) {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    set({ busy: true, error: null, done: false });
    try {
      const { path, ...options } = props.send(String(form.get("reason")).trim(), form);
      await ask(path, { method: "POST", ...options });
      set({ busy: false, error: null, done: true });
      renew();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      set({ busy: false, error: error.message, done: false });
    }
  }
  return (
    <form class="act" onSubmit={submit}>
      <p>{props.explain}</p>
      {props.children}
      <label for={`${props.id}-reason`}>Why <span class="quiet">(kept with your token's name)</span></label>
      <input id={`${props.id}-reason`} name="reason" required maxLength={2000} autocomplete="off" />
      <button class={props.danger ? "danger" : "primary"} disabled={state.busy}>{props.label}</button>
      <p role="status" class={state.error ? "error" : "quiet"}>
        {state.error ?? (state.done ? "Done." : "")}
      </p>
    </form>
  );
}
