// Every frame of the protocol that the story has no need of, by the newest client.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { Hub } from './support/hub.js';
import { Member, clients } from './support/member.js';
import { arrives, starOf } from './support/star.js';

const { url } = await Hub.start({ after });
let count = 0;

test('attributes', async (t) => {
  const { channel, master, slaves: [slave] } = await starOf(t, url, {}, 'user_one');
  const bytes = Buffer.from([1, 2]);
  for (const value of [{ page: 2 }, 'text', bytes]) {
    const { seq } = await master.does('set', 'slide', value);
    const [key, got, about] = await slave.next('attribute');
    assert.deepEqual([key, Buffer.isBuffer(value) ? Buffer.from(got) : got], ['slide', value]);
    assert.deepEqual([about.from, about.seq], ['alice', seq]);
  }
  await slave.does('set', 'hand', 'up');
  const [key, value, { from }] = await master.next('attribute');
  assert.deepEqual([key, value, from], ['hand', 'up', 'user_one']);
  await slave.does('set', 'hand');
  assert.equal((await master.next('attribute'))[2].deleted, true);

  const late = new Member(t, url, { auth: { channel, username: 'late', attributes: { class: { text: '7b' } } } });
  const [{ attributes }] = await master.until('presence', ({ username }) => username === 'late');
  assert.deepEqual(attributes, { class: { text: '7b' } });
  const [name, is] = await late.next('attribute'); // who joins late sees the last value
  assert.deepEqual([name, Buffer.from(is)], ['slide', bytes]);
});

test('a door', async (t) => {
  const { channel, master } = await starOf(t, url, {});
  await master.does('door', 'knock');
  const one = new Member(t, url, { auth: { channel, username: 'user_one' } });
  assert.equal((await one.next('waiting'))[0].for, 'door');
  await one.next('connect'); // its user can be told so
  const [knock] = await master.next('knock');
  assert.deepEqual([knock.username, knock.on], ['user_one', true]);
  await master.does('admit', knock.knock);
  assert.equal((await one.next('joined'))[0].channel, channel);

  const two = new Member(t, url);
  await two.next('connect');
  const denied = two.ask('channel', channel, { username: 'user_two' });
  const [second] = await master.until('knock', ({ username, on }) => username === 'user_two' && on);
  await master.does('deny', second.knock, { reason: 'who are you?' });
  const { error, message } = await denied;
  assert.deepEqual([error, message], ['denied', 'who are you?']);

  await master.does('door', 'locked');
  assert.equal((await two.ask('channel', channel)).error, 'locked');
  await master.does('door', 'open');
  await two.does('channel', channel);
  assert.equal((await master.ask('admit', 12345)).error, 'no_such_slave');
});

test('who waits for a channel', async (t) => {
  const channel = `waited for ${count++}`;
  const slave = new Member(t, url);
  await slave.next('connect');
  const joined = slave.does('channel', channel, { username: 'user_one', wait: true });
  assert.equal((await slave.next('waiting'))[0].for, 'master');
  const master = new Member(t, url, { auth: { channel, username: 'alice', role: 'master' } });
  assert.equal((await joined).master.username, 'alice');
  await arrives(master, 'user_one');
});

test('quiet, for one and for all', async (t) => {
  const { master, slaves: [one, two] } = await starOf(t, url, {}, 'user_one', 'user_two');
  await master.does('mute', 'user_one');
  assert.equal((await one.next('muted'))[0].on, true);
  assert.equal((await one.ask('message', 'but')).error, 'muted');
  await two.does('message', 'I may');
  await master.does('unmute', 'user_one');
  assert.equal((await one.next('muted'))[0].on, false);
  await one.does('message', 'again');
  await master.does('mute');
  await Promise.all([one, two].map(async (slave) => assert.equal((await slave.next('muted'))[0].on, true)));
  await master.does('unmute');
  await Promise.all([one, two].map(async (slave) => assert.equal((await slave.next('muted'))[0].on, false)));
});

test('the channel handed over, and back', async (t) => {
  const { channel, master, slaves: [slave, witness] } = await starOf(t, url, {}, 'user_one', 'user_two');
  await master.does('handover', 'user_one', { stay: true });
  assert.equal((await master.next('joined'))[0].master.username, 'user_one');
  const [created] = await slave.next('created');
  assert.deepEqual(created.members.map(({ username }) => username).sort(), ['alice', 'user_two']);
  assert.equal((await witness.until('presence', ({ role, username }) => role === 'master' && username === 'user_one'))[0].state, 'online');
  assert.equal((await slave.ask('message', 'too soon')).error, 'role_changed');
  await slave.does('confirm', { channel, epoch: created.epoch });
  await slave.does('message', 'I am the master now');
  assert.equal((await witness.next('message'))[1].from, 'user_one');
  assert.equal((await master.next('message'))[1].from, 'user_one');

  await slave.does('handover', 'alice'); // and leaves
  assert.equal((await slave.next('closed'))[0].code, 'handed_over');
  await master.next('created');
});

test('a list of many slaves, in pages and as counts', async (t) => {
  const { master } = await starOf(t, url, {}, 'user_one', 'user_two', 'user_three');
  const first = await master.does('members', { limit: 2 });
  assert.deepEqual(first.members.map(({ username }) => username), ['user_one', 'user_two']);
  assert.equal(first.more, true);
  const rest = await master.does('members', { after: first.members[1].number });
  assert.deepEqual(rest.members.map(({ username }) => username), ['user_three']);
  assert.equal(rest.more, undefined);
  assert.equal((await master.does('members')).members.length, 3);

  const channel = `counted ${count++}`;
  const counting = new Member(t, url, { auth: { channel, username: 'alice', role: 'master', roster: 'count' } });
  await counting.next('created');
  const slave = new Member(t, url, { auth: { channel, username: 'user_one' } });
  await slave.next('joined');
  assert.equal((await counting.until('members', ({ online }) => online === 1))[0].away, undefined);
  counting.nothing('presence');
});

test('topics, expiry, and what is confirmed', async (t) => {
  const { channel, master, slaves: [slave] } = await starOf(t, url, {}, 'user_one');
  await master.does('message', { page: 7 }, { topic: 'slide', expires_ms: 60_000 });
  const [, { topic, expires_ms: left, seq }] = await slave.next('message');
  assert.equal(topic, 'slide');
  assert.ok(left > 0 && left <= 60_000);
  await slave.does('confirm', seq);
  await master.does('refresh', 'a new token', { channel });
  assert.equal((await master.ask('message', 'late', { expires_ms: 0 })).error, 'bad_frame');
});

test('a request is declined, withdrawn, asked about and answered by its number', async (t) => {
  const { master, slaves: [slave] } = await starOf(t, url, {}, 'user_one');
  const declined = master.ask('request', 'now?', { to: 'user_one' });
  const [, { seq }] = await slave.next('request');
  await slave.does('decline', seq, { code: 'not_now', message: 'ask me again' });
  assert.deepEqual(await declined, { ok: false, from: 'user_one', error: 'not_now', message: 'ask me again' });

  const answered = slave.ask('request', 'and you?');
  const [, about] = await master.next('request');
  await master.does('reply', about.seq, 'yes', { to: about.from });
  assert.deepEqual(await answered, { ok: true, from: 'alice', data: 'yes' });

  // One without a callback is answered by a message.
  master.socket.emit('request', 'later?');
  const [, later, reply] = await slave.next('request');
  const { members } = await master.does('awaiting', later.seq);
  assert.deepEqual(members.map(({ username }) => username), ['user_one']);
  reply('sure');
  assert.deepEqual((await master.until('message', () => true)).slice(0, 1), ['sure']);

  master.socket.emit('request', 'never mind');
  const [, never] = await slave.next('request');
  await master.does('withdraw', never.seq);
  assert.equal((await slave.ask('reply', never.seq, 'too late')).error, 'no_such_request');
});

test('a question to all whose time is up', async (t) => {
  const { master, slaves } = await starOf(t, url, {}, 'user_one', 'user_two');
  const answers = master.does('gather', 'ready?', { timeout: 100 });
  const [[, , reply]] = await Promise.all(slaves.map((slave) => slave.next('request')));
  const all = (await answers).answers;
  assert.deepEqual(all.map(({ from, error }) => [from, error]).sort(), [['user_one', 'timeout'], ['user_two', 'timeout']]);
  reply('late');
  assert.equal((await slaves[0].next('refused'))[0].code, 'no_such_request');
});

test('the master is away, and back', async (t) => {
  const { channel, master, slaves: [slave] } = await starOf(t, url, {}, 'user_one');
  await master.does('away');
  const [away] = await slave.next('presence');
  assert.deepEqual([away.username, away.role, away.state], ['alice', 'master', 'away']);
  const { exists, master: who, timeout_ms: left } = await slave.does('status', channel);
  assert.deepEqual([exists, who.state], [true, 'away']);
  assert.ok(left > 0);
  await master.does('back');
  assert.equal((await slave.next('presence'))[0].state, 'online');
  assert.equal((await slave.does('status', 'nowhere')).exists, false);
});

test('several channels on one socket', async (t) => {
  const first = await starOf(t, url, {}, 'user_one');
  const second = await starOf(t, url, {});
  const [slave] = first.slaves;
  await slave.does('join', second.channel);
  await slave.does('message', 'to the second');
  await slave.does('message', 'to the first', { channel: first.channel });
  assert.equal((await second.master.next('message'))[0], 'to the second');
  assert.equal((await first.master.next('message'))[0], 'to the first');
  await slave.does('leave', second.channel);
  await slave.does('message', 'still here');
  assert.equal((await first.master.next('message'))[0], 'still here');
});

test('a membership is resumed by its secret', async (t) => {
  const { channel, master } = await starOf(t, url, {});
  const lost = new Member(t, url, { auth: { channel, username: 'user_one' }, reconnection: false });
  const [{ resume }] = await lost.next('joined');
  await master.does('message', 'one');
  const [, { seq }] = await lost.next('message');
  lost.socket.io.engine.close();
  await master.until('presence', ({ state }) => state === 'away');
  await master.does('message', 'two');

  const back = new Member(t, url);
  await back.next('connect');
  const { epoch } = await back.does('resume', { channel, username: 'user_one', resume, last: seq });
  assert.equal(epoch, 2);
  assert.equal((await back.next('message'))[0], 'two');
  assert.equal((await back.ask('resume', { channel, username: 'user_one', resume: 'wrong' })).error, 'resume_failed');
});

test('one namespace, and names that are kept', async (t) => {
  const other = new Member(t, `${url}/admin`);
  assert.equal((await other.refused()).message, 'Invalid namespace');
  const socket = clients['4.8.4'](url, { autoConnect: false });
  assert.throws(() => socket.emit('connect', 'abc123'), /reserved/);
});
