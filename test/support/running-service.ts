import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApplication } from '../../src/application';
import { signDevelopmentToken } from '../../src/access/development-keys';
import type { Role } from '../../src/access/permissions';
import { loadConfig } from '../../src/platform/config/config';
import { DatabaseSchema } from '../../src/platform/database/database-schema';
import { Contract } from './contract';

export interface ServiceAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
  /** The body as JSON. */
  readonly body: Record<string, unknown>;
}

/** The whole application on a database of its own, without a listening socket. Stop it in `afterAll`. */
export class RunningService {
  private constructor(
    readonly app: NestFastifyApplication,
    private readonly contract: Contract,
    private readonly dataDir: string,
    private readonly token: string,
  ) {}

  static async start(env: Record<string, string>): Promise<RunningService> {
    const dataDir = mkdtempSync(join(tmpdir(), 'running-service-'));
    const config = loadConfig({ NODE_ENV: 'test', LOG_LEVEL: 'silent', DATA_DIR: dataDir, ...env });
    const token = await tokenFor(dataDir, 'platform-admin', null);
    const app = await createApplication(config);
    await app.init();
    await app.getHttpAdapter().getInstance().ready();
    await app.get(DatabaseSchema).ready();
    return new RunningService(app, Contract.of(app), dataDir, token);
  }

  /** A token for a principal of this service. */
  tokenFor(role: Role, orgId: string | null): Promise<string> {
    return tokenFor(this.dataDir, role, orgId);
  }

  get(path: string, headers: Record<string, string> = {}): Promise<ServiceAnswer> {
    return this.request('GET', path, undefined, headers);
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<ServiceAnswer> {
    return this.request('POST', path, body, headers);
  }

  async stop(): Promise<void> {
    await this.app.close();
    rmSync(this.dataDir, { recursive: true });
  }

  private async request(
    method: 'GET' | 'POST',
    url: string,
    payload: unknown,
    headers: Record<string, string>,
  ): Promise<ServiceAnswer> {
    const answer = await this.app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${this.token}`, ...headers },
      ...(payload === undefined ? {} : { payload: payload as object }),
    });
    this.contract.checkInjected(method, url, answer);
    const type = String(answer.headers['content-type'] ?? '');
    return {
      status: answer.statusCode,
      headers: answer.headers as Record<string, string>,
      text: answer.body,
      body: type.includes('json') ? (JSON.parse(answer.body) as Record<string, unknown>) : {},
    };
  }
}

function tokenFor(dataDir: string, role: Role, orgId: string | null): Promise<string> {
  return signDevelopmentToken({
    dataDir,
    issuer: 'usage-analytics',
    audience: 'usage-analytics',
    subject: `test-${role}`,
    role,
    orgId,
    expiresIn: '1h',
  });
}
