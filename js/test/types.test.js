import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

const compilers = { 'TypeScript 5.0': 'typescript-5.0', 'the newest TypeScript': 'typescript' };
const surroundings = {
  "the DOM's names": { lib: ['es2022', 'dom'], types: [] },
  "the DOM's names and Node's": { lib: ['es2022', 'dom', 'dom.iterable'], types: ['node'] },
  "a worker's names": { lib: ['es2022', 'webworker'], types: [] },
  "Node's names alone": { lib: ['es2022'], types: ['node'] },
  'no names': { lib: ['es2022'], types: [] },
};

for (const [compiler, name] of Object.entries(compilers)) {
  for (const [names, options] of Object.entries(surroundings)) {
    test(`the declarations compile by ${compiler} with ${names}`, async () => {
      const project = join(root, 'build', `${name} ${names}.json`);
      mkdirSync(dirname(project), { recursive: true });
      const written = [names === 'no names' ? 'bare.ts' : 'page.ts'];
      writeFileSync(project, JSON.stringify({
        compilerOptions: {
          target: 'es2022', module: 'nodenext', noEmit: true, strict: true, exactOptionalPropertyTypes: true,
          noUncheckedIndexedAccess: true, typeRoots: [join(root, 'node_modules/@types')], ...options,
        },
        files: [...written.map((file) => join(root, 'test/types', file)), join(root, 'lectern.d.ts')],
      }));
      const tsc = join(dirname(require.resolve(`${name}/package.json`)), 'bin', 'tsc');
      const { stdout } = await run(process.execPath, [tsc, '--pretty', 'false', '-p', project]).catch((error) => error);
      assert.equal(stdout, '');
    });
  }
}
