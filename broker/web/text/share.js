/** The words of a shared run. */

export const share = {
  readOnly: "Read only",
  steps: "Steps",
};
