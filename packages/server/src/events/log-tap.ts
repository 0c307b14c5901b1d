/** Hands each line of a host's log to telemetry as well, where that is wanted. */
import type { FastifyBaseLogger } from 'fastify';

export interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

export class LogTap {
  /** The logger of which each line goes to `to` as well. */
  readonly logger: FastifyBaseLogger;
  /** Undefined: nobody wants lines. */
  to: ((line: Line) => void) | undefined;

  constructor(logger: FastifyBaseLogger) {
    this.logger = this.#tapped(logger, {});
  }

  /** @param fields those of a child logger, which each of its lines has */
  #tapped(logger: FastifyBaseLogger, fields: Line['fields']): FastifyBaseLogger {
    const tapped = Object.create(logger) as Record<string, unknown>;
    for (const level of LEVELS)
      tapped[level] = (...line: unknown[]) => {
        logger[level](...(line as [object, string]));
        if (this.to !== undefined && isOn(logger, level)) this.to({ level, ...said(line, fields) });
      };
    tapped['child'] = (more: Line['fields'], ...rest: []) => this.#tapped(logger.child(more, ...rest), { ...fields, ...more });
    return tapped as unknown as FastifyBaseLogger;
  }
}

/** Loggers of others may not say which levels they write. */
const isOn = (logger: FastifyBaseLogger & { readonly isLevelEnabled?: (level: string) => boolean }, level: string): boolean =>
  logger.isLevelEnabled?.(level) ?? true;

/** A line is a text, or fields and a text. */
function said([first, second]: readonly unknown[], fields: Line['fields']): Pick<Line, 'message' | 'fields'> {
  if (typeof first === 'string') return { message: first, fields };
  const own = first instanceof Error ? { err: first } : typeof first === 'object' && first !== null ? first : {};
  return { message: typeof second === 'string' ? second : '', fields: { ...fields, ...own } };
}
