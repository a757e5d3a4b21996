// The page works without this. With it, sections change by themselves, buttons answer without a new page, and times count on.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const plural = (n, one) => `${n} ${one}`;

  // ---- times, in the words of the server

  const roughly = (seconds) => {
    if (seconds < 120) return plural(seconds, "s");
    if (seconds < 7200) return plural(Math.floor(seconds / 60), "min");
    if (seconds < 172800) return plural(Math.floor(seconds / 3600), "h");
    return plural(Math.floor(seconds / 86400), "days");
  };

  // The clock of this machine may be wrong: what counts is the server's, as the page was made.
  const made = Date.parse(byId("main")?.dataset.now ?? "");
  const ahead = Number.isNaN(made) ? 0 : Date.now() - made;

  const tick = () => {
    const now = Date.now() - ahead;
    for (const time of document.querySelectorAll("time[datetime]")) {
      const away = Math.trunc((Date.parse(time.dateTime) - now) / 1000);
      let words = away === 0 ? "now" : away > 0 ? `in ${roughly(away)}` : `${roughly(-away)} ago`;
      if ("due" in time.dataset && away <= 0) words = "due now";
      if (time.textContent !== words) time.textContent = words;
    }
  };
  setInterval(tick, 1000);

  // ---- what the service says about what was done

  const notices = byId("notices");
  let hide = 0;
  const say = (ok, text) => {
    const p = document.createElement("p");
    p.className = ok ? "notice" : "notice bad";
    p.textContent = text;
    notices.replaceChildren(p);
    clearTimeout(hide);
    if (ok) hide = setTimeout(() => notices.replaceChildren(), 10000);
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    const path = new URL(form.action).pathname;
    if (!path.startsWith("/accounts/") && !path.startsWith("/devices/")) return;
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { "X-Requested-With": "fetch", Accept: "application/json" },
      });
      if (answer.status === 401) return void location.reload();
      if (answer.status === 404) return void say(false, "It is not there any more.");
      const { ok, text } = await answer.json();
      say(ok, text);
    } catch {
      say(false, "The service does not answer. Nothing may have been done.");
    } finally {
      button.disabled = false;
    }
  });

  // ---- sections that change by themselves

  // What a person is doing stays: the focus, and what they have unfolded.
  const exchange = (id, html) => {
    const old = byId(id);
    if (!old) return;
    const template = document.createElement("template");
    template.innerHTML = html;
    const next = template.content.firstElementChild;
    if (!next || next.id !== id) return;
    for (const open of old.querySelectorAll("details[open]")) {
      next.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
    }
    const focus = old.contains(document.activeElement) ? document.activeElement : null;
    const summary = focus?.tagName === "SUMMARY" ? focus.parentElement.id : "";
    old.replaceWith(next);
    if (!focus) return;
    const again = summary ? byId(summary)?.querySelector("summary") : focus.id && byId(focus.id);
    // What had the focus is gone: its section keeps the place.
    (again && !again.disabled ? again : next.querySelector("h2"))?.focus({ preventScroll: true });
  };

  const connection = byId("connection");
  const follow = () => {
    const stream = new EventSource("/live");
    for (const id of ["summary", "accounts", "devices", "storage", "events"]) {
      stream.addEventListener(id, (event) => {
        exchange(id, event.data);
        tick();
      });
    }
    stream.onopen = () => connection.replaceChildren();
    stream.onerror = () => {
      const p = document.createElement("p");
      if (stream.readyState === EventSource.CLOSED) {
        p.textContent = "No longer live. Trying again soon.";
        // Logged out, or too many windows: the page itself knows.
        setTimeout(check, 15000);
      } else {
        p.textContent = "The connection is lost. Trying again.";
      }
      connection.replaceChildren(p);
    };
  };
  const check = async () => {
    try {
      const answer = await fetch("/api/status", { headers: { "X-Requested-With": "fetch" } });
      if (answer.status === 401) return void location.reload();
    } catch {
      // Still away.
    }
    follow();
  };
  if (notices) follow();
})();
