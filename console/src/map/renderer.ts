/**
 * Points by WebGL 2, a slice at a time: what was drawn stays, so that a still picture grows finer until all points are
 * in it, and a moving one shows as many as a frame has time for.
 */
import type { Camera } from "./camera";
import type { Points } from "./points";
import { FRAGMENT, LOOKS_WIDTH, VERTEX } from "./shaders";

export class NoWebGL extends Error {}

/** How points are drawn, in device pixels and shares of one. */
export interface Brush {
  size: number;
  opacity: number;
  /** Whether only marked points stand out. */
  marking: boolean;
}

const UNIFORMS = ["looks", "scale", "shift", "size", "opacity", "marking"] as const;
const PLACE = 0;
const GROUP = 1;
const MARK = 2;
const SMALL = 2;

export class Renderer {
  private readonly gl: WebGL2RenderingContext;
  private readonly uniforms: Record<(typeof UNIFORMS)[number], WebGLUniformLocation | null>;
  private readonly places: WebGLBuffer;
  private readonly groups: WebGLBuffer;
  private readonly marks: WebGLBuffer;
  private fence: WebGLSync | null = null;

  /** Throws NoWebGL. */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly points: Points,
  ) {
    const gl = canvas.getContext("webgl2", {
      alpha: true,
      antialias: false,
      depth: false,
      preserveDrawingBuffer: true,
      powerPreference: "high-performance",
    });
    if (gl === null) throw new NoWebGL("this browser has no WebGL 2");
    this.gl = gl;
    const program = linked(gl);
    gl.useProgram(program);
    this.uniforms = Object.fromEntries(
      UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)]),
    ) as typeof this.uniforms;
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.disable(gl.DEPTH_TEST);
    const { total, group } = points;
    this.places = this.column(PLACE, total * 4);
    gl.vertexAttribPointer(PLACE, 2, gl.UNSIGNED_SHORT, true, 0, 0);
    this.groups = this.column(GROUP, total * group.BYTES_PER_ELEMENT);
    gl.vertexAttribIPointer(GROUP, 1, group.BYTES_PER_ELEMENT === SMALL ? gl.UNSIGNED_SHORT : gl.UNSIGNED_INT, 0, 0);
    this.marks = this.column(MARK, total);
    gl.vertexAttribPointer(MARK, 1, gl.UNSIGNED_BYTE, true, 0, 0);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
      gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
    if (points.loaded > 0) this.add(0, points.loaded);
  }

  /** Take over points that have arrived. */
  add(first: number, count: number): void {
    const { gl } = this;
    const places = new Uint16Array(2 * count);
    for (let at = 0; at < count; at += 1) {
      places[2 * at] = this.points.x[first + at]!;
      places[2 * at + 1] = this.points.y[first + at]!;
    }
    const { group } = this.points;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.places);
    gl.bufferSubData(gl.ARRAY_BUFFER, first * 4, places);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.groups);
    gl.bufferSubData(gl.ARRAY_BUFFER, first * group.BYTES_PER_ELEMENT, group.subarray(first, first + count));
  }

  /** Which points are marked: 255 each, others 0. */
  mark(marks: Uint8Array): void {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.marks);
    this.gl.bufferSubData(this.gl.ARRAY_BUFFER, 0, marks);
  }

  /** Four bytes a group: its colour, and 4 times its strength (0 to 63) plus its shape. A group of strength 0 is hidden. */
  look(looks: Uint8Array): void {
    const { gl } = this;
    const rows = Math.max(1, Math.ceil(looks.length / 4 / LOOKS_WIDTH));
    const whole = new Uint8Array(rows * LOOKS_WIDTH * 4);
    whole.set(looks);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, LOOKS_WIDTH, rows, 0, gl.RGBA, gl.UNSIGNED_BYTE, whole);
  }

  /** Fit the picture to the screen; what was drawn is gone then. */
  resize(width: number, height: number, ratio: number): void {
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.gl.viewport(0, 0, this.canvas.width, this.canvas.height);
  }

  clear(): void {
    this.gl.clearColor(0, 0, 0, 0);
    this.gl.clear(this.gl.COLOR_BUFFER_BIT);
  }

  draw(first: number, count: number, camera: Camera, brush: Brush): void {
    const { gl, uniforms, points } = this;
    const across = (2 * camera.scale) / camera.width;
    const up = (2 * camera.scale) / camera.height;
    gl.uniform2f(uniforms.scale, points.width * across, points.height * up);
    gl.uniform2f(uniforms.shift, -camera.view.x * across, -camera.view.y * up);
    gl.uniform1f(uniforms.size, brush.size);
    gl.uniform1f(uniforms.opacity, brush.opacity);
    gl.uniform1f(uniforms.marking, brush.marking ? 1 : 0);
    gl.drawArrays(gl.POINTS, first, count);
    if (this.fence !== null) gl.deleteSync(this.fence);
    this.fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
  }

  /** Whether what was asked to be drawn is drawn. */
  get idle(): boolean {
    if (this.fence === null) return true;
    const { gl } = this;
    if (gl.getSyncParameter(this.fence, gl.SYNC_STATUS) !== gl.SIGNALED) return false;
    gl.deleteSync(this.fence);
    this.fence = null;
    return true;
  }

  /** Free what the graphics processor holds. */
  close(): void {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  private column(at: number, bytes: number): WebGLBuffer {
    const { gl } = this;
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, bytes, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(at);
    return buffer;
  }
}

function linked(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(kind)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
    throw new NoWebGL(`the drawing program was refused: ${gl.getProgramInfoLog(program)}`);
  return program;
}
