const names: ReadonlySet<string> = new Set([
  'config.json',
  'modules.json',
  'model.safetensors',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'vocab.txt',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
]);

/** Whether a model is made of the file at this path in its folder: one of a few names, there or one folder below. */
export function isModelFile(path: string): boolean {
  const [name = '', folder = 'x', ...more] = path.split('/').toReversed();
  return names.has(name) && more.length === 0 && /^\w[\w.-]*$/.test(folder);
}
