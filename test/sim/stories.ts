/**
 * Seeds on which the simulated world once broke an invariant, and the cause. The older ones are run in plain worlds, without the kinds of
 * trouble that were added later, so that they stay as they were recorded.
 */
export interface Story {
  readonly seeds: readonly number[];
  readonly said: string;
  /** The part that was at fault: the product, the oracle, or the simulated world. */
  readonly wrong: 'product' | 'oracle' | 'world';
  readonly why: string;
  /** Hosts on one disk, with all kinds of trouble of such worlds; left out: one in a plain world. */
  readonly supervisors?: number;
}

export const STORIES: readonly Story[] = [
  {
    seeds: [741, 944, 1601, 1635, 1901, 2708, 3042, 3283, 4391, 5035, 6952, 7040, 7439],
    said: 'pay with 7 is allow; the policies say ask',
    wrong: 'oracle',
    why: 'a result behind a handle that nobody had opened counted as read',
  },
  {
    seeds: [1595, 2195, 3302],
    said: 'a call to pay with 7 left, and people have none approved it',
    wrong: 'oracle',
    why: 'a call that a person had made again was held to what the policies would say of it by then; it is decided once',
  },
  {
    seeds: [1647, 7606],
    said: 'a family paid more than its purse',
    wrong: 'product',
    why: 'a payment of unknown result that a person has made again was paid twice out of one reservation',
  },
  {
    seeds: [7745],
    said: 'an entry after the receipt of its kill',
    wrong: 'product',
    why: 'the receipt did not wait for the end of a child that was being woken, since its parent had begun to end it as well',
  },
  {
    seeds: [3410],
    said: 'ended for its wall time after less than no time',
    wrong: 'oracle',
    why: 'time for which a run was paused before it began was taken off the time since it began',
  },
  {
    seeds: [4669],
    said: 'a timer fires 3,001 ms after it was due',
    wrong: 'oracle',
    why: 'a run on the ladder is given one thing at a time, with a pause after each',
  },
  {
    seeds: [1605],
    said: 'never_started without a reason',
    wrong: 'product',
    why: 'three cells that died before they were ready ended queued runs of earlier hosts, under which cells had started',
  },
  {
    seeds: [4934, 8362],
    said: 'a submit fails: a service that this host does not offer',
    wrong: 'world',
    why: 'a job of one tenant was submitted when the other one alone had been served',
  },
  {
    seeds: [856_097_611_988],
    said: 'a run is parked, and paused_away_ms is undefined; its journal says 32',
    wrong: 'product',
    why: 'once the next host had started, what a host wrote after its last look at the store lay in a time without a host',
  },
  {
    seeds: [9694472911],
    supervisors: 2,
    said: 'there is a receipt for the pause of a run with its family, and a run below it goes on',
    wrong: 'product',
    why: 'a descendant that was ending counted as stopped; its end was refused, because another node had taken it, and it went on there',
  },
  {
    seeds: [8812100222],
    said: 'a run does not go on: its timer was due a minute ago',
    wrong: 'product',
    why: 'a run that was being replayed in a cell when the cell was killed for another reason was not scheduled again',
    supervisors: 2,
  },
  {
    seeds: [5520479],
    supervisors: 3,
    said: 'a call is said to have been kept back, and read has acted',
    wrong: 'product',
    why: 'a second attempt that waited for the lease was given up, and the call was said not to have been made, though the first attempt had left',
  },
  {
    seeds: [200557318291427],
    said: 'a call is said to have been kept back, and read has acted',
    wrong: 'oracle',
    why: 'the read left before its crank was durable, and that crank was lost; the one that was made again knows nothing of it',
  },
  {
    seeds: [841827],
    said: 'goes on in a new life although its detectors asked to pause it',
    wrong: 'oracle',
    why: 'a policy had paused the run already, and a person let it go on',
  },
  {
    seeds: [856097593983, 856097609228],
    said: 'a timer fires 1,661 ms after it was due',
    wrong: 'oracle',
    why: 'the run stood still under a quarantine meanwhile',
  },
  {
    seeds: [869604899143],
    said: 'ended as CORRAL_CELL_CRASHED, and there was no reason for it',
    wrong: 'product',
    why: 'cranks that were given up since their process had been stopped were counted as cells that had died under the run',
  },
  {
    seeds: [603974890],
    said: 'the receipt for a kill says until when its former node may send, which may longer',
    wrong: 'oracle',
    why: 'two nodes killed the run and took it from each other; the receipt names the node that the first of them took it from, and was held against the second time',
    supervisors: 2,
  },
  {
    seeds: [818306],
    said: 'kill failed: the run is held by a node, which is alive',
    wrong: 'product',
    why: 'two nodes killed the run and took it from each other; the one that lost it did not take it back, and its kill failed',
    supervisors: 2,
  },
  {
    seeds: [31118267039175],
    said: 'a timer fires 1,787 ms after it was due',
    wrong: 'world',
    why: 'paused runs kept all cells of their host for the grace of a pause, since the operators asked the other host to resume them',
    supervisors: 2,
  },
  {
    seeds: [615522365],
    said: 'approve failed: the money of a tenant does not suffice, others have spent of it meanwhile',
    wrong: 'product',
    why: 'a person who approved a call was told that it is decided again; now the approval is, and says that the account is spent',
    supervisors: 2,
  },
  {
    seeds: [615523044],
    said: 'a reply is labelled as influenced by a stranger; it is clean',
    wrong: 'oracle',
    why: 'a refusal to open a handle told how long its value is, which counts as read',
    supervisors: 2,
  },
  {
    seeds: [615523894],
    said: 'a run cranks under the quarantine of its agent',
    wrong: 'product',
    why: 'a node that was slow lifted a quarantine that it knew, and with it one that another node had put up since',
    supervisors: 2,
  },
  {
    seeds: [9917100813],
    said: 'a run cranks under the quarantine of its tenant',
    wrong: 'product',
    why: 'a node took a run under a quarantine that another node had put up since this one last learned what was decided, and resumed it',
    supervisors: 2,
  },
  {
    seeds: [173447663347],
    said: 'a run does not go on: a call to pay was never answered',
    wrong: 'product',
    why: 'a person made a payment again whose agent had given it up, and its tool waited for room in a stream that nobody read',
    supervisors: 1,
  },
  {
    seeds: [220209921112],
    said: 'an entry is a chunk of a call whose result is unknown',
    wrong: 'product',
    why: 'a chunk that waited for its run while the call took too long was delivered later, and would have been part of the next attempt’s answer',
    supervisors: 2,
  },
  {
    seeds: [20261129436],
    said: 'an entry is a chunk of a call for which nobody has asked',
    wrong: 'oracle',
    why: 'it did not note what a cell was given by a node that was late and kept its run; the capability was taken back before the crank was in the journal',
    supervisors: 2,
  },
  {
    seeds: [20261305102],
    said: 'a run does not go on: it is paused',
    wrong: 'oracle',
    why: 'a run that waits for its own reply is paused again each time that people resume it',
    supervisors: 2,
  },
  {
    seeds: [20261408656],
    said: 'there is a receipt for the pause of a run with its family, and one below it goes on',
    wrong: 'oracle',
    why: 'its parent had been resumed while the family was being paused, and had started it since',
    supervisors: 2,
  },
  {
    seeds: [20261505179],
    said: 'a call is sent by a node, and another one holds its run',
    wrong: 'product',
    why: 'a host that had lost its lease and joined again finished to bring back a run that it had claimed before',
    supervisors: 2,
  },
  {
    seeds: [20261700089],
    said: 'kill failed',
    wrong: 'product',
    why: 'the commits before the end of a killed run needed what another node had spent, so the end was refused with them and not asked for again',
    supervisors: 2,
  },
  {
    seeds: [20261800454],
    said: 'a call was allowed and answered with CORRAL_CAP_UNKNOWN',
    wrong: 'oracle',
    why: 'a call that people had approved is not made, and the run is told, where the configuration lacks its tool when it would leave',
    supervisors: 2,
  },
  {
    seeds: [20261805586],
    said: 'a run cranks although it is paused',
    wrong: 'oracle',
    why: 'a run was paused, and resumed by a command from before that; the receipt for the pause came after both, as its node had stood still',
    supervisors: 2,
  },
  {
    seeds: [20261131900288],
    said: 'a run cranks although it is paused',
    wrong: 'oracle',
    why: 'a host that stood still went on with a command to resume from before the pause; the start of another host had made the oracle forget it',
    supervisors: 2,
  },
];
