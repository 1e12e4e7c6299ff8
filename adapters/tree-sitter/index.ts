/** Syntax trees of tree-sitter, for chunkers of code, by the optional package `web-tree-sitter`. */

export { treeSitterParser, type TreeSitterParserOptions } from './parser.js';
