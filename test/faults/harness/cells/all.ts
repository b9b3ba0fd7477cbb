import type { Cell } from '../cell';
import { brokenEdges } from './broken-edges';
import { killedAtPoints } from './killed-at-points';
import { killedBackend, killedPostgres, killedRabbitmq, restartedServers } from './killed-servers';
import { swallowedCommit } from './swallowed-commit';
import { swallowedConfirm } from './swallowed-confirm';

export const CELLS: readonly Cell[] = [
  killedAtPoints,
  killedPostgres,
  killedBackend,
  killedRabbitmq,
  restartedServers,
  swallowedCommit,
  swallowedConfirm,
  ...brokenEdges,
];
