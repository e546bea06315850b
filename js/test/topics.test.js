import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RefusedError } from '../lectern.js';
import { Stage, member, next, refused } from './support/stage.js';

test('a topic goes along with every kind of message', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  await member(master, 'user_one', 'online');
  const is = async (handle, text, topic) => {
    const message = await next(handle);
    assert.deepEqual([message.text(), message.topic], [text, topic]);
    return message;
  };
  const longest = '\u00e9'.repeat(32);
  await master.broadcast('to all', { topic: 'slide 7' });
  await is(slave, 'to all', 'slide 7');
  await master.send('user_one', 'to one', { topic: longest });
  await is(slave, 'to one', longest);
  await slave.send('up', { topic: 'hand' });
  await is(master, 'up', 'hand');
  await slave.send('about nothing', { topic: undefined });
  await is(master, 'about nothing', '');

  let answer = slave.request('may I?', { topic: 'questions' });
  await master.reply(await is(master, 'may I?', 'questions'), 'yes', { topic: 'answers' });
  assert.equal((await answer).topic, 'answers');
  answer = master.request('user_one', 'well?', { topic: 'questions' });
  await (await is(slave, 'well?', 'questions')).reply('well', { topic: 'answers' });
  assert.equal((await answer).topic, 'answers');
  const parts = master.gather('all?', { topic: 'gather' });
  answer = parts.next();
  await slave.reply(await is(slave, 'all?', 'gather'), 'me', { topic: 'gathered' });
  assert.equal((await answer).value.message.topic, 'gathered');
});

test('what is no topic is refused before anything is sent', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  for (const topic of ['', ' a', 'a\nb', 'x'.repeat(65), '\ud800']) {
    for (const attempt of [
      () => master.broadcast('x', { topic }), () => master.send('user_one', 'x', { topic }),
      () => master.request('user_one', 'x', { topic }), () => master.gather('x', { topic }).next(),
      () => master.reply({ from: 'user_one', requestId: 1 }, 'x', { topic }),
      () => slave.send('x', { topic }), () => slave.request('x', { topic }), () => slave.reply({ requestId: 1 }, 'x', { topic }),
    ]) {
      await refused(attempt(), 'bad_frame', RefusedError);
      await assert.rejects(attempt(), /topic: /);
    }
  }
  await assert.rejects(master.broadcast('x', { topic: 7 }), /^TypeError: topic must be a string$/);
  assert.equal((await master.broadcast('x', { topic: 'x' })).seq, 1);
});
