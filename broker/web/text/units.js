/** The units of times and sizes, and how long ago something was. */

export const units = {
  second: "s", minute: "min", hour: "h", day: "d",
  bytes: ["B", "KB", "MB", "GB", "TB"],
  percent: "%",
  now: "now",
  /** @param {string} amount with its unit */
  ago: (amount) => `${amount} ago`,
  /** @param {string} amount with its unit */
  ahead: (amount) => `in ${amount}`,
};
