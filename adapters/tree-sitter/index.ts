export { treeSitterParser, type TreeSitterParserOptions } from './parser.js';
