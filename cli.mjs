// `node cli.mjs COMMAND [options]`, behind the npm scripts: installs what package-lock.json names and builds when that is
// due, then runs src/cli/COMMAND.ts. A command is a file there whose first line is a comment that says what it does.
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const at = (...parts) => join(root, ...parts);
const BUILT = at('dist', '.built');
const PREPARATIONS = ['--install', '--prepare'];

const [command, ...args] = process.argv.slice(2);
const commands = listCommands();
if (command === undefined || command === '--help' || command === 'help') {
  console.log(usage());
} else if (!PREPARATIONS.includes(command) && !commands.has(command)) {
  console.error(`There is no command "${command}".\n\n${usage()}`);
  process.exitCode = 2;
} else {
  if (!isInstalled()) npm('Installing dependencies (npm ci)', 'ci', '--no-audit', '--no-fund');
  if (command !== '--install' && !isBuilt()) build();
  if (!PREPARATIONS.includes(command)) run(command, args);
}

function listCommands() {
  const files = readdirSync(at('src', 'cli')).filter(
    (name) => name.endsWith('.ts') && !name.includes('spec'),
  );
  const described = files.map((name) => [basename(name, '.ts'), firstComment(at('src', 'cli', name))]);
  return new Map(described.filter(([, description]) => description !== undefined));
}

function firstComment(file) {
  return /^\/\/ (.+)/.exec(readFileSync(file, 'utf8'))?.[1];
}

function usage() {
  const width = Math.max(...[...commands.keys()].map((name) => name.length));
  const lines = [...commands].map(([name, description]) => `  ${name.padEnd(width)}  ${description}`);
  const preparation =
    'Installs and builds when that is due; --prepare does only that, --install only the first.';
  return ['Usage: node cli.mjs COMMAND [options]', '', ...lines, '', preparation].join('\n');
}

/** Whether node_modules holds every package of package-lock.json in its version; other systems' builds may be absent. */
function isInstalled() {
  const installed = at('node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const have = JSON.parse(readFileSync(installed, 'utf8')).packages;
  const want = JSON.parse(readFileSync(at('package-lock.json'), 'utf8')).packages;
  return Object.entries(want).every(
    ([path, { version, optional, devOptional }]) =>
      path === '' || (have[path] ? have[path].version === version : optional || devOptional),
  );
}

/** Whether the last successful build is younger than every source; a removed file makes its directory younger. */
function isBuilt() {
  if (!existsSync(BUILT)) return false;
  const names = readdirSync(at('src'), { recursive: true }).filter((name) => !name.endsWith('spec.ts'));
  const sources = names.map((name) => at('src', name));
  sources.push(at('src'), at('tsconfig.json'), at('tsconfig.build.json'), at('package-lock.json'));
  const built = statSync(BUILT).mtimeMs;
  return sources.every((path) => statSync(path).mtimeMs <= built);
}

function build() {
  // Taken before the build, so that what changes while it runs is built the next time.
  const started = new Date();
  npm('Building (npm run build)', 'run', '--silent', 'build');
  mkdirSync(dirname(BUILT), { recursive: true });
  writeFileSync(BUILT, '');
  utimesSync(BUILT, started, started);
}

/** Runs npm with its output on standard error and ends this program when it fails. */
function npm(announcement, ...npmArgs) {
  console.error(`${announcement} …`);
  const { status } = spawnSync('npm', npmArgs, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
}

/** Ends as the command ends: with its exit code, or by the signal that ended it. */
function run(name, commandArgs) {
  const script = at('dist', 'cli', `${name}.js`);
  const child = spawn(process.execPath, ['--enable-source-maps', script, ...commandArgs], {
    stdio: 'inherit',
  });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  // On a terminal Ctrl-C reaches the command by itself.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  child.on('exit', (code, signal) => {
    if (signal === null) return process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
