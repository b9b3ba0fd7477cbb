import type { Gauge } from 'prom-client';

/**
 * The gauge, without the 0 that a gauge without labels begins with: a process that has nothing to say of it must not be
 * taken for one that says zero, by `min`, `max` or `absent`.
 */
export function absentUntilSet(gauge: Gauge): Gauge {
  gauge.remove();
  return gauge;
}
