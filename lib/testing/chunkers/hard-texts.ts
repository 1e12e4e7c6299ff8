/** Texts that have broken chunkers, by name. */
export const hardTexts: Readonly<Record<string, string>> = {
  'one word': 'Word',
  'two paragraphs': 'First paragraph. It has two sentences.\n\nSecond paragraph.',
  'line ends of Windows': 'Title\r\n\r\nA line.\r\nAnother line.\r\n\r\nThe end.\r\n'.repeat(20),
  'line ends of old Macs': 'A line.\rAnother line.\r\rThe end.\r'.repeat(20),
  'no blank lines': 'A line of a log, with a comma; and more.\n'.repeat(100),
  'blanks around': `${' \n\t\n'.repeat(50)}Text at last.${'\n \n'.repeat(200)}More.${' '.repeat(500)}`,
  'headings only': '# One\n## Two\n### Three\n#### Four\n# Five\n'.repeat(20),
  Markdown:
    `# Guide\n\nSome words.\n\n## Install\n\n\`\`\`sh\n# not a heading\n\nnpm install\n\`\`\`\n\n- one\n- two\n\n`.repeat(
      12,
    ),
  code: `function add(a, b) {\n    if (a) {\n        return a + b;\n    }\n\n    return b;\n}\n\n`.repeat(
    30,
  ),
  'a table': '| name | size | note |\n|---|---:|---|\n' + '| café | 1,024.50 | ok |\n'.repeat(80),
  Chinese: '知识就是力量。学习使人进步，“温故而知新”。可以为师矣！'.repeat(40),
  Japanese:
    '吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。データベース、ﾊﾝｶｸ。'.repeat(
      30,
    ),
  Korean: '나랏말싸미 듕귁에 달아 문자와로 서르 사맛디 아니할쎄. 각각 다르다.'.repeat(30),
  Arabic: 'اَلْعِلْمُ نُورٌ، وَالْجَهْلُ ظَلَامٌ. هل تعرف ذلك؟ نعم؛ أعرف۔ '.repeat(30),
  Hindi: 'ज्ञान ही शक्ति है। क्षत्रिय, श्रीमान। '.repeat(40),
  Thai: 'ความรู้คืออำนาจน้ำใจงามทำได้'.repeat(40),
  emoji: '👩‍👩‍👧‍👦👍🏽🇩🇪🇫🇷❤️‍🔥1️⃣ text 🏴󠁧󠁢󠁥󠁮󠁧󠁿 '.repeat(30),
  'stacked marks': `${'Z̴̡̛͉̝a̷̢͎l̸̡g̶̢o̵ '.repeat(40)}`,
  'lone surrogates': `a\ud800b\udc00 \udfff\ud83d c\ud800`.repeat(30),
  'control characters': 'a\u0000b\u0000\u0000 \u0007c\u001b[0m\u0085d\ufeff e\u2028f\u2029g'.repeat(
    30,
  ),
  'no word ends': 'x'.repeat(5000),
  base64: 'TWFuIGlzIGRpc3Rpbmd1aXNoZWQ+/09+'.repeat(100),
  'signs only': '=-'.repeat(800) + '!?.,;:'.repeat(200),
  'equal passages': 'The same words again.\n\n'.repeat(60),
};

/** Texts that hold nothing to be found, so they have no chunks. */
export const blankTexts = ['', ' ', '\n\n\n', '\t \u3000\u00a0\r\n', ' '.repeat(3000)];
