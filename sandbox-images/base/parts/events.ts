/**
 * Event, CustomEvent and EventTarget as the DOM standard has them (https://dom.spec.whatwg.org/#events), without a tree: an event has
 * one target. Private fields keep their state from whatever an agent puts on the prototypes.
 */
import { DOMException } from './dom-exception.ts';
import { tag } from './tag.ts';

type Listener = ((event: unknown) => unknown) | { readonly handleEvent?: unknown };

interface Entry {
  readonly callback: Listener;
  readonly capture: boolean;
  readonly once: boolean;
  readonly passive: boolean;
  removed: boolean;
}

/** Takes the exceptions of listeners: nobody awaits a listener, so its exception would be lost. */
export type Report = (error: unknown) => void;

/** How a signal takes what is to be done when it aborts, before its listeners. */
export const ON_ABORT = Symbol('on abort');
interface Abortable {
  readonly aborted: boolean;
  readonly [ON_ABORT]: (then: () => void) => void;
}

const PHASES = { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 };

/** A dictionary of Web IDL: an object, a function, or nothing. */
function dictionary(of: string, value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError(`${of} takes its options as an object`);
  return value as Readonly<Record<string, unknown>>;
}

/** Powers that events need; set once, before the first event. */
interface Powers {
  readonly report: Report;
  readonly now: () => number;
}
let power: Powers;
export function giveEvents(powers: Powers): void {
  power = powers;
}

let trustedOf: (event: Event) => boolean;
function trusted(this: Event): boolean {
  return trustedOf(this);
}
/** Dispatches an event of the host's own. */
export let dispatch: (target: EventTarget, event: Event) => void;
/** The value of an attribute such as `onabort`. */
export let handlerOf: (target: EventTarget, type: string) => unknown;
export let setHandler: (target: EventTarget, type: string, handler: unknown) => void;
/** Does what only the target of an event may do. */
let inside: {
  readonly begin: (event: Event, target: EventTarget) => void;
  readonly end: (event: Event) => void;
  readonly stopped: (event: Event) => boolean;
  readonly passive: (event: Event, on: boolean) => void;
  readonly canBegin: (event: Event) => boolean;
  readonly trust: (event: Event) => void;
};

export class Event {
  #type: string;
  #bubbles: boolean;
  #cancelable: boolean;
  readonly #composed: boolean;
  readonly #timeStamp = power.now();
  #target: EventTarget | null = null;
  #current: EventTarget | null = null;
  #phase = PHASES.NONE;
  #stopped = false;
  #stoppedAtOnce = false;
  #canceled = false;
  #passive = false;
  #dispatching = false;
  #trusted = false;

  constructor(...given: [type?: unknown, options?: unknown]) {
    if (given.length === 0) throw new TypeError('An event takes its type');
    this.#type = String(given[0]);
    const { bubbles, cancelable, composed } = dictionary('An event', given[1]);
    this.#bubbles = Boolean(bubbles);
    this.#cancelable = Boolean(cancelable);
    this.#composed = Boolean(composed);
    // An own accessor that cannot be replaced, as the standard has it.
    Object.defineProperty(this, 'isTrusted', { get: trusted, enumerable: true, configurable: false });
  }
  get type() {
    return this.#type;
  }
  get target() {
    return this.#target;
  }
  get srcElement() {
    return this.#target;
  }
  get currentTarget() {
    return this.#current;
  }
  composedPath(): EventTarget[] {
    return this.#current === null ? [] : [this.#current];
  }
  get eventPhase() {
    return this.#phase;
  }
  stopPropagation(): void {
    this.#stopped = true;
  }
  get cancelBubble() {
    return this.#stopped;
  }
  set cancelBubble(value: unknown) {
    if (value) this.#stopped = true;
  }
  stopImmediatePropagation(): void {
    this.#stopped = true;
    this.#stoppedAtOnce = true;
  }
  get bubbles() {
    return this.#bubbles;
  }
  get cancelable() {
    return this.#cancelable;
  }
  get returnValue() {
    return !this.#canceled;
  }
  set returnValue(value: unknown) {
    if (!value) this.preventDefault();
  }
  preventDefault(): void {
    if (this.#cancelable && !this.#passive) this.#canceled = true;
  }
  get defaultPrevented() {
    return this.#canceled;
  }
  get composed() {
    return this.#composed;
  }
  get timeStamp() {
    return this.#timeStamp;
  }
  initEvent(...given: [type?: unknown, bubbles?: unknown, cancelable?: unknown]): void {
    if (given.length === 0) throw new TypeError('initEvent takes a type');
    if (this.#dispatching) return;
    const [type, bubbles, cancelable] = given;
    this.#type = String(type);
    this.#bubbles = Boolean(bubbles);
    this.#cancelable = Boolean(cancelable);
    this.#stopped = false;
    this.#stoppedAtOnce = false;
    this.#canceled = false;
    this.#target = null;
  }

  static {
    trustedOf = (event) => event.#trusted;
    inside = {
      canBegin: (event) => !event.#dispatching,
      begin: (event, target) => {
        event.#dispatching = true;
        event.#target = target;
        event.#current = target;
        event.#phase = PHASES.AT_TARGET;
      },
      end: (event) => {
        event.#dispatching = false;
        event.#current = null;
        event.#phase = PHASES.NONE;
        event.#stopped = false;
        event.#stoppedAtOnce = false;
      },
      stopped: (event) => event.#stoppedAtOnce,
      passive: (event, on) => void (event.#passive = on),
      trust: (event) => void (event.#trusted = true),
    };
  }
}
for (const place of [Event, Event.prototype])
  for (const [name, value] of Object.entries(PHASES)) Object.defineProperty(place, name, { value, enumerable: true });
enumerable(Event.prototype);

export class CustomEvent extends Event {
  #detail: unknown;
  constructor(...given: [type?: unknown, options?: unknown]) {
    super(...given);
    const { detail = null } = dictionary('An event', given[1]);
    this.#detail = detail;
  }
  get detail() {
    return this.#detail;
  }
  initCustomEvent(...given: [type?: unknown, bubbles?: unknown, cancelable?: unknown, detail?: unknown]): void {
    super.initEvent(...(given.slice(0, 3) as []));
    this.#detail = given[3] ?? null;
  }
}
enumerable(CustomEvent.prototype);

export class EventTarget {
  /** Listeners by type, in the order in which they were added. */
  readonly #listeners = new Map<string, Entry[]>();
  /** `onabort` and its like, by type. */
  readonly #handlers = new Map<string, { handler: (event: unknown) => unknown; readonly entry: Entry }>();

  addEventListener(...given: [type?: unknown, callback?: unknown, options?: unknown]): void {
    if (given.length < 2) throw new TypeError('addEventListener takes a type and a listener');
    const [type, callback, options] = given;
    const { capture, once, passive, signal } = more(options);
    const listener = listenerOf('addEventListener', callback);
    if (signal?.aborted === true || listener === undefined) return;
    const added = this.#add(String(type), { callback: listener, capture, once, passive, removed: false });
    if (added !== undefined) signal?.[ON_ABORT](() => this.#remove(String(type), added));
  }
  removeEventListener(...given: [type?: unknown, callback?: unknown, options?: unknown]): void {
    if (given.length < 2) throw new TypeError('removeEventListener takes a type and a listener');
    const [type, callback, options] = given;
    const capture = Boolean(typeof options === 'object' && options !== null ? (options as { capture?: unknown }).capture : options);
    listenerOf('removeEventListener', callback);
    const entry = this.#listeners.get(String(type))?.find((one) => one.callback === callback && one.capture === capture);
    if (entry !== undefined) this.#remove(String(type), entry);
  }
  dispatchEvent(event: unknown): boolean {
    if (!(event instanceof Event)) throw new TypeError('dispatchEvent takes an Event');
    if (!inside.canBegin(event)) throw new DOMException('The event is being dispatched already.', 'InvalidStateError');
    return this.#dispatch(event);
  }

  #add(type: string, entry: Entry): Entry | undefined {
    const all = this.#listeners.get(type) ?? [];
    if (all.some(({ callback, capture }) => callback === entry.callback && capture === entry.capture)) return undefined;
    all.push(entry);
    this.#listeners.set(type, all);
    return entry;
  }
  #remove(type: string, entry: Entry): void {
    entry.removed = true;
    const left = this.#listeners.get(type)?.filter((one) => one !== entry) ?? [];
    if (left.length === 0) this.#listeners.delete(type);
    else this.#listeners.set(type, left);
  }
  #dispatch(event: Event): boolean {
    inside.begin(event, this);
    // Listeners that capture come first, also at the target. Those that are added meanwhile are not called.
    const all = [...(this.#listeners.get(event.type) ?? [])];
    for (const captures of [true, false]) {
      if (event.cancelBubble) break;
      for (const entry of all) {
        if (entry.capture !== captures || entry.removed) continue;
        if (entry.once) this.#remove(event.type, entry);
        this.#call(entry, event);
        if (inside.stopped(event)) break;
      }
    }
    inside.end(event);
    return !event.defaultPrevented;
  }
  #call({ callback, passive }: Entry, event: Event): void {
    inside.passive(event, passive);
    try {
      if (typeof callback === 'function') callback.call(this, event);
      else {
        const { handleEvent } = callback;
        if (typeof handleEvent !== 'function') throw new TypeError('The listener has no function handleEvent');
        (handleEvent as (event: unknown) => unknown).call(callback, event);
      }
    } catch (error) {
      power.report(error);
    }
    inside.passive(event, false);
  }

  /** As HTML has it: a handler keeps the place of the first that was set. */
  #handle(type: string, handler: unknown): void {
    const known = this.#handlers.get(type);
    if (typeof handler !== 'function') {
      if (known !== undefined) this.#remove(type, known.entry);
      this.#handlers.delete(type);
      return;
    }
    if (known !== undefined) {
      known.handler = handler as (event: unknown) => unknown;
      return;
    }
    const call = (event: unknown): void => {
      if (this.#handlers.get(type)?.handler.call(this, event) === false) (event as Event).preventDefault();
    };
    const entry: Entry = { callback: call, capture: false, once: false, passive: false, removed: false };
    this.#handlers.set(type, { handler: handler as (event: unknown) => unknown, entry });
    this.#add(type, entry);
  }
  static {
    dispatch = (target, event) => {
      inside.trust(event);
      target.#dispatch(event);
    };
    handlerOf = (target, type) => target.#handlers.get(type)?.handler ?? null;
    setHandler = (target, type, handler) => target.#handle(type, handler);
  }
}
enumerable(EventTarget.prototype);

tag(Event, 'Event');
tag(CustomEvent, 'CustomEvent');
tag(EventTarget, 'EventTarget');

/** Attributes and methods of an interface are enumerable (Web IDL), unlike those of a class. */
function enumerable(prototype: object): void {
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(prototype)))
    if (name !== 'constructor' && descriptor.configurable === true)
      Object.defineProperty(prototype, name, { ...descriptor, enumerable: true });
}

/** The options of `addEventListener`: an object, or whether it captures. */
function more(options: unknown): {
  readonly capture: boolean;
  readonly once: boolean;
  readonly passive: boolean;
  readonly signal: Abortable | undefined;
} {
  if ((typeof options !== 'object' && typeof options !== 'function') || options === null)
    return { capture: Boolean(options), once: false, passive: false, signal: undefined };
  const { capture, once, passive, signal } = options as Readonly<Record<string, unknown>>;
  if (signal !== undefined && (typeof signal !== 'object' || signal === null || !(ON_ABORT in signal)))
    throw new TypeError('addEventListener takes an AbortSignal as its signal');
  return {
    capture: Boolean(capture),
    once: Boolean(once),
    passive: Boolean(passive),
    signal: signal as Abortable | undefined,
  };
}

/** @returns undefined for null, which is permitted and does nothing */
function listenerOf(of: string, callback: unknown): Listener | undefined {
  if (callback === null || callback === undefined) return undefined;
  if (typeof callback !== 'function' && typeof callback !== 'object')
    throw new TypeError(`${of} takes a function or an object as its listener`);
  return callback;
}
