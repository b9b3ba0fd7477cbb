import { Injectable } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Config } from '../platform/config/config';
import {
  type OutgoingUsageEvent,
  type PublishOutcome,
  UsageEventPublisher,
} from '../platform/messaging/usage-event-publisher';
import { IngestUsageCommand } from '../shared/messages/ingest-usage.command';
import { decodeUsageMessage } from '../shared/usage-event/decode-usage-message';
import { decodeRulesOf } from './decode-rules';

/** Without a broker: commits the events of a request in one batch and answers what became of each. */
@Injectable()
export class DirectUsageEventPublisher extends UsageEventPublisher {
  constructor(
    private readonly commandBus: CommandBus,
    private readonly config: Config,
  ) {
    super();
  }

  async publish(outgoing: readonly OutgoingUsageEvent[]): Promise<readonly PublishOutcome[]> {
    const receivedAt = new Date();
    const rules = decodeRulesOf(this.config);
    const decoded = outgoing.map(({ body }) => decodeUsageMessage(body, rules, receivedAt.getTime(), null));
    const { outcomes } = await this.commandBus.execute(
      new IngestUsageCommand({
        source: { kind: 'direct' },
        receivedAt,
        messages: outgoing.length,
        events: decoded.flatMap(({ events }) => events),
        rejects: decoded.flatMap(({ rejects }) => rejects),
        unknownFields: decoded.reduce((sum, { unknownFields }) => sum + unknownFields, 0),
      }),
    );
    return outcomes.map((outcome) =>
      outcome === 'duplicate' || outcome === 'conflict' ? outcome : 'accepted',
    );
  }
}
