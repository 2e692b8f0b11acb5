// What a plugin answers of one chunk, brought into the form that the host takes.

/** Answers as they come, in any order, overlapping or not. */
export class Drafts {
  #edits = [];
  removed = new Set();
  blocked = new Set();
  items = [];
  dropped = undefined;
  replaced = undefined;

  /** A byte range inside the field of row `field`, and what to put there. */
  edit(field, start, end, replacement) {
    this.#edits.push({ field, start, end, replacement });
  }

  verdict() {
    if (this.dropped !== undefined) return { tag: "drop", val: this.dropped };
    if (this.replaced !== undefined) return { tag: "replace", val: this.replaced };
    const edits = normalised(this.#edits);
    if (edits.length + this.removed.size + this.blocked.size + this.items.length === 0) return { tag: "keep" };
    const sorted = (set) => Uint32Array.from(set).sort();
    const changes = {
      edits,
      removeEvents: sorted(this.removed),
      blockNodes: sorted(this.blocked),
      dropItems: this.items,
    };
    return { tag: "change", val: changes };
  }
}

/**
 * Sorted, at most one edit for a byte. Where two overlap, both ranges are masked: no answer may uncover what
 * another covers. What clears a field is its only edit.
 */
export function normalised(edits) {
  const cleared = new Set(edits.filter((edit) => edit.replacement.tag === "blank").map((edit) => edit.field));
  const kept = edits.filter((edit) => edit.replacement.tag === "blank" || !cleared.has(edit.field));
  kept.sort((a, b) => a.field - b.field || a.start - b.start || a.end - b.end);
  const out = [];
  for (const edit of kept) {
    const last = out.at(-1);
    if (last && last.field === edit.field && touches(last, edit)) merge(last, edit);
    else out.push({ ...edit });
  }
  return out;
}

/** Whether two edits claim a byte, or the same place. */
function touches(first, second) {
  return second.start < first.end || (second.start === first.start && second.end === first.end);
}

function merge(last, edit) {
  const [one, other] = [last.replacement, edit.replacement];
  const isSame = last.start === edit.start && last.end === edit.end && one.tag === other.tag && one.val === other.val;
  if (isSame) return;
  last.end = Math.max(last.end, edit.end);
  if (one.tag === "text") last.replacement = other.tag === "mask" ? other : { tag: "mask", val: "*" };
}
