/**
 * Which part of the time is in sight. Where the end is in sight, the sight goes on with it; anywhere
 * else it stays.
 */

import { useState } from "../../../vendor/preact.js";

/** The shortest time that fills the sight, in milliseconds. */
const SHORTEST = 5;
/** How much one press zooms, and what share of the sight it moves. */
const ZOOM = 1.6;
const MOVE = 0.25;

/**
 * @typedef {object} Sight places, as `Scale` has them
 * @property {number} from
 * @property {number} to
 * @property {boolean} follows whether it goes on with the end
 * @property {boolean} whole whether all is in sight
 * @property {(factor: number, at?: number) => void} zoom `at`: the share of the sight that stays
 * @property {(share: number) => void} move by a share of the sight
 * @property {() => void} all
 * @property {() => void} last
 * @property {(key: string, shift: boolean) => boolean} press whether a key was meant for it
 */

/**
 * @param {number} start
 * @param {number} end
 * @returns {Sight}
 */
export function useSight(start, end) {
  const [held, hold] = useState(/** @type {{span: number | null, to: number | null}} */ ({ span: null, to: null }));
  const span = Math.min(held.span ?? Infinity, end - start);
  const to = Math.max(start + span, Math.min(end, held.to ?? end));
  const from = to - span;
  /** @param {number} first @param {number} long */
  const look = (first, long) => {
    if (long >= end - start) hold({ span: null, to: null });
    else {
      const begin = Math.max(start, first);
      hold({ span: long, to: begin + long >= end ? null : begin + long });
    }
  };
  /** @param {number} factor */
  const zoom = (factor, at = held.to === null ? 1 : 0.5) => {
    const long = Math.max(SHORTEST, span * factor);
    look(from + at * (span - long), long);
  };
  /** @param {number} share */
  const move = (share) => look(Math.min(end - span, from + span * share), span);
  const all = () => hold({ span: null, to: null });
  const last = () => hold({ span: held.span, to: null });
  /** @type {Record<string, () => void>} */
  const keys = { "+": () => zoom(1 / ZOOM), "=": () => zoom(1 / ZOOM), "-": () => zoom(ZOOM), 0: all };
  /** @type {Record<string, () => void>} */
  const shifted = { ArrowLeft: () => move(-MOVE), ArrowRight: () => move(MOVE), End: last, Home: () => look(start, span) };
  return {
    from, to, follows: held.to === null, whole: held.span === null, zoom, move, all, last,
    press: (key, shift) => {
      const act = (shift && shifted[key]) || keys[key];
      act?.();
      return Boolean(act);
    },
  };
}
