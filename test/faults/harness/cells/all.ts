import type { Cell } from '../cell';
import { backupRestored } from './backup-restored';
import { brokenEdges } from './broken-edges';
import { clockSteps } from './clock-steps';
import { failingS3 } from './failing-s3';
import { fullDisk } from './full-disk';
import { killedAtPoints } from './killed-at-points';
import { killedBackend, killedPostgres, killedRabbitmq, restartedServers } from './killed-servers';
import { migrationUnderLoad } from './migration-under-load';
import { nemesis } from './nemesis';
import { pausedInCommit, pausedLeader } from './paused-leader';
import { diskAlarm, exhaustedConnections, poorRedis, slowDatabase } from './poor-servers';
import { racingReplicas } from './racing-replicas';
import { retentionAgainstRefresh } from './retention-against-refresh';
import { drainedAtBurst, rollingRestart } from './restarts';
import { swallowedCommit } from './swallowed-commit';
import { swallowedConfirm } from './swallowed-confirm';
import { duplicateStorm, outOfOrder, streamRecreated, streamTruncated } from './unruly-streams';

export const CELLS: readonly Cell[] = [
  killedAtPoints,
  killedPostgres,
  killedBackend,
  killedRabbitmq,
  restartedServers,
  swallowedCommit,
  swallowedConfirm,
  pausedLeader,
  pausedInCommit,
  racingReplicas,
  rollingRestart,
  drainedAtBurst,
  clockSteps,
  duplicateStorm,
  outOfOrder,
  slowDatabase,
  streamTruncated,
  streamRecreated,
  failingS3,
  migrationUnderLoad,
  retentionAgainstRefresh,
  poorRedis,
  diskAlarm,
  fullDisk,
  exhaustedConnections,
  backupRestored,
  nemesis,
  ...brokenEdges,
];
