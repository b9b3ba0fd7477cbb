import { Client, escapeIdentifier } from 'pg';

/**
 * Makes a database on the server of a superuser's URL and answers its URL. As a copy when a template is
 * named; nobody may be connected to that one then.
 */
export async function createDatabase(serverUrl: string, name: string, template?: string): Promise<string> {
  const copied = template === undefined ? '' : ` template ${escapeIdentifier(template)}`;
  await executeOnce(serverUrl, `create database ${escapeIdentifier(name)}${copied}`);
  return databaseUrl(serverUrl, name);
}

/** Removes the database, cutting every connection that is still open to it. */
export async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await executeOnce(serverUrl, `drop database if exists ${escapeIdentifier(name)} with (force)`);
}

/** The URL of another database of the same server. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
}

/** One statement on a connection of its own. */
export async function executeOnce(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
