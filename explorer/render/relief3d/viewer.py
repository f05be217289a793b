"""What the interactive 3-D view of a surface is made of: WebGL2, nothing fetched."""

from pathlib import Path

HTML = """
<div class="viewer" tabindex="0" role="application">
  <canvas class="scene"></canvas>
  <canvas class="text"></canvas>
  <div class="tip" hidden></div>
  <div class="note"></div>
  <div class="tools">
    <span class="hint">Drag to turn · Shift and drag to move · click, then wheel, to zoom</span>
    <button class="reset" type="button">Reset</button>
    <button class="full" type="button">Full screen</button>
  </div>
  <div class="without">
    <p>This browser offers no WebGL2, so the surface can be shown only as a still picture.</p>
    <img alt="">
  </div>
</div>
"""

CSS = """
.viewer {
  position: relative; width: 100%; overflow: hidden; outline: none; cursor: grab; user-select: none;
  touch-action: none; color: var(--st-text-color); font-family: var(--st-font);
  border-radius: var(--st-base-radius); container-type: inline-size;
}
.viewer:active { cursor: grabbing; }
.viewer:focus-visible { box-shadow: inset 0 0 0 2px var(--st-primary-color); }
canvas { position: absolute; left: 0; top: 0; height: 100%; }
.text { width: 100%; pointer-events: none; }
.tip {
  position: absolute; left: 0; top: 0; padding: 5px 9px; white-space: pre; pointer-events: none;
  font-size: 12px; line-height: 1.45; font-variant-numeric: tabular-nums;
  background: var(--st-background-color); border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius); box-shadow: 0 2px 8px rgb(0 0 0 / 12%);
}
.tip[hidden] { display: none; }
.note {
  position: absolute; left: 8px; bottom: 6px; font-size: 12px; opacity: .65; pointer-events: none;
}
.tools {
  position: absolute; right: 8px; top: 6px; left: 8px; display: flex; gap: 8px; font-size: 12px;
  justify-content: flex-end; align-items: center; pointer-events: none;
}
.hint { flex: 1; opacity: .75; }
@container (max-width: 430px) { .hint { visibility: hidden; height: 0; } }
.tools button {
  font: inherit; color: inherit; background: var(--st-background-color); padding: 3px 9px;
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
  cursor: pointer; pointer-events: auto;
}
.tools button:hover, .tools button:focus-visible { border-color: var(--st-primary-color); }
.viewer:fullscreen { background: var(--st-background-color); }
.without-webgl .tools { display: none; }
.without { display: none; }
.without img { max-width: 100%; }
.without img:not([src]) { display: none; }
.without-webgl { cursor: auto; }
.without-webgl .without { display: block; }
.without-webgl canvas { display: none; }
"""


def script() -> str:
    """Its module: the default export shows a scene of `Renderer.scene` in an element."""
    return Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
