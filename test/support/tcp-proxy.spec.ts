import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { TcpProxy } from './tcp-proxy';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Answers every piece of data with the same in upper case, and remembers what it heard. */
class Shouter {
  heard = '';
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async start(port = 0): Promise<Shouter> {
    const server = createServer({ allowHalfOpen: true });
    const shouter = new Shouter(server);
    server.on('connection', (socket) => {
      shouter.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        shouter.heard += bytes.toString();
        socket.write(bytes.toString().toUpperCase());
      });
      socket.on('end', () => socket.end());
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return shouter;
  }

  get url(): string {
    return `tcp://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** A client that keeps all it hears and how it ended. */
class Listener {
  heard = '';
  error: NodeJS.ErrnoException | undefined;
  closed = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (bytes) => (this.heard += bytes.toString()));
    socket.on('error', (error) => (this.error = error));
    socket.on('close', () => (this.closed = true));
  }

  static async on(url: string): Promise<Listener> {
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1' });
    const listener = new Listener(socket);
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined);
    return listener;
  }

  say(text: string): void {
    this.socket.write(text);
  }

  async hears(text: string): Promise<void> {
    await until(() => this.heard.includes(text));
  }

  async isClosed(): Promise<void> {
    await until(() => this.closed);
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('It did not happen within 5 s.');
    await sleep(5);
  }
}

describe('TcpProxy', () => {
  let server: Shouter;
  let proxy: TcpProxy;
  let client: Listener;

  beforeEach(async () => {
    server = await Shouter.start();
    proxy = await TcpProxy.before(server.url);
    client = await Listener.on(proxy.through(server.url));
    client.say('hello ');
    await client.hears('HELLO');
  });

  afterEach(async () => {
    client.socket.destroy();
    await proxy.close();
    await server.stop();
  });

  it('passes megabytes unchanged and in order', async () => {
    const text = randomBytes(4 * 1024 * 1024).toString('hex');
    client.say(text);
    await client.hears(text.toUpperCase());
    expect(client.heard).toBe('HELLO ' + text.toUpperCase());
    expect(proxy.received).toEqual({ fromClients: 6 + text.length, fromServer: 6 + text.length });
  });

  it('keeps the answer when the client has ended its own side', async () => {
    client.socket.end('bye');
    await client.isClosed();
    expect(client.heard).toBe('HELLO BYE');
    await until(() => proxy.openConnections === 0);
  });

  it('cuts: resets what is open and refuses what is new, until it heals on the same port', async () => {
    await proxy.cut();
    await client.isClosed();
    expect(client.error?.code).toBe('ECONNRESET');
    expect((await Listener.on(proxy.through(server.url))).error?.code).toBe('ECONNREFUSED');

    await proxy.heal();
    client = await Listener.on(proxy.through(server.url));
    client.say('again');
    await client.hears('AGAIN');
  });

  it('resets connections once and serves the next ones', async () => {
    proxy.resetConnections();
    await client.isClosed();
    expect(client.error?.code).toBe('ECONNRESET');
    client = await Listener.on(proxy.through(server.url));
    client.say('again');
    await client.hears('AGAIN');
  });

  it('is a black hole for open and new connections, then delivers late what was sent into it', async () => {
    proxy.blackHole();
    const late = await Listener.on(proxy.through(server.url));
    client.say('one ');
    client.say('two ');
    late.say('three ');
    await sleep(150);
    expect(server.heard).toBe('hello ');
    expect([client.heard, client.closed, late.heard, late.closed]).toEqual(['HELLO ', false, '', false]);

    await proxy.heal();
    await client.hears('ONE TWO');
    await late.hears('THREE');
    late.socket.destroy();
  });

  it('swallows replies only: the server acts, the client never hears, and is reset by the healing', async () => {
    proxy.swallowReplies();
    client.say('pay');
    await until(() => server.heard === 'hello pay');
    await sleep(100);
    expect([client.heard, client.closed]).toEqual(['HELLO ', false]);

    await proxy.heal();
    await client.isClosed();
    expect([client.heard, client.error?.code]).toEqual(['HELLO ', 'ECONNRESET']);
  });

  it('leaves connections alone that missed nothing while replies were swallowed', async () => {
    proxy.swallowReplies();
    await proxy.heal();
    client.say('still');
    await client.hears('STILL');
  });

  it('swallows the replies after a chosen request, on the connection that made it', async () => {
    const neighbour = await Listener.on(proxy.through(server.url));
    const committed = proxy.swallowRepliesAfter('COMMIT');
    client.say('insert ');
    await client.hears('INSERT');
    client.say('commit');
    await committed;
    await until(() => server.heard.endsWith('commit'));
    neighbour.say('select');
    await neighbour.hears('SELECT');
    expect(client.heard).toBe('HELLO INSERT ');
    neighbour.socket.destroy();
  });

  it('delays every piece each way and keeps the order', async () => {
    proxy.delay(60);
    const sent = Date.now();
    client.say('a');
    await sleep(20);
    client.say('b');
    await client.hears('AB');
    expect(Date.now() - sent).toBeGreaterThanOrEqual(135);
  });

  it('throttles to the rate asked for and makes the sender wait', async () => {
    proxy.throttle(1024 * 1024);
    const sent = Date.now();
    client.say('x'.repeat(512 * 1024));
    await client.hears('X'.repeat(512 * 1024));
    expect(Date.now() - sent).toBeGreaterThanOrEqual(450);

    await proxy.heal();
    proxy.throttle(1024);
    for (let piece = 0; piece < 64; piece++) client.say('y'.repeat(256 * 1024));
    await sleep(300);
    expect(client.socket.writableLength).toBeGreaterThan(0);
  });

  it('resets clients while the server is away and serves them when it is back', async () => {
    const port = Number(new URL(server.url).port);
    const url = proxy.through(server.url);
    await server.stop();
    await client.isClosed();
    const early = await Listener.on(url);
    await early.isClosed();

    server = await Shouter.start(port);
    client = await Listener.on(url);
    client.say('back');
    await client.hears('BACK');
  });
});
