import type { LiveSample } from './live-trial';

const WIDTH = 900;
const PANEL_HEIGHT = 130;
const LEFT = 90;
const GAP = 50;

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly values: readonly number[];
}

/** A drawing (SVG) of rate, backlog, visible delay and memory over the seconds of a run, one panel each. */
export function burstPicture(title: string, samples: readonly LiveSample[]): string {
  const panels: readonly Panel[] = [
    { title: 'confirmed', unit: 'events/s', values: rates(samples) },
    { title: 'backlog', unit: 'events', values: samples.map(({ backlog }) => backlog) },
    { title: 'visible after', unit: 'ms', values: samples.map(({ visibleDelayMs }) => visibleDelayMs) },
    { title: 'memory of the service', unit: 'MB', values: samples.map(({ memoryMb }) => memoryMb) },
  ];
  const seconds = samples.at(-1)?.second ?? 1;
  const x = (second: number): number => LEFT + (second / seconds) * (WIDTH - LEFT - 20);
  const drawn = panels.map((panel, index) =>
    drawPanel(panel, 40 + index * (PANEL_HEIGHT + GAP), (place) => x(samples[place]?.second ?? 0)),
  );
  const height = 40 + panels.length * (PANEL_HEIGHT + GAP);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="white"/>',
    `<text x="${LEFT}" y="20" font-size="14">${title}</text>`,
    ...drawn,
    `<text x="${WIDTH - 20}" y="${height - 12}" text-anchor="end">${Math.round(seconds)} s</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function drawPanel({ title, unit, values }: Panel, top: number, x: (place: number) => number): string {
  const most = Math.max(1, ...values);
  const y = (value: number): string => (top + PANEL_HEIGHT * (1 - value / most)).toFixed(1);
  const points = values.map((value, place) => `${x(place).toFixed(1)},${y(value)}`).join(' ');
  return [
    `<text x="${LEFT}" y="${top - 6}">${title}, at most ${Math.round(most).toLocaleString('en-GB')} ${unit}</text>`,
    `<line x1="${LEFT}" x2="${WIDTH - 20}" y1="${top + PANEL_HEIGHT}" y2="${top + PANEL_HEIGHT}" stroke="#999"/>`,
    `<text x="${LEFT - 8}" y="${top + 10}" text-anchor="end">${Math.round(most).toLocaleString('en-GB')}</text>`,
    `<text x="${LEFT - 8}" y="${top + PANEL_HEIGHT}" text-anchor="end">0</text>`,
    `<polyline points="${points}" fill="none" stroke="#1f6feb" stroke-width="1.5"/>`,
  ].join('\n');
}

function rates(samples: readonly LiveSample[]): number[] {
  return samples.map(({ second, confirmed }, place) => {
    const before = samples[place - 1] ?? { second: 0, confirmed: 0 };
    return second > before.second ? (confirmed - before.confirmed) / (second - before.second) : 0;
  });
}
