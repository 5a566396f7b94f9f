/**
 * Makes images of formats that no tool at hand writes, for tests. Written from the specifications, apart from the drivers.
 *
 * @packageDocumentation
 */
export { bochsImage, type BochsOptions } from './bochs.js';
export { cloopImage, type CloopOptions } from './cloop.js';
export { dmgContent, dmgImage, type DmgChunk, type DmgOptions, type DmgPartition } from './dmg/dmg.js';
export { packAdc } from './dmg/adc.js';
export { packLzfse, type LzfseBlock } from './dmg/lzfse.js';
export { packWith7zz } from './pack-with-7zz.js';
export { sampleContent } from './sample.js';
export { VHD_ID, vhdGeometry, vhdImage, type VhdOptions, type VhdParent } from './vhd.js';
export { VHDX_ID, vhdxImage, VhdxState, type VhdxBlock, type VhdxOptions } from './vhdx.js';
export { LogEntry as VhdxLogEntry, type LogChange as VhdxLogChange } from './vhdx-log.js';
export { cowdExtent, seSparseExtent, vmdkDescriptor, type CowdOptions, type GrainState, type SeSparseOptions, type VmdkDescriptor } from './vmdk.js';
