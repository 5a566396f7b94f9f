/**
 * The graph of block nodes: opening, probing, permissions, drain, the request path and the embedder's face.
 *
 * @packageDocumentation
 */
export {};
