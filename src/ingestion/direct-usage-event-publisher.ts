import { Injectable } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { type PublishOutcome, UsageEventPublisher } from '../platform/messaging/usage-event-publisher';
import { Clock } from '../shared/clock';
import { IngestUsageCommand } from '../shared/messages/ingest-usage.command';
import type { UsageEvent } from '../shared/usage-event/usage-event';

/** Without a broker: commits the events of a request in one batch and answers what became of each. */
@Injectable()
export class DirectUsageEventPublisher extends UsageEventPublisher {
  constructor(
    private readonly commandBus: CommandBus,
    private readonly clock: Clock,
  ) {
    super();
  }

  async publish(events: readonly UsageEvent[]): Promise<readonly PublishOutcome[]> {
    const { outcomes } = await this.commandBus.execute(
      new IngestUsageCommand({
        source: { kind: 'direct' },
        receivedAt: this.clock.now(),
        messages: events.length,
        events: events.map((event, index) => ({ offset: null, index, event })),
        rejects: [],
        unknownFields: events.reduce((sum, event) => sum + event.unknownFields, 0),
      }),
    );
    return outcomes.map((outcome) => (outcome === 'stored' ? 'accepted' : outcome));
  }
}
