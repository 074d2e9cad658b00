// Skeletons and the video of one clip, played in step.

import { addressOf, make } from "./ask.js";
import { drawSkeleton, fitCamera, jointCount, nearest } from "./skeleton.js";

const TURN = 0.1, AHEAD = 12; // radians for an arrow key; frames of the video that are fetched ahead
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];

export class Player {
  constructor(stage, pointed) {
    this.stage = stage;
    this.pointed = pointed;
    this.views = [];
    this.video = null;
    this.turn = { yaw: 0, pitch: 0.12, zoom: 1 };
    this.frame = 0;
    this.frames = 0;
    this.fps = 30;
    this.speed = 1;
    this.playing = false;
    this.onFrame = () => {};
    new ResizeObserver(() => this.draw()).observe(stage);
  }

  // views: [{title, names, clip}]; clip as skeleton.js takes it. The first view decides the number of frames.
  load(views, fps, frame = 0) {
    this.pause();
    this.video = null;
    this.fps = fps > 0 ? fps : 30;
    this.frames = views[0]?.clip.frames ?? 0;
    this.views = views.map((view) => this.viewOf(view));
    this.stage.replaceChildren(...this.views.map((view) => view.figure));
    this.mark(null);
    this.show(frame);
  }

  viewOf({ title, names, clip }) {
    const label = `Skeleton, ${title}. Arrow keys turn it, plus and minus change its size.`;
    const canvas = make("canvas", { tabIndex: 0, role: "img", "aria-label": label });
    const figure = make("figure", {}, canvas, make("figcaption", {}, title));
    const view = { title, names, clip, canvas, figure, camera: fitCamera(clip) };
    canvas.addEventListener("pointerdown", (event) => this.drag(view, event));
    canvas.addEventListener("pointermove", (event) => this.hover(view, event));
    canvas.addEventListener("pointerleave", () => this.mark(null));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 500));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    return view;
  }

  // video: the answer to the question `video`; parameters: what a question about this clip needs.
  showVideo(video, parameters) {
    const canvas = make("canvas", { role: "img", "aria-label": "Video, with the joints' box and the crop" });
    const caption = "video; solid: the box of the joints, dashed: the crop that encoders see";
    const figure = make("figure", {}, canvas, make("figcaption", {}, video.box ? caption
      : "video; the box of the joints is unknown, dashed: the crop that encoders see"));
    this.video = { ...video, canvas, figure, parameters, images: new Map() };
    this.stage.append(figure);
    this.draw();
  }

  hideVideo(reason) {
    this.video = null;
    this.stage.append(make("figure", { className: "absent" }, make("figcaption", {}, `video: ${reason}`)));
  }

  show(frame) {
    const last = Math.max(0, this.frames - 1);
    this.frame = Math.min(Math.max(0, Math.round(frame)), last);
    this.draw();
    this.onFrame(this.frame);
  }

  draw() {
    for (const view of this.views) {
      Object.assign(view.camera, this.turn);
      const frame = Math.min(this.frame, view.clip.frames - 1);
      if (view.clip.frames) drawSkeleton(view.canvas, view.clip, frame, view.camera);
      else drawSkeleton(view.canvas, { ...view.clip, joints: new Float32Array(0), frames: 1, bodies: 0 }, 0, view.camera);
    }
    if (this.video) this.drawVideo();
  }

  drawVideo() {
    const { video } = this, wanted = this.videoFrame(this.frame);
    for (let ahead = 0; ahead <= AHEAD; ahead++) this.fetchImage(this.videoFrame(this.frame + ahead));
    const image = video.images.get(wanted);
    const ratio = globalThis.devicePixelRatio || 1, { canvas } = video;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    const context = canvas.getContext("2d");
    const scale = Math.min(canvas.width / video.width, canvas.height / video.height);
    const [width, height] = [video.width * scale, video.height * scale];
    const [left, top] = [(canvas.width - width) / 2, (canvas.height - height) / 2];
    canvas.dataset.frame = wanted;
    canvas.dataset.ready = String(Boolean(image?.complete && image.naturalWidth));
    if (canvas.dataset.ready === "true") context.drawImage(image, left, top, width, height);
    else {
      context.font = `${14 * ratio}px sans-serif`;
      context.fillText(image?.failed ?? `frame ${wanted} is decoded`, left + 10, top + 24 * ratio);
    }
    const outline = (sides, colour, dash) => {
      context.strokeStyle = colour;
      context.lineWidth = 2 * ratio;
      context.setLineDash(dash.map((length) => length * ratio));
      context.strokeRect(left + sides[0] * width, top + sides[1] * height,
        (sides[2] - sides[0]) * width, (sides[3] - sides[1]) * height);
    };
    outline(video.crop, "#ffd400", [8, 6]);
    if (video.box) outline(video.box, "#00e5ff", []);
  }

  videoFrame(frame) {
    const { first, step, frames } = this.video;
    return Math.min(first + Math.floor(Math.min(frame, this.frames - 1) * step), frames - 1);
  }

  fetchImage(frame) {
    const { video } = this;
    if (video.images.has(frame)) return;
    const image = new Image();
    image.addEventListener("load", () => this.video === video && this.drawVideo());
    image.addEventListener("error", () => {
      image.failed = `frame ${frame} cannot be shown`;
      if (this.video === video) this.drawVideo();
    });
    image.src = addressOf("frame", { ...video.parameters, frame });
    video.images.set(frame, image);
    if (video.images.size > 400) video.images.delete(video.images.keys().next().value);
  }

  play() {
    if (this.frames < 2) return;
    this.playing = true;
    let last = performance.now(), at = this.frame >= this.frames - 1 ? 0 : this.frame;
    const tick = (now) => {
      if (!this.playing) return;
      at = (at + ((now - last) / 1000) * this.fps * this.speed) % this.frames;
      last = now;
      if (Math.floor(at) !== this.frame) this.show(Math.floor(at));
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    this.onFrame(this.frame);
  }

  pause() {
    this.playing = false;
    this.onFrame(this.frame);
  }

  faster(step) {
    const place = SPEEDS.indexOf(this.speed) + step;
    this.speed = SPEEDS[Math.min(Math.max(place, 0), SPEEDS.length - 1)];
  }

  reset() {
    this.turn = { yaw: 0, pitch: 0.12, zoom: 1 };
    this.draw();
  }

  zoom(factor) {
    this.turn.zoom = Math.min(20, Math.max(0.2, this.turn.zoom * factor));
    this.draw();
  }

  rotate(yaw, pitch) {
    this.turn.yaw += yaw;
    this.turn.pitch = Math.min(Math.PI / 2, Math.max(-Math.PI / 2, this.turn.pitch + pitch));
    this.draw();
  }

  key(event) {
    const actions = {
      ArrowLeft: () => this.rotate(-TURN, 0), ArrowRight: () => this.rotate(TURN, 0),
      ArrowUp: () => this.rotate(0, TURN), ArrowDown: () => this.rotate(0, -TURN),
      "+": () => this.zoom(1.2), "=": () => this.zoom(1.2), "-": () => this.zoom(1 / 1.2), Home: () => this.reset(),
    };
    if (!actions[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }

  drag(view, event) {
    view.canvas.setPointerCapture(event.pointerId);
    let { clientX, clientY } = event;
    const move = (next) => {
      this.rotate((next.clientX - clientX) / 120, (next.clientY - clientY) / 120);
      ({ clientX, clientY } = next);
    };
    view.canvas.addEventListener("pointermove", move);
    view.canvas.addEventListener("lostpointercapture", () => view.canvas.removeEventListener("pointermove", move),
      { once: true });
  }

  hover(view, event) {
    if (event.buttons || !view.clip.frames) return;
    const box = view.canvas.getBoundingClientRect();
    const frame = Math.min(this.frame, view.clip.frames - 1);
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    this.mark(nearest(view.canvas, view.clip, frame, view.camera, x, y), view);
  }

  // Point at a joint or bone in every view, and name it.
  mark(found, view = this.views[0]) {
    this.found = found;
    for (const other of this.views) other.clip.marked = found;
    this.pointed.textContent = found ? this.describe(found, view) : "";
    this.draw();
  }

  describe(found, view) {
    const body = view.clip.bodies > 1 ? `body ${found.body + 1}, ` : "";
    if (found.joint === undefined) {
      const [parent, child] = view.clip.parts[found.part];
      return `${body}bone ${view.names[parent]} - ${view.names[child]}`;
    }
    const joints = jointCount(view.clip), frame = Math.min(this.frame, view.clip.frames - 1);
    const at = ((frame * view.clip.bodies + found.body) * joints + found.joint) * 3;
    const place = [...view.clip.joints.subarray(at, at + 3)];
    const where = place.some(Number.isNaN) ? "absent" : place.map((value) => value.toPrecision(3)).join(", ");
    return `${body}joint ${found.joint + 1} ${view.names[found.joint]} at ${where} (${view.title})`;
  }

  // The joint `step` places after the one that is pointed at, for the keyboard.
  pointAt(step) {
    const view = this.views[0];
    if (!view?.clip.frames) return;
    const joints = jointCount(view.clip), count = joints * view.clip.bodies;
    const now = this.found?.joint === undefined ? (step > 0 ? -1 : 0) : this.found.body * joints + this.found.joint;
    const next = (now + step + count) % count;
    this.mark({ body: Math.floor(next / joints), joint: next % joints });
  }
}

