/** What the server says it is. Over QMP it speaks the contract of 2.4, so that is the version that clients act on. */
import type { VersionInfo } from '@blk/qapi-types';

/** Version of this package; a test compares it with the manifest. */
export const PACKAGE_VERSION = '0.1.0';

/** The answer of `query-version` and of the greeting: QEMU 2.4.0, with our own name where a distributor's would stand. */
export const VERSION: VersionInfo = {
  qemu: { micro: 0, minor: 4, major: 2 },
  package: ` (blk ${PACKAGE_VERSION})`,
};
