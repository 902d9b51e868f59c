/**
 * First step of `npm start`, `npm test` and other commands: installs the packages that package-lock.json
 * names, then runs the TypeScript script on the command line with the project's own Node.
 *
 * Must run on any Node, so it uses no package and no syntax newer than Node 14. Passes every signal on to the
 * script and ends with its exit code.
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const ownNode = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');

/** One line, as a person should see it. */
function fail(line) {
  console.error(line);
  process.exit(1);
}

function readPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

/** True when every package that this platform needs is there in the locked version. */
function isInstalled() {
  // npm writes the inner lock file last, so that a broken-off install does not count.
  const inner = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(ownNode) || !existsSync(inner)) return false;
  const wanted = readPackages(join(root, 'package-lock.json'));
  const present = readPackages(inner);
  return Object.keys(wanted).every((path) => {
    if (path === '' || wanted[path].optional) return true;
    return present[path] !== undefined && present[path].version === wanted[path].version;
  });
}

/** Runs a command, passes signals on, and resolves to its exit code. */
function run(command, args, options, onSpawn) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, options);
    const forward = (signal) => child.kill(signal);
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      for (const name of signals) process.removeListener(name, forward);
      resolve(signal === null ? code : 128 + constants.signals[signal]);
    });
    if (onSpawn) onSpawn(child);
  });
}

async function install() {
  console.log('Installing packages; this takes about a minute the first time.');
  const npmFile = process.env.npm_execpath;
  const viaFile = npmFile !== undefined && /\.[cm]?js$/.test(npmFile);
  const command = viaFile ? process.execPath : 'npm';
  // Warnings about this Node's age are of no use: everything is run by the Node that is being installed.
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  let output = '';
  const code = await run(
    command,
    viaFile ? [npmFile, ...args] : args,
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
    (child) => {
      child.stdout.on('data', (chunk) => (output += chunk));
      child.stderr.on('data', (chunk) => (output += chunk));
    },
  );
  if (code === 0 && existsSync(ownNode)) return;
  console.error(output.trimEnd());
  fail(`Packages could not be installed: npm ci ended with code ${code}, see above.`);
}

const [script, ...args] = process.argv.slice(2);
if (script === undefined) fail('usage: node scripts/bootstrap.mjs SCRIPT [ARGUMENT …]');

try {
  if (!isInstalled()) await install();
} catch (error) {
  fail(`Packages could not be installed: ${error.message}`);
}

const path = [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
process.exitCode = await run(
  ownNode,
  [join(root, script), ...args],
  // The script sees the channel close when this process is killed, and stops too.
  { cwd: root, stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env: { ...process.env, PATH: path } },
  (child) => {
    // The channel must not keep the script running, nor this process.
    child.channel.unref();
    if (process.env.npm_lifecycle_event === undefined) return;
    // npm killed outright can pass no signal on.
    const parent = process.ppid;
    const watch = setInterval(() => {
      if (process.ppid !== parent) child.disconnect();
    }, 500);
    watch.unref();
    child.on('disconnect', () => clearInterval(watch));
  },
);
