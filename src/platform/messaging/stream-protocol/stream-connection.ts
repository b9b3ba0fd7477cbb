import { EventEmitter } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ANSWER, type Command, COMMANDS, frame, FrameAssembler, HEAD_BYTES, text, textMap, uint16, uint32 } from './frames'; // prettier-ignore

const OPENING_MS = 10_000;
/** A broker that is starting may take a request and never answer it, while its heartbeats go on. */
const ANSWER_MS = 10_000;
const CLOSING_MS = 1_000;
/** A broker that is silent for twice as long is taken for dead. */
const HEARTBEAT_S = 5;
const OK = 1;
/** Response codes of the protocol that an operator can do something about. */
const REFUSALS: Readonly<Record<number, string>> = {
  2: 'there is no such stream',
  6: 'this node has no replica of the stream that is running',
  8: 'it does not accept the user or the password',
  12: 'the user may not use this virtual host',
  16: 'the user has no permission to read the stream',
};

/** What arrives for a subscription: `close` once, with the reason if there is one. */
interface Events {
  deliver: [frame: Buffer];
  /** The stream was deleted, or this node has no replica of it any more. */
  unavailable: [];
  close: [reason?: Error];
}

/** One connection to a broker's port for the stream protocol, signed in. It does not come back when it ends. */
export class StreamConnection extends EventEmitter<Events> {
  private readonly waiting = new Map<
    number,
    { resolve: (answer: Buffer) => void; reject: (error: Error) => void }
  >();
  private correlation = 0;
  private heardAt = performance.now();
  private heartbeat: NodeJS.Timeout | undefined;
  private tuned!: (offer: Buffer | undefined) => void;
  /** What the broker offers once it knows who is there; `undefined` when it ends before. */
  private readonly tuning = new Promise<Buffer | undefined>((resolve) => (this.tuned = resolve));
  private ended = false;

  private constructor(private readonly socket: Socket) {
    super();
    const frames = new FrameAssembler((received) => this.receive(received));
    socket.setNoDelay(true);
    socket.on('data', (data) => {
      this.heardAt = performance.now();
      try {
        frames.push(data);
      } catch (error) {
        this.end(error as Error);
      }
    });
    socket.on('error', (error) => this.end(error));
    socket.on('close', () => this.end());
  }

  /** Throws a sentence that names the broker and what it refused, or that it does not answer. */
  static async open(amqpUrl: string, port: number, name: string): Promise<StreamConnection> {
    const { protocol, hostname, username, password, pathname } = new URL(amqpUrl);
    // A URL has the address of IPv6 in brackets.
    const address = { host: hostname.replace(/^\[|\]$/g, ''), port };
    const socket = protocol === 'amqps:' ? connectTls({ ...address, servername: address.host }) : connectTcp(address); // prettier-ignore
    const connection = new StreamConnection(socket);
    const patience = setTimeout(() => connection.end(new Error(`it does not answer within ${OPENING_MS} ms`)), OPENING_MS); // prettier-ignore
    try {
      await connection.signIn({
        name,
        user: decodeURIComponent(username || 'guest'),
        password: decodeURIComponent(password || 'guest'),
        vhost: decodeURIComponent(pathname.slice(1)) || '/',
      });
      return connection;
    } catch (error) {
      connection.end();
      throw new Error(`The stream protocol of RabbitMQ at ${hostname}:${port}: ${(error as Error).message}.`); // prettier-ignore
    } finally {
      clearTimeout(patience);
    }
  }

  /** Resolves with the fields of the answer behind the response code; throws when the broker refuses. */
  async request(command: Command, ...fields: Buffer[]): Promise<Buffer> {
    if (this.ended) throw new Error('the connection has ended');
    this.correlation += 1;
    const correlation = this.correlation;
    const answered = new Promise<Buffer>((resolve, reject) =>
      this.waiting.set(correlation, { resolve, reject }),
    );
    this.socket.write(frame(command, [uint32(correlation), ...fields]));
    const patience = setTimeout(() => this.end(new Error(`"${command}" is not answered within ${ANSWER_MS} ms`)), ANSWER_MS); // prettier-ignore
    const answer = await answered.finally(() => clearTimeout(patience));
    const code = answer.readUInt16BE(0);
    if (code !== OK) throw new Error(REFUSALS[code] ?? `it refuses "${command}" with code ${code}`);
    return answer.subarray(2);
  }

  /** For what is not answered. */
  send(command: Command, ...fields: Buffer[]): void {
    if (!this.ended) this.socket.write(frame(command, fields));
  }

  /** Says good-bye to the broker, and ends without its answer if that does not come. */
  async close(): Promise<void> {
    const patience = setTimeout(() => this.end(), CLOSING_MS);
    await this.request('close', uint16(OK), text('done')).catch(() => undefined);
    clearTimeout(patience);
    this.end();
  }

  private async signIn(account: {
    name: string;
    user: string;
    password: string;
    vhost: string;
  }): Promise<void> {
    const credentials = Buffer.from(`\0${account.user}\0${account.password}`);
    await this.request(
      'peerProperties',
      textMap({ product: 'usage-analytics', connection_name: account.name }),
    );
    await this.request('saslHandshake');
    await this.request('saslAuthenticate', text('PLAIN'), uint32(credentials.length), credentials);
    const offer = await this.tuning;
    if (!offer) throw new Error('it ended the connection');
    // All as offered, but for the heartbeat.
    this.socket.write(frame('tune', [offer.subarray(0, 4), uint32(HEARTBEAT_S)], ANSWER));
    this.heartbeat = setInterval(() => this.beat(), (HEARTBEAT_S * 1_000) / 2);
    await this.request('open', text(account.vhost));
  }

  private beat(): void {
    if (performance.now() - this.heardAt > HEARTBEAT_S * 2_000)
      return this.end(new Error(`nothing was heard of it for ${2 * HEARTBEAT_S} s`));
    this.send('heartbeat');
  }

  private receive(received: Buffer): void {
    const command = received.readUInt16BE(0);
    switch (command) {
      case COMMANDS.deliver:
        return void this.emit('deliver', received);
      case COMMANDS.metadataUpdate:
        return void this.emit('unavailable');
      case COMMANDS.tune:
        return this.tuned(received.subarray(HEAD_BYTES));
      case COMMANDS.close: {
        const reason = received.toString('utf8', HEAD_BYTES + 8);
        this.socket.write(
          frame('close', [received.subarray(HEAD_BYTES, HEAD_BYTES + 4), uint16(OK)], ANSWER),
        );
        return this.end(new Error(`it says "${reason}"`));
      }
      default:
        if (command & ANSWER && received.length >= HEAD_BYTES + 6) this.settle(received.subarray(HEAD_BYTES));
    }
  }

  private settle(answer: Buffer): void {
    const correlation = answer.readUInt32BE(0);
    this.waiting.get(correlation)?.resolve(answer.subarray(4));
    this.waiting.delete(correlation);
  }

  private end(reason?: Error): void {
    if (this.ended) return;
    this.ended = true;
    clearInterval(this.heartbeat);
    for (const { reject } of this.waiting.values()) reject(reason ?? new Error('it ended the connection'));
    this.waiting.clear();
    this.tuned(undefined);
    this.socket.destroy();
    this.emit('close', reason);
  }
}
