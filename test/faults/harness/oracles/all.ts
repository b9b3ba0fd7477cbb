import { doubled } from './doubled';
import { freshness } from './freshness';
import { invented } from './invented';
import { isolation } from './isolation';
import { ledger } from './ledger';
import { lost } from './lost';
import { money } from './money';
import type { Oracle } from './oracle';

export const ORACLES: readonly Oracle[] = [lost, invented, doubled, money, ledger, isolation, freshness];
