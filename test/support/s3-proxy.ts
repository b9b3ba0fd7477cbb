import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  request as send,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type S3Credentials, signatureFault } from './s3-signature';

export type S3Operation =
  | 'PutObject'
  | 'CreateMultipartUpload'
  | 'UploadPart'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'ListMultipartUploads'
  | 'HeadObject'
  | 'GetObject'
  | 'DeleteObject'
  | 'ListObjects';

export type S3Fault =
  /** Answers 503 SlowDown. */
  | 'slow-down'
  /** Answers 403 AccessDenied. */
  | 'denied'
  /** Takes a part of the body and resets the connection. */
  | 'reset'
  /** Takes the request and never answers. */
  | 'silence'
  /** Answers 200 with an error as its body, as S3 does when completing an upload fails late. */
  | 'error-in-200'
  /** Keeps only half of the body and answers that all is well. */
  | 'half';

export interface SeenRequest {
  readonly operation: S3Operation;
  readonly key: string;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: number;
}

interface PlannedFault {
  readonly fault: S3Fault;
  readonly on: (request: SeenRequest) => boolean;
  left: number;
}

interface Upload {
  readonly key: string;
  readonly initiated: Date;
  aborted: boolean;
}

/**
 * Stands before s3rver and is stricter than it: signatures and body hashes must be right, and what is written must ask
 * for the encryption that is expected. Adds what s3rver lacks, listing and ending unfinished uploads, and injects faults.
 */
export class S3Proxy {
  readonly seen: SeenRequest[] = [];
  /** What requests did wrong, by the server's own rules: to be empty at the end of a test. */
  readonly complaints: string[] = [];
  readonly uploads = new Map<string, Upload>();
  /** Bytes a second that a body is taken in at. */
  bytesPerSecond = Infinity;
  private readonly faults: PlannedFault[] = [];
  private readonly sockets = new Set<Socket>();
  private server: Server | undefined;
  private port = 0;

  constructor(
    private readonly target: { host: string; port: number },
    private readonly credentials: S3Credentials,
    /** Headers that PutObject and CreateMultipartUpload must have. */
    public encryption: Readonly<Record<string, string>>,
  ) {}

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    this.server = createServer((request, response) => {
      this.handle(request, response).catch((error: unknown) => {
        this.complaints.push(String(error));
        response.destroy();
      });
    });
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** As if the server were away; `start` brings it back under the same address. */
  async stop(): Promise<void> {
    const closed = this.server && once(this.server, 'close');
    this.server?.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  /** The next `times` requests that `on` chooses meet the fault. */
  inject(fault: S3Fault, on: S3Operation | PlannedFault['on'], times = Infinity): void {
    const chosen = typeof on === 'string' ? ({ operation }: SeenRequest) => operation === on : on;
    this.faults.push({ fault, on: chosen, left: times });
  }

  heal(): void {
    this.faults.length = 0;
    this.bytesPerSecond = Infinity;
  }

  count(operation: S3Operation): number {
    return this.seen.filter((request) => request.operation === operation).length;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const { operation, key, uploadId } = operationOf(method, url);
    const planned = this.faults.find(({ on, left }) => left > 0 && on({ operation, key, headers, bytes: 0 }));
    if (planned) planned.left -= 1;
    if (planned?.fault === 'reset') {
      await new Promise<void>((read) => request.once('data', () => read()).once('end', () => read()));
      request.socket.resetAndDestroy();
      return;
    }
    const body = await this.bodyOf(request);
    this.seen.push({ operation, key, headers, bytes: body.length });
    const fault = signatureFault({ method, url, headers, body }, this.credentials);
    if (fault) return this.refuse(response, 403, 'SignatureDoesNotMatch', `${operation}: ${fault}`);
    if (operation === 'PutObject' || operation === 'CreateMultipartUpload') {
      const wrong = Object.entries(this.encryption).filter(([name, value]) => headers[name] !== value);
      if (wrong.length > 0)
        return this.refuse(response, 400, 'InvalidRequest', `${operation}: ${wrong.join(' ')}`);
    }
    if (planned) {
      const half = planned.fault === 'half';
      if (!half) return this.misbehave(response, planned.fault);
      return this.forward(request, response, body.subarray(0, body.length / 2));
    }
    if (operation === 'ListMultipartUploads') return this.listUploads(response, url);
    if (uploadId === null) return this.forward(request, response, body);
    const upload = this.uploads.get(uploadId);
    if (!upload || upload.aborted) {
      return xml(response, 404, '<Error><Code>NoSuchUpload</Code><Message>Ended.</Message></Error>');
    }
    if (operation === 'AbortMultipartUpload') {
      upload.aborted = true;
      response.writeHead(204).end();
      return;
    }
    return this.forward(request, response, body, () => {
      if (operation === 'CompleteMultipartUpload') this.uploads.delete(uploadId);
    });
  }

  private async bodyOf(request: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      if (this.bytesPerSecond !== Infinity) {
        await new Promise((resume) => setTimeout(resume, (chunk.length / this.bytesPerSecond) * 1_000));
      }
    }
    return Buffer.concat(chunks);
  }

  private misbehave(response: ServerResponse, fault: Exclude<S3Fault, 'half' | 'reset'>): void {
    switch (fault) {
      case 'silence':
        return;
      case 'slow-down':
        return xml(response, 503, '<Error><Code>SlowDown</Code><Message>Slow down.</Message></Error>');
      case 'denied':
        return xml(response, 403, '<Error><Code>AccessDenied</Code><Message>Denied.</Message></Error>');
      case 'error-in-200':
        return xml(response, 200, '<Error><Code>InternalError</Code><Message>Try again.</Message></Error>');
    }
  }

  private refuse(response: ServerResponse, status: number, code: string, complaint: string): void {
    this.complaints.push(complaint);
    xml(response, status, `<Error><Code>${code}</Code><Message>${complaint}</Message></Error>`);
  }

  private async forward(
    { method, url, headers }: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    done: () => void = () => undefined,
  ): Promise<void> {
    const forwarded = send({
      ...this.target,
      method,
      path: url,
      headers: { ...headers, 'content-length': body.length, connection: 'close' },
    });
    forwarded.end(body);
    const [answer] = (await once(forwarded, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks);
    const [, uploadId] = /<UploadId>([^<]+)</.exec(text.toString('latin1')) ?? [];
    const { operation, key } = operationOf(method ?? '', url ?? '');
    if (operation === 'CreateMultipartUpload' && uploadId !== undefined) {
      this.uploads.set(uploadId, { key, initiated: new Date(), aborted: false });
    }
    if ((answer.statusCode ?? 500) < 300) done();
    const { 'transfer-encoding': _, ...passed } = answer.headers;
    response.writeHead(answer.statusCode ?? 500, passed).end(text);
  }

  private listUploads(response: ServerResponse, url: string): void {
    const prefix = new URL(url, 'http://s3').searchParams.get('prefix') ?? '';
    const open = [...this.uploads].filter(([, { key, aborted }]) => !aborted && key.startsWith(prefix));
    const entries = open.map(
      ([id, { key, initiated }]) =>
        `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${initiated.toISOString()}</Initiated></Upload>`,
    );
    xml(
      response,
      200,
      `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${entries.join('')}</ListMultipartUploadsResult>`,
    );
  }
}

function xml(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' }).end(`<?xml version="1.0"?>${body}`);
}

function operationOf(
  method: string,
  url: string,
): { operation: S3Operation; key: string; uploadId: string | null } {
  const { pathname, searchParams } = new URL(url, 'http://s3');
  const key = decodeURIComponent(pathname.split('/').slice(2).join('/'));
  const uploadId = searchParams.get('uploadId');
  return { operation: nameOf(method, key, uploadId !== null, searchParams.has('uploads')), key, uploadId };
}

function nameOf(method: string, key: string, ofUpload: boolean, uploads: boolean): S3Operation {
  if (method === 'PUT') return ofUpload ? 'UploadPart' : 'PutObject';
  if (method === 'POST') return uploads ? 'CreateMultipartUpload' : 'CompleteMultipartUpload';
  if (method === 'DELETE') return ofUpload ? 'AbortMultipartUpload' : 'DeleteObject';
  if (method === 'HEAD') return 'HeadObject';
  if (key === '') return uploads ? 'ListMultipartUploads' : 'ListObjects';
  return 'GetObject';
}
