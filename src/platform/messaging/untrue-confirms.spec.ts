import { doubtOfConfirms } from './untrue-confirms';

describe('confirms', () => {
  it.each([
    ['3.10.8', 1],
    ['4.0.0', 2],
    ['4.0.5', 8],
    ['10.1.0', 2],
  ])('of RabbitMQ %s are believed with %i partitions', (version, partitions) => {
    expect(doubtOfConfirms(version, partitions)).toBeUndefined();
  });

  it.each(['3.10.8', '3.13.7'])('of RabbitMQ %s are not with several partitions', (version) => {
    expect(doubtOfConfirms(version, 2)).toBe(
      `RabbitMQ ${version} may confirm events of other publishers and drop them after it was restarted, because there ` +
        'are 2 partitions. Use RabbitMQ 4.0 or newer, or INGEST_PARTITIONS=1.',
    );
  });
});
