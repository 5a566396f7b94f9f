/** Names, options, and what they must not be. */
import fc from 'fast-check';
import { BlockError } from '@blk/core-graph';
import { describe, expect, it } from 'vitest';
import { nameOf, parseArchipelagoName, placeOf } from '../src/place.js';

const USUAL = { mport: 1001, vport: 501, segment: 'archipelago' };

describe('places', () => {
  it.each([
    ['archipelago:disk01', { volume: 'disk01', ...USUAL }],
    ['archipelago:disk01/mport=7', { volume: 'disk01', ...USUAL, mport: 7 }],
    ['archipelago:disk01/mport=7:vport=8', { volume: 'disk01', ...USUAL, mport: 7, vport: 8 }],
    ['archipelago:disk01/mport=7:segment=s', { volume: 'disk01', ...USUAL, mport: 7, segment: 's' }],
    ['archipelago:a:b/mport=7:vport=8:segment=s/t=u', { volume: 'a:b', mport: 7, vport: 8, segment: 's/t=u' }],
    ['archipelago:d/segment=s:vport=0', { volume: 'd', ...USUAL, vport: 0, segment: 's' }],
  ])('%s', (filename, place) => {
    expect(placeOf(parseArchipelagoName(filename))).toEqual(place);
    expect(placeOf({ filename })).toEqual(place);
  });

  it.each([
    ['archipelago:', 'names no volume'],
    ['archipelago:/mport=1', 'names no volume'],
    ['archipelago:d/', "'' in 'archipelago:d/' is none of mport=N, vport=N and segment=NAME"],
    ['archipelago:d/port=1', "'port=1' in"],
    ['archipelago:d/mport', "'mport' in"],
    ['archipelago:d/mport=1:mport=2', "gives 'mport' twice"],
    ['archipelago:d/mport=x', "Parameter 'mport' expects a number"],
    ['archipelago:d/mport=', "Parameter 'mport' expects a number"],
    ['archipelago:d/vport=-1', "Parameter 'vport' expects a number"],
    ['archipelago:d/vport=4294967295', "Parameter 'vport' expects a number below 4294967295"],
    ['archipelago:d/segment=', "Parameter 'segment' expects a name of 1 to 255 bytes"],
    [`archipelago:${'d'.repeat(257)}`, "Parameter 'volume' expects a name of 1 to 256 bytes"],
  ])('%s is refused', (filename, text) => {
    expect(() => parseArchipelagoName(filename)).toThrow(text);
  });

  it.each([
    [{}, "Parameter 'volume' is missing"],
    [{ volume: '' }, "Parameter 'volume' expects"],
    [{ volume: 'a\0b' }, "Parameter 'volume' expects"],
    [{ volume: 'ä'.repeat(129) }, "Parameter 'volume' expects"],
    [{ volume: 'd', segment: 's'.repeat(256) }, "Parameter 'segment' expects a name of 1 to 255 bytes"],
    [{ volume: 'd', mport: 2 ** 32 }, "Parameter 'mport' expects a number below"],
    [{ filename: 'archipelago:d', volume: 'd' }, 'cannot be used beside a file name'],
    [{ filename: 'archipelago:d', mport: 1001 }, 'cannot be used beside a file name'],
    [{ filename: 'disk.img' }, "'disk.img' names no volume"],
  ])('options %j are refused', (options, text) => {
    expect(() => placeOf(options)).toThrow(text);
  });

  it('takes what it says itself, and refuses anything else in one way', () => {
    const name = fc.string({ minLength: 1, maxLength: 60, unit: fc.constantFrom(...'abz01./:=-') });
    const port = fc.nat({ max: 0xffff_fffe });
    fc.assert(fc.property(name, port, port, name, (volume, mport, vport, segment) => {
      const place = { volume, mport, vport, segment };
      const said = nameOf(place);
      if (said === undefined) expect(volume.includes('/') || segment.includes(':')).toBe(true);
      else expect(placeOf({ filename: said })).toEqual(place);
    }), { seed: 1 });
    fc.assert(fc.property(fc.string(), (text) => {
      try {
        placeOf({ filename: `archipelago:${text}` });
      } catch (error) {
        expect(error).toBeInstanceOf(BlockError);
      }
    }), { seed: 1 });
  });
});
