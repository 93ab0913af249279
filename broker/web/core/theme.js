/** Light, dark, or as the computer says. */

import { effect } from "../vendor/preact.js";
import { kept } from "./keep.js";

/** @type {readonly ["system", "light", "dark"]} */
export const THEMES = ["system", "light", "dark"];

export const theme = kept("theme", THEMES);

effect(() => {
  if (theme.value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
});
