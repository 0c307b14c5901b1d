/** The tools that the agents about grants use. */
export const uses = { read: 'tool:fs.read', pay: 'tool:bank.pay' } as const;
