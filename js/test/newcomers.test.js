import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, createdFor } from './support/fakehub.js';
import { Stage, fakeClient, member, next, within } from './support/stage.js';

/** Lines are what a gather tells, in order: whom it asks, and its parts. */
class Lines {
  #told = [];
  #takers = [];

  constructor(master, options) {
    let first = true;
    const asked = (names) => {
      if (first) {
        this.#add(`asked ${names.join(' ')}`);
      } else {
        names.forEach((name) => this.#add(`asked ${name}`));
      }
      first = false;
    };
    this.over = this.#take(master.gather('ready?', { ...options, asked }));
  }

  async #take(parts) {
    for await (const { from, message, error } of parts) {
      this.#add(`${from}: ${message ? message.text() : error.code ?? error.message}`);
    }
  }

  #add(line) {
    this.#told.push(line);
    this.#takers.splice(0).forEach((taker) => taker());
  }

  /** are expects these lines next, in this order. */
  async are(...lines) {
    await within((async () => {
      while (this.#told.length < lines.length) {
        await new Promise((resolve) => {
          this.#takers.push(resolve);
        });
      }
    })(), `${lines} after ${this.#told}`);
    assert.deepEqual(this.#told.splice(0, lines.length), lines);
  }

  /** none expects that there are no more. */
  none() {
    assert.deepEqual(this.#told, []);
  }
}

test('gather tells whom it asks, before the first answer', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const nobody = new Lines(master);
  await nobody.are('asked ');
  await within(nobody.over, 'the end');
  const there = member(master, 'two', 'online');
  const one = await stage.client().join('abc123', 'one');
  const two = await stage.client().join('abc123', 'two');
  await there;
  const lines = new Lines(master);
  await (await next(one)).reply('yes');
  await lines.are('asked one two', 'one: yes');
  await stage.client().join('abc123', 'three');
  await (await next(two)).decline('no');
  await lines.are('two: declined');
  await within(lines.over, 'the end');
  lines.none();
  await assert.rejects(master.gather('x', { asked: 'one' }).next(), TypeError);
});

test('who joins while it goes on is asked too, once for each membership', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const there = member(master, 'one', 'online');
  const one = await stage.client().join('abc123', 'one');
  await there;
  const controller = new AbortController();
  const lines = new Lines(master, { newcomers: true, topic: 'roll call', signal: controller.signal });
  await lines.are('asked one');
  const client = stage.client();
  let two = await client.join('abc123', 'two');
  await lines.are('asked two');
  const question = await next(two);
  assert.deepEqual([question.text(), question.topic, question.private], ['ready?', 'roll call', true]);
  await two.leave();
  two = await client.join('abc123', 'two');
  await lines.are('two: no_such_slave', 'asked two');
  await (await next(two)).reply('yes');
  await lines.are('two: yes');
  await master.kick('two');
  await two.closed;
  two = await client.join('abc123', 'two');
  await lines.are('asked two');
  await (await next(one)).reply('yes');
  await lines.are('one: yes');
  controller.abort(new Error('enough'));
  await lines.are('two: enough');
  await within(lines.over, 'the end');
  await assert.rejects((await next(two)).reply('late'), { code: 'no_such_request' });

  const again = new Lines(master, { newcomers: true });
  await again.are('asked one two');
  await master.close();
  await again.are('one: left', 'two: left');
  await within(again.over, 'the end');
});

test('it ends at its expiry, when nobody is awaited any more', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const begun = Date.now();
  const nobody = new Lines(master, { newcomers: true, expires: 300 });
  await nobody.are('asked ');
  await within(nobody.over, 'the end');
  assert.ok(Date.now() - begun >= 300);

  const there = member(master, 'one', 'online');
  const one = await stage.client().join('abc123', 'one');
  await there;
  const lines = new Lines(master, { newcomers: true, expires: 1500 });
  await lines.are('asked one');
  const two = await stage.client().join('abc123', 'two');
  await lines.are('asked two');
  await (await next(two)).reply('yes');
  await lines.are('two: yes');
  await (await next(one)).reply('yes');
  await lines.are('one: yes');
  await stage.client().join('abc123', 'three');
  await lines.are('asked three', 'three: too_late');
  await within(lines.over, 'the end');
  await stage.client().join('abc123', 'four');
  lines.none();
});

test('newcomers are found by the numbers of their memberships after a resume', async (t) => {
  const stage = await Stage.open(t);
  const above = await stage.far();
  const master = await above.client.create('abc123', 'alice');
  const client = stage.client();
  const there = member(master, 'two', 'online');
  const one = await stage.client().join('abc123', 'one');
  let two = await client.join('abc123', 'two');
  await there;
  const lines = new Lines(master, { newcomers: true });
  await lines.are('asked one two');
  above.relay.cut();
  await two.leave();
  two = await client.join('abc123', 'two');
  await lines.are('two: no_such_slave', 'asked two');
  await (await next(two)).reply('yes');
  await (await next(one)).reply('yes');
  await lines.are('two: yes', 'one: yes');
  lines.none();
  await master.close();
  await within(lines.over, 'the end');
});

const text = (value) => ({ kind: 'text', bytes: new TextEncoder().encode(value) });
const joins = (username, number) => ({
  type: 'presence', channel: 'abc123', username, role: 'slave', state: 'online', number, joined: true,
});

test('no more newcomers are awaited at a time than 128, and one who is refused for now is asked again later', async (t) => {
  const asked = [];
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create') {
      peer.send(createdFor(frame));
    } else if (frame.type === 'send' && !frame.to) {
      peer.send({ type: 'ack', ref: frame.ref, seq: 1 });
      Array.from({ length: 200 }, (_, index) => peer.send(joins(`user_${index}`, index + 1)));
    } else if (frame.type === 'send') {
      asked.push(frame.to);
      if (asked.length === 1) {
        peer.send({ type: 'error', ref: frame.ref, channel: 'abc123', code: 'busy', message: 'later' });
        return;
      }
      const seq = asked.length;
      peer.send({ type: 'ack', ref: frame.ref, seq, slaves: 1 });
      if (seq > 100) {
        peer.send({ type: 'message', channel: 'abc123', from: frame.to, seq: seq - 100, reply: seq, payload: text('yes') });
      }
    }
  });
  t.after(() => hub.close());
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  const heard = [];
  for await (const { from, message } of master.gather('ready?', { newcomers: true })) {
    assert.equal(message.text(), 'yes');
    heard.push(from);
    if (heard.length === 101) {
      break;
    }
  }
  assert.equal(asked.length, 201);
  assert.equal(new Set(asked).size, 200, 'the one that was refused comes twice');
  assert.equal(asked.filter((name) => name === asked[0]).length, 2);
});
