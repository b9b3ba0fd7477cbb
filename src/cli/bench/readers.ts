import { orgIdOf } from './load-shape';

/** So many clients at once, each with the dashboard of an organisation of its own. */
export interface ReadersFigures {
  readonly readers: number;
  readonly requestsPerSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** Answered with an error, or not at all. */
  readonly refused: number;
}

/**
 * Lets `readers` clients ask for `seconds`: each goes through `pathsOf` its organisation again and again, without a
 * pause, and has done so once before. They have the organisations with the most events.
 */
export async function readTogether(
  url: string,
  token: string,
  pathsOf: (orgId: string) => readonly string[],
  readers: number,
  seconds: number,
): Promise<ReadersFigures> {
  const pathsOfEach = Array.from({ length: readers }, (_, reader) => pathsOf(orgIdOf(reader)));
  await Promise.all(
    pathsOfEach.map(async (paths) => {
      for (const path of paths) await ask(`${url}${path}`, token);
    }),
  );
  const ms: number[] = [];
  let refused = 0;
  const startedAt = performance.now();
  const until = startedAt + seconds * 1_000;
  const read = async (paths: readonly string[], reader: number): Promise<void> => {
    // Not all at the same question.
    for (let turn = reader; performance.now() < until; turn += 1) {
      const askedAt = performance.now();
      const answered = await ask(`${url}${paths[turn % paths.length]}`, token);
      ms.push(performance.now() - askedAt);
      if (!answered) refused += 1;
    }
  };
  await Promise.all(pathsOfEach.map(read));
  const took = (performance.now() - startedAt) / 1_000;
  ms.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(ms[Math.ceil(ms.length * share) - 1] ?? 0);
  return {
    readers,
    requestsPerSecond: Math.round(ms.length / took),
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    refused,
  };
}

async function ask(url: string, token: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}
