// The interactive view of a surface: WebGL2, one canvas for the scene and one above it for the text.
// The scene comes from explorer/render/relief3d/scene.py as arrays; light, lens and box are the same numbers as in its stills.

const viewers = new WeakMap(); // parentElement -> Viewer
const groups = new Map(); // link -> the viewers that share one camera

export default function showScene(component) {
  const { data, parentElement, setStateValue } = component;
  if (!viewers.has(parentElement)) viewers.set(parentElement, new Viewer(parentElement));
  const viewer = viewers.get(parentElement);
  viewer.report = (camera) => setStateValue("camera", camera);
  viewer.update(data);
  return () => {
    viewer.close();
    viewers.delete(parentElement);
  };
}

// --- Arrays and 4 x 4 matrices (column-major) -----------------------------------------------------------------

function decoded(text, type) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new type(bytes.buffer);
}

const minus = (a, b) => a.map((value, i) => value - b[i]);
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const unit = (a) => a.map((value) => value / Math.hypot(...a));
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const radians = Math.PI / 180;

function product(a, b) {
  const out = new Float32Array(16);
  for (let column = 0; column < 4; column++)
    for (let row = 0; row < 4; row++)
      for (let k = 0; k < 4; k++) out[4 * column + row] += a[4 * k + row] * b[4 * column + k];
  return out;
}

function lookingAt(eye, target, up) {
  const back = unit(minus(eye, target));
  const right = unit(cross(up, back));
  const above = cross(back, right);
  const rows = [right, above, back].map((axis) => [...axis, -dot(axis, eye)]);
  return new Float32Array([0, 1, 2, 3].flatMap((i) => [rows[0][i], rows[1][i], rows[2][i], i === 3 ? 1 : 0]));
}

function perspective(halfHeight, aspect, near, far) {
  const f = 1 / halfHeight;
  const depth = 1 / (near - far);
  return new Float32Array([f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, (near + far) * depth, -1, 0, 0, 2 * near * far * depth, 0]);
}

// --- Shaders --------------------------------------------------------------------------------------------------

const SOLID = [
  `#version 300 es
  in vec3 position, normal, colour;
  uniform mat4 view, projection;
  out vec3 at, facing, paint; out vec2 place;
  void main() {
    vec4 seen = view * vec4(position, 1.);
    at = seen.xyz; facing = mat3(view) * normal; paint = colour;
    place = position.xy * .5 + .5;
    gl_Position = projection * seen;
  }`,
  `#version 300 es
  precision highp float;
  in vec3 at, facing, paint; in vec2 place;
  uniform sampler2D map; uniform bool mapped, picking;
  uniform vec3 light[2]; uniform vec2 strength; uniform float ambient, specular, shine;
  out vec4 result;
  void main() {
    if (picking) {  // the place as two numbers of 16 bits, never zero
      vec2 number = (place * .98 + .01) * 255.;
      result = vec4(floor(number) / 255., fract(number)).xzyw;
      return;
    }
    vec3 base = mapped ? texture(map, vec2((paint.x * 255. + .5) / 256., .5)).rgb : paint;
    vec3 eye = normalize(-at), n = normalize(facing);
    if (dot(n, eye) < 0.) n = -n;  // both sides are lit
    float lit = ambient, gloss = 0.;
    for (int i = 0; i < 2; i++) {
      vec3 towards = normalize(light[i]);
      lit += strength[i] * max(dot(n, towards), 0.);
      gloss += strength[i] * pow(max(dot(reflect(-towards, n), eye), 0.), shine);
    }
    result = vec4(base * lit + specular * gloss, 1.);
  }`,
];

const LINES = [
  `#version 300 es
  in vec3 from, to, colour;  // one instance per segment, drawn as a thin rectangle: WebGL's own lines are 1 px
  uniform mat4 view, projection; uniform vec2 size; uniform float width;
  out vec3 paint;
  void main() {
    vec4 a = projection * view * vec4(from, 1.), b = projection * view * vec4(to, 1.);
    vec2 along = normalize((b.xy / b.w - a.xy / a.w) * size + 1e-6);
    vec4 end = gl_VertexID < 2 ? a : b;
    float side = (gl_VertexID & 1) == 0 ? -1. : 1., cap = gl_VertexID < 2 ? -.3 : .3;
    end.xy += (side * vec2(-along.y, along.x) + cap * along) * width / size * end.w;
    gl_Position = end; paint = colour;
  }`,
  `#version 300 es
  precision mediump float;
  in vec3 paint; out vec4 result;
  void main() { result = vec4(paint, 1.); }`,
];

function program(gl, [vertex, fragment]) {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(made));
  const uniforms = {};
  for (let i = 0; i < gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS); i++) {
    const name = gl.getActiveUniform(made, i).name;
    uniforms[name.replace("[0]", "")] = gl.getUniformLocation(made, name);
  }
  return { made, uniforms };
}

// --- The viewer -----------------------------------------------------------------------------------------------

class Viewer {
  constructor(parent) {
    this.root = parent.querySelector(".viewer");
    this.canvas = this.root.querySelector(".scene");
    this.text = this.root.querySelector(".text").getContext("2d");
    this.tip = this.root.querySelector(".tip");
    this.gl = this.canvas.getContext("webgl2", { antialias: true, alpha: true, premultipliedAlpha: true });
    this.pointers = new Map();
    this.meshes = [];
    if (!this.gl) return this.root.classList.add("without-webgl");
    this.prepare();
    this.listen();
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.root);
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.frame);
    clearTimeout(this.settling);
    this.observer?.disconnect();
    groups.get(this.link)?.delete(this);
    this.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }

  prepare() {
    const { gl } = this;
    this.solid = program(gl, SOLID);
    this.stroke = program(gl, LINES);
    this.map = gl.createTexture();
    this.target = gl.createFramebuffer(); // one pixel, for picking
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    for (const [format, slot] of [[gl.RGBA8, gl.COLOR_ATTACHMENT0], [gl.DEPTH_COMPONENT24, gl.DEPTH_ATTACHMENT]]) {
      const buffer = gl.createRenderbuffer();
      gl.bindRenderbuffer(gl.RENDERBUFFER, buffer);
      gl.renderbufferStorage(gl.RENDERBUFFER, format, 1, 1);
      gl.framebufferRenderbuffer(gl.FRAMEBUFFER, slot, gl.RENDERBUFFER, buffer);
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.enable(gl.DEPTH_TEST);
  }

  update(data) {
    this.tall = data.height;
    this.fit();
    const picture = this.root.querySelector("img");
    if (data.still) picture.src = data.still;
    else picture.removeAttribute("src");
    if (!this.gl) return;
    if (this.link !== data.link) {
      groups.get(this.link)?.delete(this);
      if (data.link && !groups.has(data.link)) groups.set(data.link, new Set());
      if (data.link) groups.get(data.link).add(this);
      this.link = data.link;
    }
    if (!this.camera) this.orbit(data.camera ?? [...(groups.get(this.link) ?? [])].find((v) => v.camera)?.view() ?? data.scene.home);
    if (this.scene?.id !== data.scene.id) {
      this.scene = data.scene;
      this.hit = null;
      this.tip.hidden = true;
      this.load();
    }
    this.style(data.dark);
    this.redraw();
  }

  isFull() {
    return this.root.getRootNode().fullscreenElement === this.root;
  }

  fit() {
    this.root.style.height = this.isFull() ? "100vh" : `${this.tall}px`;
    if (this.scene) this.redraw();
  }

  style(dark) {
    const theme = getComputedStyle(this.root);
    this.ink = theme.color;
    this.paper = theme.getPropertyValue("--st-background-color").trim() || "#ffffff";
    this.font = theme.fontFamily;
    this.text.fillStyle = this.paper; // the canvas turns any CSS colour into #rrggbb
    const channels = [1, 3, 5].map((i) => parseInt(String(this.text.fillStyle).slice(i, i + 2), 16));
    this.dark = dark ?? dot(channels, [0.3, 0.59, 0.11]) < 128;
    this.wallColour = this.dark ? [0.27, 0.29, 0.33] : [0.776, 0.788, 0.816];
    this.root.querySelector(".note").textContent = this.scene.notes.join(" · ");
    this.root.setAttribute("aria-label", `Surface of ${this.scene.labels.z} over ${this.scene.labels.x} and ${this.scene.labels.y}, drawn in 3-D; arrow keys rotate, plus and minus zoom, 0 resets`);
  }

  // --- Arrays to the graphics card ---

  load() {
    const { gl, scene } = this;
    for (const mesh of this.meshes) {
      mesh.buffers.forEach((buffer) => gl.deleteBuffer(buffer));
      gl.deleteVertexArray(mesh.vertices);
    }
    this.table = decoded(scene.lut, Uint8Array);
    gl.bindTexture(gl.TEXTURE_2D, this.map);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, this.table);
    for (const side of ["MIN", "MAG"]) gl.texParameteri(gl.TEXTURE_2D, gl[`TEXTURE_${side}_FILTER`], gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    this.surface = scene.surface && this.solidMesh(scene.surface, true);
    this.markers = scene.markers && this.solidMesh(scene.markers, false);
    this.contours = this.lineMesh(...segments(scene.lines));
    this.walls = {};
    for (const [name, ends] of Object.entries(scene.walls)) this.walls[name] = this.lineMesh(decoded(ends, Float32Array));
    this.meshes = [this.surface, this.markers, this.contours, ...Object.values(this.walls)].filter(Boolean);
    const { x, y, loss, heights } = scene.grid;
    this.grid = { x, y, loss: decoded(loss, Float32Array), heights: decoded(heights, Float32Array) };
  }

  vertexArray(attributes, { made }, divisor) {
    const { gl } = this;
    const vertices = gl.createVertexArray();
    gl.bindVertexArray(vertices);
    const buffers = [];
    for (const { names, values, size, type, normalised = false } of attributes) {
      buffers.push(gl.createBuffer());
      gl.bindBuffer(gl.ARRAY_BUFFER, buffers.at(-1));
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
      const step = size * values.BYTES_PER_ELEMENT;
      names.forEach((name, i) => {
        const place = gl.getAttribLocation(made, name);
        if (place < 0) return;
        gl.enableVertexAttribArray(place);
        gl.vertexAttribPointer(place, size, type, normalised, step * names.length, step * i);
        gl.vertexAttribDivisor(place, divisor);
      });
    }
    return { vertices, buffers };
  }

  solidMesh({ positions, normals, colours, triangles }, mapped) {
    const { gl } = this;
    const paint = mapped
      ? { values: decoded(colours, Uint16Array), size: 1, type: gl.UNSIGNED_SHORT }
      : { values: decoded(colours, Uint8Array), size: 3, type: gl.UNSIGNED_BYTE };
    const mesh = this.vertexArray([
      { names: ["position"], values: decoded(positions, Float32Array), size: 3, type: gl.FLOAT },
      { names: ["normal"], values: decoded(normals, Int16Array), size: 3, type: gl.SHORT, normalised: true },
      { names: ["colour"], ...paint, normalised: true },
    ], this.solid, 0);
    const corners = decoded(triangles, Uint32Array);
    mesh.buffers.push(gl.createBuffer());
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, mesh.buffers.at(-1));
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, corners, gl.STATIC_DRAW);
    return { ...mesh, count: corners.length, mapped };
  }

  lineMesh(ends, colours) {
    const { gl } = this;
    const attributes = [{ names: ["from", "to"], values: ends, size: 3, type: gl.FLOAT }];
    if (colours) attributes.push({ names: ["colour"], values: colours, size: 3, type: gl.UNSIGNED_BYTE, normalised: true });
    return { ...this.vertexArray(attributes, this.stroke, 1), count: ends.length / 6, coloured: !!colours };
  }

  // --- Camera: a turntable around a focal point, z up ---

  orbit({ position, focal_point }) {
    const offset = minus(position, focal_point);
    const distance = Math.hypot(...offset);
    this.camera = {
      focal: [...focal_point],
      distance,
      azimuth: Math.atan2(offset[1], offset[0]),
      elevation: Math.asin(offset[2] / distance),
    };
  }

  view() {
    const { focal, distance, azimuth, elevation } = this.camera;
    const level = distance * Math.cos(elevation);
    const position = [focal[0] + level * Math.cos(azimuth), focal[1] + level * Math.sin(azimuth), focal[2] + distance * Math.sin(elevation)];
    return { position, focal_point: focal, up: [0, 0, 1] };
  }

  measure() {
    const ratio = window.devicePixelRatio || 1;
    this.width = Math.max(1, this.root.clientWidth);
    this.height = Math.max(1, this.root.clientHeight);
    this.plotWidth = Math.max(120, this.width - 84); // the rest is for the colour bar
    for (const canvas of [this.canvas, this.text.canvas]) {
      const width = canvas === this.canvas ? this.plotWidth : this.width;
      const [across, down] = [Math.round(width * ratio), Math.round(this.height * ratio)];
      if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
      canvas.style.width = `${width}px`;
    }
    this.text.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.ratio = ratio;
    const { angle, narrowest } = this.scene.lens;
    const aspect = this.plotWidth / this.height;
    const { position, focal_point, up } = this.view();
    this.halfHeight = Math.tan((angle * radians) / 2) * Math.max(1, narrowest / aspect);
    this.position = position;
    this.seen = lookingAt(position, focal_point, up);
    const { distance } = this.camera;
    this.projection = perspective(this.halfHeight, aspect, Math.max(0.01, distance - 4), distance + 6);
    this.both = product(this.projection, this.seen);
  }

  onScreen([x, y, z]) {
    const m = this.both;
    const [across, up, w] = [0, 1, 3].map((row) => m[row] * x + m[row + 4] * y + m[row + 8] * z + m[row + 12]);
    return [((across / w + 1) / 2) * this.plotWidth, ((1 - up / w) / 2) * this.height];
  }

  // --- Drawing ---

  redraw() {
    if (this.frame || this.closed) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.scene || this.closed || this.gl.isContextLost()) return;
      this.measure();
      this.draw();
      this.write();
    });
  }

  draw() {
    const { gl } = this;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    this.visibleWalls().forEach((name) => this.drawLines(this.walls[name], 1));
    gl.enable(gl.POLYGON_OFFSET_FILL);
    gl.polygonOffset(1, 1);
    this.drawSolid(this.surface, this.projection, false);
    gl.disable(gl.POLYGON_OFFSET_FILL);
    this.drawSolid(this.markers, this.projection, false);
    this.drawLines(this.contours, 1.2);
  }

  visibleWalls() {
    return ["floor", this.position[0] >= 0 ? "x-" : "x+", this.position[1] >= 0 ? "y-" : "y+"];
  }

  drawSolid(mesh, projection, picking) {
    if (!mesh) return;
    const { gl, scene: { light }, solid: { made, uniforms } } = this;
    gl.useProgram(made);
    gl.uniformMatrix4fv(uniforms.view, false, this.seen);
    gl.uniformMatrix4fv(uniforms.projection, false, projection);
    gl.uniform1i(uniforms.mapped, mesh.mapped);
    gl.uniform1i(uniforms.picking, picking);
    gl.uniform3fv(uniforms.light, light.lights.flatMap(([direction]) => direction));
    gl.uniform2fv(uniforms.strength, light.lights.map(([, strength]) => strength));
    for (const name of ["ambient", "specular", "shine"]) gl.uniform1f(uniforms[name], light[name]);
    gl.bindVertexArray(mesh.vertices);
    gl.drawElements(gl.TRIANGLES, mesh.count, gl.UNSIGNED_INT, 0);
  }

  drawLines(mesh, width) {
    if (!mesh?.count) return;
    const { gl, stroke: { made, uniforms } } = this;
    gl.useProgram(made);
    gl.uniformMatrix4fv(uniforms.view, false, this.seen);
    gl.uniformMatrix4fv(uniforms.projection, false, this.projection);
    gl.uniform2f(uniforms.size, this.canvas.width, this.canvas.height);
    gl.uniform1f(uniforms.width, width * this.ratio);
    gl.bindVertexArray(mesh.vertices);
    if (!mesh.coloured) gl.vertexAttrib3fv(gl.getAttribLocation(made, "colour"), this.wallColour);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, mesh.count);
  }

  // --- Text: ticks, labels, colour bar ---

  write() {
    const { text, scene } = this;
    text.clearRect(0, 0, this.width, this.height);
    text.textBaseline = "middle";
    const [nearX, nearY] = [this.position[0] >= 0 ? 1 : -1, this.position[1] >= 0 ? 1 : -1];
    this.axis(scene.ticks.x, scene.labels.x, (at) => [at, nearY, 0], (at) => [at, nearY * 1.1, 0], [-1, 1]);
    this.axis(scene.ticks.y, scene.labels.y, (at) => [nearX, at, 0], (at) => [nearX * 1.1, at, 0], [-1, 1]);
    const sides = [[nearX, -nearY], [-nearX, nearY]].sort((a, b) => this.onScreen([...a, 0])[0] - this.onScreen([...b, 0])[0]);
    const [sideX, sideY] = sides[0];
    this.axis(scene.ticks.z, scene.labels.z, (at) => [sideX, sideY, at], null, [0, scene.box.highest]);
    this.colourBar();
    for (const pin of scene.pins) this.caption(pin);
    if (this.hit) this.ring(this.hit);
  }

  axis(ticks, label, place, outside, ends) {
    const { text } = this;
    const [start, end] = ends.map((at) => this.onScreen(place(at)));
    const length = Math.hypot(...minus(end, start));
    if (length < 36) return; // seen along the axis
    const away = (at) => (outside ? unit(minus(this.onScreen(outside(at)), this.onScreen(place(at)))) : [-1, 0]);
    text.strokeStyle = text.fillStyle = this.ink;
    text.textAlign = "center";
    text.font = `12px ${this.font}`;
    let [last, widest] = [null, 0];
    for (const [at, words] of ticks) {
      const [x, y] = this.onScreen(place(at));
      const [dx, dy] = away(at);
      const wide = text.measureText(words).width;
      const reach = 9 + (Math.abs(dx) * wide) / 2 + Math.abs(dy) * 6;
      const middle = [x + dx * reach, y + dy * reach];
      text.globalAlpha = 0.35;
      text.beginPath();
      text.moveTo(x, y);
      text.lineTo(x + dx * 5, y + dy * 5);
      text.stroke();
      if (last && Math.abs(middle[0] - last[0]) < wide + 4 && Math.abs(middle[1] - last[1]) < 14) continue;
      text.globalAlpha = 0.75;
      text.fillText(words, ...middle);
      last = middle;
      widest = Math.max(widest, wide);
    }
    text.globalAlpha = 1;
    text.font = `13px ${this.font}`;
    const centre = (ends[0] + ends[1]) / 2;
    const [[x, y], [dx, dy]] = [this.onScreen(place(centre)), away(centre)];
    let slope = Math.atan2(end[1] - start[1], end[0] - start[0]);
    if (Math.abs(slope) > Math.PI / 2 + 0.01) slope -= Math.sign(slope) * Math.PI;
    const reach = 24 + Math.abs(dx) * widest + Math.abs(dy) * 10;
    text.save();
    text.translate(x + dx * reach, y + dy * reach);
    text.rotate(outside ? slope : -Math.PI / 2);
    text.fillText(label, 0, 0);
    text.restore();
  }

  colourBar() {
    const { text, scene, table } = this;
    const { lowest, highest } = scene.box;
    const tall = clamp(this.height * 0.56, 80, 320);
    const [left, top] = [Math.min(this.width - 70, this.plotWidth / 2 + this.height * 0.86), (this.height - tall) / 2];
    const fill = text.createLinearGradient(0, top + tall, 0, top);
    for (let i = 0; i < 256; i += 3) fill.addColorStop(i / 255, `rgb(${table.slice(3 * i, 3 * i + 3).join(",")})`);
    text.fillStyle = fill;
    text.fillRect(left, top, 12, tall);
    text.fillStyle = text.strokeStyle = this.ink;
    text.textAlign = "left";
    text.font = `12px ${this.font}`;
    for (const [at, words] of scene.ticks.z) {
      const y = top + tall * (1 - (at - lowest) / (highest - lowest));
      text.globalAlpha = 0.35;
      text.fillRect(left + 12, Math.round(y) - 0.5, 4, 1);
      text.globalAlpha = 0.75;
      text.fillText(words, left + 20, y);
    }
    text.globalAlpha = 1;
    text.font = `13px ${this.font}`;
    text.textAlign = "center";
    text.fillText(scene.labels.z, left + 6, top - 16, 130);
  }

  caption({ at, label }) {
    const { text } = this;
    const [x, y] = this.onScreen([at[0], at[1], at[2] + 0.03]);
    text.font = `600 12px ${this.font}`;
    text.textAlign = "center";
    text.lineJoin = "round";
    text.lineWidth = 3.5;
    text.strokeStyle = this.paper;
    text.strokeText(label, x, y - 12);
    text.fillStyle = this.ink;
    text.fillText(label, x, y - 12);
    text.lineWidth = 1;
  }

  // --- Picking ---

  pick() {
    const { gl } = this;
    const [x, y] = this.hover;
    const [px, py] = [(2 * x) / this.plotWidth - 1, 1 - (2 * y) / this.height];
    const [sx, sy] = [this.plotWidth, this.height]; // the pixel under the pointer fills the target
    const close = new Float32Array([sx, 0, 0, 0, 0, sy, 0, 0, 0, 0, 1, 0, -px * sx, -py * sy, 0, 1]);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    gl.viewport(0, 0, 1, 1);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    this.drawSolid(this.surface, product(close, this.projection), true);
    const pixel = new Uint8Array(4);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    return pixel[0] ? [0, 2].map((i) => ((pixel[i] + pixel[i + 1] / 255) / 255 - 0.01) / 0.98) : null;
  }

  point() {
    const { grid, scene } = this;
    const share = this.surface && this.hover ? this.pick() : null;
    this.hit = null;
    if (share) {
      const [column, row] = [nearest(grid.x, share[0]), nearest(grid.y, share[1])];
      const place = row * grid.x.length + column;
      const across = (axis, i) => (2 * (axis[i] - axis[0])) / (axis.at(-1) - axis[0]) - 1;
      this.hit = [across(grid.x, column), across(grid.y, row), grid.heights[place]];
      const lines = [[scene.labels.x, grid.x[column]], [scene.labels.y, grid.y[row]], [scene.labels.z, grid.loss[place]]];
      this.tip.textContent = lines.map(([name, value]) => `${name}  ${number(value)}`).join("\n");
      const [x, y] = this.hover;
      this.tip.style.transform = `translate(${x + 14 + (x > this.plotWidth - 150 ? -170 : 0)}px, ${clamp(y + 14, 0, this.height - 70)}px)`;
    }
    this.tip.hidden = !share;
    this.redraw();
  }

  ring(at) {
    if (at.some((value) => !Number.isFinite(value))) return;
    const { text } = this;
    const [x, y] = this.onScreen(at);
    for (const [colour, width] of [[this.paper, 3.5], [this.ink, 1.5]]) {
      text.beginPath();
      text.arc(x, y, 4.5, 0, 7);
      Object.assign(text, { strokeStyle: colour, lineWidth: width });
      text.stroke();
    }
    text.lineWidth = 1;
  }

  // --- Pointer, wheel, keys ---

  listen() {
    const { root } = this;
    root.onpointerdown = (event) => this.press(event);
    root.onpointermove = (event) => this.move(event);
    root.onpointerup = root.onpointercancel = (event) => this.release(event);
    root.onpointerleave = () => this.leave();
    root.oncontextmenu = (event) => event.preventDefault();
    root.ondblclick = () => this.reset();
    const [reset, full] = [".reset", ".full"].map((name) => root.querySelector(name));
    for (const button of [reset, full]) button.onpointerdown = button.ondblclick = (event) => event.stopPropagation();
    for (const button of [reset, full]) button.onkeydown = (event) => event.stopPropagation();
    reset.onclick = () => this.reset();
    full.onclick = () => (this.isFull() ? document.exitFullscreen() : root.requestFullscreen?.());
    root.onfullscreenchange = () => {
      full.textContent = this.isFull() ? "Leave full screen" : "Full screen";
      this.fit();
    };
    root.onkeydown = (event) => this.key(event);
    root.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.canvas.addEventListener("webglcontextrestored", () => {
      if (this.closed) return;
      this.meshes = [];
      this.prepare();
      this.load();
      this.redraw();
    });
  }

  press(event) {
    this.root.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    this.leave();
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    const now = [event.clientX, event.clientY];
    if (!before) {
      const frame = this.root.getBoundingClientRect();
      this.hover = [now[0] - frame.left, now[1] - frame.top];
      if (event.pointerType === "mouse") this.pointing ??= requestAnimationFrame(() => {
        this.pointing = null;
        if (this.scene && !this.closed && !this.gl.isContextLost()) this.point();
      });
      return;
    }
    const [dx, dy] = minus(now, before);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    if (others.length) {
      const spread = (at) => Math.max(20, Math.hypot(...minus(at, others[0])));
      this.zoom(spread(before) / spread(now));
      this.pan(dx / 2, dy / 2);
    } else if (event.buttons & 2 || event.shiftKey) this.pan(dx, dy);
    else this.rotate(-dx * 0.45, dy * 0.45);
    this.pointers.set(event.pointerId, now);
  }

  release(event) {
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.settle(0);
  }

  leave() {
    this.hover = this.hit = null;
    this.tip.hidden = true;
    this.redraw();
  }

  wheel(event) {
    if (!event.ctrlKey && this.root.getRootNode().activeElement !== this.root) return; // until clicked, the page scrolls
    event.preventDefault();
    this.zoom(Math.exp(clamp(event.deltaY * (event.deltaMode ? 30 : 1), -150, 150) * (event.ctrlKey ? 0.008 : 0.0015)));
    this.settle(250);
  }

  key(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (way && event.shiftKey) this.pan(20 * way[0], -20 * way[1]);
    else if (way) this.rotate(6 * way[0], 6 * way[1]);
    else if (event.key === "+" || event.key === "=") this.zoom(0.9);
    else if (event.key === "-") this.zoom(1 / 0.9);
    else if (event.key === "0" || event.key === "Home") return this.reset();
    else return;
    event.preventDefault();
    this.settle(400);
  }

  rotate(across, up) {
    this.camera.azimuth += across * radians;
    this.camera.elevation = clamp(this.camera.elevation + up * radians, -89 * radians, 89 * radians);
    this.moved();
  }

  zoom(factor) {
    this.camera.distance = clamp(this.camera.distance * factor, 1, 20);
    this.moved();
  }

  pan(dx, dy) {
    const scale = (2 * this.halfHeight * this.camera.distance) / this.height;
    const [right, above] = [0, 1].map((row) => [0, 4, 8].map((i) => this.seen[i + row]));
    this.camera.focal = this.camera.focal.map((value, i) => clamp(value + (dy * above[i] - dx * right[i]) * scale, -3, 3));
    this.moved();
  }

  reset() {
    this.orbit(this.scene.home);
    this.moved();
    this.settle(0);
  }

  moved() {
    this.redraw();
    for (const other of groups.get(this.link) ?? [])
      if (other !== this && other.scene) {
        other.camera = { ...this.camera };
        other.redraw();
      }
  }

  settle(delay) {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      const view = this.view();
      const rounded = (values) => values.map((value) => Number(value.toFixed(4)));
      const camera = { position: rounded(view.position), focal_point: rounded(view.focal_point), up: view.up };
      const said = JSON.stringify(camera);
      if (said !== this.said) this.report(camera);
      this.said = said;
    }, delay);
  }
}

// --- Small things ---------------------------------------------------------------------------------------------

function segments({ points, lengths, colours }) {
  const [at, paint] = [decoded(points, Float32Array), decoded(colours, Uint8Array)];
  const counts = decoded(lengths, Uint32Array);
  const total = counts.reduce((sum, count) => sum + count - 1, 0);
  const [ends, painted] = [new Float32Array(6 * total), new Uint8Array(3 * total)];
  let [start, made] = [0, 0];
  counts.forEach((count, line) => {
    for (let i = 0; i < count - 1; i++, made++) {
      ends.set(at.subarray(3 * (start + i), 3 * (start + i) + 6), 6 * made);
      painted.set(paint.subarray(3 * line, 3 * line + 3), 3 * made);
    }
    start += count;
  });
  return [ends, painted];
}

function nearest(axis, share) {
  const value = axis[0] + share * (axis.at(-1) - axis[0]);
  return axis.reduce((best, candidate, i) => (Math.abs(candidate - value) < Math.abs(axis[best] - value) ? i : best), 0);
}

function number(value) {
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const words = size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(3) : String(Number(value.toPrecision(5)));
  return words.replaceAll("-", "−");
}
