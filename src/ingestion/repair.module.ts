import { type DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { Config } from '../platform/config/config';
import { AcknowledgeDataGapHandler } from './commands/acknowledge-data-gap.command';
import { DataGaps } from './data-gaps';
import { OpenDataGapsMetric } from './data-gaps.metrics';
import { DataGapsController } from './data-gaps.controller';
import { AdminQuarantineController } from './quarantine/admin-quarantine.controller';
import { AdmissibleEvents } from './quarantine/admissible-events';
import { DismissQuarantinedEventHandler } from './quarantine/commands/dismiss-quarantined-event.command';
import { ReplayQuarantinedEventHandler } from './quarantine/commands/replay-quarantined-event.command';
import { OrgQuarantineController } from './quarantine/org-quarantine.controller';
import { QuarantinedEvents } from './quarantine/quarantined-events';
import { GetQuarantinedEventHandler } from './quarantine/queries/get-quarantined-event.query';
import { ListQuarantineHandler } from './quarantine/queries/list-quarantine.query';
import { StoredIdentities } from './quarantine/stored-identities';
import { GetReceiptHandler } from './queries/get-receipt.query';
import { ListDataGapsHandler } from './queries/list-data-gaps.query';
import { ReceiptController } from './receipt.controller';
import { CancelReplayHandler } from './replays/commands/cancel-replay.command';
import { RequestReplayHandler } from './replays/commands/request-replay.command';
import { GetReplayHandler } from './replays/queries/get-replay.query';
import { ListReplaysHandler } from './replays/queries/list-replays.query';
import { ReplayAttempt } from './replays/replay-attempt';
import { Replay } from './replays/replay.entity';
import { ReplayRunner } from './replays/replay.runner';
import { ReplaysController } from './replays/replays.controller';
import { Replays } from './replays/replays.repository';
import { RereadBatch } from './replays/reread-batch';

/** What ingestion could not store or read, for operators to see and to settle. */
@Module({})
export class IngestionRepairModule {
  static of({ amqpUrl }: Config): DynamicModule {
    return {
      module: IngestionRepairModule,
      imports: [TypeOrmModule.forFeature([Replay])],
      controllers: [
        OrgQuarantineController,
        AdminQuarantineController,
        ReceiptController,
        DataGapsController,
        ReplaysController,
      ],
      providers: [
        QuarantinedEvents,
        AdmissibleEvents,
        StoredIdentities,
        DataGaps,
        OpenDataGapsMetric,
        Replays,
        RereadBatch,
        ListQuarantineHandler,
        GetQuarantinedEventHandler,
        ReplayQuarantinedEventHandler,
        DismissQuarantinedEventHandler,
        GetReceiptHandler,
        ListDataGapsHandler,
        AcknowledgeDataGapHandler,
        RequestReplayHandler,
        CancelReplayHandler,
        ListReplaysHandler,
        GetReplayHandler,
        ...(amqpUrl === null ? [] : [ReplayAttempt, ReplayRunner]),
      ],
    };
  }
}
