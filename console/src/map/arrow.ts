/**
 * Arrow's stream format, batch by batch while it arrives: as much of it as the map's stream has, which is integers and
 * text in dictionaries, uncompressed (https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc).
 *
 * Libraries that read all of it weigh more than the whole map (docs/decisions/0012), and begin at the last byte.
 */
export type Integers = Uint8Array | Uint16Array | Uint32Array | Int8Array | Int16Array | Int32Array;

export interface Batch {
  /** What the schema says besides the columns. */
  metadata: ReadonlyMap<string, string>;
  length: number;
  columns: ReadonlyMap<string, Integers>;
  /** The texts that a column's integers stand for, by the column's name. */
  dictionaries: ReadonlyMap<string, readonly string[]>;
}

interface Column {
  name: string;
  bits: number;
  signed: boolean;
  dictionary: bigint | null;
}

const SCHEMA = 1;
const DICTIONARY = 2;
const RECORDS = 3;
const INT = 2;
const CONTINUES = 0xffffffff;

/** The batches of a stream. Throws where it ends in mid-message or holds what is not read here. */
export async function* readBatches(stream: ReadableStream<Uint8Array>): AsyncGenerator<Batch> {
  const bytes = new Bytes(stream);
  let columns: Column[] = [];
  let metadata: ReadonlyMap<string, string> = new Map();
  const dictionaries = new Map<string, readonly string[]>();
  for (;;) {
    const message = await nextMessage(bytes);
    if (message === null) return;
    const { kind, header, body } = message;
    if (kind === SCHEMA) {
      columns = header.tables(1).map(columnOf);
      metadata = new Map(header.tables(2).map((pair) => [pair.text(0), pair.text(1)]));
    } else if (kind === DICTIONARY) {
      const texts = textsOf(header.table(1)!, body);
      for (const { name, dictionary } of columns) if (dictionary === header.long(0)) dictionaries.set(name, texts);
    } else if (kind === RECORDS) {
      yield { metadata, length: Number(header.long(0)), columns: integersOf(columns, header, body), dictionaries };
    }
  }
}

async function nextMessage(bytes: Bytes): Promise<{ kind: number; header: Table; body: Uint8Array } | null> {
  const start = await bytes.take(8);
  if (start === null) return null;
  const view = new DataView(start.buffer, start.byteOffset);
  if (view.getUint32(0, true) !== CONTINUES) throw new Error("this is no Arrow stream");
  const length = view.getUint32(4, true);
  if (length === 0) return null;
  const head = await bytes.need(length);
  const table = Table.root(new DataView(head.buffer, head.byteOffset, head.byteLength));
  const body = await bytes.need(Number(table.long(3)));
  return { kind: table.byte(1), header: table.table(2)!, body };
}

function columnOf(field: Table): Column {
  const encoded = field.table(4);
  const integer = encoded === null ? field.table(3) : encoded.table(1);
  if (integer === null || (encoded === null && field.byte(2) !== INT))
    throw new Error(`column ${field.text(0)} is not of integers`);
  return {
    name: field.text(0),
    bits: integer.int(0),
    signed: integer.byte(1) === 1,
    dictionary: encoded?.long(0) ?? null,
  };
}

const KINDS = { 8: [Uint8Array, Int8Array], 16: [Uint16Array, Int16Array], 32: [Uint32Array, Int32Array] } as const;

function integersOf(columns: readonly Column[], records: Table, body: Uint8Array): Map<string, Integers> {
  const buffers = records.spans(2);
  return new Map(
    columns.map(({ name, bits, signed }, number) => {
      const Kind = KINDS[bits as keyof typeof KINDS]?.[signed ? 1 : 0];
      const { offset, length } = buffers[2 * number + 1]!; // each column has its validity first
      if (Kind === undefined) throw new Error(`column ${name} has integers of ${bits} bits`);
      return [name, new Kind(body.slice(offset, offset + length).buffer)];
    }),
  );
}

function textsOf(records: Table, body: Uint8Array): string[] {
  const [, places, letters] = records.spans(2);
  const count = Number(records.long(0));
  const ends = new Int32Array(body.slice(places!.offset, places!.offset + places!.length).buffer);
  const decoder = new TextDecoder();
  const start = letters!.offset;
  return Array.from({ length: count }, (_, at) =>
    decoder.decode(body.subarray(start + ends[at]!, start + ends[at + 1]!)),
  );
}

/** A table of FlatBuffers: fields by their number in the format's `.fbs` files; one that is left out is zero or null. */
class Table {
  private constructor(
    private readonly view: DataView,
    private readonly at: number,
  ) {}

  static root(view: DataView): Table {
    return new Table(view, view.getUint32(0, true));
  }

  byte(field: number): number {
    const place = this.place(field);
    return place && this.view.getUint8(place);
  }

  int(field: number): number {
    const place = this.place(field);
    return place && this.view.getInt32(place, true);
  }

  long(field: number): bigint {
    const place = this.place(field);
    return place ? this.view.getBigInt64(place, true) : 0n;
  }

  table(field: number): Table | null {
    const place = this.place(field);
    return place ? new Table(this.view, this.follow(place)) : null;
  }

  tables(field: number): Table[] {
    return this.items(field, 4).map((place) => new Table(this.view, this.follow(place)));
  }

  /** Structs of two numbers, offset and length. */
  spans(field: number): { offset: number; length: number }[] {
    const number = (place: number) => Number(this.view.getBigInt64(place, true));
    return this.items(field, 16).map((place) => ({ offset: number(place), length: number(place + 8) }));
  }

  text(field: number): string {
    const place = this.place(field);
    if (!place) return "";
    const start = this.follow(place);
    return new TextDecoder().decode(
      new Uint8Array(this.view.buffer, this.view.byteOffset + start + 4, this.view.getUint32(start, true)),
    );
  }

  private items(field: number, size: number): number[] {
    const place = this.place(field);
    if (!place) return [];
    const start = this.follow(place);
    return Array.from({ length: this.view.getUint32(start, true) }, (_, number) => start + 4 + number * size);
  }

  private place(field: number): number {
    const fields = this.at - this.view.getInt32(this.at, true);
    const slot = 4 + 2 * field;
    const offset = slot < this.view.getUint16(fields, true) ? this.view.getUint16(fields + slot, true) : 0;
    return offset && this.at + offset;
  }

  private follow(place: number): number {
    return place + this.view.getUint32(place, true);
  }
}

/** A stream by the byte. */
class Bytes {
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  private held = new Uint8Array();

  constructor(stream: ReadableStream<Uint8Array>) {
    this.reader = stream.getReader();
  }

  /** The next so many bytes, or null where the stream ends before them. */
  async take(count: number): Promise<Uint8Array | null> {
    const parts = [this.held];
    let length = this.held.length;
    while (length < count) {
      const { done, value } = await this.reader.read();
      if (done) return null;
      parts.push(value as Uint8Array<ArrayBuffer>);
      length += value.length;
    }
    const whole = parts.length === 1 ? this.held : joined(parts, length);
    this.held = whole.subarray(count);
    return whole.subarray(0, count);
  }

  async need(count: number): Promise<Uint8Array> {
    const found = await this.take(count);
    if (found === null) throw new Error("the map broke off on its way; reload it");
    return found;
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
