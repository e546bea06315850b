// The most characters that a line, or the data of an event, may have. A hub's largest frames are far below it.
export const MAX_EVENT = 32 << 20;

/**
 * EventStream reads the format of Server-Sent Events, in whatever pieces it comes. What it cannot be is text without
 * end: it throws a RangeError at a line or an event that is too large.
 */
export class EventStream {
  #tell = () => {};
  #decoder = new TextDecoder();
  // What has come of the present line.
  #line = '';
  // The last character was a carriage return: a line feed behind it belongs to it.
  #returned = false;
  #event = {};
  #size = 0;

  /**
   * feed takes the next piece.
   *
   * @param {Uint8Array} bytes
   * @param {(event: {type: string, data: string, id: string | undefined}) => void} tell is told each event that is whole
   */
  feed(bytes, tell) {
    this.#tell = tell;
    let text = this.#decoder.decode(bytes, { stream: true });
    if (this.#returned && text !== '') {
      this.#returned = false;
      text = text.startsWith('\n') ? text.slice(1) : text;
    }
    let from = 0;
    for (const { 0: end, index } of text.matchAll(/\r\n?|\n/g)) {
      const line = this.#line + text.slice(from, index);
      this.#line = '';
      from = index + end.length;
      this.#returned = end === '\r' && from === text.length;
      this.#take(line);
    }
    this.#line += text.slice(from);
    this.#bound(this.#line.length);
  }

  #bound(size) {
    if (size > MAX_EVENT) {
      throw new RangeError('an event is too large');
    }
  }

  #take(line) {
    if (line === '') {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') {
      this.#size += value.length + 1;
      this.#bound(this.#size);
      (this.#event.lines ??= []).push(value);
    } else if (field === 'event') {
      this.#event.type = value;
    } else if (field === 'id') {
      this.#event.id = value;
    } // else it is a comment, or of a newer version
  }

  // An event without data is none.
  #dispatch() {
    const { lines, type = 'message', id } = this.#event;
    this.#event = {};
    this.#size = 0;
    if (lines) {
      this.#tell({ type: type === '' ? 'message' : type, data: lines.join('\n'), id });
    }
  }
}
