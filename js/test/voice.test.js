import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { MutedEvent, RefusedError } from '../lectern.js';
import { LIMIT, Stage, happens, inState, member, next, refused, within } from './support/stage.js';

/** becomes resolves when the slave knows that it is muted, or not. */
async function becomes(slave, on) {
  if (slave.muted !== on) {
    await happens(slave, 'muted', (event) => event.on === on);
  }
  assert.equal(slave.muted, on);
}

/** quiet fails where the slave may speak of its own accord. */
async function quiet(slave) {
  await refused(slave.send('psst'), 'muted', RefusedError);
  await refused(slave.request('may I?'), 'muted', RefusedError);
}

/** told takes what the slave is told of its being muted, up to the message with the text. */
async function told(slave, last) {
  const list = [];
  for await (const event of slave.events({ signal: AbortSignal.timeout(LIMIT) })) {
    if (event.type === 'message' && event.text() === last) {
      return list;
    }
    if (event.type === 'muted') {
      assert.ok(Object.isFrozen(event));
      list.push(event.on);
    }
  }
  throw slave.error;
}

test('who is muted is quiet, and answers', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const [one, two] = await Promise.all(['one', 'two'].map((name) => stage.client().join('abc123', name)));
  await member(master, 'one', 'online');
  await member(master, 'two', 'online');
  assert.deepEqual([one.muted, two.muted, master.allMuted], [false, false, false]);
  const event = happens(one, 'muted');
  await master.mute('one');
  assert.ok(await event instanceof MutedEvent);
  await becomes(one, true);
  await quiet(one);
  await one.setAttribute('hand', 'up');
  await two.send('here');
  assert.equal((await next(master)).text(), 'here');
  const asked = next(one).then((question) => question.reply('yes'));
  assert.equal((await master.request('one', 'well?')).text(), 'yes');
  await asked;
  const declined = next(one).then((question) => question.decline('no'));
  await refused(master.request('one', 'well?'), 'declined');
  await declined;

  await master.muteAll();
  assert.equal(master.allMuted, true);
  await becomes(two, true);
  const late = await stage.client().join('abc123', 'late');
  assert.equal(late.muted, true);
  await quiet(late);
  await member(master, 'late', 'online');
  await master.unmute('one');
  await becomes(one, false);
  await one.send('thanks');
  assert.equal((await next(master)).text(), 'thanks');
  await quiet(two);
  await master.unmuteAll();
  assert.equal(master.allMuted, false);
  await becomes(two, false);

  await master.mute('two');
  await becomes(two, true);
  await two.leave();
  await member(master, 'two', 'gone');
  await refused(master.unmute('two'), 'no_such_slave');
  const again = await stage.client().join('abc123', 'two');
  assert.equal(again.muted, true);
  await quiet(again);
  for (const name of ['nobody', 'alice', '', '\ud800']) {
    await refused(master.mute(name), 'no_such_slave', RefusedError);
  }
  await assert.rejects(master.mute(7), TypeError);
  await assert.rejects(master.mute('two', { reason: 'x' }), TypeError);
  await assert.rejects(master.muteAll({ to: 'two' }), TypeError);
  await assert.rejects(master.unmuteAll({ signal: AbortSignal.abort(new Error('given up')) }), /given up/);
  await master.broadcast('end');
  assert.deepEqual(await told(one, 'end'), [false], 'what changes nothing for it is no event');
  assert.deepEqual(await told(late, 'end'), [false]);
});

test('what changes while a slave is lost it is told when it is back', async (t) => {
  const stage = await Stage.open(t);
  const [above, below] = [await stage.far(), await stage.far()];
  const master = await above.client.create('abc123', 'alice');
  const slave = await below.client.join('abc123', 'one');
  await member(master, 'one', 'online');
  below.relay.bar();
  await inState(slave, 'reconnecting');
  await member(master, 'one', 'away');
  const sent = refused(slave.send('too late'), 'muted');
  await master.muteAll();
  below.relay.bar(false);
  await sent;
  await becomes(slave, true);
  await member(master, 'one', 'online');
  above.relay.bar();
  await inState(master, 'reconnecting');
  const waiting = [master.unmuteAll(), master.mute('one'), master.unmute('one'), master.muteAll()];
  above.relay.bar(false);
  await within(Promise.all(waiting), 'what was asked for meanwhile');
  assert.equal(master.allMuted, true);
  await master.unmuteAll();
  await master.broadcast('end');
  assert.deepEqual(await told(slave, 'end'), [true, false, true, false, true, false]);
});

test('by a ticket one knows what is so, and in another channel it is another', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  await stage.client().create('abc124', 'bob');
  const slave = await stage.client().join('abc123', 'one');
  await master.muteAll();
  await becomes(slave, true);
  const again = await stage.client().resumeMaster(master.ticket);
  assert.equal(again.allMuted, true);
  const other = await stage.client().resumeSlave(slave.ticket);
  assert.equal(other.muted, true);
  const moved = await other.switch('abc124');
  assert.equal(moved.muted, false);
  await moved.send('hello');
  const back = await moved.switch('abc123');
  assert.equal(back.muted, true);
  await quiet(back);
  await again.unmuteAll();
  await becomes(back, false);
});

test('a hub that takes the place of another one knows who is muted', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'lectern-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const options = { state: join(directory, 'state') };
  const stage = await Stage.open(t, options);
  const master = await stage.client().create('abc123', 'alice');
  const [one, two] = [await stage.client().join('abc123', 'one'), await stage.client().join('abc123', 'two')];
  await member(master, 'two', 'online');
  await master.muteAll();
  await master.unmute('two');
  await becomes(one, true);
  await becomes(two, false);
  const { port } = stage.hub;
  assert.equal(await stage.hub.stop(), 0);
  const speaks = [refused(one.send('x'), 'muted'), two.send('x')];
  await stage.another({ ...options, port });
  await within(Promise.all(speaks), 'what was sent meanwhile');
  assert.deepEqual([one.muted, two.muted, master.allMuted], [true, false, true]);
  await master.broadcast('end');
  assert.deepEqual([await told(one, 'end'), await told(two, 'end')], [[true], [true, false]]);
});

test('the README tells what is so', async (t) => {
  const stage = await Stage.open(t);
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const [, section] = readme.split('## Who may speak\n');
  const [mute, hear] = [...section.split('\n## ')[0].matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
  const AsyncFunction = (async () => {}).constructor;
  const run = (code, names) => new AsyncFunction(...Object.keys(names), code)(...Object.values(names));
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  const input = {};
  await run(hear, { slave, document: { querySelector: () => input } });
  assert.equal(input.disabled, false);
  await run(mute, { master });
  await becomes(slave, false);
  assert.equal(master.allMuted, true);
  await master.muteAll();
  await becomes(slave, true);
  assert.equal(input.disabled, true);
});
