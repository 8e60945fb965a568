//! The theme: light, dark, or the system's.

const ORDER = ["system", "light", "dark"];

/** @returns {"system" | "light" | "dark"} */
export function currentTheme() {
  return document.documentElement.dataset.theme ?? "system";
}

/** Switches to the next theme and remembers it. Returns its name. */
export function nextTheme() {
  const theme = ORDER[(ORDER.indexOf(currentTheme()) + 1) % ORDER.length];
  if (theme === "system") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("theme");
  } else {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
  }
  document.dispatchEvent(new CustomEvent("themechange"));
  return theme;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  document.dispatchEvent(new CustomEvent("themechange"));
});

/** Resolves custom properties to colours, for canvases, which cannot use `var()`. */
export function resolveColors(names) {
  const probe = document.createElement("i");
  probe.hidden = true;
  document.body.append(probe);
  const colors = names.map((name) => {
    probe.style.setProperty("color", `var(${name})`);
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return colors;
}
