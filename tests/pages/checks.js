({
  /** Controls that say nothing to who cannot see them. */
  names: () => [...document.querySelectorAll("input, select, textarea, button, a[href], [role=meter], progress, dialog, [role=log]")]
    .filter((part) => {
      const labels = [...(part.labels ?? [])].map((label) => label.textContent).join("");
      const by = (part.getAttribute("aria-labelledby") ?? "").split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join("");
      const own = ["BUTTON", "A"].includes(part.tagName) ? part.textContent : "";
      return !(part.getAttribute("aria-label") || by.trim() || labels.trim() || own.trim());
    })
    .map((part) => part.outerHTML),

  /** What a screen reader finds its way by. */
  structure: () => {
    const ids = [...document.querySelectorAll("[id]")].map((part) => part.id);
    const headings = [...document.querySelectorAll("h1, h2, h3")].filter((part) => !part.closest("dialog"));
    return {
      doubles: ids.filter((id, at) => ids.indexOf(id) !== at),
      levels: headings.map((part) => Number(part.tagName[1])),
      lang: document.documentElement.lang,
      title: document.title,
      mains: document.querySelectorAll("main").length,
      dangling: [...document.querySelectorAll("[aria-labelledby], [aria-describedby], label[for]")]
        .flatMap((part) => ["aria-labelledby", "aria-describedby", "for"].flatMap((name) => (part.getAttribute(name) ?? "").split(/\s+/)))
        .filter((id) => id && !document.getElementById(id)),
    };
  },

  /** Text under the contrast of WCAG 2.2, 1.4.3 (AA). */
  contrast: () => {
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (color, under) => {
      pen.fillStyle = `rgb(${under.join(",")})`;
      pen.fillRect(0, 0, 1, 1);
      pen.fillStyle = color;
      pen.fillRect(0, 0, 1, 1);
      return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const ground = (part) => {
      if (!part) return rgb(getComputedStyle(document.body).backgroundColor, [255, 255, 255]);
      const style = getComputedStyle(part);
      if (style.backgroundImage.includes("gradient")) return rgb("#2a474b", [0, 0, 0]); // its lightest colour
      return rgb(style.backgroundColor, ground(part.parentElement));
    };
    const light = (color) => {
      const [r, g, b] = color.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const low = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const part = node.parentElement;
      if (!node.textContent.trim() || !part.checkVisibility() || part.closest(":disabled, .unseen, noscript, option")) continue;
      const style = getComputedStyle(part);
      const under = ground(part);
      const [one, two] = [light(rgb(style.color, under)), light(under)];
      const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
      const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) low.push(`${ratio.toFixed(2)} ${style.color} on ${under}: ${node.textContent.trim()}`);
    }
    return low;
  },

  /** What sticks out on the right. */
  overflow: () => {
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const out = [...document.querySelectorAll("body *")]
      .filter((part) => part.checkVisibility() && !part.closest(".scroll, .unseen, .skip, svg"))
      .filter((part) => part.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
      .map((part) => part.outerHTML.slice(0, 120));
    return [wide, out];
  },

  /** Marks what the tab key should reach; of a group of radio buttons, the chosen one. */
  stops: () => {
            const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")];
            const seen = all.filter((part) => part.checkVisibility() && !part.disabled && !part.closest("dialog:not([open])"));
            const radios = seen.filter((part) => part.type === "radio" && !part.checked);
            seen.forEach((part, at) => (part.dataset.stop = at));
            return seen.filter((part) => !radios.includes(part)).map((part) => part.dataset.stop);
          },

  /** Where the focus is, and whether it is seen there. */
  focused: () => {
                const part = document.activeElement;
                const style = getComputedStyle(part.type === "radio" ? part.nextElementSibling : part);
                return [part.dataset.stop ?? "", style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
              },
})
