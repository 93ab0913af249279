// The libraries of the dashboard as one module: what a page imports from vendor/preact.js.
export { Component, Fragment, createContext, h, render } from "preact";
export {
  useCallback, useContext, useEffect, useId, useLayoutEffect, useMemo, useRef, useState,
} from "preact/hooks";
export { batch, computed, effect, signal, untracked, useComputed, useSignal, useSignalEffect }
  from "@preact/signals";
import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);
