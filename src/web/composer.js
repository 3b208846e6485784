/**
 * Where a message is written: the draft, kept per room, and the name it is sent under.
 *
 * It refuses to know whether there is a connection: what is said goes to `say`, which answers with
 * a sentence if the message has to stay here.
 */

import { initials, tint } from "./message.js";
import { generatedName, recall, recallName, remember, rememberName, tidyName } from "./memory.js";

export class Composer {
  #form;
  #draft;
  #problem;
  #nameField;
  #avatar;
  #say;
  #room = "";
  #name = recallName();

  /** `say(name, body)` returns null, or what speaks against sending this. */
  constructor({ form, draft, problem, name, avatar, say }) {
    this.#form = form;
    this.#draft = draft;
    this.#problem = problem;
    this.#nameField = name;
    this.#avatar = avatar;
    this.#say = say;
    this.#showName();
    this.#wireDraft();
    this.#wireName();
  }

  /** Goes to another room, with what was being written there. */
  enter(room, label) {
    this.#room = room;
    this.#draft.value = recall("sessionStorage", `draft.${room}`) ?? "";
    this.#draft.placeholder = `Message ${label}`;
    this.#complain(null);
    this.#fit();
  }

  /** Makes a text a part of the draft again. */
  giveBack(text) {
    this.#write([text, this.#draft.value].filter(Boolean).join("\n"));
  }

  focus() {
    this.#draft.focus();
  }

  #wireDraft() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#draft.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
      event.preventDefault();
      this.#submit();
    });
    this.#draft.addEventListener("input", () => {
      this.#complain(null);
      this.#write(this.#draft.value);
    });
  }

  #wireName() {
    this.#nameField.addEventListener("change", () => this.#takeName());
    this.#nameField.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || isComposing(event)) return;
      event.preventDefault();
      this.#takeName();
      this.focus();
    });
  }

  #submit() {
    this.#takeName();
    this.focus();
    if (this.#draft.value.trim() === "") return;
    const problem = this.#say(this.#name, this.#draft.value);
    this.#complain(problem);
    if (!problem) this.#write("");
  }

  #write(text) {
    if (this.#draft.value !== text) this.#draft.value = text;
    remember("sessionStorage", `draft.${this.#room}`, text);
    this.#fit();
  }

  #complain(problem) {
    this.#problem.textContent = problem ?? "";
  }

  /** Grows the field with its text where the browser does not do so itself. */
  #fit() {
    if (CSS.supports("field-sizing", "content")) return;
    this.#draft.style.height = "auto";
    this.#draft.style.height = `${this.#draft.scrollHeight}px`;
  }

  /** An emptied name makes way for a new generated one. */
  #takeName() {
    const typed = tidyName(this.#nameField.value) || generatedName();
    if (typed !== this.#name) this.#name = rememberName(typed);
    this.#showName();
  }

  #showName() {
    this.#nameField.value = this.#name;
    this.#avatar.textContent = initials(this.#name);
    this.#avatar.className = `avatar ${tint(this.#name)}`;
  }
}

/** Enter that picks a suggestion of an input method; Safari tells it by the key code alone. */
function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}
