import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

import { Relay } from '../../../../../js/test/support/relay.js';
import { Program } from './program.js';

/** How long anything that is awaited may take, in milliseconds. */
export const LIMIT = 20_000;

// What becomes of WebSockets where a test does not say it: CLASSROOM_SOCKETS=refused is a class over plain HTTP.
const SOCKETS = process.env.CLASSROOM_SOCKETS?.split(' ') ?? null;

/**
 * What a page may complain of whose network was cut, or lets no WebSocket through: it is the browser that does, also of requests
 * by which the client finds out.
 */
export const NETWORK = /ERR_(CONNECTION|EMPTY|SOCKET|INTERNET|NETWORK|INCOMPLETE)|WebSocket connection .* failed|status of (409|410|421)/;

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const PHONE = { width: 390, height: 844 };
export const LAPTOP = { width: 1280, height: 800 };

const flags = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** Person is one who has the page open, in a browser context of their own. */
export class Person {
  // What the page has complained of: violations of its policy, errors, failed loads.
  complaints = [];

  constructor(name, context, page, url) {
    Object.assign(this, { name, context, page, url });
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') {
        this.complaints.push(`console: ${message.text()}`);
      }
    });
    page.on('pageerror', (error) => this.complaints.push(`error: ${error.stack}`));
    page.on('dialog', (dialog) => {
      this.complaints.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
  }

  button(name) {
    return this.page.getByRole('button', { name });
  }

  /** sees waits until a text is there to be seen. */
  async sees(text) {
    await this.page.getByText(text).filter({ visible: true }).first().waitFor();
  }

  /** gone waits until a text is not to be seen any more. */
  async gone(text) {
    await this.page.getByText(text).filter({ visible: true }).first().waitFor({ state: 'hidden' });
  }

  get log() {
    return this.page.getByRole('log');
  }

  /** reads waits until the conversation has so many entries with this text, and no more. */
  async reads(text, count = 1) {
    const entries = this.log.getByText(text, { exact: true });
    await entries.nth(count - 1).waitFor();
    assert.equal(await entries.count(), count, `${this.name} reads "${text}" ${count} times`);
  }

  /** heading waits for the page's headline. */
  async heading(name) {
    await this.page.getByRole('heading', { level: 1, name }).waitFor();
  }

  /** board waits until exactly this is on the board; '' is nothing. */
  async board(text) {
    const words = this.page.locator('.blackboard');
    await this.part('Board');
    if (text === '') {
      await words.waitFor({ state: 'hidden' });
      return;
    }
    await words.getByText(text, { exact: true }).waitFor();
    assert.equal(await words.innerText(), text);
  }

  /** hands waits until a teacher sees these hands up, in this order. */
  async hands(...names) {
    await this.page.waitForFunction((expected) => {
      const up = [...document.querySelectorAll('.member')].filter((row) => row.querySelector('.member-hand:not([hidden])'));
      return JSON.stringify(up.map((row) => row.querySelector('.member-name bdi').textContent)) === expected;
    }, JSON.stringify(names));
    // Who has the hand up is first in the list, and counted above it.
    const rows = await this.page.locator('.member-name > bdi').allTextContents();
    assert.deepEqual(rows.slice(0, names.length), names);
    const count = this.page.getByRole('region', { name: 'Students' }).getByRole('status');
    assert.equal(await count.textContent(), { 0: '', 1: '1 hand up' }[names.length] ?? `${names.length} hands up`);
  }

  /** part shows a part of the class, where one is shown at a time, once the page is in the class. */
  async part(name) {
    // A page that is loaded again may not be in it yet, and has no parts that could be told from those beside each other.
    await this.page.locator('.tabs').waitFor({ state: 'attached' });
    const button = this.page.getByRole('navigation').getByRole('button', { name });
    if (await button.isVisible()) {
      await button.click();
    }
  }

  // As a teacher.

  async opens(channel) {
    await this.page.goto(this.url);
    const form = this.page.getByRole('form', { name: 'Open a class' });
    await form.getByLabel('Name of the class').fill(channel);
    await form.getByLabel('Your name').fill(this.name);
    await form.getByRole('button', { name: 'Open' }).click();
    await this.heading(channel);
    return this.page.getByLabel('Link for students').inputValue();
  }

  async writes(text, to) {
    await this.part('Talk');
    if (to) {
      await this.page.getByLabel('To', { exact: true }).selectOption(to);
    }
    const field = this.page.getByRole('textbox', { name: /^(Message|Write to)/ });
    await field.fill(text);
    await field.press('Enter');
  }

  async asks(text, choices) {
    await this.part('Question');
    await this.page.getByLabel('Question for everybody').fill(text);
    for (const [index, choice] of choices.entries()) {
      const field = this.page.getByLabel(`Choice ${index + 1}`, { exact: true });
      if (!await field.isVisible()) {
        await this.button('Add a choice').click();
      }
      await field.fill(choice);
    }
    await this.button('Ask').click();
  }

  async putsOnBoard(text) {
    await this.part('Board');
    await this.button(/^(Write on|Change) the board$/).click();
    await this.page.getByLabel('On the board', { exact: true }).fill(text);
    await this.button('Put on the board').click();
  }

  /** counts waits until a choice has so many answers. */
  async counts(question, choice, count) {
    const words = count === 1 ? '1 answer' : `${count} answers`;
    await this.page.getByRole('figure', { name: question }).getByRole('listitem')
      .filter({ hasText: choice }).getByText(words, { exact: true }).waitFor();
  }

  /** knows waits until the roster says so of a student. */
  async knows(name, state) {
    await this.page.getByRole('region', { name: 'Students' }).getByRole('listitem')
      .filter({ hasText: name }).getByText(state, { exact: true }).waitFor();
  }

  /** door says who comes in: Open, Ask me or Locked. */
  async door(choice) {
    await this.part('Students');
    const radio = this.page.getByRole('group', { name: 'Who comes in' }).getByLabel(choice, { exact: true });
    await radio.check();
    await this.page.waitForFunction((name) => document.querySelector('.door :checked + label').textContent === name, choice);
  }

  /** knocks waits until exactly these wait at the door, in this order. */
  async knocks(...names) {
    await this.page.waitForFunction((expected) => {
      const waiting = [...document.querySelectorAll('.knock > bdi')].map((name) => name.textContent);
      return JSON.stringify(waiting) === expected;
    }, JSON.stringify(names));
  }

  /** more shows what else can be done about a student. */
  async more(name) {
    const button = this.button(`More about ${name}`);
    if (await button.getAttribute('aria-expanded') === 'false') {
      await button.click();
    }
  }

  /** quiets has a student be quiet, or everybody, or no longer. */
  async quiets(name = 'Everybody') {
    await this.part('Students');
    if (name === 'Everybody') {
      await this.button('Everybody quiet').click();
    } else {
      await this.more(name);
      await this.button(`Quiet ${name}`).click();
    }
  }

  /** quiet waits until exactly these students have to be quiet, in the order of their names. */
  async quiet(...names) {
    await this.page.waitForFunction((expected) => {
      const quiet = [...document.querySelectorAll('.member')].filter((row) => row.querySelector('.member-about .tag:not([hidden])'));
      return JSON.stringify(quiet.map((row) => row.querySelector('.member-name bdi').textContent).sort()) === expected;
    }, JSON.stringify(names));
  }

  /** handsOver hands the class to a student. */
  async handsOver(name) {
    await this.part('Students');
    await this.more(name);
    await this.button(`Hand over the class to ${name}`).click();
    await this.page.getByRole('dialog').getByRole('button', { name: 'Hand over' }).click();
  }

  /** isToldToTeach waits until a student is told to be the teacher, and has read it. */
  async isToldToTeach() {
    const dialog = this.page.getByRole('dialog', { name: 'You are the teacher now' });
    await dialog.getByRole('button', { name: 'OK' }).click();
    await dialog.waitFor({ state: 'hidden' });
  }

  async removes(name, { reason = '', ban = false } = {}) {
    await this.more(name);
    await this.button(`Remove ${name}`).click();
    const dialog = this.page.getByRole('dialog');
    await dialog.getByLabel('Reason').fill(reason);
    if (ban) {
      await dialog.getByLabel('Do not let').check();
    }
    await dialog.getByRole('button', { name: 'Remove' }).click();
  }

  // As a student.

  async joins(link) {
    await this.page.goto(link);
    await this.page.getByLabel('Your name').fill(this.name);
    await this.button('Join the class').click();
    await this.page.getByRole('log', { includeHidden: true }).waitFor({ state: 'attached' });
  }

  /** asksToCome comes to a class by its link, and does not wait to be in. */
  async asksToCome(link) {
    await this.page.goto(link);
    await this.page.getByLabel('Your name').fill(this.name);
    await this.button('Join the class').click();
  }

  /** comes waits until the page is in the class. */
  async comes() {
    await this.page.getByRole('log', { name: 'Conversation', includeHidden: true }).waitFor({ state: 'attached' });
  }

  async answers(choice) {
    await this.part('Question');
    await this.page.getByLabel(choice, { exact: true }).check();
    await this.button('Send answer').click();
    await this.sees('Your teacher has your answer.');
  }

  async raisesHand() {
    await this.button('Raise hand').click();
    await this.sees('Your hand is up.');
  }

  async lowersHand() {
    await this.button('Lower hand').click();
    await this.button('Raise hand').waitFor();
  }

  async leaves() {
    await this.button('Leave').click();
    await this.page.getByRole('dialog').getByRole('button', { name: 'Leave' }).click();
    await this.heading('You have left');
  }

  /** joinsAgain leads from the end of a class back into it, under the same name. */
  async joinsAgain() {
    await this.button('Join again').click();
    await this.button('Join the class').click();
    await this.page.getByRole('log', { name: 'Conversation' }).waitFor({ state: 'attached' });
  }

  /** accessible runs axe over what there is now, in the present colours. */
  async accessible(where) {
    await this.page.evaluate(axe);
    const { violations } = await this.page.evaluate(() => globalThis.axe.run(document));
    const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    assert.deepEqual(grave.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`), [], `axe, ${where}`);
  }
}

/** Stage is a program and the people at it, all of which end with the test. */
export class Stage {
  #people = [];
  #relays = [];
  // Of browsers of their own.
  #contexts = [];
  #launch;

  /**
   * open begins. cache: with the browser's back/forward cache, which Playwright switches off; sockets is what becomes of
   * WebSockets on the way of each person, as Relay.webSockets has it.
   */
  static async open(t, { cache = false, sockets = SOCKETS, ...options } = {}) {
    const stage = new Stage();
    t.after(() => stage.#close());
    stage.program = await Program.start(options);
    stage.url = stage.program.url;
    if (sockets) {
      const { relay, url } = await stage.relay();
      relay.webSockets(...sockets);
      Object.assign(stage, { between: relay, url });
    }
    stage.#launch = {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: flags,
      ignoreDefaultArgs: cache ? ['--disable-back-forward-cache'] : [],
    };
    stage.browser = await chromium.launch(stage.#launch);
    return stage;
  }

  /** person opens a page. profile is the folder of a browser of their own. */
  async person(name, { viewport = LAPTOP, url = this.url, profile } = {}) {
    const how = { viewport, reducedMotion: 'reduce', locale: 'en-GB' };
    const context = await (profile ? chromium.launchPersistentContext(profile, { ...how, ...this.#launch }) : this.browser.newContext(how));
    if (profile) {
      this.#contexts.push(context);
    }
    context.setDefaultTimeout(LIMIT);
    const person = new Person(name, context, await context.newPage(), url);
    this.#people.push(person);
    return person;
  }

  /** relay is a network to the program that can be cut. Its address is in place of the program's. */
  async relay() {
    const relay = await Relay.to(this.program.url);
    this.#relays.push(relay);
    return { relay, url: relay.url.replace(/^ws/, 'http') };
  }

  /** killed ends the program as a power cut does, and starts it again under its address. */
  async killed() {
    await this.program.stop('SIGKILL');
    this.program = await Program.start({ addr: new URL(this.program.url).host });
  }

  /** replaced ends the program in order, and another one goes on from what it has left. */
  async replaced() {
    this.program = await this.program.replaced();
  }

  /** quiet asserts that no page has complained, but for what is expected, and of WebSockets that do not get through. */
  quiet(expected = /^$/) {
    const known = (each) => expected.test(each) || (this.between && NETWORK.test(each));
    for (const { name, complaints } of this.#people) {
      assert.deepEqual(complaints.filter((each) => !known(each)), [], `complaints of ${name}'s page`);
    }
  }

  async #close() {
    await Promise.all(this.#contexts.map((context) => context.close()));
    await this.browser?.close();
    this.#relays.forEach((relay) => relay.close());
    await this.program?.stop('SIGKILL');
    this.program?.cleared();
  }
}

/** classOf is a class with its teacher, and students of these names who are in. */
export async function classOf(t, names, { viewport } = {}) {
  const stage = await Stage.open(t);
  const teacher = await stage.person('Ms Okafor', { viewport });
  const link = await teacher.opens('Biology 7b');
  const students = await Promise.all(names.map((name) => stage.person(name, { viewport })));
  for (const student of students) {
    await student.joins(link);
    await teacher.knows(student.name, 'online');
  }
  return { stage, teacher, students, link };
}
