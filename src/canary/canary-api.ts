import { AppError } from '../shared/errors';

const REQUEST_TIMEOUT_MS = 10_000;

/** The service as callers reach it. Every failure to answer is an `AppError` that says what was answered instead. */
export class CanaryApi {
  constructor(
    private readonly url: string,
    private readonly orgId: string,
    private readonly apiKey: string,
  ) {}

  /** Resolves when the service answers for the event; false when it was rejected. */
  async send(eventId: string, occurredAt: Date): Promise<boolean> {
    const event = {
      eventId,
      orgId: this.orgId,
      modelId: 'canary',
      clientId: 'canary',
      occurredAt: occurredAt.toISOString(),
      status: 'success',
      latencyMs: 1,
      inputTokens: 1,
      outputTokens: 1,
    };
    const { results } = await this.ask<{ results: { status: string }[] }>('/analytics/v1/events', {
      method: 'POST',
      body: JSON.stringify(event),
    });
    return results[0]?.status === 'accepted';
  }

  /** Requests that the API counts in the quarter of an hour of `instant`. */
  async requestsAround(instant: Date): Promise<number> {
    const search = new URLSearchParams({
      start: instant.toISOString(),
      end: new Date(instant.getTime() + 1).toISOString(),
      granularity: '15min',
    });
    const path = `/analytics/v1/orgs/${this.orgId}/usage?${search.toString()}`;
    return (await this.ask<{ totals: { requests: number } }>(path)).totals.requests;
  }

  private async ask<Answer>(path: string, init: RequestInit = {}): Promise<Answer> {
    const answer = await fetch(new URL(path, this.url), {
      ...init,
      headers: { 'x-api-key': this.apiKey, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (!answer.ok) {
      await answer.body?.cancel();
      throw new AppError('unavailable', `The service answered the canary with ${answer.status}.`);
    }
    return (await answer.json()) as Answer;
  }
}
