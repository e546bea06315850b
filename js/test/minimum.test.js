import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { ESLint } from 'eslint';

import { problemInJSON } from '../src/json.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const { browserslist, scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const target = /--target=(\S+)/.exec(scripts.build)[1].split(',');

test('the target of the build is the minimum that is told', () => {
  const told = browserslist.map((query) => query.replace(' >= ', '')).filter((each) => !each.startsWith('ios'));
  assert.deepEqual(target.filter((each) => !each.startsWith('node')), told);
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8').replace(/\s+/g, ' ');
  assert.match(readme, /Chrome and Edge 98, Firefox 97, Safari 15\.4/);
  assert.match(scripts.build, /^npm run --silent supported && .*--log-override:unsupported-regexp=error/);
});

for (const source of ['/(?<=a)b/', '/(?<!a)b/', '/[a--b]/v']) {
  test(`the build fails at ${source}`, async () => {
    await assert.rejects(build({
      stdin: { contents: `export default ${source};` }, target, write: false, logLevel: 'silent',
      logOverride: { 'unsupported-regexp': 'error' },
    }), /not available in the configured target/);
  });
}

test('the build fails at what the platforms of the minimum lack', async () => {
  const eslint = new ESLint({ cwd: root });
  for (const code of [
    'AbortSignal.timeout(5);', 'AbortSignal.any([]);', '[].toSorted();', 'new Map().values().map(String);',
    'Promise.withResolvers();', 'Object.groupBy([], String);', '"x".isWellFormed();', '[].findLast(String);',
    'new URLPattern();', '/(?i:a)/;',
  ]) {
    const [{ errorCount }] = await eslint.lintText(code, { filePath: 'src/newer.js' });
    assert.ok(errorCount > 0, code);
  }
  const [{ errorCount }] = await eslint.lintText('Object.values({}).map(String);', { filePath: 'src/older.js' });
  assert.equal(errorCount, 0);
});

test('half of a surrogate pair, wherever it is escaped', () => {
  for (const [text, half] of [
    ['\\ud83d\\ude00', false], ['\\uD83D\\uDE00\\ud83d\\ude00', false], ['\\\\ud83d', false], ['\\\\\\ud83d\\ude00', false],
    ['\\ud83d', true], ['\\ude00', true], ['\\ude00\\ud83d', true], ['\\ud83d\\ud83d\\ude00', true],
    ['\\ud83d\\ud83d\\ude00\\ude00', true], ['\\ud83d\\\\ude00', true], ['\\\\\\ud83d', true], ['\\ud83dx\\ude00', true],
  ]) {
    assert.equal(problemInJSON(`"${text}"`), half ? 'half of a surrogate pair' : '', text);
  }
});
