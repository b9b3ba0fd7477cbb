import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts the CPU time of processes in hundredths of a second (USER_HZ). */
const TICKS_PER_SECOND = 100;

/** From /proc (Linux), MB (1e6 bytes): resident now (`VmRSS`) or at most so far (`VmHWM`). Throws elsewhere. */
export function residentMb(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return (Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1_024) / 1e6;
}

/** CPU seconds so far, user and system, of a process and all its descendants, ended ones too. From /proc (Linux); throws elsewhere. */
export function cpuSeconds(ancestor: number): number {
  const processes = readProcesses();
  let ticks = 0;
  for (const pid of processes.keys())
    if (descends(pid, ancestor, processes)) ticks += processes.get(pid)?.ticks ?? 0;
  return ticks / TICKS_PER_SECOND;
}

interface ProcessStatus {
  readonly parent: number;
  readonly ticks: number;
}
type Processes = ReadonlyMap<number, ProcessStatus>;

function readProcesses(): Processes {
  const found = new Map<number, ProcessStatus>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      // The program's name may hold spaces and brackets; what follows the last bracket is state, parent, …
      const fields = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .map(Number);
      const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15);
      found.set(Number(name), { parent: fields[1] ?? 0, ticks: user + system + endedUser + endedSystem });
    } catch {
      // It has ended since the directory was read.
    }
  }
  return found;
}

function descends(pid: number, ancestor: number, processes: Processes): boolean {
  for (let at: number | undefined = pid; at; at = processes.get(at)?.parent) if (at === ancestor) return true;
  return false;
}
