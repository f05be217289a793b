// Keys of the whole app. Nothing is taken while one types, from a 3-D view, a menu or a dialog, nor with keys held that the
// browser or a screen reader uses; single keys can be switched off (WCAG 2.1.4), which the browser remembers.

const OFF = "loss-surface-explorer-keys-off";
const WANTED = "loss-surface-explorer-search-wanted";
const TYPING = "input, textarea, select, [contenteditable=true], [role=application], [role=slider], [role=listbox], [role=combobox]";
let listening = null; // of the page's one listener

export default function (component) {
  const { data, parentElement } = component;
  const list = parentElement.querySelector("dialog");
  fill(list, data.keys);
  listening?.abort();
  listening = new AbortController();
  document.addEventListener("keydown", (event) => press(event, list), { signal: listening.signal });
  focusWanted();
  const own = listening;
  return () => own.abort();
}

function fill(list, keys) {
  const rows = list.querySelector("dl");
  rows.replaceChildren(...keys.flatMap(([key, words]) => {
    const [term, description] = [document.createElement("dt"), document.createElement("dd")];
    term.append(...key.split(" ").map((part) => Object.assign(document.createElement("kbd"), { textContent: part })));
    description.textContent = words;
    return [term, description];
  }));
  const box = list.querySelector("input");
  box.checked = !localStorage.getItem(OFF);
  box.onchange = () => (box.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "yes"));
  list.querySelector("button").onclick = () => list.close();
}

function press(event, list) {
  sessionStorage.removeItem(WANTED); // who types is where he wants to be
  const [target] = event.composedPath();
  if (event.key === "Escape" && target.matches?.("input[type=text], textarea")) return target.blur();
  if (event.defaultPrevented || event.isComposing || event.repeat) return;
  const control = (event.ctrlKey || event.metaKey) && !event.altKey;
  if (control && event.key === "/") return done(event, () => (list.open ? list.close() : list.showModal()));
  if (control && event.key.toLowerCase() === "k" && !event.shiftKey) return done(event, () => search());
  const path = event.composedPath();
  const typing = path.some((part) => part instanceof Element && part.matches(TYPING));
  if (control && !typing && !list.open && /^[zy]$/i.test(event.key)) return changeBack(event);
  if (typing || control || event.altKey || event.metaKey || list.open || localStorage.getItem(OFF)) return;
  if (document.querySelector("[role=dialog], [data-testid=stPopoverBody]")) return;
  const actions = {
    "/": () => search(),
    e: () => first("[data-testid=stPopover] button", "Export")?.click(),
    p: () => document.querySelector('[class*="st-key-pin-"] button')?.click(),
    j: () => step(1),
    k: () => step(-1),
  };
  const action = actions[event.key.toLowerCase()];
  if (action && !event.shiftKey) done(event, action);
}

// Undo or redo, where the page has a button for it; else the key is the browser's.
function changeBack(event) {
  const again = event.shiftKey || event.key.toLowerCase() === "y";
  const button = document.querySelector(again ? ".st-key-redo-edit button" : ".st-key-undo-edit button");
  if (button) done(event, () => button.click()); // of one that is disabled nothing comes
}

function done(event, action) {
  event.preventDefault();
  action();
}

const first = (selector, words) => [...document.querySelectorAll(selector)].find((one) => one.textContent.includes(words));

function search() {
  const field = document.querySelector('input[aria-label="Search"]');
  if (field) field.focus();
  else {
    sessionStorage.setItem(WANTED, "yes");
    document.querySelector("[data-testid=stSidebarNavLink]")?.click(); // the catalog is the first
    focusWanted();
  }
}

// The field comes a moment after the page does, and may be replaced while the page is put together.
function focusWanted(calm = 60) {
  if (!sessionStorage.getItem(WANTED)) return;
  const field = document.querySelector('input[aria-label="Search"]');
  if (field && document.activeElement !== field) field.focus();
  if (field && !calm) sessionStorage.removeItem(WANTED);
  else requestAnimationFrame(() => focusWanted(field ? calm - 1 : calm));
}

// On a page of an analysis: to the older or newer one of its kind. In a list: the next or the previous way to one.
function step(by) {
  const way = document.querySelector(by > 0 ? ".st-key-go-older a" : ".st-key-go-newer a");
  if (way) return way.click();
  const ways = [...document.querySelectorAll("[data-testid=stMain] [data-testid=stPageLink] a")];
  const place = ways.indexOf(document.activeElement);
  ways[Math.min(ways.length - 1, Math.max(0, place + by))]?.focus();
}
