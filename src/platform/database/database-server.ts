import type { Config } from '../config/config';
import { EmbeddedPostgres } from './embedded/embedded-postgres';

/** Where the database is: DATABASE_URL, or a server of our own that runs by the time this can be injected. */
export class DatabaseServer {
  private constructor(
    readonly url: string,
    /** The same database as its owner, who may change the schema. */
    readonly ownerUrl: string,
    private readonly embedded: EmbeddedPostgres | null,
  ) {}

  static async of({ databaseUrl, databaseOwnerUrl, dataDir }: Config): Promise<DatabaseServer> {
    if (databaseUrl !== null) return new DatabaseServer(databaseUrl, databaseOwnerUrl ?? databaseUrl, null);
    const embedded = await EmbeddedPostgres.start(dataDir);
    return new DatabaseServer(embedded.url, embedded.url, embedded);
  }

  /** Ends the embedded server; a server that was given is left alone. */
  async stop(): Promise<void> {
    await this.embedded?.stop();
  }
}
