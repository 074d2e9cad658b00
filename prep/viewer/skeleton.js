// One frame of a clip on a 2-D canvas, seen by an orbiting camera. No imports: any page may load or inline this file.
//
// clip: {joints, frames, bodies, parts, up, colours, marked}
//   joints   Float32Array of frames * bodies * V * 3 values, in that order; NaN where a joint or a body is absent
//   parts    [[parent, child], ...]: the bones, as joint numbers
//   up       optional, "x", "y", "z" or with a minus: the axis that is drawn upward; "y" by default
//   colours  optional, one CSS colour per body
//   marked   optional, {body, joint}: a joint drawn larger
// camera: {yaw, pitch, zoom, centre: [x, y, z], radius, wide, high}; angles in radians. fitCamera makes one for a clip;
//   wide and high are half the room that it needs on the canvas, in radii.
//
// With yaw and pitch 0 the first horizontal axis points right and the other one away from the reader, as a Kinect
// sees a person: left and right agree with the video.

export const COLOURS = ["#2f6db3", "#d9731a", "#3d8c37", "#9c5b93"];
const DISTANCE = 5; // of the camera from the centre, in radii
const BACKGROUND = "#ffffff", FLOOR = "#d5d9de", MARK = "#c4161c", TEXT = "#5a6069";

export function drawSkeleton(canvas, clip, frame, camera) {
  const { context, width, height } = prepared(canvas);
  const points = project(canvas, clip, frame, camera);
  const joints = jointCount(clip), colours = clip.colours ?? COLOURS;
  const size = Math.max(1, Math.min(width, height) / 400);
  context.fillStyle = BACKGROUND;
  context.fillRect(0, 0, width, height);
  drawFloor(context, clip, camera, width, height);
  let drawn = 0;
  context.lineCap = "round";
  for (let body = 0; body < clip.bodies; body++) {
    context.strokeStyle = context.fillStyle = colours[body % colours.length];
    for (const [parent, child] of farFirst(clip.parts, points, body * joints)) {
      const a = (body * joints + parent) * 3, b = (body * joints + child) * 3;
      if (Number.isNaN(points[a]) || Number.isNaN(points[b])) continue;
      context.lineWidth = 3 * size * nearness((points[a + 2] + points[b + 2]) / 2);
      context.beginPath();
      context.moveTo(points[a], points[a + 1]);
      context.lineTo(points[b], points[b + 1]);
      context.stroke();
    }
    for (let joint = 0; joint < joints; joint++) {
      const at = (body * joints + joint) * 3;
      if (Number.isNaN(points[at])) continue;
      dot(context, points[at], points[at + 1], 3 * size * nearness(points[at + 2]));
      drawn += 1;
    }
  }
  drawMark(context, clip, points, joints, size);
  if (drawn === 0) {
    context.fillStyle = TEXT;
    context.font = `${14 * size}px sans-serif`;
    context.textAlign = "center";
    context.fillText("no body in this frame", width / 2, height / 2);
  }
  return drawn;
}

// A camera that has every frame of the clip in sight.
export function fitCamera(clip) {
  const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
  for (let at = 0; at < clip.joints.length; at++) {
    const value = clip.joints[at], axis = at % 3;
    if (value < low[axis]) low[axis] = value;
    if (value > high[axis]) high[axis] = value;
  }
  const empty = low[0] > high[0];
  const centre = empty ? [0, 0, 0] : low.map((value, axis) => (value + high[axis]) / 2);
  const radius = empty ? 1 : Math.hypot(...low.map((value, axis) => high[axis] - value)) / 2;
  const half = low.map((value, axis) => (empty || !radius ? 1 : (high[axis] - value) / 2 / radius));
  const [right, up, away] = axesOf(clip.up).map(([axis]) => half[axis]);
  return { yaw: 0, pitch: 0.12, zoom: 1, centre, radius: radius || 1, wide: Math.hypot(right, away), high: up };
}

// Canvas positions of a frame: bodies * V * 3 values x, y (pixels of the canvas) and depth (-1 near to 1 far).
export function project(canvas, clip, frame, camera) {
  const joints = jointCount(clip), count = clip.bodies * joints;
  const points = new Float32Array(count * 3), view = viewOf(canvas.width, canvas.height, clip, camera);
  for (let index = 0; index < count; index++) {
    const at = (frame * count + index) * 3;
    points.set(view(clip.joints[at], clip.joints[at + 1], clip.joints[at + 2]), index * 3);
  }
  return points;
}

// The joint or bone within `reach` CSS pixels of a point (CSS pixels from the canvas's corner):
// {body, joint}, {body, part} with the bone's place in `parts`, or null.
export function nearest(canvas, clip, frame, camera, x, y, reach = 10) {
  const ratio = canvas.width / (canvas.clientWidth || canvas.width);
  const points = project(canvas, clip, frame, camera), joints = jointCount(clip);
  let best = null, least = reach * ratio;
  const px = x * ratio, py = y * ratio;
  for (let index = 0; index < clip.bodies * joints; index++) {
    const distance = Math.hypot(points[index * 3] - px, points[index * 3 + 1] - py);
    if (distance < least) {
      least = distance;
      best = { body: Math.floor(index / joints), joint: index % joints };
    }
  }
  if (best) return best;
  for (let body = 0; body < clip.bodies; body++) {
    clip.parts.forEach(([parent, child], part) => {
      const a = (body * joints + parent) * 3, b = (body * joints + child) * 3;
      const distance = toSegment(px, py, points[a], points[a + 1], points[b], points[b + 1]);
      if (distance < least) {
        least = distance;
        best = { body, part };
      }
    });
  }
  return best;
}

export function jointCount(clip) {
  return clip.frames && clip.bodies ? clip.joints.length / (clip.frames * clip.bodies * 3) : 0;
}

// Right, up and away for an upward axis, each as [axis, sign]; left and right stay as they are for every axis.
function axesOf(up = "y") {
  const axis = "xyz".indexOf(up[up.length - 1]), sign = up[0] === "-" ? -1 : 1;
  const right = axis === 0 ? 1 : 0, away = 3 - axis - right;
  const even = (right + 1) % 3 === axis ? 1 : -1;
  return [[right, 1], [axis, sign], [away, sign * even]];
}

// A function from a position in the clip to [x, y, depth] on a canvas of this size.
function viewOf(width, height, clip, camera) {
  const [right, up, away] = axesOf(clip.up), { centre, radius } = camera;
  const [cy, sy, cp, sp] = [Math.cos(camera.yaw), Math.sin(camera.yaw), Math.cos(camera.pitch), Math.sin(camera.pitch)];
  const { wide = 1, high = 1 } = camera;
  const scale = Math.min(width / Math.max(wide, 0.2), height / Math.max(high, 0.2)) * 0.42 * camera.zoom;
  return (...position) => {
    const [r, u, d] = [right, up, away].map(([axis, sign]) => (sign * (position[axis] - centre[axis])) / radius);
    const x = cy * r + sy * d, level = cy * d - sy * r;
    const y = cp * u + sp * level, depth = cp * level - sp * u;
    const perspective = DISTANCE / Math.max(DISTANCE + depth, 0.1);
    return [width / 2 + x * scale * perspective, height / 2 - y * scale * perspective, depth];
  };
}

// The drawing buffer at the resolution of the screen; a canvas outside a page keeps its own size.
function prepared(canvas) {
  const ratio = globalThis.devicePixelRatio || 1;
  if (canvas.clientWidth) {
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  }
  return { context: canvas.getContext("2d"), width: canvas.width, height: canvas.height };
}

function drawFloor(context, clip, camera, width, height) {
  const [right, up, away] = axesOf(clip.up), view = viewOf(width, height, clip, camera);
  const corner = (r, d) => {
    const position = [...camera.centre];
    position[right[0]] += r * camera.radius * 0.8;
    position[away[0]] += d * camera.radius * 0.8;
    position[up[0]] -= up[1] * (camera.floor ?? floorOf(clip, camera, up));
    return view(...position);
  };
  context.strokeStyle = FLOOR;
  context.lineWidth = 1;
  for (let line = -2; line <= 2; line++) {
    for (const [from, to] of [[corner(line / 2, -1), corner(line / 2, 1)], [corner(-1, line / 2), corner(1, line / 2)]]) {
      context.beginPath();
      context.moveTo(from[0], from[1]);
      context.lineTo(to[0], to[1]);
      context.stroke();
    }
  }
}

// How far the lowest joint of the clip lies below the camera's centre; kept in the camera.
function floorOf(clip, camera, [axis, sign]) {
  let lowest = Infinity;
  for (let at = axis; at < clip.joints.length; at += 3) {
    if (clip.joints[at] * sign < lowest) lowest = clip.joints[at] * sign;
  }
  camera.floor = Number.isFinite(lowest) ? camera.centre[axis] * sign - lowest : 0;
  return camera.floor;
}

function farFirst(parts, points, first) {
  const depth = ([parent, child]) => points[(first + parent) * 3 + 2] + points[(first + child) * 3 + 2];
  return [...parts].sort((a, b) => depth(b) - depth(a) || 0);
}

function nearness(depth) {
  return Math.min(1.6, Math.max(0.5, DISTANCE / (DISTANCE + 2 * depth)));
}

function drawMark(context, clip, points, joints, size) {
  if (!clip.marked || clip.marked.joint === undefined) return;
  const at = (clip.marked.body * joints + clip.marked.joint) * 3;
  if (Number.isNaN(points[at])) return;
  context.fillStyle = MARK;
  dot(context, points[at], points[at + 1], 5.5 * size);
}

function dot(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function toSegment(x, y, ax, ay, bx, by) {
  const length = (bx - ax) ** 2 + (by - ay) ** 2;
  const along = length ? Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) : 0;
  return Math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay));
}
