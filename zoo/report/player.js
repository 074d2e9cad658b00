// Plays the clips of a report: every canvas in sight shows its clip in a loop, in the clip's own time.
// Follows skeleton.js in the same script, which draws one frame.

const ABSENT = -32768;
const content = JSON.parse(document.getElementById("clips").textContent);
const button = document.getElementById("play");
const players = new Map(); // by canvas
const inSight = new Set();
let playing = true, now = 0, last = null;

function unpacked(run, packed) {
  const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer), joints = new Float32Array(bytes.length / 2);
  for (let at = 0; at < joints.length; at++) {
    const value = view.getInt16(at * 2, true);
    joints[at] = value === ABSENT ? NaN : packed.low[at % 3] + (value + 32767) * packed.step;
  }
  return { joints, frames: packed.frames, bodies: packed.bodies, parts: run.parts, up: run.up };
}

function makePlayer(canvas) {
  const run = content[canvas.dataset.run], packed = run.clips[canvas.dataset.clip];
  const player = { canvas, seconds: Math.max(packed.seconds, 0.2), clip: null, camera: null, shown: -1 };
  player.open = () => {
    player.clip ??= unpacked(run, packed);
    player.camera ??= fitCamera(player.clip);
  };
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    player.camera.yaw += event.movementX / 80;
    player.camera.pitch = Math.min(1.5, Math.max(-1.5, player.camera.pitch + event.movementY / 80));
    player.shown = -1;
  });
  return player;
}

function show(player) {
  player.open();
  const share = (now % player.seconds) / player.seconds;
  const frame = Math.min(player.clip.frames - 1, Math.floor(share * player.clip.frames));
  if (frame === player.shown) return;
  player.shown = frame;
  drawSkeleton(player.canvas, player.clip, frame, player.camera);
}

function tick(time) {
  if (playing && last !== null) now += (time - last) / 1000;
  last = time;
  inSight.forEach(show);
  requestAnimationFrame(tick);
}

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const player = players.get(entry.target);
    if (entry.isIntersecting && player) inSight.add(player);
    else inSight.delete(player);
  }
});

function addPlayer(canvas) {
  players.set(canvas, makePlayer(canvas));
  watcher.observe(canvas);
  button.hidden = false;
}

function removePlayer(canvas) {
  watcher.unobserve(canvas);
  inSight.delete(players.get(canvas));
  players.delete(canvas);
  button.hidden = players.size === 0;
}

button.hidden = true;
document.querySelectorAll("canvas[data-clip]").forEach(addPlayer);
button.addEventListener("click", () => {
  playing = !playing;
  button.textContent = playing ? "Pause" : "Play";
});
requestAnimationFrame(tick);
