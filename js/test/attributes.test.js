import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Attribute, AttributeEvent, Code } from '../lectern.js';
import { Inbox } from '../src/inbox.js';
import { Attributes } from '../src/attributes.js';
import { Stage, happens, inState, member, next, refused, within } from './support/stage.js';

/** changed expects that the next event is that change. */
async function changed(handle, from, key, text) {
  for await (const event of handle.events()) {
    if (event.type === 'presence') {
      continue;
    }
    assert.ok(event instanceof Attribute, `instead of ${key}: ${event.type}`);
    assert.deepEqual([event.from, event.key, event.deleted ? undefined : event.text()], [from, key, text]);
    return event;
  }
  throw assert.fail('the membership is over');
}

/** texts are the texts of attributes. */
const texts = (attributes) => Object.fromEntries([...attributes].map(([key, value]) => [key, value.text()]));

test('attributes are set, changed and deleted', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice', { attributes: { subject: 'physics' } });
  await master.setAttribute('slide', { page: 1 });
  const arrived = member(master, 'user_one', 'online');
  const told = happens(master, 'attribute');
  const slave = await stage.client().join('abc123', 'user_one', { attributes: { hand: 'up', photo: new Uint8Array([7]) } });
  await arrived;
  assert.ok(await told instanceof AttributeEvent);
  await changed(slave, 'alice', 'subject', 'physics');
  const slide = await changed(slave, 'alice', 'slide', '{"page":1}');
  assert.equal(slide.kind, 'json');
  assert.deepEqual(slide.json(), { page: 1 });
  assert.deepEqual(texts(slave.masterAttributes), { subject: 'physics', slide: '{"page":1}' });
  await changed(master, 'user_one', 'hand', 'up');
  assert.deepEqual((await changed(master, 'user_one', 'photo', '\u0007')).bytes(), new Uint8Array([7]));
  assert.deepEqual(texts(master.attributesOf('user_one')), { hand: 'up', photo: '\u0007' });
  assert.deepEqual(texts(slave.attributes), { hand: 'up', photo: '\u0007' });

  const before = slave.masterAttributes;
  assert.equal(before, slave.masterAttributes, 'the same map until one changes');
  await master.setAttribute('slide', 'two');
  const { seq } = await master.broadcast('look');
  const second = await changed(slave, 'alice', 'slide', 'two');
  assert.equal(second.seq + 1, seq, 'changes and messages have one order');
  assert.equal((await next(slave)).seq, seq);
  await master.deleteAttribute('slide');
  await master.deleteAttribute('never there');
  assert.equal((await changed(slave, 'alice', 'slide', undefined)).seq, seq + 1);
  assert.notEqual(before, slave.masterAttributes);
  assert.deepEqual(texts(slave.masterAttributes), { subject: 'physics' });
  assert.deepEqual(texts(master.attributes), { subject: 'physics' });

  await slave.setAttribute('hand', 'down');
  await changed(master, 'user_one', 'hand', 'down');
  const gone = member(master, 'user_one', 'gone');
  await slave.leave();
  await gone;
  assert.equal(master.attributesOf('user_one').size, 0);
});

test('who was away has what there is, and a ticket tells all of it', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  const master = await stage.client().create('abc123', 'alice');
  await master.setAttribute('a', '1');
  await master.setAttribute('b', '1');
  const slave = await client.join('abc123', 'user_one');
  await changed(slave, 'alice', 'a', '1');
  await changed(slave, 'alice', 'b', '1');
  relay.bar();
  await inState(slave, 'reconnecting');
  await master.setAttribute('a', '2');
  await master.deleteAttribute('b');
  await master.broadcast('meanwhile');
  for (let n = 0; n < 300; n++) {
    await master.setAttribute('tick', n);
  }
  const hand = slave.setAttribute('hand', 'up');
  relay.bar(false);
  await inState(slave, 'online');
  await within(hand, 'the set');
  await changed(slave, 'alice', 'a', '2');
  await changed(slave, 'alice', 'b', undefined);
  assert.equal((await next(slave)).text(), 'meanwhile');
  await changed(slave, 'alice', 'tick', '299');
  assert.deepEqual(texts(slave.masterAttributes), { a: '2', tick: '299' });
  await changed(master, 'user_one', 'hand', 'up');

  const other = await stage.client().resumeSlave(slave.ticket);
  await changed(other, 'alice', 'a', '2');
  await changed(other, 'alice', 'tick', '299');
  const again = await stage.client().resumeMaster(master.ticket);
  await changed(again, 'user_one', 'hand', 'up');
  assert.deepEqual(texts(again.attributesOf('user_one')), { hand: 'up' });
});

test('what cannot be set is refused', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  await refused(master.setAttribute('', 'x'), Code.BAD_FRAME);
  await refused(master.deleteAttribute('x'.repeat(65)), Code.BAD_FRAME);
  await assert.rejects(master.setAttribute(7, 'x'), TypeError);
  await assert.rejects(master.setAttribute('x', 'x', { topic: 'x' }), TypeError);
  await refused(stage.client().join('abc123', 'user_two', { attributes: { '': 'x' } }), Code.BAD_FRAME);
  await refused(stage.client().join('abc123', 'user_two', { attributes: { x: 'x'.repeat(5000) } }), Code.ATTRIBUTES_FULL);
  for (let n = 0; n < 8; n++) {
    await slave.setAttribute(`key ${n}`, n);
  }
  await refused(slave.setAttribute('one more', 1), Code.ATTRIBUTES_FULL);
  assert.equal(slave.attributes.size, 8);
});

test('of a key that changes often the newest alone waits, and no gap comes of it', async () => {
  const inbox = new Inbox({ messages: 3, bytes: 1000 }, () => {});
  const attributes = new Attributes((attribute) => inbox.add(attribute));
  const message = (seq) => ({ type: 'message', seq, size: 10 });
  inbox.add(message(1));
  for (let n = 2; n < 10_000; n++) {
    attributes.changed('alice', `key ${n % 2}`, { kind: 'text', bytes: new TextEncoder().encode(String(n)) }, n);
    attributes.changed('alice', `key ${n % 2}`, { kind: 'text', bytes: new Uint8Array() }, n); // once more
  }
  inbox.add(message(10_000));
  inbox.end();
  const got = [];
  for (let entry = await inbox.take(); entry; entry = await inbox.take()) {
    got.push(entry.seq);
  }
  assert.deepEqual(got, [1, 9998, 9999, 10_000]);

  // Where messages are dropped, changes in front of them are too.
  const full = new Inbox({ messages: 1, bytes: 1000 }, () => {});
  full.add(message(1));
  full.add(new Attribute('alice', 'key', undefined, 2));
  full.add(new Attribute('alice', 'key', undefined, 3));
  full.add(message(4));
  full.add(message(5));
  full.end();
  const left = [];
  for (let entry = await full.take(); entry; entry = await full.take()) {
    left.push(entry.type === 'gap' ? -entry.missed : entry.seq);
  }
  assert.deepEqual(left, [-2, 5]);
});

test('a reset forgets what is told anew', () => {
  const told = [];
  const attributes = new Attributes(({ from, key, deleted, seq }) => told.push([from, key, deleted, seq]));
  const payload = { kind: 'text', bytes: new Uint8Array() };
  attributes.changed('alice', 'a', payload, 1);
  attributes.changed('alice', 'gone', undefined, 2); // was never there
  attributes.arrived(2);
  attributes.reset({ from: 'alice', seq: 5 });
  attributes.reset({ from: 'nobody', seq: 5 });
  assert.equal(attributes.of('alice').size, 0);
  assert.equal(attributes.known, 2);
  attributes.changed('alice', 'a', payload, 6);
  attributes.reset({});
  assert.equal(attributes.known, 0);
  assert.deepEqual(told, [['alice', 'a', false, 1], ['alice', 'a', true, 5], ['alice', 'a', false, 6], ['alice', 'a', true, 6]]);
});
