import { InvalidArgumentError } from '../errors.js';

/** How far an answer was from that of a full prefill of its prompt. */
export interface FidelityCheck {
  /** Kullback-Leibler divergence of the full prefill from what was woven, nats a token, at least 0. */
  readonly kl: number;
}

/** How faithful answers are to be, as a budget of {@link hybridPolicy}. */
export interface FidelityTarget {
  /** Mean divergence that answers are to come to, nats a token. */
  readonly kl: number;
  /** Share of the question's attention that is computed again as things stand. Kept over a restart: give it as `coverage`. */
  readonly coverage: number;
  /** Checks that it heard of. */
  readonly checks: number;
  /** Told of each checked answer. @throws InvalidArgumentError for a divergence that is none */
  observe(check: FidelityCheck): void;
}

export interface FidelityTargetOptions {
  /** Mean Kullback-Leibler divergence from a full prefill, nats a token, above 0. */
  readonly kl: number;
  /** Where it begins, between 0 and 1; default 0.6. */
  readonly coverage?: number;
  /** How far one check moves it, above 0 and at most 1; default 0.1. Less is steadier, and takes more checks to get there. */
  readonly gain?: number;
}

/** Coverage stays between 1% and 99%: no answer may be so bad or so good that nothing moves it any more. */
const mostLogOdds = Math.log(99);
/** One answer far off counts as so many times the target at most. */
const mostTimes = 10;

/**
 * A fidelity target instead of a budget. No probe tells how far an answer will be from a full prefill (docs/policies.md has
 * what was looked at), so the level follows what is measured: each check of an answer ({@link ShadowOptions}) that was further off
 * than the target raises the share of the question's attention that is computed again, each that was nearer lowers it, until
 * they balance at the mean (a stochastic approximation: Robbins and Monro 1951, with a gain that does not fade, so that it
 * follows when questions change). Within a level each question still takes as many tokens as its own attention is spread over.
 * @throws InvalidArgumentError
 */
export function fidelityTarget({
  kl,
  coverage = 0.6,
  gain = 0.1,
}: FidelityTargetOptions): FidelityTarget {
  if (!(kl > 0 && Number.isFinite(kl))) refuse('kl', kl, 'nats a token, above 0');
  if (!(coverage > 0 && coverage < 1)) refuse('coverage', coverage, 'a share between 0 and 1');
  if (!(gain > 0 && gain <= 1)) refuse('gain', gain, 'a number above 0 and at most 1');
  let logOdds = within(Math.log(coverage / (1 - coverage)));
  let checks = 0;
  return {
    kl,
    get coverage() {
      return 1 / (1 + Math.exp(-logOdds));
    },
    get checks() {
      return checks;
    },
    observe(check) {
      if (!(check.kl >= 0)) refuse('the measured kl', check.kl, 'nats of at least 0');
      checks++;
      logOdds = within(logOdds + gain * (Math.min(mostTimes, check.kl / kl) - 1));
    },
  };
}

function refuse(name: string, value: number, wanted: string): never {
  throw new InvalidArgumentError(`fidelityTarget: ${name} is ${value}; give ${wanted}.`);
}

const within = (value: number): number => Math.min(mostLogOdds, Math.max(-mostLogOdds, value));
