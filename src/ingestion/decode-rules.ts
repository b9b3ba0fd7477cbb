import type { Config } from '../platform/config/config';
import type { DecodeRules } from '../shared/usage-event/decode-usage-message';

/** What this deployment admits. */
export function decodeRulesOf({ lateHorizon, knownOrgs, maxMessageBytes }: Config): DecodeRules {
  return {
    lateHorizon,
    knownOrgs: knownOrgs && new Set(knownOrgs.map((orgId) => orgId.toLowerCase())),
    maxMessageBytes,
  };
}
