// What a reader of the page would complain about.

const LEAST_CONTRAST = 4.5;
// In CSS pixels: below this nobody reads on.
const SMALLEST = 11;

function faults() {
  const found = new Set();
  const drawn = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) {
    found.add(`the page is ${root.scrollWidth} wide, and the window ${innerWidth}`);
  }
  for (const node of textNodes()) {
    const element = node.parentElement;
    // The cells of a table may say by themselves what its head would say.
    if (element.closest('thead') && getComputedStyle(element.closest('thead')).display === 'none') continue;
    const words = quoted(node.data);
    const rects = rectsOf(node);
    if (!rects.length || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) {
      found.add(`${words} is not shown`);
      continue;
    }
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize) * scaleOf(element);
    if (size < SMALLEST) found.add(`${words} is ${size.toFixed(1)} pixels high`);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    contrast(element, ink, words, found);
    for (const word of broken(node)) found.add(`the word “${word}” is broken`);
    for (const rect of rects) {
      const why = cut(element, rect);
      if (why) found.add(`${words} is cut: ${why}`);
      drawn.push({ rect, words, element });
    }
  }
  for (const element of document.querySelectorAll('body *')) {
    for (const part of ['::before', '::after']) {
      const style = getComputedStyle(element, part);
      if (style.content !== 'none' && style.content !== 'normal' && element.checkVisibility()) {
        contrast(element, style.color, style.content, found);
      }
    }
  }
  covered(drawn, found);
  return { looked: drawn.length, faults: [...found] };
}

// Those of the texts that are not to be seen where they stand, once one has scrolled there.
function unseen(wanted) {
  return wanted.filter((text) => {
    const holders = [...document.querySelectorAll('main *')].filter((it) => plain(it.textContent).includes(plain(text)));
    return !holders.some((holder) => {
      const inner = [...holder.children].some((child) => plain(child.textContent).includes(plain(text)));
      return !inner && isSeen(holder);
    });
  });
}

// All of what the holder says is drawn, and nothing lies over it.
function isSeen(holder) {
  if (!holder.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return false;
  const nodes = textNodes(holder);
  return nodes.every((node) => {
    const rects = rectsOf(node);
    return rects.length && rects.every((rect, at) => {
      node.parentElement.scrollIntoView({ block: 'center', inline: 'center' });
      const here = rectsOf(node)[at];
      // Of a long text its other lines may be out of the window: they are scrolled to.
      scrollBy(here.left + here.width / 2 - innerWidth / 2, here.top - innerHeight / 2);
      const { left, top, width, height } = rectsOf(node)[at];
      const top_most = document.elementFromPoint(left + width / 2, top + height / 2);
      return top_most && (node.parentElement.contains(top_most) || top_most.contains(node));
    });
  });
}

function textNodes(under = document.body) {
  const walker = document.createTreeWalker(under, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.data.trim() && !node.parentElement.closest('script, style, title')) nodes.push(node);
  }
  return nodes;
}

// Words that stand on two lines, though they are no longer than words are.
function broken(node) {
  const range = document.createRange();
  return [...node.data.matchAll(/[A-Za-z]{2,18}(?![A-Za-z0-9])/g)]
    .filter((found) => found.index === 0 || !/[A-Za-z0-9]/.test(node.data[found.index - 1]))
    .filter((found) => {
      range.setStart(node, found.index);
      range.setEnd(node, found.index + found[0].length);
      const lines = [...range.getClientRects()].filter((rect) => rect.width > 0.5);
      return lines.some((rect) => rect.top > lines[0].bottom - 2);
    })
    .map((found) => found[0]);
}

function rectsOf(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  return [...range.getClientRects()].filter((rect) => rect.width > 0.5 && rect.height > 0.5);
}

// A drawing may be shown smaller than it was drawn.
function scaleOf(element) {
  const drawing = element instanceof SVGElement && element.getScreenCTM();
  return drawing ? Math.hypot(drawing.a, drawing.b) : 1;
}

// Where a rectangle of text is cut off; a box that scrolls cuts nothing off, as long as it is itself on the page.
function cut(element, rect) {
  for (let box = element; box && box !== document.documentElement; box = box.parentElement) {
    const style = getComputedStyle(box);
    const bounds = box.getBoundingClientRect();
    const scrolls = /auto|scroll/.test(style.overflowX) && !(box instanceof SVGElement);
    if (scrolls && box.scrollWidth > box.clientWidth) {
      rect = bounds;
    } else if (style.overflowX !== 'visible' || style.overflowY !== 'visible') {
      const outside = rect.left < bounds.left - 1 || rect.right > bounds.right + 1;
      const below = rect.top < bounds.top - 1 || rect.bottom > bounds.bottom + 1;
      if (outside || below) return `by its <${box.tagName.toLowerCase()}>`;
    }
  }
  if (rect.left < -1 || rect.right > innerWidth + 1) return 'by the window';
  return '';
}

// Texts that lie on one another.
function covered(drawn, found) {
  drawn.sort((a, b) => a.rect.top - b.rect.top);
  drawn.forEach((one, at) => {
    for (const other of drawn.slice(at + 1)) {
      if (other.rect.top > one.rect.bottom) break;
      const wide = Math.min(one.rect.right, other.rect.right) - Math.max(one.rect.left, other.rect.left);
      const high = Math.min(one.rect.bottom, other.rect.bottom) - other.rect.top;
      if (wide > 2 && high > 5) found.add(`${one.words} and ${other.words} lie on one another`);
    }
  });
}

function contrast(element, ink, words, found) {
  const paper = paperOf(element);
  const colour = parsed(ink);
  if (!paper || !colour) {
    found.add(`the contrast of ${words} cannot be told`);
    return;
  }
  const [one, other] = [luminance(over(colour, paper)), luminance(paper)].sort((a, b) => b - a);
  const ratio = (one + 0.05) / (other + 0.05);
  if (ratio < LEAST_CONTRAST) found.add(`${words} has a contrast of ${ratio.toFixed(2)}`);
}

// What is behind the text of an element: the backgrounds of all that it lies in.
function paperOf(element) {
  const layers = [];
  for (let box = element; box; box = box.parentElement) {
    const style = getComputedStyle(box);
    const layer = parsed(style.backgroundColor);
    if (!layer || style.backgroundImage !== 'none' || style.opacity !== '1') return null;
    layers.push(layer);
    if (layer[3] === 1) break;
  }
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
}

function parsed(colour) {
  const numbers = /^rgba?\(([^)]*)\)$/.exec(colour)?.[1].split(/[\s,/]+/).map(Number);
  if (!numbers || numbers.length < 3 || numbers.some(Number.isNaN)) return null;
  return [numbers[0], numbers[1], numbers[2], numbers[3] ?? 1];
}

function over(above, below) {
  const mixed = [0, 1, 2].map((at) => above[at] * above[3] + below[at] * (1 - above[3]));
  return [...mixed, 1];
}

// Relative luminance, as WCAG 2 defines it.
function luminance(colour) {
  const [red, green, blue] = colour.slice(0, 3).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function plain(text) {
  return text.replace(/\s+/g, ' ').trim();
}

function quoted(text) {
  const words = plain(text);
  return `“${words.length > 40 ? `${words.slice(0, 40)}…` : words}”`;
}
