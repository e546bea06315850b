import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClosedError } from '../lectern.js';
import { FakeHub, createdFor, joinedFor } from './support/fakehub.js';
import { all, fakeClient, happens, inState, next, refused, seqs, within } from './support/stage.js';
import { Storage } from './support/storage.js';

const text = (value) => ({ kind: 'text', bytes: new TextEncoder().encode(value) });
const said = ({ payload }) => new TextDecoder().decode(payload.bytes);
const message = (seq, value, more) => ({
  type: 'message', channel: 'abc123', from: 'alice', seq, payload: text(value), ...more,
});
const no = (frame, code) => ({ type: 'error', ref: frame.ref, channel: frame.channel, code });

/**
 * moving is a hub whose connections are scripted, each by what it does with a frame, which returns
 * true where that was all. frames are those that came, with count, the connection; came resolves with
 * the first that fits.
 */
async function moving(t, script = () => false, { admit, ...options } = {}) {
  const frames = [];
  const waiting = [];
  let seq = 0;
  const hub = await FakeHub.start((peer, frame) => {
    frames.push({ ...frame, count: peer.count });
    if (!script(peer, frame)) {
      const answer = {
        create: () => ({ ...createdFor(frame), secret: `s${peer.count}`, epoch: peer.count, members: [] }),
        join: () => ({ ...joinedFor(frame), secret: `s${peer.count}`, epoch: peer.count }),
        resume: () => ({ ...answers[frame.channel]?.(frame) ?? joinedFor(frame), secret: `s${peer.count}`, epoch: peer.count }),
        send: () => ({ type: 'ack', ref: frame.ref, seq: ++seq }),
        leave: () => ({ type: 'left', ref: frame.ref, channel: frame.channel }),
        status: () => ({ type: 'status', ref: frame.ref, exists: false }),
      }[frame.type]?.();
      if (frame.type === 'create') {
        answers[frame.channel] = (given) => ({ ...createdFor(given), members: [] });
      }
      if (answer) {
        peer.send(answer);
      }
    }
    waiting.splice(0).forEach((look) => look());
  }, { admit });
  const answers = {};
  const came = (fits) => within(new Promise((resolve) => {
    const look = () => {
      const found = frames.find(fits);
      if (found) {
        resolve(found);
      } else {
        waiting.push(look);
      }
    };
    look();
  }), `a frame, ${fits}`);
  const client = fakeClient(t, hub, options);
  return { hub, client, frames, came, peer: (count) => hub.peers[count - 1] };
}

/** events are what a handle tells of itself. */
function events(handle) {
  const list = [];
  for (const type of ['state', 'presence', 'member', 'gap', 'closed']) {
    handle.addEventListener(type, ({ state, presence, code }) => list.push(`${type} ${state ?? presence?.state ?? code ?? ''}`));
  }
  return list;
}

const shutdown = { type: 'shutdown', timeout_ms: 0 };
const turn = () => new Promise((resolve) => {
  setTimeout(resolve, 20);
});

test('who is told of a shutdown moves, and nobody sees it', async (t) => {
  const storage = new Storage();
  const stored = [];
  const { client, came, frames, peer, hub } = await moving(t, (_, { type }) => {
    if (type === 'ping') {
      stored.push(JSON.parse(storage.getItem('kept')).abc123.epoch);
    }
  }, { storage, storageKey: 'kept' });
  const master = await client.create('abc123', 'alice');
  const told = events(master);
  peer(1).send(shutdown);
  assert.equal(await within(peer(1).closed, 'the end of the old one'), 4104);
  const resume = await came(({ type }) => type === 'resume');
  assert.deepEqual([resume.count, resume.secret, resume.epoch], [2, 's1', 1]);
  // The ticket is stored before the new hub takes this client for the holder.
  await came(({ type, count, seen }) => type === 'ping' && count === 2 && seen === 0);
  assert.deepEqual(stored, [1, 2]);
  assert.equal((await master.broadcast('hello')).seq, 1);
  assert.equal(frames.at(-1).count, 2);
  assert.equal(master.state, 'online');
  assert.deepEqual(told, []);
  assert.equal(hub.attempts, 2);
});

test('it moves after a random part of the time', async (t) => {
  t.mock.method(Math, 'random', () => 0.5);
  const { client, peer, came } = await moving(t);
  await client.join('abc123', 'ada');
  const began = performance.now();
  peer(1).send({ ...shutdown, timeout_ms: 400 });
  await came(({ type }) => type === 'resume');
  const took = performance.now() - began;
  assert.ok(took >= 199, String(took));
  assert.ok(took < 399, String(took));
});

test('what comes on the old connection counts until the answer, and not after it', async (t) => {
  const { client, peer, came } = await moving(t, (_, { type }) => type === 'resume');
  const slave = await client.join('abc123', 'ada');
  await client.join('abc124', 'ada'); // which keeps the old connection: it is not answered
  const told = events(slave);
  peer(1).send(shutdown);
  const resume = await came(({ type, channel }) => type === 'resume' && channel === 'abc123');
  assert.equal(resume.last ?? 0, 0);
  peer(1).send(message(1, 'one'));
  assert.equal((await next(slave)).text(), 'one');
  peer(2).send({ ...joinedFor(resume), epoch: 2 });
  peer(2).send(message(1, 'one'));
  peer(2).send(message(2, 'two'));
  assert.equal((await next(slave)).text(), 'two');
  peer(1).send(message(9, 'nine'));
  peer(1).send({ type: 'presence', channel: 'abc123', username: 'alice', role: 'master', state: 'away', timeout_ms: 1000 });
  peer(1).send({ type: 'gap', channel: 'abc123', missed: 3 });
  peer(1).send({ type: 'closed', channel: 'abc123', code: 'replaced' });
  await turn();
  peer(2).send(message(3, 'three'));
  assert.equal((await next(slave)).text(), 'three');
  assert.deepEqual(told, []);
});

test('what a hub that shuts down refuses is sent again, as it was and in order', async (t) => {
  const { client, peer, frames, came } = await moving(t, (on, frame) => {
    if (on.count === 1 && ['send', 'kick', 'away'].includes(frame.type)) {
      on.send(no(frame, 'shutting_down'));
      return true;
    }
    if (['kick', 'away'].includes(frame.type)) {
      on.send({ type: 'ack', ref: frame.ref });
    }
    return false;
  });
  const master = await client.create('abc123', 'alice');
  const asked = [master.broadcast('a'), master.kick('ada'), master.broadcast('b'), master.away()];
  await came(({ type }) => type === 'away');
  await turn();
  asked.push(master.broadcast('c')); // it waits behind the others
  await turn();
  const before = frames.filter(({ count, ref, type }) => count === 1 && ref && type !== 'create');
  peer(1).send(shutdown);
  assert.deepEqual(await within(Promise.all(asked), 'the answers').then(seqs), [1, undefined, 2, undefined, 3]);
  const after = frames.filter(({ count, ref, type }) => count === 2 && ref && type !== 'resume');
  assert.deepEqual(before.map(({ type }) => type), ['send', 'kick', 'send', 'away']);
  assert.deepEqual(after.map(({ type }) => type), ['send', 'kick', 'send', 'away', 'send']);
  assert.deepEqual(after.slice(0, 4).map(({ ref }) => ref), before.map(({ ref }) => ref));
  assert.deepEqual(after.filter(({ type }) => type === 'send').map(said), ['a', 'b', 'c']);
});

test('what was refused is sent again where the old connection only ends', async (t) => {
  const { client, peer, frames, came } = await moving(t, (on, frame) => {
    if (on.count === 1 && frame.type === 'send') {
      on.send(no(frame, 'shutting_down'));
      return true;
    }
    return false;
  });
  const slave = await client.join('abc123', 'ada');
  const sending = slave.send('a');
  await came(({ type }) => type === 'send');
  peer(1).close(4106, 'the hub shuts down');
  assert.equal((await within(sending, 'the answer')).seq, 1);
  assert.equal(new Set(frames.filter(({ type }) => type === 'send').map(({ ref }) => ref)).size, 1);
});

test('who gives up what was refused, or is out, knows that nothing has happened', async (t) => {
  const { client, peer, frames, came } = await moving(t, (on, frame) => {
    if (frame.type === 'send') {
      on.send(no(frame, 'shutting_down'));
      return true;
    }
    return false;
  });
  const slave = await client.join('abc123', 'ada');
  const controller = new AbortController();
  const given = slave.send('a', { signal: controller.signal });
  const asking = slave.request('b', { signal: controller.signal });
  const last = slave.send('c');
  await came((frame) => frame.type === 'send' && said(frame) === 'c');
  await turn();
  controller.abort(new Error('enough'));
  await assert.rejects(given, /enough/);
  await assert.rejects(asking, /enough/);
  peer(1).send(shutdown);
  await came(({ type, count }) => type === 'send' && count === 2);
  await turn();
  assert.deepEqual(frames.filter(({ count, type }) => count === 2 && type === 'send').map(said), ['c']);
  peer(2).send({ type: 'closed', channel: 'abc123', code: 'kicked' });
  await refused(last, 'kicked', ClosedError);
});

test('an answer of the old hub to what was sent again on the new one is not taken', async (t) => {
  let old;
  const { client, peer, came } = await moving(t, (on, frame) => {
    if (on.count === 1 && frame.type === 'send') {
      old = frame.ref;
      return true;
    }
    return frame.type === 'send' || (frame.type === 'resume' && frame.channel === 'abc124');
  });
  const slave = await client.join('abc123', 'ada');
  await client.join('abc124', 'ada');
  const sending = slave.send('a');
  await came(({ type }) => type === 'send');
  peer(1).send(shutdown);
  const { ref } = await came(({ type, count }) => type === 'send' && count === 2);
  assert.equal(ref, old);
  peer(1).send({ type: 'ack', ref, seq: 7 });
  await turn();
  peer(2).send({ type: 'ack', ref, seq: 8 });
  assert.equal((await within(sending, 'the answer')).seq, 8);
});

for (const code of ['shutting_down', 'busy', 'resume_failed', 'hub_lost', 'replaced', 'unauthorized']) {
  test(`one of two is refused by the new hub with ${code}, and stays`, async (t) => {
    let again = false;
    const { client, peer, came, hub } = await moving(t, (on, frame) => {
      if (frame.type === 'resume' && frame.channel === 'abc123' && !again) {
        on.send(no(frame, code));
        return true;
      }
      return false;
    });
    const slave = await client.join('abc123', 'ada');
    const other = await client.join('abc124', 'ada');
    const told = [events(slave), events(other)];
    peer(1).send(shutdown);
    await came(({ type, channel }) => type === 'resume' && channel === 'abc124');
    peer(1).send(message(1, 'still here'));
    assert.equal((await next(slave)).text(), 'still here');
    await slave.send('a');
    await came(({ type, count }) => type === 'send' && count === 1);
    await other.send('b');
    await came(({ type, count }) => type === 'send' && count === 2);
    again = true;
    peer(1).close(4106, 'the hub shuts down');
    await came(({ type, channel, count }) => type === 'resume' && channel === 'abc123' && count === 2);
    await slave.send('c');
    await came((frame) => frame.type === 'send' && frame.count === 2 && said(frame) === 'c');
    assert.deepEqual(told, [[], []]);
    assert.equal(hub.attempts, 2);
  });
}

test('who is refused again when the old connection has ended is out', async (t) => {
  const { client, peer, came } = await moving(t, (on, frame) => {
    if (frame.type === 'resume') {
      on.send(no(frame, 'resume_failed'));
    }
    return frame.type === 'resume';
  });
  const slave = await client.join('abc123', 'ada');
  peer(1).send(shutdown);
  await came(({ type }) => type === 'resume');
  await turn();
  assert.equal(slave.state, 'online');
  peer(1).close(4106);
  assert.equal((await within(slave.closed, 'the end')).code, 'resume_failed');
});

test('where no new connection comes about, one attempt is made, and what there is stays', async (t) => {
  const { client, peer, hub } = await moving(t, undefined, { admit: (attempt) => attempt !== 2 });
  const slave = await client.join('abc123', 'ada');
  const told = events(slave);
  peer(1).send(shutdown);
  await turn();
  await turn();
  assert.equal((await slave.send('a')).seq, 1);
  assert.equal(hub.attempts, 2);
  assert.deepEqual(told, []);
  peer(1).send(shutdown); // told again, it is the same
  await turn();
  assert.equal(hub.attempts, 2);
  peer(1).close(4106);
  await happens(slave, 'state', ({ state }) => state === 'online');
  assert.equal(hub.connections, 2);
});

test('the attempt that hangs becomes the next connection where the old one ends', async (t) => {
  let admit;
  const admitted = new Promise((resolve) => {
    admit = resolve;
  });
  const { client, peer, hub } = await moving(t, undefined, { admit: (attempt) => attempt === 1 || admitted });
  const slave = await client.join('abc123', 'ada');
  peer(1).send(shutdown);
  while (hub.attempts < 2) {
    await turn();
  }
  peer(1).close(4106, 'the hub shuts down');
  await inState(slave, 'reconnecting');
  const sending = slave.send('a');
  await turn();
  admit(true);
  assert.equal((await within(sending, 'the answer')).seq, 1);
  assert.equal(slave.state, 'online');
  assert.equal(hub.attempts, 2);
});

test('the old connection ends, or its membership is replaced, before the answer to the resume', async (t) => {
  for (const end of [
    (peer) => peer.terminate(), (peer) => peer.close(4106), (peer) => peer.close(4102),
    (peer) => peer.send({ type: 'closed', channel: 'abc123', code: 'replaced' }),
  ]) {
    let resume;
    const { client, peer, came } = await moving(t, (_, frame) => {
      if (frame.type === 'resume') {
        resume = frame;
      }
      return frame.type === 'resume';
    });
    const slave = await client.join('abc123', 'ada');
    const told = events(slave);
    peer(1).send(shutdown);
    await came(({ type }) => type === 'resume');
    end(peer(1));
    await turn();
    const sending = slave.send('a');
    await turn();
    peer(2).send({ ...joinedFor(resume), epoch: 2 });
    assert.equal((await within(sending, 'the answer')).seq, 1);
    assert.deepEqual(told, []);
  }
});

test('both connections end before the answer to the resume', async (t) => {
  const { client, peer, came, hub } = await moving(t, (on, { type }) => on.count === 2 && type === 'resume');
  const slave = await client.join('abc123', 'ada');
  const told = events(slave);
  peer(1).send(shutdown);
  await came(({ type }) => type === 'resume');
  peer(1).close(4106);
  await turn();
  assert.deepEqual(told, []);
  peer(2).terminate();
  await happens(slave, 'state', ({ state }) => state === 'online');
  assert.deepEqual(told, ['state reconnecting', 'presence unknown', 'presence online', 'state online']);
  assert.equal(hub.attempts, 3);
});

test('who detaches knows that nothing has happened of what was refused', async (t) => {
  const { client, came } = await moving(t, (on, frame) => {
    if (frame.type === 'send') {
      on.send(no(frame, 'shutting_down'));
    }
    return frame.type === 'send';
  }, { closeTimeout: 100 });
  const slave = await client.join('abc123', 'ada');
  const sending = refused(slave.send('a'), 'detached', ClosedError);
  await came(({ type }) => type === 'send');
  const [ticket] = await client.detach();
  await sending;
  assert.equal(ticket.channel, 'abc123');
});

test('replaced by another client before it moves is the end', async (t) => {
  const { client, peer } = await moving(t, undefined, { admit: (attempt) => attempt === 1 || new Promise(() => {}) });
  const slave = await client.join('abc123', 'ada');
  peer(1).send(shutdown);
  await turn();
  peer(1).send({ type: 'closed', channel: 'abc123', code: 'replaced' });
  assert.equal((await within(slave.closed, 'the end')).code, 'replaced');
});

test('the new connection ends before anything has moved', async (t) => {
  const { client, peer, came, hub } = await moving(t, (on, frame) => {
    if (frame.type === 'resume' && on.count === 2) {
      on.terminate();
    }
    return frame.type === 'resume' && on.count === 2;
  });
  const slave = await client.join('abc123', 'ada');
  const told = events(slave);
  peer(1).send(shutdown);
  await came(({ type }) => type === 'resume');
  await turn();
  assert.equal((await slave.send('a')).seq, 1);
  assert.deepEqual(told, []);
  assert.equal(hub.attempts, 2);
  peer(1).close(4106);
  await happens(slave, 'state', ({ state }) => state === 'online');
  assert.equal(hub.attempts, 3);
});

test('the new connection ends when one of two has moved', async (t) => {
  const { client, peer, came, hub } = await moving(t, (on, frame) => {
    if (frame.type === 'resume' && on.count === 2 && frame.channel === 'abc124') {
      return true;
    }
    return false;
  });
  const slave = await client.join('abc123', 'ada');
  const other = await client.join('abc124', 'ada');
  const told = [events(slave), events(other)];
  peer(1).send(shutdown);
  await came(({ type, channel }) => type === 'resume' && channel === 'abc124');
  await slave.send('a');
  await came(({ type, count }) => type === 'send' && count === 2);
  peer(2).terminate();
  await happens(slave, 'state', ({ state }) => state === 'online');
  assert.equal(await within(peer(1).closed, 'the end of the old one'), 4104);
  await other.send('b');
  assert.equal((await came((frame) => frame.type === 'send' && said(frame) === 'b')).count, 3);
  assert.deepEqual(told, [['state reconnecting', 'presence unknown', 'presence online', 'state online'], []]);
  assert.equal(hub.attempts, 3);
});

test('only a real change of the master is told', async (t) => {
  const master = { username: 'alice', state: 'online' };
  const { client, peer, came } = await moving(t, (on, frame) => {
    if (frame.type === 'resume') {
      on.send({ ...joinedFor(frame), epoch: on.count, master });
      if (master.state === 'away') {
        on.send({ type: 'presence', channel: frame.channel, username: 'alice', role: 'master', state: 'away', timeout_ms: 5000 });
      }
      return true;
    }
    return false;
  });
  const slave = await client.join('abc123', 'ada');
  const told = events(slave);
  const move = async (count, state, username = 'alice') => {
    Object.assign(master, { state, username });
    peer(count).send(shutdown);
    await within(peer(count).closed, 'the end of the old one');
    await came((frame) => frame.type === 'resume' && frame.count === count + 1);
    await turn();
    return told.splice(0);
  };
  assert.deepEqual(await move(1, 'online'), []);
  assert.deepEqual(await move(2, 'away'), ['presence away']);
  assert.deepEqual(await move(3, 'away'), []);
  assert.equal(slave.master.state, 'away');
  assert.deepEqual(await move(4, 'online'), ['presence online']);
  // Another master is a change, however it is.
  assert.deepEqual(await move(5, 'online', 'bob'), ['presence online']);
  assert.equal(slave.master.username, 'bob');
});

test('who has left is told once, though it moves again before what was missed has come', async (t) => {
  const { client, peer, came } = await moving(t, (on, frame) => {
    if (!['create', 'resume'].includes(frame.type)) {
      return false;
    }
    const members = on.count === 1 ? [{ username: 'bob', state: 'online', number: 1 }] : [];
    on.send({ ...createdFor(frame), epoch: on.count, members, seq: on.count === 1 ? 0 : 2 });
    return true;
  });
  const master = await client.create('abc123', 'alice');
  const told = events(master);
  for (const count of [1, 2]) {
    peer(count).send(shutdown);
    await came((frame) => frame.type === 'ping' && frame.count === count + 1);
  }
  peer(3).send(message(1, 'one', { from: 'bob' }));
  peer(3).send(message(2, 'two', { from: 'bob' }));
  await happens(master, 'member', ({ presence }) => presence.state === 'gone');
  await turn();
  assert.deepEqual(told, ['member gone']);
});

test('a gather that is open has one part for each', async (t) => {
  const members = ['ada', 'bob', 'eve'].map((username, index) => ({ username, state: 'online', number: index + 1 }));
  const { client, peer, came } = await moving(t, (on, frame) => {
    if (frame.type === 'create' || frame.type === 'resume') {
      on.send({ ...createdFor(frame), epoch: on.count, members, seq: on.count === 1 ? 0 : 2 });
    } else if (frame.type === 'awaiting') {
      on.send({ ...frame, members: [members[2]] });
    }
    return frame.type !== 'send';
  });
  const master = await client.create('abc123', 'alice');
  const parts = all(master.gather('ready?'));
  await came(({ type }) => type === 'send');
  const answer = (from, seq) => message(seq, `of ${from}`, { from, reply: 1 });
  peer(1).send(answer('ada', 1));
  peer(1).send(shutdown);
  await came(({ type }) => type === 'resume');
  peer(2).send(answer('ada', 1));
  peer(2).send(answer('bob', 2));
  peer(1).send(answer('bob', 2));
  await came(({ type, count }) => type === 'awaiting' && count === 2);
  peer(2).send(answer('eve', 3));
  assert.deepEqual(await within(parts, 'the parts'), [['ada', 'of ada'], ['bob', 'of bob'], ['eve', 'of eve']]);
});

test('a switch that is under way is answered where it was asked for, and both ends of it move', async (t) => {
  for (const granted of [true, false]) {
    let switching;
    const { client, peer, came, frames } = await moving(t, (on, frame) => {
      if (frame.type === 'join' && frame.from && on.count === 1) {
        switching = frame;
        return true;
      }
      return false;
    });
    const slave = await client.join('abc123', 'ada');
    await client.join('abc125', 'ada');
    const moved = slave.switch('abc124');
    await came(({ type, from }) => type === 'join' && from === 'abc123');
    peer(1).send(shutdown);
    await came(({ type, channel }) => type === 'resume' && channel === 'abc125');
    await turn();
    peer(1).send(granted ? { ...joinedFor(switching), epoch: 1 } : no(switching, 'shutting_down'));
    assert.equal((await within(moved, 'the switch')).channel, 'abc124');
    assert.equal(await within(peer(1).closed, 'the end of the old one'), 4104);
    const resumes = frames.filter(({ type, count }) => type === 'resume' && count === 2).map(({ channel }) => channel);
    assert.deepEqual(resumes, granted ? ['abc125', 'abc124'] : ['abc125', 'abc123']);
  }
});

test('a hand-over that is under way is answered where it was asked for, and no token is got for it meanwhile', async (t) => {
  const asked = [];
  let handing;
  const { client, peer, came } = await moving(t, (_, frame) => {
    if (frame.type === 'hand_over') {
      handing = frame;
    }
    return frame.type === 'hand_over';
  }, {
    token: ({ operation, channel }) => {
      asked.push(`${operation} ${channel}`);
      return 't';
    },
  });
  const tokens = () => asked.filter((each) => each === 'resume abc123').length;
  const master = await client.create('abc123', 'alice');
  await client.join('abc124', 'ada');
  await client.join('abc125', 'ada');
  const given = assert.rejects(master.handOver('one'), { code: 'busy' });
  await came(({ type }) => type === 'hand_over');
  peer(1).send(shutdown);
  await came(({ type, channel }) => type === 'resume' && channel === 'abc124');
  await came(({ type, channel }) => type === 'resume' && channel === 'abc125');
  await turn();
  assert.equal(tokens(), 1, 'before the connection was made');
  peer(1).send(no(handing, 'busy'));
  await given;
  await came(({ type, channel, count }) => type === 'resume' && channel === 'abc123' && count === 2);
  assert.equal(tokens(), 2);
  assert.equal(await within(peer(1).closed, 'the end of the old one'), 4104);
  assert.equal(master.state, 'online');
});

test('calls that a hub refuses that shuts down are made on the next connection', async (t) => {
  const { client, peer, came, hub } = await moving(t, (on, frame) => {
    if (on.count === 1 && frame.type !== 'ping' && frame.username !== 'first') {
      on.send(no(frame, 'shutting_down'));
      return true;
    }
    return false;
  });
  await client.join('abc122', 'first');
  const calls = [
    client.create('abc123', 'alice'), client.join('abc124', 'ada'), client.status('abc125'),
    client.resumeSlave({ channel: 'abc126', username: 'ada', role: 'slave', resume: 'x' }),
  ];
  await came(({ type }) => type === 'status');
  await turn();
  peer(1).send(shutdown);
  const [master, slave] = await within(Promise.all(calls), 'the calls');
  assert.equal(master.state, 'online');
  assert.equal((await slave.send('a')).seq, 1);
  assert.equal(await within(peer(1).closed, 'the end of the old one'), 4104);
  assert.equal(hub.attempts, 2);
});

test('a call that is refused where nothing else is on the connection', async (t) => {
  const { client, hub } = await moving(t, (on, frame) => {
    if (on.count === 1) {
      on.send(no(frame, 'shutting_down'));
    }
    return on.count === 1;
  });
  assert.equal((await within(client.join('abc123', 'ada'), 'the join')).state, 'online');
  assert.equal(hub.attempts, 2);
  const controller = new AbortController();
  controller.abort(new Error('enough'));
  await assert.rejects(client.join('abc124', 'ada', { signal: controller.signal }), /enough/);
});

test('calls during a move', async (t) => {
  let answer;
  const { client, peer, came } = await moving(t, (on, frame) => {
    if (on.count === 1 && frame.channel === 'abc124') {
      answer = () => on.send({ ...joinedFor(frame), epoch: 1 });
      return true;
    }
    return on.count === 2 && frame.type === 'resume' && frame.channel === 'abc123';
  });
  await client.join('abc123', 'ada');
  const joining = client.join('abc124', 'ada'); // asked for on the old one, and answered there
  await came(({ channel }) => channel === 'abc124');
  peer(1).send(shutdown);
  const resume = await came(({ type }) => type === 'resume');
  const slave = await within(client.join('abc125', 'ada'), 'the join on the new one');
  await slave.send('a');
  assert.equal((await came(({ type }) => type === 'send')).count, 2);
  peer(2).send({ ...joinedFor(resume), epoch: 2 });
  await turn();
  answer();
  const late = await within(joining, 'the join on the old one');
  assert.equal(await within(peer(1).closed, 'the end of the old one'), 4104);
  await late.send('b');
  assert.equal((await came((frame) => frame.type === 'send' && said(frame) === 'b')).count, 2);
});

test('a leave that a hub refuses that shuts down is carried out by the next one', async (t) => {
  const { client, peer, came } = await moving(t, (on, frame) => {
    if (on.count === 1 && frame.type === 'leave') {
      on.send(no(frame, 'shutting_down'));
      return true;
    }
    return false;
  });
  const slave = await client.join('abc123', 'ada');
  const leaving = slave.leave();
  await came(({ type }) => type === 'leave');
  peer(1).send(shutdown);
  await came(({ type, count }) => type === 'leave' && count === 2);
  await within(leaving, 'the leave');
  assert.equal(slave.error.code, 'left');
});

test('who leaves before the resume is answered is not left behind on the new connection', async (t) => {
  const { client, peer, came } = await moving(t, (_, { type }) => type === 'resume');
  const slave = await client.join('abc123', 'ada');
  peer(1).send(shutdown);
  await came(({ type }) => type === 'resume');
  await within(slave.leave(), 'the leave');
  await came(({ type, count }) => type === 'leave' && count === 2);
});

test('calls that the old hub refuses when the new connection is there are made on that one, with fresh tokens', async (t) => {
  const waiting = [];
  let made = 0;
  const { client, peer, came } = await moving(t, (on, frame) => {
    if (on.count === 1 && ['abc124', 'abc125'].includes(frame.channel)) {
      waiting.push(frame);
      return true;
    }
    return on.count === 2 && frame.type === 'resume';
  }, { token: () => `t${++made}` });
  await client.join('abc123', 'ada');
  const calls = [client.join('abc124', 'ada'), client.status('abc125')];
  await came(({ channel }) => channel === 'abc124');
  await came(({ type }) => type === 'status');
  peer(1).send(shutdown);
  const { token } = await came(({ type }) => type === 'resume');
  waiting.forEach((frame) => peer(1).send(no(frame, 'shutting_down')));
  const [slave] = await within(Promise.all(calls), 'the calls');
  assert.equal(slave.state, 'online');
  const again = await came(({ type, count }) => type === 'join' && count === 2);
  assert.ok(Number(again.token.slice(1)) > Number(token.slice(1)), again.token);
  assert.equal((await came(({ type, count }) => type === 'status' && count === 2)).channel, 'abc125');
});

test('a call is not kept waiting where no move is to come', async (t) => {
  const { client, peer, hub } = await moving(t, (on, frame) => {
    if (on.count === 1 && frame.type === 'join') {
      on.send(no(frame, 'shutting_down'));
      return true;
    }
    return false;
  });
  await client.status('abc123');
  peer(1).send(shutdown);
  await turn();
  assert.equal(hub.attempts, 1); // there was nothing to move
  await within(client.join('abc123', 'ada'), 'the join');
  assert.equal(hub.attempts, 2);
});

test('a hub that shuts down as often as somebody comes is not asked all the time', async (t) => {
  t.mock.method(Math, 'random', () => 1);
  const { client, hub } = await moving(t, (on, { type }) => {
    if (type === 'ping') {
      on.send(shutdown);
    }
  }, { minBackoff: 20, maxBackoff: 10_000 });
  await client.create('abc123', 'alice');
  await new Promise((resolve) => {
    setTimeout(resolve, 400);
  });
  assert.ok(hub.attempts <= 21, String(hub.attempts)); // one each 20 ms
});

test('a hub that is replaced many times in a row is no failing connection', async (t) => {
  const { client, peer, came } = await moving(t, undefined, { minBackoff: 1, maxBackoff: 600_000 });
  const master = await client.create('abc123', 'alice');
  for (let count = 1; count < 25; count++) {
    peer(count).send(shutdown);
    await came((frame) => frame.type === 'resume' && frame.count === count + 1);
    await within(peer(count).closed, `the end of connection ${count}`);
  }
  assert.equal(master.state, 'online');
});

test('fresh tokens are shown at each resume', async (t) => {
  let made = 0;
  const { client, peer, came } = await moving(t, (on, frame) => {
    if (frame.type === 'resume' && frame.token === 't2') {
      on.send(no(frame, 'busy'));
      return true;
    }
    return false;
  }, { token: () => `t${++made}` });
  const slave = await client.join('abc123', 'ada');
  peer(1).send(shutdown);
  await came(({ type, token }) => type === 'resume' && token === 't2');
  await turn();
  peer(1).close(4106);
  await came(({ type, token, count }) => type === 'resume' && token === 't3' && count === 2);
  assert.equal((await slave.send('a')).seq, 1);
});

test('without a token for the move it stays', async (t) => {
  let made = 0;
  const { client, peer, hub } = await moving(t, undefined, {
    token: () => {
      if (++made === 2) {
        throw new Error('not today');
      }
      return `t${made}`;
    },
  });
  const slave = await client.join('abc123', 'ada');
  peer(1).send(shutdown);
  await turn();
  assert.equal(slave.state, 'online');
  assert.equal(hub.attempts, 1);
  peer(1).close(4106);
  await happens(slave, 'state', ({ state }) => state === 'online');
});

// A page that can be put away. It stays for the other tests, whose clients may still end.
function page() {
  if (!globalThis.dispatchEvent) {
    const target = new EventTarget();
    for (const name of ['addEventListener', 'removeEventListener', 'dispatchEvent']) {
      globalThis[name] = target[name].bind(target);
    }
  }
}

for (const [how, end, number, after] of [
  ['closed', (client) => client.close(), 4005, 'closed'],
  ['detached', (client) => client.detach(), 4104, 'closed'],
  ['put away', () => globalThis.dispatchEvent(new Event('pagehide')), 4104, 'reconnecting'],
]) {
  test(`a client that is ${how} during a move ends both connections`, async (t) => {
    page();
    const { client, peer, came, hub } = await moving(t, (on, { type, channel }) => type === 'resume' && channel === 'abc123');
    const slave = await client.join('abc123', 'ada');
    const other = await client.join('abc124', 'ada');
    peer(1).send(shutdown);
    await came(({ type, channel }) => type === 'resume' && channel === 'abc124');
    await other.send('a');
    await end(client);
    const numbers = await within(Promise.all([peer(1).closed, peer(2).closed]), 'both ends');
    if (how !== 'put away') { // what is abandoned has no closing handshake to wait for
      assert.deepEqual(numbers, [number, number]);
    }
    await inState(slave, after);
    await inState(other, after);
    await turn();
    assert.equal(hub.attempts, 2);
  });

  test(`a client that is ${how} while the attempt is under way ends both`, async (t) => {
    page();
    let admit;
    const admitted = new Promise((resolve) => {
      admit = resolve;
    });
    const { client, peer, hub } = await moving(t, undefined, { admit: (attempt) => attempt === 1 || admitted });
    const slave = await client.join('abc123', 'ada');
    peer(1).send(shutdown);
    while (hub.attempts < 2) {
      await turn();
    }
    await end(client);
    await within(peer(1).closed, 'the end');
    admit(true);
    await inState(slave, after);
    await turn();
    await turn();
    assert.equal(hub.connections, 1);
    assert.equal(hub.attempts, 2);
  });
}
