// News from the server. An EventSource can send no token, so its format is read from a stream here.
import { headers } from "./api";
import { renew } from "./state";

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;
/** Many windows come at once: the pages ask again when it is quiet for so long. */
const QUIET = 400;

export type Line = "live" | "away";

/** Listen until it is told to stop; goes on after a break where it was. */
export function listen(changed: (line: Line) => void): () => void {
  const stop = new AbortController();
  let heard: string | null = null;
  let timer = 0;
  const news = () => {
    clearTimeout(timer);
    timer = setTimeout(renew, QUIET);
  };
  async function once() {
    const answer = await fetch("/api/v1/events", {
      headers: headers(heard === null ? {} : { "Last-Event-ID": heard }),
      signal: stop.signal,
    });
    if (!answer.ok || !answer.body) throw new Error(answer.statusText);
    changed("live");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const events = (text + value).split("\n\n");
      text = events.pop()!;
      for (const event of events) {
        const id = /^id: (.*)$/m.exec(event);
        if (id) heard = id[1]!;
        if (/^event: (alert|release|window)$/m.test(event)) news();
      }
    }
  }
  async function forever() {
    let pause = FIRST_PAUSE;
    while (!stop.signal.aborted) {
      try {
        await once();
        pause = FIRST_PAUSE;
      } catch {
        if (stop.signal.aborted) return;
        changed("away");
        pause = Math.min(LONGEST_PAUSE, pause * 2);
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  void forever();
  return () => {
    clearTimeout(timer);
    stop.abort();
  };
}
