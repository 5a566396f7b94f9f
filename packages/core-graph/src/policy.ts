/** What images may make the program do: the policy for input that nobody vouches for. */

/** Decisions of the embedder about files that an image refers to, about guessing formats, and about cost. */
export interface ImagePolicy {
  /**
   * Whether the image `from` may pull in `reference` (resolved) as its backing or data file. Called with every reference
   * that comes out of an image; never with what the caller named himself.
   */
  allowReference(reference: string, kind: 'backing' | 'data-file', from: string): boolean;
  /** Whether the format of an image may be guessed from its content, where the caller did not name it. */
  readonly allowProbing: boolean;
  /** Most images in one backing chain. */
  readonly maxChainDepth: number;
  /** Most bytes that tables of one image may take in memory. */
  readonly maxMetadataBytes: number;
  /** Most iterations of key derivation that one passphrase may cost, over all key slots of an image; any number where absent. */
  readonly maxKeyIterations?: number;
}

/** For images of one's own: follows references, guesses formats. */
export const TRUSTED: ImagePolicy = {
  allowReference: () => true,
  allowProbing: true,
  maxChainDepth: 200,
  maxMetadataBytes: 512 * 1024 * 1024,
};

/** For images from others: no file but the named one, no guessing, small caps. */
export const UNTRUSTED: ImagePolicy = {
  allowReference: () => false,
  allowProbing: false,
  maxChainDepth: 1,
  maxMetadataBytes: 64 * 1024 * 1024,
  // Some ten seconds.
  maxKeyIterations: 20_000_000,
};
