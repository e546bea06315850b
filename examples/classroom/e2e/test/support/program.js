import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const built = fileURLToPath(new URL('../../build/classroom', import.meta.url));
const root = fileURLToPath(new URL('../../../../../', import.meta.url));

let builds;

function build() {
  builds ??= execFileSync('go', ['build', '-o', built, './examples/classroom'], { cwd: root, stdio: 'inherit' }) ?? true;
}

/** Program is the classroom in a process of its own. */
export class Program {
  #process;
  #ended;

  /** start returns when it listens. */
  static async start({ masterTimeout = '30s', addr = '127.0.0.1:0', state } = {}) {
    build();
    const program = new Program();
    const flags = ['-addr', addr, '-master-timeout', masterTimeout, ...state ? ['-state', state] : []];
    program.#process = spawn(built, flags, { stdio: ['ignore', 'pipe', 'ignore'] });
    program.#ended = new Promise((ended) => {
      program.#process.on('exit', ended);
    });
    for await (const line of createInterface(program.#process.stdout)) {
      program.url = line.replace(/^classroom /, '');
      return program;
    }
    throw assert.fail('the program has told no address');
  }

  /** stop returns the exit status when the process is gone. */
  async stop(signal = 'SIGTERM') {
    this.#process.kill(signal);
    return this.#ended;
  }
}
