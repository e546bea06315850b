import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, createdFor, joinedFor } from './support/fakehub.js';
import { fakeClient, happens, inState, refused, within } from './support/stage.js';

// A hub that takes down what tokens were shown, and with what its connections are to end.
async function asking(t, options, scripted = () => false) {
  const shown = [];
  const cut = new Set();
  const hub = await FakeHub.start((peer, frame) => {
    const { type, ref, channel, token } = frame;
    if (['create', 'join', 'resume', 'refresh'].includes(type)) {
      shown.push(`${type} ${channel} ${token ?? '-'}`);
    }
    if (scripted(peer, frame)) {
      return;
    }
    if (type === 'create' || (type === 'resume' && channel === 'own')) {
      peer.send(createdFor(frame));
    } else if (type === 'join' || type === 'resume') {
      peer.send(joinedFor(frame));
    } else if (type === 'refresh') {
      peer.send({ type: 'ack', ref });
    } else if (type === 'send') {
      if (cut.has(ref)) { // once
        peer.send({ type: 'ack', ref, seq: 1 });
      } else {
        cut.add(ref);
        peer.close(Number(new TextDecoder().decode(frame.payload.bytes)));
      }
    }
  });
  return { shown, client: fakeClient(t, hub, options) };
}

async function cutBy(handle, number) {
  const lost = happens(handle, 'state', ({ state }) => state === 'reconnecting');
  (handle.broadcast ? handle.broadcast(String(number)) : handle.send(String(number))).catch(() => {});
  await lost;
}

// A function that makes tokens, and what it was asked for.
function making(fails = () => null) {
  const asked = [];
  const token = async (request) => {
    assert.deepEqual(Object.keys(request), ['operation', 'channel', 'username']);
    asked.push(Object.values(request).join(' '));
    const error = fails(asked.length);
    if (error) {
      throw error;
    }
    return `t${asked.length}`;
  };
  return { asked, token };
}

test('a token is made for each create, join, resume and refresh for which none is given', async (t) => {
  const { asked, token } = making();
  const { shown, client } = await asking(t, { token });
  const master = await client.create('own', 'alice');
  const slave = await client.join('abc123', 'ada');
  const moved = await slave.switch('abc124');
  await client.resumeSlave({ ...moved.ticket, channel: 'abc125' });
  await client.join('given', 'ada', { token: 'mine' });
  await moved.refresh();
  await moved.refresh('shown');
  assert.deepEqual(asked, ['create own alice', 'join abc123 ada', 'join abc124 ada', 'resume abc125 ada', 'refresh abc124 ada']);
  assert.deepEqual(shown, ['create own t1', 'join abc123 t2', 'join abc124 t3', 'resume abc125 t4', 'join given mine',
    'refresh abc124 t5', 'refresh abc124 shown']);

  // Each resume has a fresh one, but for those that were given for the membership.
  asked.splice(0);
  shown.splice(0);
  await cutBy(master, 4101);
  await inState(moved, 'online');
  await inState(master, 'online');
  assert.deepEqual(asked.sort(), ['resume abc125 ada', 'resume own alice']);
  assert.deepEqual(shown.map((each) => each.replace(/ t\d$/, ' fresh')).sort(), [
    'resume abc124 shown', 'resume abc125 fresh', 'resume given mine', 'resume own fresh',
  ]);
});

test('without a function a token that was given is shown again at each resume', async (t) => {
  const { shown, client } = await asking(t, {});
  const slave = await client.join('abc123', 'ada', { token: 'mine' });
  await assert.rejects(slave.refresh(), TypeError);
  await cutBy(slave, 4101);
  await inState(slave, 'online');
  await slave.refresh('newer');
  await cutBy(slave, 4101);
  await inState(slave, 'online');
  const { ticket } = slave;
  assert.equal('token' in ticket, false);
  await client.resumeSlave({ ...ticket, channel: 'abc124' }, { token: 'another' });
  assert.deepEqual(shown, ['join abc123 mine', 'resume abc123 mine', 'refresh abc123 newer', 'resume abc123 newer', 'resume abc124 another']);
});

test('a master whose grant has expired comes back with a fresh token', async (t) => {
  const { token } = making();
  const { shown, client } = await asking(t, { token });
  const master = await client.create('own', 'alice');
  await cutBy(master, 4107);
  await inState(master, 'online');
  assert.deepEqual(shown, ['create own t1', 'resume own t2']);
});

test('a call whose token cannot be made fails with that error, and asks nothing of the hub', async (t) => {
  const broken = new Error('the service is down');
  const { token } = making((count) => (count === 1 ? broken : null));
  const { shown, client } = await asking(t, { token });
  await assert.rejects(client.join('abc123', 'ada'), broken);
  const slave = await client.join('abc123', 'ada');
  assert.deepEqual(shown, ['join abc123 t2']);
  assert.equal(slave.state, 'online');
});

test('a connection that is lost waits for its tokens: they are tried again', async (t) => {
  const { asked, token } = making((count) => (count > 1 && count < 5 ? new Error('the service is down') : null));
  const { shown, client } = await asking(t, { token });
  const slave = await client.join('abc123', 'ada');
  await cutBy(slave, 4101);
  await happens(slave, 'state', ({ state }) => state === 'online');
  assert.equal(asked.length, 5);
  assert.deepEqual(shown, ['join abc123 t1', 'resume abc123 t5'], 'with none of before');
});

test('a token that never comes is asked for again, and given up', async (t) => {
  let count = 0;
  const token = () => (++count === 2 ? new Promise(() => {}) : `t${count}`);
  const { shown, client } = await asking(t, { token, dialTimeout: 1000 });
  const slave = await client.join('abc123', 'ada');
  await cutBy(slave, 4101);
  await happens(slave, 'state', ({ state }) => state === 'online');
  assert.deepEqual(shown, ['join abc123 t1', 'resume abc123 t3']);

  const controller = new AbortController();
  count = 1;
  const joining = client.join('abc124', 'ada', { signal: controller.signal });
  controller.abort();
  await assert.rejects(within(joining, 'the abort'), { name: 'AbortError' });
  count = 1;
  const waiting = client.join('abc125', 'ada');
  const closed = client.close();
  waiting.catch(() => {});
  await within(closed, 'the close');
});

test('what is no token is a TypeError', async (t) => {
  for (const wrong of [undefined, null, 7, {}]) {
    const { client } = await asking(t, { token: async () => wrong });
    await assert.rejects(client.join('abc123', 'ada'), { name: 'TypeError', message: /options\.token must give a string/ });
  }
});

test('a call that is made once more has a fresh token', async (t) => {
  let lost = 0;
  const { token } = making();
  const { shown, client } = await asking(t, { token }, (peer, { type, channel }) => {
    const cut = type === 'join' && channel === 'abc123' && lost++ < 2;
    if (cut) {
      peer.terminate();
    }
    return cut;
  });
  await client.join('abc122', 'ada', { token: 'mine' });
  await client.join('abc123', 'ada');
  assert.deepEqual(shown.filter((each) => each.startsWith('join')), ['join abc122 mine', 'join abc123 t1', 'join abc123 t2', 'join abc123 t3']);
});

test('who is not let back by the service is told so', async (t) => {
  const codes = { one: ['revoked', 'unauthorized'], two: [null, 'unauthorized'] };
  const { client } = await asking(t, { token: () => 'x' }, (peer, { type, ref, channel }) => {
    if (type !== 'resume') {
      return false;
    }
    const [end, code] = codes[channel];
    if (end) {
      peer.send({ type: 'closed', channel, code: end });
    }
    peer.send({ type: 'error', ref, channel, code });
    return true;
  });
  const one = await client.join('one', 'ada');
  const two = await client.join('two', 'ada');
  await cutBy(one, 4101);
  assert.equal((await within(one.closed, 'the end')).code, 'revoked');
  assert.equal((await within(two.closed, 'the end')).code, 'unauthorized');
});

test('who is let in for a time is told that it is over', async (t) => {
  const { client } = await asking(t, {}, (peer, { type, channel }) => {
    if (type === 'send') {
      peer.send({ type: 'closed', channel, code: 'expired' });
    }
    return type === 'send';
  });
  const slave = await client.join('abc123', 'ada');
  await refused(slave.send('x'), 'unknown_outcome');
  assert.equal((await slave.closed).code, 'expired');
});
