import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { within } from './limit.js';

const built = fileURLToPath(new URL('../../build/hub', import.meta.url));

/** Hub is a real hub in a process of its own. It has to end in order, with nothing left. */
export class Hub {
  #process;
  #ended;
  #complaints = '';

  /** start returns when it listens. The options are the program's flags. */
  static async start(t, options = {}) {
    const hub = new Hub();
    hub.#process = spawn(built, Object.entries(options).map(([flag, value]) => `-${flag}=${value}`));
    hub.#process.stderr.on('data', (data) => {
      hub.#complaints += data;
    });
    hub.#ended = new Promise((ended) => {
      hub.#process.on('exit', ended);
    });
    t.after(() => hub.#stop());
    for await (const line of createInterface(hub.#process.stdout)) {
      hub.url = line;
      return hub;
    }
    throw assert.fail(`the hub has told no address: ${hub.#complaints}`);
  }

  /** idle resolves when nobody is connected, and nothing is left of who was. */
  async idle() {
    const answer = await within(fetch(`${this.url}/idle`, { headers: { connection: 'close' } }), 'a hub without connections');
    assert.equal(await answer.text(), 'idle\n');
  }

  /** memory is what the process takes at the moment, in bytes. */
  memory() {
    return Number(execFileSync('ps', ['-o', 'rss=', '-p', this.#process.pid])) * 1024;
  }

  async #stop() {
    this.#process.stdin.end();
    const status = await within(this.#ended, 'the end of the hub').catch(() => this.#process.kill('SIGKILL'));
    assert.equal(status, 0, this.#complaints);
  }
}
