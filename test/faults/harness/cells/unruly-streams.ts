import { connect } from 'amqplib';
import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';

const STREAM = 'analytics.usage.v1';

export const duplicateStorm: Cell = {
  name: 'duplicate-storm',
  about: 'Every event is sent some fifty times, in no order.',
  recovery: 'none: nothing breaks',
  shares: { duplicate: 0.98 },
  async run({ router }) {
    router.burst(30_000);
    await pause(2_000);
  },
};

export const outOfOrder: Cell = {
  name: 'out-of-order',
  about: 'Seven of ten events are up to six days late, in no order, while rollups are refreshed.',
  recovery: 'none: nothing breaks',
  shares: { late: 0.7 },
  async run({ router }) {
    router.flow(500);
    await pause(6_000);
  },
};

export const streamTruncated: Cell = {
  name: 'stream-truncated',
  about:
    'The service is cut off from a broker that keeps 4 MB while 12 MB arrive. What the broker has dropped unread is not counted as lost if an incident says from when to when events lack.',
  recovery: 'from the healing until events sent then are stored',
  replayable: false,
  settings: { AMQP_STREAM_MAX_BYTES: '4MB', AMQP_STREAM_SEGMENT_BYTES: '1MB' },
  async run(world) {
    world.router.flow(500);
    await pause(1_500);
    for (const proxy of world.edges('broker')) await proxy.cut();
    world.router.burst(30_000);
    await world.router.settled();
    for (const proxy of world.edges('broker')) await proxy.heal();
    await world.recovered();
    const gaps = await world.count(
      `select count(*)::integer as count from data_gaps where kind = 'truncated'`,
    );
    if (gaps !== 1) world.complaints.push(`${gaps} incidents say that the stream was truncated.`);
  },
};

export const streamRecreated: Cell = {
  name: 'stream-recreated',
  about:
    'The stream, read to its end, is deleted under the service, which declares it again and begins at its start.',
  recovery: 'from the deletion until events sent then are stored',
  replayable: false,
  async run(world) {
    world.router.flow(500);
    await pause(1_500);
    await world.drained();
    const connection = await connect(world.vhost.url);
    const channel = await connection.createChannel();
    await channel.deleteQueue(STREAM);
    await connection.close();
    const deletedAt = Date.now();
    world.router.flow(200);
    await world.recovered(deletedAt);
    const gaps = await world.count(
      `select count(*)::integer as count from data_gaps where kind = 'recreated'`,
    );
    if (gaps !== 1) world.complaints.push(`${gaps} incidents say that the stream was made again.`);
  },
};
