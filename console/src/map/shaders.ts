/** The programs that draw points: a place and a group come in, the group's look is read from a texture. */

/** Looks lie in rows of so many; see `looks` in `renderer.ts`. */
export const LOOKS_WIDTH = 1024;

export const VERTEX = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
layout(location = 0) in vec2 place;
layout(location = 1) in uint group;
layout(location = 2) in float mark;
uniform sampler2D looks;
uniform vec2 scale, shift;
uniform float size, opacity, marking;
out vec4 colour;
flat out int shape;
flat out float wide;
void main() {
  vec4 look = texelFetch(looks, ivec2(int(group) % ${LOOKS_WIDTH}, int(group) / ${LOOKS_WIDTH}), 0);
  int state = int(look.a * 255.0 + 0.5);
  shape = state & 3;
  float strength = float(state >> 2) / 63.0;
  float seen = mix(strength, mark > 0.5 ? 1.0 : 0.12, marking);
  colour = vec4(look.rgb, 1.0) * opacity * seen;
  wide = size * (seen > 0.99 && strength > 0.99 ? 1.0 : 0.85);
  gl_Position = seen > 0.0 ? vec4(place * scale + shift, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = wide;
}`;

export const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 colour;
flat in int shape;
flat in float wide;
out vec4 drawn;
void main() {
  if (wide < 3.0) { drawn = colour; return; }
  vec2 at = abs(gl_PointCoord - 0.5);
  float edge;
  if (wide < 7.0 || shape == 0) edge = length(at);
  else if (shape == 1) edge = max(at.x, at.y) * 1.18;
  else if (shape == 2) edge = (at.x + at.y) * 0.98;
  else edge = max((at.x * 0.88 - (gl_PointCoord.y - 0.5) * 0.48) * 1.92, (gl_PointCoord.y - 0.5) * 1.25);
  drawn = colour * smoothstep(0.5, 0.5 - 1.4 / wide, edge);
}`;
