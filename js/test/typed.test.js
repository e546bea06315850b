import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

import * as lectern from '../lectern.js';
import { Stage, WebSocket } from './support/stage.js';

test('what is declared is there, and does what is declared', async (t) => {
  const stage = await Stage.open(t);
  const outfile = fileURLToPath(new URL('../build/typed.js', import.meta.url));
  // The bundle has its own copy of the client.
  await build({
    entryPoints: [fileURLToPath(new URL('typed.ts', import.meta.url))], bundle: true, format: 'esm', outfile,
  });
  const { useAll } = await import(pathToFileURL(outfile));
  await useAll(stage.hub.url, WebSocket);
});

test('what is exported is declared, and the other way round', () => {
  const declarations = readFileSync(new URL('../lectern.d.ts', import.meta.url), 'utf8');
  const declared = [...declarations.matchAll(/^export declare (?:const|class|function) (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(declared.sort(), Object.keys(lectern).sort());
});
