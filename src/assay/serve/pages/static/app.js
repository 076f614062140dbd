"use strict";
// Live progress, uploads with progress, and keys. Every page can be read without any of it.

for (const live of document.querySelectorAll("[data-job]")) {
  const source = new EventSource(`/api/v1/jobs/${live.dataset.job}/progress`);
  source.addEventListener("job", (event) => {
    const job = JSON.parse(event.data);
    live.querySelector("progress").value = job.progress;
    live.querySelector("span").textContent = job.what;
    if (!["queued", "running"].includes(job.state)) {
      source.close();
      location.reload();
    }
  });
}

for (const form of document.querySelectorAll("form[data-upload]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const file = form.querySelector("input[type=file]").files[0];
    const bar = form.querySelector("progress");
    const alert = form.querySelector("[role=alert]");
    const button = form.querySelector("button");
    const asked = new URLSearchParams({ file: file.name });
    for (const field of form.querySelectorAll("[data-field]")) {
      if (field.value.trim()) asked.set(field.dataset.field, field.value.trim());
    }
    const request = new XMLHttpRequest();
    request.open("POST", `${form.dataset.upload}?${asked}`);
    request.setRequestHeader("X-CSRF-Token", form.dataset.csrf);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (moved) => {
      if (moved.lengthComputable) bar.value = moved.loaded / moved.total;
    });
    const failed = (said) => {
      alert.textContent = said;
      alert.hidden = false;
      bar.parentElement.hidden = true;
      button.disabled = false;
    };
    request.addEventListener("load", () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch (error) {
        answer = { detail: `the server answered ${request.status}` };
      }
      if (request.status === 201) location.assign(`${form.dataset.then || "/datasets/"}${answer.id}`);
      else failed(answer.detail + (answer.remedy ? `. What to do: ${answer.remedy}` : ""));
    });
    request.addEventListener("error", () => failed("the connection broke; nothing was kept"));
    alert.hidden = true;
    bar.parentElement.hidden = false;
    button.disabled = true;
    request.send(file);
  });
}

// a picture that cannot be had without its artefact is left out
for (const picture of document.querySelectorAll("img[data-optional]")) {
  const gone = () => picture.remove();
  if (picture.complete && !picture.naturalWidth && picture.loading !== "lazy") gone();
  picture.addEventListener("error", gone);
}

const choices = document.querySelector("form[data-choices]");
if (choices) {
  const began = performance.now();
  choices.addEventListener("submit", () => {
    choices.querySelector("[name=seconds]").value = ((performance.now() - began) / 1000).toFixed(1);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "INPUT") return;
    choices.querySelector(`button[data-key="${CSS.escape(event.key)}"]`)?.click();
  });
}

const list = document.querySelector("[data-keys]");
if (list) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const items = [...list.children];
    const at = items.indexOf(document.activeElement.closest("[data-keys] > li"));
    if (event.key === "j") items[Math.min(at + 1, items.length - 1)]?.focus();
    else if (event.key === "k") items[Math.max(at - 1, 0)]?.focus();
    else if (event.key === "Enter" && at >= 0 && event.target === items[at]) items[at].querySelector("a").click();
    else if (event.key === "n") document.querySelector("a[rel=next]")?.click();
    else if (event.key === "p") document.querySelector("a[rel=prev]")?.click();
  });
}

// a ring on the map of rows leads to its row
for (const drawing of document.querySelectorAll("[data-rows]")) {
  drawing.addEventListener("click", (event) => {
    const row = event.target.closest?.("circle")?.querySelector("title")?.textContent.match(/^row (\d+)/);
    if (!row) return;
    event.preventDefault();
    location.assign(`${drawing.dataset.rows}${row[1]}?scan=${drawing.dataset.scan}`);
  });
}
