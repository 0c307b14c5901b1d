/** The tools that the agents about handles use: some read what strangers wrote, and some act. */
export const uses = {
  mail: 'tool:mail.read',
  hr: 'tool:hr.read',
  send: 'tool:mail.send',
  quote: 'tool:mail.quote',
  pay: 'tool:pay.send',
  shell: 'tool:shell.run',
} as const;
