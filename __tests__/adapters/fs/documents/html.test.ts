import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { extractHtml } from '../../../../adapters/fs/documents/index.js';

async function text(html: string): Promise<string> {
  return (await extractHtml(html)).text;
}

describe('extractHtml', () => {
  test.each([
    ['paragraphs', '<p>One\n  two.</p><p>Three.</p>after', 'One two.\n\nThree.\n\nafter'],
    ['inline elements', 'a<b>b</b> <i> c</i>d<span> </span>e', 'ab cd e'],
    [
      'headings',
      '<h1>Top</h1>text<h3>Low<br>down</h3>more',
      '# Top\n\ntext\n\n### Low down\n\nmore',
    ],
    ['a heading without end', '<h1>Top<p>One<p>Two', '# Top\n\nOne\n\nTwo'],
    ['an empty heading', '<h1></h1><p>One</p>', 'One'],
    ['line breaks', 'a<br>b<br/><br>c', 'a\nb\n\nc'],
    ['lists', '<ul><li>a<li><p>b</p><ul><li>c</li></ul></li></ul>d', '- a\n- b\n  - c\n\nd'],
    ['numbered lists', '<ol start=3><li>a</li><li>b</li></ol>', '3. a\n4. b'],
    ['an empty item', '<ul><li></li></ul><p>Text', 'Text'],
    ['tables', '<table><tr><th>a<th>b<tr><td>1<td><p>2</p></table>x', 'a | b\n1 | 2\n\nx'],
    ['empty cells', '<table><tr><td><td>b<td><tr><td>c</table>', '| b\nc'],
    ['definitions', '<dl><dt>Word<dd>Meaning</dl>', 'Word\nMeaning'],
    ['code', '<pre>\n  a &lt; b\r\n\n# no\n</pre>x', '```\n  a < b\n\n# no\n```\n\nx'],
    ['code with a fence', '<pre>```\n</pre>', '````\n```\n````'],
    ['code without end', 'a<pre>b', 'a\n\n```\nb\n```'],
    [
      'entities',
      'a&nbsp;&amp;&lt;b&gt; &eacute;&#x1F600;&unknown; 3&times;4 hy&shy;phen',
      'a &<b> é😀&unknown; 3×4 hyphen',
    ],
    [
      'scripts and styles',
      '<style>p{}</style>a<script>if(a<b)"</p>"</script>b<noscript>c</noscript>',
      'ab',
    ],
    [
      'hidden elements',
      'a<div hidden>x<p>y</p></div><b style="color:red; DISPLAY : none">z</b>b<template>t</template>',
      'ab',
    ],
    ['comments', 'a<!-- <p>b</p> -->c<!doctype html><![CDATA[x]]>', 'ac'],
    ['lone brackets', '1 < 2 > 1 <', '1 < 2 > 1 <'],
    ['nothing', '<html><head><title>T</title></head><body></body></html>', ''],
  ])('%s', async (_name, html, expected) => {
    expect(await text(html)).toBe(expected);
  });

  test('the title is kept apart from the text', async () => {
    const page =
      '<head><title> A\n&amp; B </title></head><body><svg><title>x</title></svg><p>Text</p>';
    expect(await extractHtml(page)).toEqual({ title: 'A & B', text: 'Text' });
  });

  test('a page cut anywhere, or any text, is read without failing', async () => {
    const pieces =
      '<p> </p> <li> </ul> <ul> <pre> </pre> <h2> </h2> <td> <tr> </table> <table> <b hidden > " &amp ; <!-- --> ' +
      '<script> </script> word';
    const piece = fc.constantFrom(...pieces.split(' '), ' ', '\n');
    const html = fc
      .array(fc.oneof(piece, fc.string()), { maxLength: 50 })
      .map((pieces) => pieces.join(''));
    await fc.assert(
      fc.asyncProperty(html, async (html) => {
        const result = await text(html);
        expect(result).toBe(result.replace(/^\n+/, ''));
      }),
    );
  });

  test('takes linear time, and refuses what is nested beyond measure', async () => {
    const long = await text('<p>word</p>'.repeat(100_000));
    expect(long.length).toBe(100_000 * 6 - 2);
    await expect(text('<div>'.repeat(1_000_000))).rejects.toThrow(/nested more than 2000 deep/);
  });
});
