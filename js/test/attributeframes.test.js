import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RefusedError } from '../lectern.js';
import { FakeHub, createdFor, joinedFor } from './support/fakehub.js';
import { fakeClient, happens, inState, refused, within } from './support/stage.js';

const text = (value) => ({ kind: 'text', bytes: new TextEncoder().encode(value) });
const of = (from) => (key, seq, value) => ({
  type: 'attribute', channel: 'abc123', from, key, seq, ...(value === undefined ? {} : { payload: text(value) }),
});
const alices = of('alice');
const bobs = of('bob');
const says = (from, seq, value) => ({ type: 'message', channel: 'abc123', from, seq, payload: text(value) });
const bob = (more) => ({ type: 'presence', channel: 'abc123', username: 'bob', role: 'slave', state: 'online', ...more });
const lists = (...members) => ({ type: 'members', channel: 'abc123', members });
const entry = (username, number) => ({ username, state: 'online', number });
const reset = (more) => ({ type: 'reset', channel: 'abc123', ...more });

const plain = (attributes) => Object.fromEntries([...attributes].map(([key, value]) => [key, value.text()]));

/** told are the events up to the message done, each with what the others' attributes are as it is taken. */
async function told(handle, read) {
  const seen = [];
  for await (const event of handle.events()) {
    if (event.type === 'message' && event.text() === 'done') {
      return seen;
    }
    const what = {
      message: () => `${event.from}: ${event.text()}`,
      attribute: () => `${event.from} ${event.key} ${event.deleted ? 'gone' : event.text()} ${event.seq}`,
      presence: () => `${event.username} ${event.joined ? 'joins, ' : ''}${event.state}`,
      gap: () => `gap ${event.missed}`,
    }[event.type]();
    seen.push(event.type === 'message' && read ? `${what} ${JSON.stringify(plain(read(handle)))}` : what);
  }
  throw handle.error;
}

/** tell has a peer told the frames: those of one list at once, and else one after the other was taken. */
async function tell(peer, ...frames) {
  for (const each of frames) {
    [each].flat().forEach(peer.send);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}

/** one is a hub that tells the frames, and a handle of it. */
async function one(t, role, ...frames) {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create' || frame.type === 'join') {
      peer.send(frame.type === 'join' ? joinedFor(frame) : createdFor(frame));
      tell(peer, [], ...frames);
    }
  });
  const client = fakeClient(t, hub);
  return role === 'master' ? client.create('abc123', 'alice') : client.join('abc123', 'user_one');
}

// The messages tell what is there while they are taken in.
function atMessages(handle, read) {
  const states = [];
  handle.addEventListener('attribute', ({ attribute }) => states.push([attribute.key, plain(read(handle))]));
  return states;
}

test('what is told anew behind a reset and has not changed is not told, and the rest is gone', async (t) => {
  const slave = await one(t, 'slave', alices('a', 1, '1'), alices('b', 2, '2'), alices('c', 3, '3'), alices('d', 4, '4'),
    says('alice', 5, 'one'),
    [reset({ from: 'alice', seq: 6 }), alices('a', 7, '1'), alices('b', 8, 'new'), says('alice', 9, 'two')],
    alices('c', 10, 'again'), says('alice', 11, 'done'));
  const states = atMessages(slave, () => slave.masterAttributes);
  assert.deepEqual(await within(told(slave), 'the events'), [
    'alice a 1 1', 'alice b 2 2', 'alice c 3 3', 'alice d 4 4', 'alice: one',
    'alice b new 8', 'alice c gone 6', 'alice d gone 6', 'alice: two', 'alice c again 10',
  ]);
  assert.deepEqual(plain(slave.masterAttributes), { a: '1', b: 'new', c: 'again' });
  assert.ok(states.every(([, values]) => values.a), 'nothing is gone that is not');
});

test('what is told anew may come in parts', async (t) => {
  // However slowly they come here: the time after which no more is awaited has a test of its own.
  const later = globalThis.setTimeout;
  t.mock.method(globalThis, 'setTimeout', (f, ms, ...rest) => later(f, ms === 100 ? 60_000 : ms, ...rest));
  const slave = await one(t, 'slave', alices('a', 1, '1'), alices('b', 2, '2'), alices('c', 3, '3'),
    reset({ from: 'alice', seq: 4 }), alices('a', 5, '1'), alices('c', 6, '3'), says('alice', 7, 'done'));
  assert.deepEqual(await within(told(slave), 'the events'), ['alice a 1 1', 'alice b 2 2', 'alice c 3 3', 'alice b gone 4']);
  assert.deepEqual(plain(slave.masterAttributes), { a: '1', c: '3' });
});

test('where nothing comes behind a reset, what was not told anew is gone after a moment', async (t) => {
  const slave = await one(t, 'slave', alices('a', 1, '1'), alices('b', 2, '2'), [reset({ from: 'alice', seq: 3 }), alices('b', 4, '2')]);
  const gone = await happens(slave, 'attribute', ({ attribute: { deleted } }) => deleted);
  assert.deepEqual([gone.attribute.key, gone.attribute.seq], ['a', 3]);
  assert.deepEqual(plain(slave.masterAttributes), { b: '2' });
  await slave.leave();
  assert.deepEqual(plain(slave.masterAttributes), { b: '2' }, 'who has left still has what it knew');
});

test('a reset of one slave leaves the others alone', async (t) => {
  const master = await one(t, 'master', bob({ number: 1 }), { ...bob({ number: 2 }), username: 'eve' },
    bobs('a', 1, '1'), bobs('b', 2, '2'), of('eve')('a', 3, '3'),
    [reset({ from: 'bob', seq: 4 }), bobs('b', 5, '2'), of('eve')('b', 6, '6')],
    [reset({ from: 'bob', seq: 7 }), reset({ from: 'eve', seq: 8 }), of('eve')('a', 9, '3'), says('eve', 10, 'done')]);
  assert.deepEqual(await within(told(master), 'the events'), [
    'bob joins, online', 'eve joins, online', 'bob a 1 1', 'bob b 2 2', 'eve a 3 3',
    'bob a gone 4', 'eve b 6 6', 'bob b gone 7', 'eve b gone 8',
  ]);
  assert.deepEqual([plain(master.attributesOf('bob')), plain(master.attributesOf('eve'))], [{}, { a: '3' }]);
});

test('its own are those that the hub tells, and else those with which it has entered', async (t) => {
  const own = { attributes: [{ key: 'at', payload: text('3') }, { key: 'hand', payload: text('up') }] };
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join' || frame.type === 'resume') {
      peer.send({ ...joinedFor(frame), epoch: 1, ...(frame.channel === 'new' || peer.count > 1 ? {} : own) });
    }
  });
  const client = fakeClient(t, hub);
  const entering = { attributes: { hand: 'down' } };
  assert.deepEqual(plain((await client.join('new', 'one', entering)).attributes), { hand: 'down' });
  const slave = await client.join('taken over', 'one', entering);
  assert.deepEqual(plain(slave.attributes), { at: '3', hand: 'up' });
  const back = inState(slave, 'reconnecting').then(() => inState(slave, 'online'));
  hub.peers[0].close(4104);
  await within(back, 'the return');
  assert.deepEqual(plain(slave.attributes), { at: '3', hand: 'up' });
});

test('those of a slave come with it, in their order with messages, and end with it', async (t) => {
  const hand = { attributes: [{ key: 'hand', payload: text('up') }, { key: 'name', payload: text('Bob') }] };
  const master = await one(t, 'master', bob({ number: 1, joined: true, seq: 2, ...hand }), says('bob', 3, 'one'),
    bobs('hand', 4, 'down'), bobs('hand', 4, 'down'), bobs('hand', 2, 'up'), says('bob', 3, 'one'), bob({ state: 'away' }),
    bob({}), bobs('name', 5), bobs('name', 5), bob({ state: 'left' }),
    bob({ number: 2, joined: true, seq: 7, attributes: [{ key: 'name', payload: text('Another') }] }),
    bob({ number: 3, joined: true, seq: 8, attributes: [{ key: 'hand', payload: text('new') }] }),
    [bob({ number: 4, joined: true, seq: 9, attributes: [{ key: 'unheard of', payload: text('x') }] }), bob({ state: 'left' }),
      bob({ number: 5, joined: true, seq: 10, attributes: [{ key: 'hand', payload: text('last') }] })], says('bob', 11, 'done'));
  const read = () => master.attributesOf('bob');
  const sizes = [];
  master.addEventListener('member', () => sizes.push(read().size));
  const states = atMessages(master, read);
  assert.deepEqual(await within(told(master, read), 'the events'), [
    'bob joins, online', 'bob hand up 2', 'bob name Bob 2', 'bob: one {"hand":"up","name":"Bob"}',
    'bob hand down 4', 'bob away', 'bob online', 'bob name gone 5', 'bob gone',
    'bob joins, online', 'bob name Another 7', 'bob joins, online', 'bob hand new 8',
    'bob joins, online', 'bob gone', 'bob joins, online', 'bob hand last 10',
  ]);
  assert.deepEqual(plain(read()), { hand: 'last' });
  assert.deepEqual(states.at(-1), ['hand', { hand: 'last' }]);
  assert.ok(states.some(([, values]) => JSON.stringify(values) === '{"hand":"new"}'), 'of one who has joined again, they are its own');
  assert.deepEqual(sizes.slice(0, 4), [2, 2, 2, 0], 'they are gone when it is told');
});

test('what is behind a list is of those who are in it, and is told behind that', async (t) => {
  const hub = await FakeHub.start(async (peer, frame) => {
    if (frame.type === 'create') {
      await tell(peer, createdFor(frame), bob({ number: 1 }), bobs('hand', 1, 'up'), bobs('old', 2, 'x'), { ...bob({ number: 2 }), username: 'eve' },
        of('eve')('hand', 3, 'up'), says('bob', 4, 'one'));
      peer.close(4101);
    } else if (frame.type === 'resume') {
      peer.resumed = [frame.last, frame.seq];
      await tell(peer, { ...createdFor(frame), seq: 8, members: [entry('bob', 3), entry('eve', 2)] },
        says('bob', 5, 'bye'), bobs('hand', 6, 'down'), says('eve', 7, 'I am'), of('eve')('hand', 8), lists(entry('eve', 2)),
        says('eve', 9, 'done'));
    }
  });
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  assert.deepEqual(await within(told(master), 'the events'), [
    'bob joins, online', 'bob hand up 1', 'bob old x 2', 'eve joins, online', 'eve hand up 3', 'bob: one',
    'alice unknown', 'alice online', 'bob: bye', 'bob gone', 'bob joins, online', 'bob hand down 6', 'eve: I am', 'eve hand gone 8', 'bob gone',
  ]);
  assert.deepEqual(hub.peers[1].resumed, [4, 4]);
  assert.deepEqual(['bob', 'eve'].map((name) => plain(master.attributesOf(name))), [{}, {}]);
});

test('who does not know those of others says so as it comes back, until all was told anew', async (t) => {
  const resumes = [];
  const hub = await FakeHub.start(async (peer, frame) => {
    if (frame.type !== 'resume') {
      return;
    }
    resumes.push([frame.last, frame.seq]);
    peer.send(joinedFor(frame));
    const frames = [
      [reset()],
      [reset(), alices('a', 3, '1'), says('alice', 42, 'one')],
      [alices('a', 43, '2'), alices('b', 44, '3')],
      [says('alice', 45, 'two'), [alices('a', 46, '4'), reset()]],
      [reset(), alices('b', 44, '3'), alices('a', 46, '4'), says('alice', 47, 'done')],
    ][peer.count - 1];
    await tell(peer, ...frames);
    if (peer.count < 5) {
      peer.close(4101);
    }
  });
  const ticket = { role: 'slave', channel: 'abc123', username: 'user_one', resume: 'secret', epoch: 1, last: 41 };
  const slave = await fakeClient(t, hub).resumeSlave(ticket);
  const seen = (await within(told(slave), 'the events')).filter((each) => !/^alice (unknown|online)/.test(each));
  assert.deepEqual(seen, ['alice a 1 3', 'alice: one', 'alice a 2 43', 'alice b 3 44', 'alice: two', 'alice a 4 46', 'alice a gone 46', 'alice b gone 44', 'alice b 3 44', 'alice a 4 46']);
  assert.deepEqual(resumes, [[41, undefined], [41, undefined], [42, 42], [44, 44], [46, undefined]]);
  assert.deepEqual(plain(slave.masterAttributes), { a: '4', b: '3' });
  assert.equal(slave.ticket.last, 47);
});

test('what the hub refuses is told by its code, and what it takes counts under the name that the service has given', async (t) => {
  const refusals = ['forbidden', 'attributes_full', 'rate_limited', 'unauthorized', 'busy'];
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send({ ...joinedFor(frame), username: 'renamed' });
    } else if (frame.type === 'resume') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'set' && refusals.includes(frame.key)) {
      peer.send({ type: 'error', ref: frame.ref, channel: 'abc123', code: frame.key, reason: 'for people' });
    } else if (frame.type === 'set' && peer.count === 1) {
      peer.send({ type: 'error', ref: frame.ref, channel: 'abc123', code: 'shutting_down' });
      peer.send({ type: 'shutdown', timeout_ms: 0 });
      peer.close(4106);
    } else if (frame.type === 'set') {
      peer.send({ type: 'ack', ref: frame.ref, ...(frame.payload ? { seq: 7 } : {}) });
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one', { attributes: { picture: 'x' } });
  for (const code of refusals) {
    await refused(slave.setAttribute(code, 'x'), code, RefusedError);
    await refused(slave.deleteAttribute(code), code, RefusedError);
  }
  assert.deepEqual(plain(slave.attributes), { picture: 'x' });
  await within(slave.setAttribute('hand', 'up'), 'what the next hub takes');
  const { from, seq, deleted } = slave.attributes.get('hand');
  assert.deepEqual([from, seq, deleted], ['renamed', 7, false]);
  assert.equal(slave.attributes.get('picture').from, 'renamed');
  await slave.deleteAttribute('picture');
  assert.deepEqual(plain(slave.attributes), { hand: 'up' });
});

test('a value for which three connections were too slow is given up, and what is behind it arrives', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join' || frame.type === 'resume') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'set' && frame.payload.bytes.length > 1000) {
      peer.over = true;
      peer.close(4101, 'too slow');
    } else if (frame.type === 'set' && !peer.over) {
      peer.send({ type: 'ack', ref: frame.ref, seq: 1 });
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one');
  const setting = slave.setAttribute('photo', new Uint8Array(4000));
  const behind = slave.setAttribute('hand', 'up');
  await refused(setting, 'connection');
  await within(behind, 'what is behind');
  await inState(slave, 'online');
  assert.deepEqual([...slave.attributes.keys()], ['hand']);
});

test('attributes of a frame that no hub sends are a protocol error', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send(joinedFor(frame));
      const attributes = Array.from({ length: 65 }, (_, index) => ({ key: `key ${index}`, payload: text('') }));
      peer.send(bob({ number: 1, seq: 1, attributes: peer.count === 1 ? attributes : attributes.slice(1) }));
    } else if (frame.type === 'resume') {
      peer.send(joinedFor(frame));
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one');
  await inState(slave, 'reconnecting');
  assert.equal(await within(hub.peers[0].closed, 'the close'), 4103);
});
