/** Reads CSV as RFC 4180 writes it. Quoted and bare cells are told apart: an empty bare cell is `null`. */
export function parseCsv(text: string): (string | null)[][] {
  const records: (string | null)[][] = [];
  let record: (string | null)[] = [];
  const cell = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n|$)/y;
  while (cell.lastIndex < text.length) {
    const start = cell.lastIndex;
    const [, written, end] = cell.exec(text) ?? [];
    if (written === undefined)
      throw new Error(`This is not RFC 4180: ${JSON.stringify(text.slice(start, start + 80))}`);
    record.push(valueOf(written));
    if (end === ',') continue;
    records.push(record);
    record = [];
  }
  return records;
}

/** Records by the names of the header. */
export function csvRows(text: string): Record<string, string | null>[] {
  const [header = [], ...records] = parseCsv(text);
  return records.map((record) => {
    if (record.length !== header.length) throw new Error('A record has not as many cells as the header.');
    return Object.fromEntries(header.map((name, index) => [name, record[index] ?? null]));
  });
}

function valueOf(written: string): string | null {
  if (written === '') return null;
  return written.startsWith('"') ? written.slice(1, -1).replaceAll('""', '"') : written;
}
