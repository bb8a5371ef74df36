/** The page's texts in the reader's language: one file each, and one line here. */
import { en } from "./en";

export type Texts = typeof en;

const languages: Readonly<Record<string, Texts>> = { en };

const wanted = navigator.languages.find((tag) => Object.hasOwn(languages, tag.split("-")[0] ?? ""));

/** For numbers and dates: the reader's own variant of the texts' language. */
export const locale = wanted ?? "en-GB";

export const texts: Texts = languages[locale.split("-")[0] ?? "en"] ?? en;
