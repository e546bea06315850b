import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
  #folder;

  /** start returns when it listens. keeps: it keeps its classes for the one that replaces it. */
  static async start({ masterTimeout = '30s', addr = '127.0.0.1:0', keeps = false, folder } = {}) {
    build();
    const program = new Program();
    program.#folder = folder ?? (keeps ? mkdtempSync(join(tmpdir(), 'classroom-')) : undefined);
    const flags = ['-addr', addr, '-master-timeout', masterTimeout, ...program.#folder ? ['-state', join(program.#folder, 'state')] : []];
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

  /** replaced ends the program in order, and returns the one that goes on under its address. */
  async replaced() {
    assert.equal(await this.stop(), 0);
    return Program.start({ addr: new URL(this.url).host, folder: this.#folder });
  }

  /** cleared removes what it has left. */
  cleared() {
    if (this.#folder) {
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }
}
