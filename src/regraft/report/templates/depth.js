
const said = document.getElementById("said");
{% include "sorting.js" %}
async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    // Browsers that keep the clipboard from pages on a disk: what is marked can be copied, if need be by hand.
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}
for (const place of document.querySelectorAll(".copied")) {
  const button = document.createElement("button"), code = place.querySelector("code");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", code.id === "command" ? "Copy the command" : "Copy the plan");
  button.addEventListener("click", async () => {
    button.textContent = await copy(code) ? "Copied" : "Marked";
    said.textContent = button.textContent;
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  place.append(button);
}
