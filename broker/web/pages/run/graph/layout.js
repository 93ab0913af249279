/**
 * Where the boxes of a graph of steps stand: in layers from left to right, each step one layer after
 * the last that it waits for; within a layer so that few arrows cross. Pure; pixels.
 */

/** Pixels of a box, and between boxes. */
export const BOX = { width: 168, height: 52 };
const GAP = { x: 72, y: 18 };
/** Pixels of the way that an arrow takes through a layer which it only passes. */
const PASSAGE = 14;
/** How often the layers are put in order, once from the left and once from the right each. */
const SWEEPS = 6;

/** @typedef {{id: string, x: number, y: number, layer: number}} Box `x` and `y` of its middle */
/** @typedef {{from: string, to: string, points: [number, number][]}} Arrow */
/** @typedef {{boxes: Map<string, Box>, arrows: Arrow[], width: number, height: number}} Layout */
/** @typedef {{key: string, id: string | null, layer: number, before: Spot[], after: Spot[], y: number, tall: number}} Spot
 *   a box, or where an arrow passes a layer */

/**
 * @param {string[]} ids in the order that is kept where nothing else matters
 * @param {Record<string, any>} steps
 * @returns {Layout}
 */
export function layoutOf(ids, steps) {
  const waits = waitsOf(ids, steps);
  const layerOf = layersOf(ids, waits);
  /** @type {Map<string, Spot>} */
  const spots = new Map();
  /** @type {Spot[][]} */
  const layers = [];
  /** @param {string} key @param {string | null} id @param {number} layer */
  const put = (key, id, layer) => {
    /** @type {Spot} */
    const spot = { key, id, layer, before: [], after: [], y: 0, tall: id === null ? PASSAGE : BOX.height };
    spots.set(key, spot);
    (layers[layer] ??= []).push(spot);
    return spot;
  };
  for (const id of ids) put(`box ${id}`, id, /** @type {number} */ (layerOf.get(id)));
  /** @type {{from: string, to: string, way: Spot[]}[]} */
  const ways = [];
  for (const [to, all] of waits)
    for (const from of all) ways.push({ from, to, way: wayOf(from, to, spots, layerOf, put) });
  order(layers);
  place(layers);
  return drawn(layers, ways);
}

/**
 * For each step those that it waits for and that exist. Producers can say that steps wait for each
 * other in a ring: the arrow that closes it is left out.
 *
 * @param {string[]} ids
 * @param {Record<string, any>} steps
 */
function waitsOf(ids, steps) {
  const known = new Set(ids);
  /** @type {Map<string, string[]>} */
  const waits = new Map();
  for (const id of ids) waits.set(id, [...new Set(/** @type {string[]} */ (steps[id].after ?? []))].filter((one) => known.has(one) && one !== id));
  /** @type {Map<string, "open" | "done">} */
  const seen = new Map();
  for (const first of ids) {
    /** @type {{id: string, next: number}[]} */
    const path = seen.has(first) ? [] : [{ id: first, next: 0 }];
    if (path.length) seen.set(first, "open");
    while (path.length) {
      const at = path[path.length - 1];
      const all = /** @type {string[]} */ (waits.get(at.id));
      if (at.next >= all.length) {
        seen.set(at.id, "done");
        path.pop();
      } else if (seen.get(all[at.next]) === "open") all.splice(at.next, 1);
      else {
        const id = all[at.next++];
        if (!seen.has(id)) {
          seen.set(id, "open");
          path.push({ id, next: 0 });
        }
      }
    }
  }
  return waits;
}

/**
 * The longest way from a beginning to each step.
 *
 * @param {string[]} ids
 * @param {Map<string, string[]>} waits without rings
 */
function layersOf(ids, waits) {
  /** @type {Map<string, string[]>} */
  const next = new Map(ids.map((id) => [id, []]));
  const left = new Map();
  for (const [id, all] of waits) {
    left.set(id, all.length);
    for (const from of all) next.get(from)?.push(id);
  }
  const layer = new Map(ids.map((id) => [id, 0]));
  const ready = ids.filter((id) => left.get(id) === 0);
  for (let at = 0; at < ready.length; at++)
    for (const id of next.get(ready[at]) ?? []) {
      layer.set(id, Math.max(layer.get(id) ?? 0, (layer.get(ready[at]) ?? 0) + 1));
      left.set(id, left.get(id) - 1);
      if (left.get(id) === 0) ready.push(id);
    }
  return layer;
}

/**
 * The spots that an arrow goes through, tied to each other.
 *
 * @param {string} from
 * @param {string} to
 * @param {Map<string, Spot>} spots
 * @param {Map<string, number>} layerOf
 * @param {(key: string, id: null, layer: number) => Spot} put
 */
function wayOf(from, to, spots, layerOf, put) {
  const way = [/** @type {Spot} */ (spots.get(`box ${from}`))];
  const last = /** @type {number} */ (layerOf.get(to));
  for (let layer = way[0].layer + 1; layer < last; layer++) {
    // What leaves one step shares its way, as long as it goes through the same layers.
    const key = `way ${layer} ${from}`;
    way.push(spots.get(key) ?? put(key, null, layer));
  }
  way.push(/** @type {Spot} */ (spots.get(`box ${to}`)));
  for (let at = 1; at < way.length; at++)
    if (!way[at].before.includes(way[at - 1])) {
      way[at].before.push(way[at - 1]);
      way[at - 1].after.push(way[at]);
    }
  return way;
}

/**
 * Order each layer by the middle of its neighbours (barycentre), again and again.
 *
 * @param {Spot[][]} layers
 */
function order(layers) {
  for (const layer of layers) number(layer);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let at = 1; at < layers.length; at++) sortBy(layers[at], "before");
    for (let at = layers.length - 2; at >= 0; at--) sortBy(layers[at], "after");
  }
}

/** @param {Spot[]} layer @param {"before" | "after"} side */
function sortBy(layer, side) {
  const middle = new Map(layer.map((spot) => [spot, mean(spot[side], spot.y)]));
  layer.sort((a, b) => /** @type {number} */ (middle.get(a)) - /** @type {number} */ (middle.get(b)));
  number(layer);
}

/** @param {Spot[]} layer */
function number(layer) {
  layer.forEach((spot, at) => {
    spot.y = at - (layer.length - 1) / 2;
  });
}

/**
 * Give each spot its height: near the middle of its neighbours, without overlapping.
 *
 * @param {Spot[][]} layers in their order
 */
function place(layers) {
  for (const layer of layers) {
    let y = 0;
    for (const spot of layer) {
      spot.y = y + spot.tall / 2;
      y += spot.tall + GAP.y;
    }
    for (const spot of layer) spot.y -= (y - GAP.y) / 2;
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let at = 1; at < layers.length; at++) settle(layers[at], "before");
    for (let at = layers.length - 2; at >= 0; at--) settle(layers[at], "after");
  }
}

/** @param {Spot[]} layer @param {"before" | "after"} side */
function settle(layer, side) {
  const wanted = layer.map((spot) => mean(spot[side], spot.y));
  // Each as it wants where there is room downwards, then upwards; the middle of both is fair.
  const down = [...wanted];
  const up = [...wanted];
  for (let at = 1; at < layer.length; at++) down[at] = Math.max(down[at], down[at - 1] + apart(layer[at - 1], layer[at]));
  for (let at = layer.length - 2; at >= 0; at--) up[at] = Math.min(up[at], up[at + 1] - apart(layer[at], layer[at + 1]));
  layer.forEach((spot, at) => {
    spot.y = (down[at] + up[at]) / 2;
  });
}

/** @param {Spot} a @param {Spot} b */
const apart = (a, b) => (a.tall + b.tall) / 2 + GAP.y;

/** @param {Spot[]} spots @param {number} otherwise */
function mean(spots, otherwise) {
  return spots.length ? spots.reduce((sum, { y }) => sum + y, 0) / spots.length : otherwise;
}

/**
 * @param {Spot[][]} layers
 * @param {{from: string, to: string, way: Spot[]}[]} ways
 * @returns {Layout}
 */
function drawn(layers, ways) {
  const all = layers.flat();
  const top = Math.min(...all.map(({ y, tall }) => y - tall / 2));
  const bottom = Math.max(...all.map(({ y, tall }) => y + tall / 2));
  /** @param {number} layer */
  const middle = (layer) => BOX.width / 2 + layer * (BOX.width + GAP.x);
  /** @type {Map<string, Box>} */
  const boxes = new Map();
  for (const { id, layer, y } of all) if (id !== null) boxes.set(id, { id, layer, x: middle(layer), y: y - top });
  const arrows = ways.map(({ from, to, way }) => ({
    from, to, points: way.flatMap(({ layer, y }, at) => {
      const x = middle(layer);
      const [left, right] = [x - BOX.width / 2, x + BOX.width / 2];
      /** @type {[number, number][]} */
      const through = at === 0 ? [[right, y - top]] : at === way.length - 1 ? [[left, y - top]] : [[left, y - top], [right, y - top]];
      return through;
    }),
  }));
  return { boxes, arrows, width: layers.length * (BOX.width + GAP.x) - GAP.x, height: bottom - top };
}
