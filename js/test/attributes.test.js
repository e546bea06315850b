import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { Attribute, AttributeEvent, ClosedError, RefusedError, json } from '../lectern.js';
import { framed } from './support/frames.js';
import { LIMIT, Stage, happens, inState, member, next, refused, within } from './support/stage.js';
import { Storage } from './support/storage.js';

/** valueOf is what an attribute has been given. */
const valueOf = (attribute) => (attribute.kind === 'json' ? attribute.json() : attribute.text());

/** plain is what a map of attributes has, as an object. */
const plain = (attributes) => Object.fromEntries([...attributes].map(([key, attribute]) => [key, valueOf(attribute)]).sort());

/** until resolves when something is so, which changes by events of the handle. */
async function until(handle, what, is) {
  while (!is()) {
    await within(Promise.race(['attribute', 'state', 'member'].map((type) => happens(handle, type))), what);
  }
}

/** shows resolves when a map of attributes of the handle has become so. */
async function shows(handle, read, wanted) {
  const same = () => JSON.stringify(plain(read())) === JSON.stringify(plain(new Map(
    Object.entries(wanted).map(([key, value]) => [key, { kind: 'json', json: () => value }]))));
  await until(handle, JSON.stringify(wanted), same);
}

/** events takes what a handle tells of messages and attributes, up to the message with the text. */
async function events(handle, last) {
  const list = [];
  for await (const event of handle.events({ signal: AbortSignal.timeout(LIMIT) })) {
    if (event.type === 'message' && event.text() === last) {
      return list;
    }
    if (event.type === 'message') {
      list.push(event.text());
    } else if (event.type === 'attribute') {
      list.push(event.deleted ? `${event.key} gone` : `${event.key} ${valueOf(event)}`);
    } else if (event.type === 'gap') {
      list.push(`gap ${event.missed}`);
    }
  }
  throw handle.error;
}

test('an attribute is seen by its others, whenever they come', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice', { attributes: { title: 'On names', agenda: json(['one', 'two']), no: undefined } });
  const slave = await stage.client().join('abc123', 'user_one', { attributes: { hand: 'down', photo: new Uint8Array([0, 255]) } });
  await member(master, 'user_one', 'online');
  await shows(slave, () => slave.masterAttributes, { title: 'On names', agenda: ['one', 'two'] });
  await until(master, 'those of the slave', () => master.attributesOf('user_one').size === 2);
  assert.deepEqual(master.attributesOf('user_one').get('photo').bytes(), new Uint8Array([0, 255]));
  assert.deepEqual(plain(master.attributes), { title: 'On names', agenda: ['one', 'two'] });
  assert.deepEqual(Object.keys(plain(slave.attributes)), ['hand', 'photo']);

  await master.setAttribute('slide', { page: 2 });
  await master.deleteAttribute('title');
  await slave.setAttribute('hand', 'up');
  await slave.deleteAttribute('photo');
  assert.equal(await master.deleteAttribute('not there'), undefined);
  await shows(slave, () => slave.masterAttributes, { agenda: ['one', 'two'], slide: { page: 2 } });
  await shows(master, () => master.attributesOf('user_one'), { hand: 'up' });
  assert.deepEqual(plain(master.attributes), { agenda: ['one', 'two'], slide: { page: 2 } });
  assert.deepEqual(plain(slave.attributes), { hand: 'up' });

  const late = await stage.client().join('abc123', 'late');
  await shows(late, () => late.masterAttributes, { agenda: ['one', 'two'], slide: { page: 2 } });
  const attribute = late.masterAttributes.get('slide');
  assert.ok(attribute instanceof Attribute);
  assert.deepEqual([attribute.type, attribute.from, attribute.key, attribute.deleted, attribute.kind, attribute.size],
    ['attribute', 'alice', 'slide', false, 'json', 10]);
  assert.deepEqual(plain(late.attributes), {});
  assert.deepEqual(plain(master.attributesOf('late')), {});
  assert.deepEqual(plain(master.attributesOf('nobody')), {});

  const event = happens(master, 'attribute');
  const other = await slave.switch('abc123', {}).catch((error) => error);
  assert.equal(other.code, 'forbidden');
  await slave.setAttribute('hand', 'down');
  assert.ok(await event instanceof AttributeEvent);
  assert.equal((await event).attribute, master.attributesOf('user_one').get('hand'));
  const room = await stage.client().create('abc124', 'bob', { attributes: { title: 'Another' } });
  const moved = await slave.switch('abc124', { attributes: { hand: 'new' } });
  await member(room, 'user_one', 'online');
  await shows(room, () => room.attributesOf('user_one'), { hand: 'new' });
  await shows(moved, () => moved.masterAttributes, { title: 'Another' });
  await member(master, 'user_one', 'gone');
  assert.equal(master.attributesOf('user_one').size, 0, 'they end with the membership');
});

test('changes are in one order with messages, and where they wait only the newest is told', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  const quick = await stage.client({}).join('abc123', 'user_two');
  const seen = events(quick, 'end');
  await master.broadcast('one');
  for (let page = 1; page <= 1000; page++) {
    master.setAttribute('slide', page);
  }
  await master.setAttribute('title', 'x');
  await until(quick, 'the last of them', () => quick.masterAttributes.get('title'));
  await master.broadcast('two');
  await master.setAttribute('title', 'y');
  await master.deleteAttribute('slide');
  await until(quick, 'the deletion', () => !quick.masterAttributes.has('slide'));
  await master.setAttribute('page', 7);
  assert.equal((await master.broadcast('end')).seq, 1007, 'they have numbers of the same order');
  const all = await within(seen, 'what the quick one has seen');
  assert.deepEqual(all.filter((each) => !/^slide \d/.test(each)), ['one', 'title x', 'two', 'title y', 'slide gone', 'page 7']);
  const pages = all.flatMap((each) => /^slide (\d+)/.exec(each)?.[1] ?? []).map(Number);
  assert.equal(pages.at(-1), 1000);
  assert.deepEqual(pages, [...pages].sort((a, b) => a - b));
  await until(slave, 'the last of them', () => slave.masterAttributes.get('page'));
  assert.deepEqual(await within(events(slave, 'end'), 'what the slow one has seen'), ['one', 'two', 'title y', 'page 7']);
});

test('who was away has exactly those that there are when it is back', async (t) => {
  const stage = await Stage.open(t);
  const above = await stage.far();
  const below = await stage.far();
  const master = await above.client.create('abc123', 'alice', { attributes: { stays: 1, changes: 1, goes: 1 } });
  const slave = await below.client.join('abc123', 'user_one', { attributes: { stays: 1, changes: 1, goes: 1 } });
  const other = await stage.client().join('abc123', 'user_two', { attributes: { stays: 1 } });
  await shows(slave, () => slave.masterAttributes, { stays: 1, changes: 1, goes: 1 });
  await shows(master, () => master.attributesOf('user_one'), { stays: 1, changes: 1, goes: 1 });
  await until(master, 'the other', () => master.attributesOf('user_two').size === 1);
  const stays = slave.masterAttributes.get('stays');
  const change = async (handle) => {
    await handle.setAttribute('changes', 2);
    await handle.deleteAttribute('goes');
    await handle.setAttribute('comes', 2);
    await handle.setAttribute('comes and goes', 2);
    await handle.deleteAttribute('comes and goes');
  };
  below.relay.bar();
  await inState(slave, 'reconnecting');
  await change(master);
  below.relay.bar(false);
  await shows(slave, () => slave.masterAttributes, { stays: 1, changes: 2, comes: 2 });
  assert.equal(slave.masterAttributes.get('stays'), stays, 'what has not changed is not told anew');
  await inState(slave, 'online');

  above.relay.bar();
  await inState(master, 'reconnecting');
  await change(slave);
  await other.leave();
  const again = await stage.client().join('abc123', 'user_two', { attributes: { hand: 'up' } });
  const late = await stage.client().join('abc123', 'late', { attributes: { hand: 'down' } });
  await shows(late, () => late.masterAttributes, { stays: 1, changes: 2, comes: 2 });
  const waiting = [master.setAttribute('while', 'away'), master.deleteAttribute('comes')];
  above.relay.bar(false);
  await within(Promise.all(waiting), 'what was set meanwhile');
  await shows(master, () => master.attributesOf('user_one'), { stays: 1, changes: 2, comes: 2 });
  await shows(master, () => master.attributesOf('user_two'), { hand: 'up' });
  await shows(master, () => master.attributesOf('late'), { hand: 'down' });
  await shows(slave, () => slave.masterAttributes, { stays: 1, changes: 2, while: 'away' });
  assert.deepEqual(plain(master.attributes), { stays: 1, changes: 2, while: 'away' });
  await again.leave();
  await until(master, 'the end', () => master.attributesOf('user_two').size === 0);
});

test('by a ticket one has all of the others, and goes on', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  const options = { storage, storageKey: 'kept' };
  const master = await stage.client().create('abc123', 'alice', { attributes: { title: 'x' } });
  const slave = await stage.client(options).join('abc123', 'user_one', { attributes: { hand: 'up' } });
  await master.setAttribute('slide', 7);
  await master.broadcast('one');
  await next(slave);
  await master.setAttribute('slide', 8);
  await shows(slave, () => slave.masterAttributes, { title: 'x', slide: 8 });
  const { slaves: [again] } = await within(stage.client(options).restore(), 'the restore');
  await shows(again, () => again.masterAttributes, { title: 'x', slide: 8 });
  assert.deepEqual(plain(again.attributes), { hand: 'up' }, 'what the page before has set');
  await master.deleteAttribute('title');
  await shows(again, () => again.masterAttributes, { slide: 8 });
  const last = await stage.client().resumeMaster(master.ticket);
  assert.deepEqual(plain(last.attributes), { slide: 8 });
  await shows(last, () => last.attributesOf('user_one'), { hand: 'up' });
  await again.setAttribute('hand', 'down');
  await shows(last, () => last.attributesOf('user_one'), { hand: 'down' });
});

test('a hub that takes the place of another one knows them', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'lectern-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const options = { state: join(directory, 'state') };
  const stage = await Stage.open(t, options);
  const master = await stage.client().create('abc123', 'alice', { attributes: { title: 'x', goes: 1 } });
  const slave = await stage.client().join('abc123', 'user_one', { attributes: { hand: 'up', goes: 1 } });
  await master.setAttribute('slide', 7);
  await slave.setAttribute('hand', 'down');
  await shows(slave, () => slave.masterAttributes, { title: 'x', goes: 1, slide: 7 });
  await shows(master, () => master.attributesOf('user_one'), { hand: 'down', goes: 1 });
  const { port } = stage.hub;
  assert.equal(await stage.hub.stop(), 0);
  const waiting = [master.deleteAttribute('goes'), slave.deleteAttribute('goes'), slave.setAttribute('new', 'y')];
  await stage.another({ ...options, port });
  await within(Promise.all(waiting), 'what was changed meanwhile');
  await shows(slave, () => slave.masterAttributes, { title: 'x', slide: 7 });
  await shows(master, () => master.attributesOf('user_one'), { hand: 'down', new: 'y' });
  const late = await stage.client({}, `ws://127.0.0.1:${port}/ws`).join('abc123', 'late');
  await shows(late, () => late.masterAttributes, { title: 'x', slide: 7 });
});

test('more removals than the hub keeps change nothing else', async (t) => {
  const stage = await Stage.open(t);
  const below = await stage.far();
  const master = await stage.client().create('abc123', 'alice', { attributes: { title: 'x', slide: 1 } });
  const slave = await stage.client().join('abc123', 'user_one', { attributes: { hand: 'up' } });
  const away = await below.client.join('abc123', 'user_two');
  await shows(away, () => away.masterAttributes, { title: 'x', slide: 1 });
  await shows(slave, () => slave.masterAttributes, { title: 'x', slide: 1 });
  await until(master, 'the hand', () => master.attributesOf('user_one').size === 1);
  below.relay.bar();
  await inState(away, 'reconnecting');
  const { masterAttributes } = slave;
  const [title, hand] = [masterAttributes.get('title'), master.attributesOf('user_one').get('hand')];
  const seen = [];
  slave.addEventListener('attribute', ({ attribute: { key, deleted } }) => seen.push(`${key} ${deleted}`));
  for (let i = 0; i < 200; i++) {
    await master.setAttribute(`question ${i}`, 'x');
    await master.deleteAttribute(`question ${i}`);
  }
  for (let i = 0; i < 15; i++) {
    await slave.setAttribute(`key ${i}`, 'x');
    await slave.deleteAttribute(`key ${i}`);
  }
  await master.broadcast('end');
  await slave.send('end');
  await next(slave);
  await next(master);
  assert.equal(slave.masterAttributes.get('title'), title);
  assert.equal(master.attributesOf('user_one').get('hand'), hand);
  assert.deepEqual([slave.masterAttributes.size, master.attributesOf('user_one').size], [2, 1]);
  assert.ok(!seen.some((each) => /title|slide/.test(each)), seen.join());
  below.relay.bar(false);
  await inState(away, 'online');
  await next(away);
  assert.deepEqual(plain(away.masterAttributes), { title: 'x', slide: 1 });
});

test('what was set is sent again over connections, and counts once', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { WebSocket: Framed, sent } = framed();
  const { relay, client } = await stage.far({ WebSocket: Framed, silence: 3_600_000 });
  const slave = await client.join('abc123', 'user_one');
  const seen = events(master, 'end');
  relay.lose('down');
  const setting = [slave.setAttribute('hand', 'up'), slave.setAttribute('hand', 'down'), slave.setAttribute('hand', 'up')];
  await until(master, 'the last of them', () => master.attributesOf('user_one').get('hand')?.seq === 3);
  assert.equal(slave.attributes.size, 0);
  relay.lose('down', false);
  relay.cut();
  await within(Promise.all(setting), 'the answers');
  assert.deepEqual(plain(slave.attributes), { hand: 'up' });
  assert.equal(slave.attributes.get('hand').seq, 3);
  assert.equal((await slave.send('end')).seq, 4, 'three changes were counted');
  const told = await within(seen, 'the events');
  assert.equal(told.at(-1), 'hand up');
  assert.ok(told.length <= 3, told.join());
  const sets = sent.filter(({ type }) => type === 'set');
  assert.equal(sets.length, 6);
  assert.deepEqual(sets.slice(3).map(({ ref }) => ref), sets.slice(0, 3).map(({ ref }) => ref));

  const controller = new AbortController();
  relay.bar();
  await inState(slave, 'reconnecting');
  const aborted = slave.setAttribute('hand', 'never', { signal: controller.signal });
  controller.abort(new Error('no more'));
  await assert.rejects(aborted, /no more/);
  const ended = slave.deleteAttribute('hand');
  await assert.rejects(slave.deleteAttribute('hand', { signal: AbortSignal.abort(new Error('never')) }), /never/);
  const closing = slave.leave();
  await refused(ended, 'left', ClosedError);
  await closing;
  await refused(slave.setAttribute('hand', 'up'), 'left', ClosedError);
});

test('what cannot be is refused at once, and what does not fit by the hub', async (t) => {
  const stage = await Stage.open(t);
  const { WebSocket: Framed, sent } = framed();
  const master = await stage.client({ WebSocket: Framed, maxMessageBytes: 100_000 }).create('abc123', 'alice');
  const slave = await stage.client({ WebSocket: Framed }).join('abc123', 'user_one');
  const frames = () => sent.filter(({ type }) => type !== 'ping').length;
  const before = frames();
  const another = stage.client({ WebSocket: Framed });
  const enters = (attributes) => [() => another.create('abc124', 'bob', { attributes }), () => another.join('abc123', 'bob', { attributes }),
    () => slave.switch('abc124', { attributes })];
  for (const key of ['', ' a', 'a\nb', 'x'.repeat(65), '\u00e9'.repeat(33), '\ud800']) {
    for (const attempt of [() => master.setAttribute(key, 'x'), () => slave.setAttribute(key, 'x'), () => master.deleteAttribute(key),
      () => slave.deleteAttribute(key), ...enters({ [key]: 'x' })]) {
      await refused(attempt(), 'bad_frame', RefusedError);
      await assert.rejects(attempt(), /key: it/);
    }
  }
  for (const key of [undefined, null, 7, {}]) {
    await assert.rejects(slave.setAttribute(key, 'x'), /^TypeError: key must be a string$/);
    await assert.rejects(slave.deleteAttribute(key), /^TypeError: key must be a string$/);
  }
  for (const value of [undefined, new Map(), () => 1, Number.NaN]) {
    await assert.rejects(slave.setAttribute('key', value), TypeError);
  }
  for (const attempt of enters({ key: new Set() })) {
    await assert.rejects(attempt(), TypeError);
  }
  for (const attributes of [null, 'hand', 7, [], new Map([['hand', 'up']])]) {
    for (const attempt of enters(attributes)) {
      await assert.rejects(attempt(), /^TypeError: attributes must be an object, which has values by their keys$/);
    }
  }
  await assert.rejects(slave.setAttribute('key', 'x', { topic: 'x' }), /^TypeError: setAttribute has no option topic$/);
  await assert.rejects(slave.deleteAttribute('key', 'x'), /^TypeError: deleteAttribute has no option 0$/);
  await refused(slave.setAttribute('key', 'half \ud800'), 'bad_frame', RefusedError);
  await refused(slave.setAttribute('key', 'x'.repeat(65_537)), 'too_large', RefusedError);
  await refused(slave.setAttribute('key', 'x'.repeat(4094)), 'attributes_full', RefusedError);
  for (const attempt of enters({ one: 'x'.repeat(2048), two: 'x'.repeat(2048) })) {
    await refused(attempt(), 'attributes_full', RefusedError);
    await assert.rejects(attempt(), /they have 4102 bytes, and one enters with at most 4096/);
  }
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`key ${index}`, '']));
  for (const attempt of enters(many)) {
    await refused(attempt(), 'bad_frame', RefusedError);
    await assert.rejects(attempt(), /attributes: there are 65 keys/);
  }
  assert.equal(frames(), before, 'nothing was sent');

  await slave.setAttribute('key', 'x'.repeat(4093));
  await refused(slave.setAttribute('more', ''), 'attributes_full', RefusedError);
  await slave.deleteAttribute('key');
  for (let i = 0; i < 8; i++) {
    await slave.setAttribute(`key ${i}`, '');
  }
  await refused(slave.setAttribute('key 8', ''), 'attributes_full', RefusedError);
  assert.equal(slave.attributes.size, 8);
  await refused(another.join('abc123', 'bob', { attributes: Object.fromEntries(Object.entries(many).slice(0, 9)) }), 'attributes_full');
  await refused(master.setAttribute('key', 'x'.repeat(99_000)), 'too_large', RefusedError);
  for (let i = 0; i < 4; i++) {
    await master.setAttribute(`key ${i}`, 'x'.repeat(65_000));
  }
  await refused(master.setAttribute('one more', 'x'.repeat(65_000)), 'attributes_full', RefusedError);
  const answers = await within(Promise.allSettled(
    Array.from({ length: 60 }, (_, index) => slave.setAttribute('key 1', index))), 'what came too fast');
  assert.ok(answers.some(({ status }) => status === 'fulfilled'));
  const [{ reason }] = answers.filter(({ status }) => status === 'rejected');
  assert.equal(reason.code, 'rate_limited');
  assert.ok(reason instanceof RefusedError);
  assert.equal((await slave.send('a message is not held back by that')).seq > 0, true);
});

test('the README tells what is so', async (t) => {
  const stage = await Stage.open(t);
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const [, section] = readme.split('## Attributes\n');
  const [create, join, hear] = [...section.split('\n## ')[0].matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
  const AsyncFunction = (async () => {}).constructor;
  const run = (code, names) => new AsyncFunction(...Object.keys(names), code)(...Object.values(names));
  const master = await run(`${create}\nreturn master;`, { client: stage.client() });
  const shown = [];
  const slave = await run(`${join}\nreturn slave;`, { client: stage.client(), show: (values) => shown.push(plain(values)) });
  const heard = run(hear, { master });
  await shows(slave, () => slave.masterAttributes, { title: 'On names', slide: { page: 7 }, speaker: 'user_one' });
  await slave.deleteAttribute('hand');
  await shows(slave, () => slave.masterAttributes, { title: 'On names', slide: { page: 7 }, speaker: 'nobody' });
  assert.deepEqual(shown.at(-1), { title: 'On names', slide: { page: 7 }, speaker: 'nobody' });
  await master.close();
  await within(heard, 'the end');
});

test('what was read does not change, and is the same until something does', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice', { attributes: { title: 'x' } });
  const slave = await stage.client().join('abc123', 'user_one', { attributes: { hand: 'up' } });
  await shows(slave, () => slave.masterAttributes, { title: 'x' });
  await until(master, 'the hand', () => master.attributesOf('user_one').size === 1);
  for (const read of [() => slave.masterAttributes, () => slave.attributes, () => master.attributes, () => master.attributesOf('user_one'),
    () => master.attributesOf('nobody')]) {
    const map = read();
    assert.equal(read(), map);
    assert.ok(map instanceof Map);
    for (const change of [() => map.set('x', 'y'), () => map.delete('title'), () => map.clear()]) {
      assert.throws(change, TypeError);
    }
    assert.ok([...map.values()].every(Object.isFrozen));
  }
  const before = slave.masterAttributes;
  await master.setAttribute('slide', 1);
  await until(slave, 'the slide', () => slave.masterAttributes.has('slide'));
  assert.notEqual(slave.masterAttributes, before);
  assert.deepEqual([[...before.keys()], [...slave.masterAttributes.keys()]], [['title'], ['title', 'slide']]);
  assert.equal(slave.masterAttributes.get('title'), before.get('title'));
});

// Whatever is cut, and whenever: in the end each has what the other has set, and who has put its changes
// together from the events has the same.
for (let round = 0; round < 4; round++) {
  test(`cuts in between, round ${round}`, async (t) => {
    const stage = await Stage.open(t);
    const [above, below] = [await stage.far(), await stage.far()];
    const master = await above.client.create('abc123', 'alice');
    const slave = await below.client.join('abc123', 'user_one');
    await member(master, 'user_one', 'online');
    const follow = async (handle) => {
      const values = {};
      let last = 0;
      for await (const event of handle.events()) {
        if (event.type === 'attribute') {
          values[event.key] = event.deleted ? undefined : valueOf(event);
        }
        if (event.type === 'message') {
          assert.ok(event.seq > last);
          last = event.seq;
        }
        if (event.type === 'message' && event.text() === 'end') {
          return JSON.parse(JSON.stringify(values));
        }
      }
      throw handle.error;
    };
    const followed = [follow(slave), follow(master)];
    const [down, up] = [{}, {}];
    const all = [];
    const random = (most) => Math.floor(Math.random() * most);
    for (let step = 0; step < 120; step++) {
      const [handle, values, keys] = random(3) ? [master, down, 90] : [slave, up, 7];
      const key = `key ${random(keys)}`;
      const full = Object.values(values).filter((value) => value !== undefined).length >= (handle === master ? 60 : 7);
      if (random(2) || full) {
        values[key] = undefined;
        all.push(handle.deleteAttribute(key));
      } else {
        values[key] = step;
        all.push(handle.setAttribute(key, step));
      }
      if (random(8) === 0) {
        all.push(handle === master ? master.broadcast(String(step)) : slave.send(String(step)));
      }
      if (random(10) === 0) {
        [above, below][random(2)].relay.cut();
      }
      await new Promise((resolve) => {
        setTimeout(resolve, handle === master ? random(5) : 50);
      });
    }
    await within(Promise.all(all), 'the answers');
    await Promise.all([master.broadcast('end'), slave.send('end')]);
    const wanted = [down, up].map((values) => JSON.parse(JSON.stringify(values)));
    assert.deepEqual(await within(Promise.all(followed), 'the events'), wanted);
    assert.deepEqual([slave.masterAttributes, master.attributesOf('user_one')].map(plain), wanted);
    assert.deepEqual([master.attributes, slave.attributes].map(plain), wanted);
  });
}
