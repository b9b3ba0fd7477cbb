import type { ReplayRequest } from './commands/replay-quarantined-event.command';
import type { ReplayDto } from './quarantine.dto';

export function replayRequestOf({ payload, admitLate = false, reason }: ReplayDto): ReplayRequest {
  return { payload: payload ?? null, admitLate, reason: reason ?? null };
}
