import type { Freshness } from '../shared/messages/get-freshness.query';
import type { TimeWindow } from '../shared/time-window';
import type { IncompleteReason } from './certificate.dto';
import { type Difference, differingMeasures, type Layer } from './reconciliation';

/** What a certificate judges by. */
export interface Evidence {
  readonly window: TimeWindow;
  readonly freshness: Freshness;
  readonly openGaps: number;
  readonly openConflicts: string;
  readonly openQuarantined: string;
  readonly layers: readonly Layer[];
  /** Events of the window have arrived while it was being certified. */
  readonly moved: boolean;
}

/** Why the window is not complete, each with what to do; empty when it is. */
export function incompleteReasons(evidence: Evidence): IncompleteReason[] {
  const { window, freshness, openGaps, openConflicts, openQuarantined, layers, moved } = evidence;
  const reasons: IncompleteReason[] = [];
  const { dataThrough } = freshness;
  if (dataThrough === null || Date.parse(dataThrough) < window.end) {
    const through = dataThrough === null ? 'no instant yet' : dataThrough;
    reasons.push({
      code: 'data_behind',
      detail: `Events are committed through ${through}, the window ends at ${iso(window.end)}: ask again when the backlog is through.`,
    });
  }
  if (openGaps > 0) {
    reasons.push({
      code: 'open_data_gap',
      detail: `${counted(openGaps, 'gap', 'gaps')} of the stream may have held events of the window: have them sent again, then acknowledge the gap.`,
    });
  }
  if (openConflicts !== '0') {
    reasons.push({
      code: 'unreviewed_conflicts',
      detail: `${counted(openConflicts, 'event', 'events')} with an identity that was stored with another payload: replay each corrected, or dismiss it.`,
    });
  }
  if (openQuarantined !== '0') {
    reasons.push({
      code: 'unreviewed_quarantine',
      detail: `${counted(openQuarantined, 'event', 'events')} of the window could not be stored: replay each, or dismiss it.`,
    });
  }
  const awaiting = layers.filter((layer) => layer.awaiting > 0).map(({ relation }) => relation);
  if (awaiting.length > 0) {
    reasons.push({
      code: 'awaiting_refresh',
      detail: `Late events are not in ${awaiting.join(', ')} yet: ask again in a minute.`,
    });
  }
  for (const layer of layers.filter(({ differing }) => differing > 0)) {
    reasons.push({
      code: 'layers_differ',
      detail: `${describeLayer(layer)}: ask for a re-aggregation of the window.`,
    });
  }
  if (moved) {
    reasons.push({
      code: 'still_changing',
      detail: 'Events of the window arrived while it was being certified: ask again.',
    });
  }
  return reasons;
}

/** For example `usage_hourly differs from usage_events in 2 rows, first at 2026-11-05T10:00:00Z: requests 10 instead of 11`. */
export function describeLayer({ relation, against, differing, differences }: Layer): string {
  const [first] = differences;
  const where = first ? `, first ${describeDifference(first)}` : '';
  return `${relation} differs from ${against} in ${counted(differing, 'row', 'rows')}${where}`;
}

/** Where, and by how much: found instead of expected. */
export function describeDifference(difference: Difference): string {
  const { bucket, modelId, clientId, latencyBin } = difference;
  const group = [
    modelId !== undefined && `model ${modelId}`,
    clientId && `client ${clientId}`,
    latencyBin !== undefined && `latency bin ${latencyBin}`,
  ].filter(Boolean);
  const measures = differingMeasures(difference).map(
    ([name, expected, found]) => `${name} ${found ?? 'nothing'} instead of ${expected ?? 'nothing'}`,
  );
  return [`at ${bucket}`, ...group].join(', ') + `: ${measures.join(', ')}`;
}

function counted(count: number | string, one: string, many: string): string {
  return `${count} ${String(count) === '1' ? one : many}`;
}

function iso(instant: number): string {
  return new Date(instant).toISOString();
}
