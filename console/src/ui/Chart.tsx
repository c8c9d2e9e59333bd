interface Point {
  at: number;
  value: number;
  label: string;
}

interface Props {
  title: string;
  points: readonly Point[];
  show: (value: number) => string;
}

const WIDTH = 720;
const HEIGHT = 120;
const EDGE = { left: 56, right: 12, top: 10, bottom: 10 };

/** A line over time. Points stand one step apart: runs of one afternoon must not fall together beside one of last month. */
export function Chart({ title, points, show }: Props) {
  const values = points.map((point) => point.value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const x = (index: number) => EDGE.left + (index / (points.length - 1)) * (WIDTH - EDGE.left - EDGE.right);
  const y = (value: number) =>
    EDGE.top + (most === least ? 0.5 : (most - value) / (most - least)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const line = points.map((point, index) => `${x(index).toFixed(1)},${y(point.value).toFixed(1)}`).join(" ");
  const told = `${title} over ${points.length} runs: from ${show(values[0]!)} to ${show(values.at(-1)!)}`;
  return (
    <svg class="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={told}>
      {(most === least ? [most] : [most, least]).map((value) => (
        <g key={value}>
          <line x1={EDGE.left} x2={WIDTH - EDGE.right} y1={y(value)} y2={y(value)} class="rule" />
          <text x={EDGE.left - 8} y={y(value) + 4} text-anchor="end">
            {show(value)}
          </text>
        </g>
      ))}
      <polyline points={line} />
      {points.map((point, index) => (
        <circle key={point.at} cx={x(index)} cy={y(point.value)} r="4">
          <title>{`${point.label}: ${show(point.value)}`}</title>
        </circle>
      ))}
    </svg>
  );
}
