/** A row of a table, or an object of JSON. */
export type SourceRecord = Readonly<Record<string, unknown>>;

/** How rows and records become documents. Names of fields may lead into objects: `author.name`. */
export interface RecordOptions {
  /**
   * What makes the text: names of fields, a text with `{field}` in it, or a function. Of one field it is the value, of
   * several a line `name: value` for each that has one. Default: the field `text` or `content`, if the record has one that
   * is text, else all fields.
   */
  readonly text?: readonly string[] | string | ((record: SourceRecord) => string) | undefined;
  /** Field for the title; default `title`. */
  readonly title?: string | undefined;
  /** Field whose value follows the file's name and `#` in the document's id; default the number of the record, from 1. */
  readonly id?: string | undefined;
  /** Fields to keep as metadata; default all that are not in the text. */
  readonly metadata?: readonly string[] | undefined;
  /** Where in a JSON file the list of records is, for example `data.items`; default the file is the list. */
  readonly list?: string | undefined;
}
