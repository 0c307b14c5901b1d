/**
 * The writers of fields in the results of the recorded suites' tools, as somebody would declare them who runs such a system and has not looked at
 * any attack. A field is the system's own only where nobody but the system, or the principal, chooses what stands in it: a sender's address is
 * the sender's, a name of a file or of a channel is that of whoever made it, and a page is its author's.
 */
import type { SuiteTool, Trace } from './containment-data.ts';

/** The server numbers mails and says when they came, and whether they were read. */
const MAIL = ['[].id_', '[].timestamp', '[].status', '[].read'];
/** Strangers invite: what an event says, and whom, is theirs. */
const EVENT = ['id_', 'status', 'all_day'];
/** The drive knows its files by numbers, and writes down how large they are and who may read them. */
const FILE = ['id_', 'last_modified', 'size'];
const each = (fields: readonly string[]) => fields.map((field) => `[].${field}`);

const OWN: Readonly<Record<string, readonly string[]>> = {
  get_unread_emails: MAIL,
  get_received_emails: MAIL,
  search_emails: MAIL,
  get_shopping_linked_unread_emails: MAIL,
  get_shopping_linked_received_emails: MAIL,
  get_github_linked_unread_emails: MAIL,
  search_calendar_events: each(EVENT),
  get_day_calendar_events: each(EVENT),
  add_calendar_event_participants: EVENT,
  list_files: each(FILE),
  search_files: each(FILE),
  search_files_by_filename: each(FILE),
  get_file_by_id: FILE,
  append_to_file: FILE,
  delete_file: FILE,
  share_file: FILE,
  // A payer chooses subject, sender and amount; whom the principal paid before stands in the bank's own books.
  get_most_recent_transactions: each(['id', 'date', 'recipient', 'recurring']),
  // The shop's catalogue; reviews are its customers', and names and descriptions those of sellers.
  search_product: ['*.product_id', '*.price', '*.category', '*.rating'],
};

/** Fields that somebody in a hurry might add: names and addresses, which the system stores and somebody else chooses. These declarations are wrong. */
const HASTY: Readonly<Record<string, readonly string[]>> = {
  get_unread_emails: ['[].sender', '[].recipients', '[].cc'],
  get_received_emails: ['[].sender', '[].recipients', '[].cc'],
  search_emails: ['[].sender', '[].recipients', '[].cc'],
  get_shopping_linked_unread_emails: ['[].sender'],
  get_shopping_linked_received_emails: ['[].sender'],
  get_github_linked_unread_emails: ['[].sender'],
  search_calendar_events: ['[].title', '[].participants', '[].location'],
  get_day_calendar_events: ['[].title', '[].participants', '[].location'],
  list_files: ['[].filename', '[].owner', '[].shared_with'],
  search_files: ['[].filename', '[].owner', '[].shared_with'],
  search_files_by_filename: ['[].filename', '[].owner', '[].shared_with'],
  get_file_by_id: ['filename', 'owner', 'shared_with'],
  get_most_recent_transactions: ['[].sender', '[].amount', '[].subject'],
  search_product: ['*'],
  get_github_repository_information: ['*'],
  list_directory: ['*'],
  get_channels: ['[]'],
};

type Tools = Trace['tools'];
const made = { careful: new WeakMap<Tools, Tools>(), hasty: new WeakMap<Tools, Tools>() };

/** The trace with the fields of its tools' results declared. */
export function declared(trace: Trace, how: keyof typeof made = 'careful'): Trace {
  let tools = made[how].get(trace.tools);
  if (tools === undefined) {
    tools = new Map([...trace.tools].map(([name, tool]) => [name, withFields(tool, how)]));
    made[how].set(trace.tools, tools);
  }
  return { ...trace, tools };
}

function withFields(tool: SuiteTool, how: keyof typeof made): SuiteTool {
  if (!tool.reads_untrusted) return tool;
  const own = [...(OWN[tool.name] ?? []), ...(how === 'hasty' ? (HASTY[tool.name] ?? []) : [])];
  return own.length === 0 ? tool : { ...tool, trusted_fields: own };
}
