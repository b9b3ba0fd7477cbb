import { once } from 'node:events';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { freePort } from '../../src/cli/servers/free-port';
import { pause } from '../../src/cli/servers/server-program';

type Mode = 'pass' | 'cut' | 'black-hole' | 'swallow-replies';
export type Direction = 'fromClients' | 'fromServer';

/**
 * Sees the bytes of one connection before they are delivered, in order, and answers how many of them are. With fewer
 * than all the connection falls silent for good: nothing passes either way until both ends have gone.
 */
export type Inspector = (bytes: Buffer, direction: Direction) => number | Promise<number>;

/** A client's connection and the one to the server that goes with it. */
interface Link {
  readonly client: Socket;
  readonly server: Socket;
  readonly inspect: Inspector | undefined;
  /** Its client has missed bytes and gets no more; only a reset is left for it. */
  deaf: boolean;
  /** Its inspector has ended all delivery. */
  silent: boolean;
}

/** What waits in the proxy per connection and direction before the sender feels it. */
const HELD_BYTES = 1024 * 1024;

/**
 * Stands between clients and a server on loopback and does to them what networks do. Every fault holds for
 * connections that are open and for new ones, until `heal`.
 */
export class TcpProxy {
  /** Bytes taken from either side so far, held and swallowed ones included. */
  readonly received: Record<Direction, number> = { fromClients: 0, fromServer: 0 };

  private readonly links = new Set<Link>();
  private listener: Server | undefined;
  private mode: Mode = 'pass';
  private delayMs = 0;
  private bytesPerSecond = Infinity;
  private inspectors: (() => Inspector) | undefined;
  private trap: { request: string; sprung: () => void } | undefined;

  private constructor(
    private readonly target: { host: string; port: number },
    /** Stays the same over `cut` and `heal`. */
    readonly port: number,
  ) {}

  /** In front of the host and port that a URL of any scheme names. */
  static async before(url: string): Promise<TcpProxy> {
    const { hostname, port } = new URL(url);
    if (port === '') throw new Error(`The URL names no port: ${url.replace(/\/\/.*@/, '//')}`);
    const proxy = new TcpProxy({ host: hostname, port: Number(port) }, await freePort());
    await proxy.listen();
    return proxy;
  }

  /** The same URL, leading through the proxy. */
  through(url: string): string {
    const proxied = new URL(url);
    proxied.hostname = '127.0.0.1';
    proxied.port = String(this.port);
    return proxied.href;
  }

  get openConnections(): number {
    return this.links.size;
  }

  /** Resets every connection and refuses new ones. */
  async cut(): Promise<void> {
    this.mode = 'cut';
    const listener = this.listener;
    this.listener = undefined;
    const closed = listener && once(listener, 'close');
    listener?.close();
    this.resetConnections();
    await closed;
  }

  /** Resets every connection; the next ones work. */
  resetConnections(): void {
    for (const link of this.links) reset(link);
  }

  /**
   * Silence both ways while connections stay up. As with lost packets, which TCP sends again, `heal` delivers
   * what was held back. New connections are accepted and silent, too.
   */
  blackHole(): void {
    this.mode = 'black-hole';
  }

  /** The server hears everything, clients nothing: they cannot know what became of their requests. */
  swallowReplies(): void {
    this.mode = 'swallow-replies';
  }

  /**
   * Waits for a request that contains the text, in any case, lets it through and swallows every reply on that
   * one connection from then on: with 'commit' an ambiguous commit, each time. Resolves when it happened.
   */
  swallowRepliesAfter(request: string): Promise<void> {
    return new Promise((sprung) => {
      this.trap = { request: request.toLowerCase(), sprung };
    });
  }

  /** Every connection from now on gets an inspector of its own, also beyond `heal`. */
  inspectConnections(inspectors: () => Inspector): void {
    this.inspectors = inspectors;
  }

  /** All data arrives this much later, each way. */
  delay(ms: number): void {
    this.delayMs = ms;
  }

  /** At most so much each way on each connection. */
  throttle(bytesPerSecond: number): void {
    this.bytesPerSecond = bytesPerSecond;
  }

  /** No fault any more. Clients that missed bytes are reset, as no protocol goes on with a hole in it. */
  async heal(): Promise<void> {
    this.mode = 'pass';
    this.delayMs = 0;
    this.bytesPerSecond = Infinity;
    this.trap = undefined;
    for (const link of this.links) if (link.deaf || link.silent) reset(link);
    if (!this.listener) await this.listen();
  }

  /** Resets what is open and ends. Call it in `afterAll`. */
  close(): Promise<void> {
    return this.cut();
  }

  private async listen(): Promise<void> {
    const listener = createServer({ allowHalfOpen: true }, (client) => this.accept(client));
    this.listener = listener;
    listener.listen(this.port, '127.0.0.1');
    await once(listener, 'listening');
  }

  private accept(client: Socket): void {
    const server = connect({ ...this.target, allowHalfOpen: true });
    const link: Link = { client, server, inspect: this.inspectors?.(), deaf: false, silent: false };
    this.links.add(link);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => reset(link));
      socket.on('close', () => {
        // Both sides said goodbye, or one of them was reset.
        if (socket.errored || !other(link, socket).readableEnded) reset(link);
        if (client.destroyed && server.destroyed) this.links.delete(link);
      });
    }
    this.carry(link, client, server, 'fromClients');
    this.carry(link, server, client, 'fromServer');
  }

  private carry(link: Link, from: Socket, to: Socket, direction: Direction): void {
    let held = 0;
    let line = Promise.resolve();
    from.on('data', (bytes: Buffer) => {
      this.received[direction] += bytes.length;
      held += bytes.length;
      if (held > HELD_BYTES) from.pause();
      const due = Date.now() + this.delayMs;
      line = line.then(async () => {
        await this.deliver(bytes, due, link, to, direction);
        held -= bytes.length;
        if (held <= HELD_BYTES) from.resume();
      });
    });
    from.on('end', () => {
      line = line.then(async () => {
        await this.outage(link);
        to.end();
      });
    });
  }

  private async deliver(
    bytes: Buffer,
    due: number,
    link: Link,
    to: Socket,
    direction: Direction,
  ): Promise<void> {
    if (due > Date.now()) await pause(due - Date.now());
    await this.outage(link);
    if (link.inspect && !link.silent) {
      const passed = await link.inspect(bytes, direction);
      link.silent = passed < bytes.length;
      bytes = bytes.subarray(0, passed);
    } else if (link.silent) return;
    if (direction === 'fromClients') this.spring(bytes, link);
    if (direction === 'fromServer' && (link.deaf || this.mode === 'swallow-replies')) {
      link.deaf = true;
      return;
    }
    for (let sent = 0; sent < bytes.length && !to.destroyed;) {
      const limit = this.bytesPerSecond;
      const size = Math.max(1, Math.min(bytes.length - sent, Math.floor(limit / 20)));
      const flowing = to.write(bytes.subarray(sent, sent + size));
      sent += size;
      if (limit !== Infinity) await pause((size / limit) * 1_000);
      if (!flowing) await drained(to);
    }
  }

  /** Returns when no black hole holds the data back any more. */
  private async outage(link: Link): Promise<void> {
    while (this.mode === 'black-hole' && !link.client.destroyed) await pause(5);
  }

  private spring(bytes: Buffer, link: Link): void {
    if (!this.trap || !bytes.toString('latin1').toLowerCase().includes(this.trap.request)) return;
    link.deaf = true;
    this.trap.sprung();
    this.trap = undefined;
  }
}

/** Also returns when the socket closes instead. */
async function drained(socket: Socket): Promise<void> {
  const either = new AbortController();
  const { signal } = either;
  await Promise.race([once(socket, 'drain', { signal }), once(socket, 'close', { signal })]).catch(
    () => undefined,
  );
  either.abort();
}

function other(link: Link, socket: Socket): Socket {
  return socket === link.client ? link.server : link.client;
}

function reset({ client, server }: Link): void {
  for (const socket of [client, server]) {
    // A socket that has said goodbye cannot be reset, and Node.js 20 would keep its handle, and with it the process.
    if (socket.writableEnded) socket.destroy();
    else socket.resetAndDestroy();
  }
}
