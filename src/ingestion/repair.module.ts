import { Module } from '@nestjs/common';
import { AcknowledgeDataGapHandler } from './commands/acknowledge-data-gap.command';
import { DataGaps } from './data-gaps';
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

/** What ingestion could not store or read, for operators to see and to settle. */
@Module({
  controllers: [OrgQuarantineController, AdminQuarantineController, ReceiptController, DataGapsController],
  providers: [
    QuarantinedEvents,
    AdmissibleEvents,
    StoredIdentities,
    DataGaps,
    ListQuarantineHandler,
    GetQuarantinedEventHandler,
    ReplayQuarantinedEventHandler,
    DismissQuarantinedEventHandler,
    GetReceiptHandler,
    ListDataGapsHandler,
    AcknowledgeDataGapHandler,
  ],
})
export class IngestionRepairModule {}
