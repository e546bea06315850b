import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DeclinedError, LecternError, RefusedError } from '../lectern.js';
import { Stage, next, refused } from './support/stage.js';

/** says expects that the promise is rejected with a no. */
async function says(promise, peerCode, reason) {
  const error = await promise.then(() => assert.fail('an answer'), (why) => why);
  assert.ok(error instanceof DeclinedError && error instanceof LecternError, String(error));
  assert.deepEqual(
    { name: error.name, code: error.code, peerCode: error.peerCode, reason: error.reason },
    { name: 'DeclinedError', code: 'declined', peerCode, reason });
  return error;
}

test('who is asked may say no', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');

  const asking = says(slave.request('may I?'), 'not_now', 'ask me later');
  const question = await next(master);
  assert.deepEqual(await question.decline('not_now', 'ask me later'), { seq: 1, slaves: 1 });
  const error = await asking;
  assert.equal(error.message, 'declined: not_now: ask me later');
  await refused(question.reply('or yes'), 'no_such_request', RefusedError);
  await refused(question.decline('no'), 'no_such_request', RefusedError);

  const asked = says(master.request('user_one', 'ready?'), 'E-4.2', '');
  await slave.decline(await next(slave), 'E-4.2');
  assert.equal((await asked).message, 'declined: E-4.2');

  const parts = master.gather('all?');
  const part = parts.next();
  await (await next(slave)).decline('no', 'ü "\n');
  const { value: { from, message, error: why } } = await part;
  assert.deepEqual([from, message], ['user_one', null]);
  await says(Promise.reject(why), 'no', 'ü "\n');
  assert.equal((await parts.next()).done, true);
});

test('what cannot be said is refused, and nothing is sent', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  for (const [code, text] of [
    ['', 'x'], [undefined, 'x'], ['not now', 'x'], ['ü', 'x'], ['x'.repeat(65), 'x'], ['no', 'x'.repeat(1025)], ['no', 'ü'.repeat(513)],
    ['no', 7], ['no', '\ud800'],
  ]) {
    await refused(slave.decline({ requestId: 1 }, code, text), 'bad_frame', RefusedError);
    await refused(master.decline({ from: 'user_one', requestId: 1 }, code, text), 'bad_frame', RefusedError);
  }
  await assert.rejects(slave.decline({ requestId: 1 }, 'no', '', { topic: 'x' }), /decline has no option topic/);
  await refused(slave.decline({ requestId: 0 }, 'no'), 'no_such_request', RefusedError);
  assert.equal((await slave.send('x')).seq, 1);
});
