// Each picture is drawn when it first comes into view; a 3-D view takes the place of its chart.

const dark = matchMedia("(prefers-color-scheme: dark)");
const parsed = (id) => JSON.parse(document.getElementById(id).textContent);
const views = new Map(); // place -> what closes its 3-D view

async function drawChart(place) {
  const spec = parsed(`chart-${place.dataset.figure}`);
  spec.background = "transparent";
  spec.autosize = { type: "pad", contains: "padding" };
  const config = parsed("themes")[dark.matches ? "dark" : "light"];
  const actions = { export: true, source: false, compiled: false, editor: false };
  const frame = document.createElement("div"); // of its own: Vega changes how the element is laid out
  place.replaceChildren(frame);
  await vegaEmbed(frame, spec, { config, actions, ast: true, renderer: "svg" });
}

function drawScene(place) {
  const scene = parsed(`scene-${place.dataset.figure}`);
  place.replaceChildren(document.getElementById("viewer").content.cloneNode(true));
  const data = { scene, height: 420, dark: dark.matches, camera: null, link: "report", still: null };
  views.set(place, showScene({ data, parentElement: place, setStateValue() {} }));
}

async function draw(place) {
  views.get(place)?.();
  views.delete(place);
  try {
    if (place.dataset.turned) drawScene(place);
    else await drawChart(place);
  } catch (error) {
    place.textContent = `This picture cannot be drawn here: ${error.message}`;
  }
}

const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting && !target.dataset.drawn) {
      target.dataset.drawn = "yes";
      draw(target);
    } else if (!isIntersecting && views.has(target)) { // browsers keep few 3-D views at once
      views.get(target)();
      views.delete(target);
      delete target.dataset.drawn;
    }
  }
}, { rootMargin: "400px" });

const places = [...document.querySelectorAll(".picture")];
places.forEach((place) => watcher.observe(place));
for (const button of document.querySelectorAll(".turn"))
  button.addEventListener("click", () => {
    const place = places.find((one) => one.dataset.figure === button.dataset.figure);
    const turned = !place.dataset.turned;
    if (turned) place.dataset.turned = "yes";
    else delete place.dataset.turned;
    button.setAttribute("aria-pressed", String(turned));
    draw(place);
  });
dark.addEventListener("change", () => places.filter((place) => place.dataset.drawn).forEach(draw));
addEventListener("beforeprint", () => places.filter((place) => !place.dataset.drawn).forEach(draw));
