import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** build returns the path of the hub program: the one that npm test has built, or a new one. */
function build() {
  if (process.env.LECTERN_HUB) {
    return resolve(process.env.LECTERN_HUB);
  }
  const path = join(mkdtempSync(join(tmpdir(), 'lectern-')), 'hub');
  execFileSync('go', ['build', '-o', path, './examples/hub'], { cwd: root, stdio: 'inherit' });
  return path;
}

let built;

/** Hub is a real hub in a process of its own. */
export class Hub {
  #process;
  #ended;

  /** start returns when the hub listens, on the port or on any that is free. state is a file in which it is kept. */
  static async start({ port = 0, masterTimeout = '30s', slaveTimeout = '30s', state } = {}) {
    built ??= build();
    const hub = new Hub();
    hub.#process = spawn(built, ['-ws', `127.0.0.1:${port}`, '-http', '-master-timeout', masterTimeout,
      '-slave-timeout', slaveTimeout, ...(state ? ['-state', state] : [])], { stdio: ['ignore', 'pipe', 'ignore'] });
    hub.#ended = new Promise((ended) => {
      hub.#process.on('exit', ended);
    });
    for await (const line of createInterface(hub.#process.stdout)) {
      hub.url = line.replace(/^ws /, '');
      hub.port = Number(new URL(hub.url).port);
      return hub;
    }
    throw assert.fail('the hub has told no address');
  }

  signal(name) {
    this.#process.kill(name);
  }

  /** stop returns the exit status when the process is gone. */
  async stop(name = 'SIGTERM') {
    this.#process.kill('SIGCONT');
    this.#process.kill(name);
    return this.#ended;
  }
}
