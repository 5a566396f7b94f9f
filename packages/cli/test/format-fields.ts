/** Every field of the metadata of QED, VDI, VMDK and Parallels images, found by their specifications. */
import { Layout, textDamages, type Damage, type Width } from './fields.js';

type Named = readonly (readonly [name: string, at: number, bytes: Width])[];
const SECTOR = 512;

function header(layout: Layout, names: Named): Layout {
  layout.places.set('header', 0);
  for (const [name, at, bytes] of names) layout.number(`header: ${name}`, at, bytes);
  return layout;
}

export function qedDamages(file: string, bytes: Uint8Array): readonly Damage[] {
  const cluster = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  const layout = header(new Layout(file, bytes, cluster), [
    ['magic', 0, 4], ['cluster size', 4, 4], ['table size', 8, 4], ['header size', 12, 4], ['features', 16, 8], ['compatible', 24, 8], ['autoclear', 32, 8],
    ['size', 48, 8], ['backing offset', 56, 4], ['backing length', 60, 4],
  ]);
  layout.place('header: L1 offset', 40, 8, { unit: 1 });
  const l1 = layout.u64(40);
  const count = (layout.u32(8) * cluster) / 8;
  layout.places.set('L1', l1);
  const tables: number[] = [];
  layout.entries('L1 entry', { at: l1, count, bytes: 8, unit: 1, visit: (l2) => tables.push(l2) });
  tables.forEach((l2, index) => {
    layout.places.set(`L2 ${index}`, l2);
    let seen = 0;
    layout.entries(`L2 ${index} entry`, { at: l2, count, bytes: 8, unit: 1, isSet: (entry) => entry > 1, visit: (data) => layout.places.set(`data ${index}.${seen++}`, data) });
  });
  return layout.lengths().all();
}

export function vdiDamages(file: string, bytes: Uint8Array): readonly Damage[] {
  const layout = header(new Layout(file, bytes, 1 << 20), [
    ['signature', 0x40, 4], ['version', 0x44, 4], ['header size', 0x48, 4], ['type', 0x4c, 4], ['flags', 0x50, 4], ['cylinders', 0x15c, 4], ['heads', 0x160, 4],
    ['sectors', 0x164, 4], ['sector size', 0x168, 4], ['disk size', 0x170, 8], ['block size', 0x178, 4], ['block extra', 0x17c, 4], ['blocks', 0x180, 4],
    ['blocks in use', 0x184, 4], ['identifier', 0x188, 4], ['snapshot', 0x198, 4], ['link', 0x1a8, 4], ['parent', 0x1b8, 4],
  ]);
  layout.place('header: map offset', 0x154, 4, { unit: 1 }).place('header: data offset', 0x158, 4, { unit: 1 });
  const origin = layout.u32(0x158);
  layout.places.set('map', layout.u32(0x154)).set('data', origin);
  let seen = 0;
  layout.entries('entry', {
    at: layout.u32(0x154), count: layout.u32(0x180), bytes: 4, unit: 1 << 20, origin, isSet: (entry) => entry < 0xffff_fffe,
    visit: (data) => layout.places.set(`data ${seen++}`, data),
  });
  return layout.lengths().all();
}

export function parallelsDamages(file: string, bytes: Uint8Array): readonly Damage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const cluster = view.getUint32(28, true) * SECTOR;
  const extended = bytes[11] === 0x46;
  const layout = header(new Layout(file, bytes, cluster), [
    ['magic', 0, 4], ['magic, end', 12, 4], ['version', 16, 4], ['heads', 20, 4], ['cylinders', 24, 4], ['sectors of a cluster', 28, 4], ['entries', 32, 4],
    ['sectors', 36, 8], ['state of use', 44, 4], ['flags', 52, 4],
  ]);
  layout.place('header: data offset', 48, 4, { unit: SECTOR }).place('header: extension', 56, 8, { unit: SECTOR });
  layout.places.set('catalog', 64).set('data', layout.u32(48) * SECTOR);
  let seen = 0;
  layout.entries('entry', { at: 64, count: layout.u32(32), bytes: 4, unit: extended ? cluster : SECTOR, visit: (data) => layout.places.set(`data ${seen++}`, data) });
  layout.other('state of use = in use', (whole) => {
    const copy = whole.slice();
    new DataView(copy.buffer).setUint32(44, 0x746f_6e59, true);
    return copy;
  });
  return layout.lengths().all();
}

/** Of a descriptor in a file of its own, of a sparse extent with or without a descriptor, or of a flat extent. */
export function vmdkDamages(file: string, bytes: Uint8Array): readonly Damage[] {
  const start = Buffer.from(bytes.subarray(0, 21)).toString('latin1');
  if (start.startsWith('# Disk DescriptorFile')) return textDamages(file, Buffer.from(bytes).toString('latin1').replace(/\0+$/, ''), (_, text) => Buffer.from(text, 'latin1'));
  if (!start.startsWith('KDMV')) return new Layout(file, bytes, 65536).lengths().all();
  return sparseExtent(file, bytes);
}

function sparseExtent(file: string, bytes: Uint8Array): readonly Damage[] {
  const layout = header(new Layout(file, bytes, 65536), [
    ['magic', 0, 4], ['version', 4, 4], ['flags', 8, 4], ['capacity', 12, 8], ['grain size', 20, 8], ['descriptor size', 36, 8], ['entries of a table', 44, 4],
    ['unclean', 72, 1], ['line end', 73, 1], ['last line end', 76, 1], ['compression', 77, 2],
  ]);
  const sectors = { unit: SECTOR };
  for (const [name, at] of [['descriptor offset', 28], ['redundant directory', 48], ['directory', 56], ['overhead', 64]] as const) layout.place(`header: ${name}`, at, 8, sectors);
  const tables = Math.ceil(layout.u64(12) / layout.u64(20) / layout.u32(44));
  for (const [name, at] of [['directory', 56], ['redundant directory', 48]] as const) {
    const directory = layout.u64(at) * SECTOR;
    if (directory === 0) continue;
    layout.places.set(name, directory);
    const places: number[] = [];
    layout.entries(`${name} entry`, { at: directory, count: tables, bytes: 4, ...sectors, visit: (table) => places.push(table) });
    const table = places[0];
    if (table === undefined) continue;
    layout.places.set(`table of the ${name}`, table);
    let seen = 0;
    layout.entries(`entry of the ${name}'s table`, {
      at: table, count: layout.u32(44), bytes: 4, ...sectors, isSet: (entry) => entry > 1, visit: (grain) => layout.places.set(`grain ${seen++}`, grain),
    });
  }
  const grain = layout.places.get('grain 0');
  if (layout.u16(77) === 1 && grain !== undefined) layout.number('marker: sector', grain, 8).number('marker: length', grain + 8, 4).number('packed data', grain + 12, 2);
  return [...layout.lengths().all(), ...embeddedText(file, bytes, layout.u64(28) * SECTOR, layout.u64(36) * SECTOR)];
}

function embeddedText(file: string, bytes: Uint8Array, at: number, room: number): readonly Damage[] {
  if (at === 0) return [];
  const text = Buffer.from(bytes.subarray(at, at + room)).toString('latin1').replace(/\0+$/, '');
  return textDamages(file, text, (whole, changed) => {
    const copy = whole.slice();
    copy.fill(0, at, at + room).set(Buffer.from(changed, 'latin1').subarray(0, room), at);
    return copy;
  });
}
