// What comes first: positions by numbers, for lists so long that a comparison each would be felt.

/** The positions of keys, the smallest key first; equal ones as they stand. Keys are whole numbers.
 * @param {Float64Array} keys @returns {Int32Array} */
export function ordered(keys) {
  const { length } = keys;
  let least = Infinity,
    most = -Infinity,
    right = true;
  for (let i = 0; i < length; i++) {
    const key = keys[i];
    if (key < most) right = false;
    else most = key;
    if (key < least) least = key;
  }
  const found = new Int32Array(length);
  for (let i = 0; i < length; i++) found[i] = i;
  if (right) return found;
  if ((most - least + 1) * length > Number.MAX_SAFE_INTEGER) return found.sort((a, b) => keys[a] - keys[b] || a - b);
  // key and position as one number, which typed arrays sort by themselves
  const both = new Float64Array(length);
  for (let i = 0; i < length; i++) both[i] = (keys[i] - least) * length + i;
  both.sort();
  for (let i = 0; i < length; i++) found[i] = both[i] % length;
  return found;
}

/** Numbers by what a column has for each; equal ones as they stand.
 * @param {Int32Array} numbers @param {Float64Array} column */
export function byKey(numbers, column) {
  const keys = new Float64Array(numbers.length);
  for (let i = 0; i < keys.length; i++) keys[i] = column[numbers[i]];
  return ordered(keys).map((i) => numbers[i]);
}
