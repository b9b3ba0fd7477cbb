import { zoneOf, type FileSpecification } from '../file-specification';
import { localTime } from './instants';

interface FileKind {
  /** For example `usage-daily_2026-10-01_2026-11-01.csv.gz`, with the dates of the time zone. */
  readonly name: string;
  readonly contentType: string;
}

export const MANIFEST_NAME = 'manifest.json';

export function fileKindOf(specification: FileSpecification): FileKind {
  const { granularity, format, focusVersion, window } = specification;
  const subject =
    granularity === 'events'
      ? 'events'
      : `${focusVersion === null ? 'usage' : `focus-${focusVersion.replace('.', '-')}`}-${granularity}`;
  const zone = zoneOf(granularity === 'events' ? { timeZone: 'UTC' } : specification);
  const dates = [window.start, window.end].map((instant) => dateOf(localTime(instant, zone)));
  const compressed = format === 'csv.gz';
  return {
    name: `${[subject, ...dates].join('_')}.csv${compressed ? '.gz' : ''}`,
    contentType: compressed ? 'application/gzip' : 'text/csv; charset=utf-8; header=present',
  };
}

/** `2026-10-01`, or `2026-10-01T1530` when the window does not begin with a day. */
function dateOf(time: string): string {
  const [date = '', clock = ''] = time.split('T');
  return clock.startsWith('00:00:00') ? date : `${date}T${clock.slice(0, 8).replaceAll(':', '')}`;
}
