// What the page can do with JavaScript: tabs, one chosen event with its details, the store as of
// that event, two runs in one page, dark or light. Text reaches the page as text only, never as
// markup: names of objects are not to be trusted.
"use strict";
(() => {
  const element = (tag, text, parent) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  };
  const milliseconds = (ns) => `${(Math.floor(ns / 1e3) / 1e3).toFixed(3)} ms`;

  // One run of the page: its tabs, its trace, its diagram.
  class Run {
    constructor(root) {
      this.root = root;
      this.prefix = root.dataset.prefix;
      this.lines = root.querySelector("pre.trace").children;
      this.details = root.querySelector(".details");
      this.diagram = root.querySelector(".diagram");
      this.events = [...root.querySelectorAll(".ev")];
      this.rows = new Map();
      this.requests = null;
      this.chosen = null;
      root.classList.add("tabbed");
      this.makeTabs();
      this.makeChoosable();
      this.makeStore();
    }

    // The event in a line of the trace, by the place of the line.
    row(place) {
      if (!this.rows.has(place)) this.rows.set(place, JSON.parse(this.lines[place].textContent));
      return this.rows.get(place);
    }

    // Places of the events of each request, by its number.
    ofRequest(number) {
      if (!this.requests) {
        this.requests = new Map();
        for (let place = 0; place < this.lines.length; place += 1) {
          const row = this.row(place);
          if (!["request", "apply", "reply", "fault"].includes(row.kind)) continue;
          if (!this.requests.has(row.a)) this.requests.set(row.a, []);
          this.requests.get(row.a).push(place);
        }
      }
      return this.requests.get(number) ?? [];
    }

    makeTabs() {
      this.tabs = [...this.root.querySelectorAll("nav a")];
      this.root.querySelector("nav").setAttribute("role", "tablist");
      for (const tab of this.tabs) {
        const panel = this.panelOf(tab);
        tab.setAttribute("role", "tab");
        tab.id = `tab-${panel.id}`;
        tab.setAttribute("aria-controls", panel.id);
        panel.setAttribute("role", "tabpanel");
        panel.setAttribute("aria-labelledby", tab.id);
        tab.addEventListener("click", (press) => { press.preventDefault(); this.show(tab); });
        tab.addEventListener("keydown", (press) => this.moveTab(tab, press));
      }
      this.show(this.tabs[0]);
    }

    panelOf(tab) {
      return document.getElementById(tab.getAttribute("href").slice(1));
    }

    show(shown) {
      for (const tab of this.tabs) {
        const isShown = tab === shown;
        tab.setAttribute("aria-selected", String(isShown));
        tab.tabIndex = isShown ? 0 : -1;
        this.panelOf(tab).hidden = !isShown;
      }
      this.shown = shown.textContent;
    }

    moveTab(tab, press) {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[press.key];
      if (!step) return;
      press.preventDefault();
      press.stopPropagation();
      const next = (this.tabs.indexOf(tab) + step + this.tabs.length) % this.tabs.length;
      this.show(this.tabs[next]);
      this.tabs[next].focus();
    }

    makeChoosable() {
      for (const event of this.events) event.tabIndex = -1;
      if (this.events.length) this.events[0].tabIndex = 0;
      this.root.addEventListener("click", (press) => {
        const link = press.target.closest("a[href]");
        const target = link && link.getAttribute("href").match(/^#r?e\d+$/);
        if (target) {
          press.preventDefault();
          this.choose(this.placeOf(link.getAttribute("href").slice(1)));
        } else if (this.diagram.contains(press.target)) {
          const place = this.smallAt(press);
          if (place !== null) this.choose(place);
        }
      });
      this.cursor = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      this.cursor.setAttribute("class", "cursor");
      this.cursor.setAttribute("width", this.diagram.getAttribute("width"));
      this.cursor.setAttribute("height", "3");
      this.small = (this.diagram.dataset.small ?? "").split(";").filter(Boolean)
        .map((text) => { const [from, count, y] = text.split(",").map(Number); return { from, count, y }; });
      const hint = this.details.querySelector(".hint");
      hint.textContent = "Choose an event in the diagram, with a click or with the keys j and k.";
    }

    placeOf(id) {
      const line = document.getElementById(id);
      return line ? [...this.lines].indexOf(line) : -1;
    }

    // The small dot that is nearest to a click.
    smallAt(press) {
      const box = this.diagram.getBoundingClientRect();
      const y = (press.clientY - box.top) * this.diagram.viewBox.baseVal.height / box.height;
      for (const { from, count, y: top } of this.small) {
        const index = Math.round((y - top) / 3);
        if (index >= 0 && index < count) return from + index;
      }
      return null;
    }

    yOfSmall(place) {
      for (const { from, count, y } of this.small) {
        if (place >= from && place < from + count) return y + (place - from) * 3;
      }
      return null;
    }

    choose(place) {
      if (place < 0 || place >= this.lines.length) return;
      if (this.shown !== "trace") this.show(this.tabs[0]);
      for (const old of this.root.querySelectorAll(".chosen")) old.classList.remove("chosen");
      this.cursor.remove();
      this.chosen = place;
      this.lines[place].classList.add("chosen");
      this.describe(place);
      const drawn = this.events.find((event) => Number(event.dataset.at) === place);
      if (drawn) {
        for (const event of this.events) event.tabIndex = -1;
        drawn.tabIndex = 0;
        drawn.classList.add("chosen");
        drawn.focus({ preventScroll: true });
        this.reveal(drawn.querySelector(".hit"));
      } else {
        const y = this.yOfSmall(place);
        if (y !== null) {
          this.cursor.setAttribute("y", String(y - 1.5));
          this.diagram.append(this.cursor);
          this.reveal(this.cursor);
        }
      }
      if (this.shown === "trace") this.lines[place].scrollIntoView({ block: "center" });
      this.asOf(this.row(place).event);
      if (this.lines[place].id) history.replaceState(null, "", `#${this.lines[place].id}`);
    }

    // Scrolls the diagram, and no more of the page than needed, until the line is seen. On a narrow
    // page the details lie over its lower part.
    reveal(line) {
      const scroll = this.root.querySelector(".scroll");
      const [box, frame] = [line.getBoundingClientRect(), scroll.getBoundingClientRect()];
      if (box.top < frame.top + 90 || box.bottom > frame.bottom - 30) {
        scroll.scrollTop += box.top - frame.top - frame.height / 2;
      }
      const covered = getComputedStyle(this.details).position === "fixed" ? this.details.offsetHeight : 0;
      const [top, bottom] = [20, innerHeight - covered - 20];
      const now = line.getBoundingClientRect();
      if (now.top < top || now.bottom > bottom) scrollBy(0, now.top - (top + bottom) / 2);
    }

    describe(place) {
      const row = this.row(place);
      this.details.replaceChildren();
      this.details.classList.add("open");
      const close = element("button", "close", this.details);
      close.type = "button";
      close.className = "close";
      close.addEventListener("click", () => this.details.classList.remove("open"));
      element("h3", `Event ${row.event}`, this.details);
      element("p", row.detail || row.kind, this.details).className = "said";
      const list = element("dl", undefined, this.details);
      const entry = (name, value) => {
        element("dt", name, list);
        const held = element("dd", undefined, list);
        held.append(value);
      };
      entry("process", row.process);
      entry("kind", row.kind);
      entry("time", milliseconds(row.at_ns));
      if (row.kind === "stall") entry("for", milliseconds(row.a));
      if (row.kind === "apply" || row.kind === "reply") entry("status", this.status(row.b));
      const isOfRequest = ["request", "apply", "reply", "fault"].includes(row.kind);
      const family = isOfRequest ? this.ofRequest(row.a) : [];
      if (family.length > 1) {
        for (const other of family) {
          const related = this.row(other);
          const names = { request: "sent", apply: "in the store", reply: "answered", fault: "fault" };
          const link = element("a", `#${related.event}, ${milliseconds(related.at_ns)}`);
          link.href = `#${this.lines[other].id}`;
          entry(names[related.kind], link);
        }
        const [first, last] = [this.row(family[0]), this.row(family[family.length - 1])];
        entry("in all", milliseconds(last.at_ns - first.at_ns));
      }
      element("pre", JSON.stringify(row, null, 1), this.details);
      element("p", "j k: events drawn in full. n p: every event. e: the first error.", this.details)
        .className = "keys";
    }

    status(status) {
      return { 0: "connection lost", 1: "no answer in time" }[status] ?? String(status);
    }

    // To the next or the previous event: of those drawn in full, or of all.
    move(step, all) {
      const last = this.lines.length - 1;
      if (all) {
        const from = this.chosen ?? (step > 0 ? -1 : last + 1);
        return this.choose(from + step);
      }
      const places = this.events.map((event) => Number(event.dataset.at));
      const from = this.chosen ?? -1;
      const next = step > 0
        ? places.find((place) => place > from)
        : places.findLast((place) => place < from);
      if (next !== undefined) this.choose(next);
    }

    firstError() {
      const error = this.root.querySelector(".ev.first-error");
      if (error) this.choose(Number(error.dataset.at));
    }

    makeStore() {
      const field = this.root.querySelector(".as-of");
      if (!field) return;
      field.hidden = false;
      this.input = field.querySelector("input");
      this.input.addEventListener("input", () => this.asOf(Number(this.input.value), true));
    }

    // Marks in each object the version that an event would have met.
    asOf(event, typed) {
      if (!this.input) return;
      if (!typed) this.input.value = String(event);
      let there = 0;
      for (const object of this.root.querySelectorAll(".object")) {
        let current = null;
        for (const line of object.querySelectorAll("tbody tr")) {
          const isPast = Number(line.dataset.event) <= event;
          line.classList.toggle("future", !isPast);
          line.classList.remove("current");
          if (isPast) current = line;
        }
        const exists = current && !current.classList.contains("end");
        if (exists) { current.classList.add("current"); there += 1; }
      }
      this.root.querySelector(".as-of-said").textContent =
        `${there} objects are there; what is younger is pale`;
    }
  }

  const runs = [...document.querySelectorAll(".run")].map((root) => new Run(root));
  let active = runs[0];

  const activate = (run) => {
    active = run;
    for (const other of runs) other.root.hidden = other !== run;
    for (const name of document.querySelectorAll(".run-name")) name.hidden = false;
    const button = document.getElementById("switch-run");
    if (button) {
      const next = runs[(runs.indexOf(run) + 1) % runs.length];
      button.textContent = `show the ${next.root.dataset.run} run`;
    }
  };

  const theme = () => {
    const root = document.documentElement;
    const preset = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    root.dataset.theme = (root.dataset.theme || preset) === "dark" ? "light" : "dark";
  };

  const press = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    const does = {
      j: () => active.move(1), k: () => active.move(-1),
      ArrowDown: () => active.move(1), ArrowUp: () => active.move(-1),
      n: () => active.move(1, true), p: () => active.move(-1, true),
      e: () => active.firstError(),
      Escape: () => active.details.classList.remove("open"),
    }[event.key];
    const isArrow = event.key.startsWith("Arrow");
    // Arrows scroll the page until an event or the diagram has the focus.
    if (!does || (isArrow && !event.target.closest(".scroll"))) return;
    event.preventDefault();
    does();
  };

  // The event that the address names, in whichever run it is.
  const follow = () => {
    const id = location.hash.slice(1);
    const run = runs.find((one) => one.placeOf(id) >= 0);
    if (run) {
      activate(run);
      run.choose(run.placeOf(id));
      return true;
    }
    const tab = runs.flatMap((one) => one.tabs.map((tab) => [one, tab]))
      .find(([, tab]) => tab.getAttribute("href") === location.hash);
    if (tab) {
      activate(tab[0]);
      tab[0].show(tab[1]);
      // The browser goes to the anchor when all is loaded; the verdict stands above it.
      const top = () => setTimeout(() => scrollTo(0, 0));
      if (document.readyState === "complete") top(); else addEventListener("load", top);
    }
    return false;
  };

  document.querySelector(".switches").hidden = false;
  document.getElementById("switch-theme").addEventListener("click", theme);
  document.getElementById("switch-run")?.addEventListener("click", () =>
    activate(runs[(runs.indexOf(active) + 1) % runs.length]));
  document.addEventListener("keydown", press);
  addEventListener("hashchange", follow);
  activate(active);
  if (!follow()) {
    // The failure is what one looks for; the diagram begins there.
    const error = active.root.querySelector(".ev.first-error .hit");
    if (error) {
      const scroll = active.root.querySelector(".scroll");
      scroll.scrollTop += error.getBoundingClientRect().top - scroll.getBoundingClientRect().top
        - scroll.clientHeight * 0.7;
    }
  }
})();
