// An element as a plugin sees it.

/**
 * An element as the recording knows it: not at one moment, but in all of the batch. One that was moved to another
 * parent within the batch is not known until the batch is over.
 */
export class Element {
  constructor({ node, parent, tag, attributes }) {
    this.node = node;
    /** Its parent's node, 0 if there is none or it is not known. */
    this.parent = parent;
    /** Lower case. */
    this.tag = tag;
    /**
     * Pairs of name and value, of `type name id class autocomplete contenteditable data-*`. One that changed within the
     * batch is there once for each value, the latest last: a field may have been recorded under any of them.
     */
    this.attributes = attributes;
  }

  /**
   * The latest value of an attribute, `undefined` if it has none. To tell whether something must not be seen, go
   * through all of `values`.
   */
  attribute(name) {
    return this.values(name).at(-1);
  }

  /** Each value that an attribute had within the batch, the latest last. */
  values(name) {
    return this.attributes.filter(([key]) => key === name).map(([, value]) => value);
  }
}
