import { FRAME_FIELDS, type Frame } from "./contracts.gen";

type Kind = "array" | "boolean" | "null" | "number" | "object" | "string" | "undefined";
type Fields = Readonly<Record<string, readonly Kind[]>>;

const ENVELOPE: Fields = {
  job_id: ["string"],
  tenant_id: ["string"],
  seq: ["number"],
  time: ["string"],
  progress: ["number"],
  data: ["object"],
};

/** null for a type that this version does not know (a pong among them), or a text that is no frame. */
export function decodeFrame(text: string): Frame | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(value) || typeof value.type !== "string" || !Object.hasOwn(FRAME_FIELDS, value.type)) return null;
  const fields: Fields = FRAME_FIELDS[value.type as Frame["type"]];
  return fits(value, ENVELOPE) && fits(value.data as Record<string, unknown>, fields)
    ? (value as unknown as Frame)
    : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return kindOf(value) === "object";
}

function fits(value: Record<string, unknown>, fields: Fields): boolean {
  return Object.entries(fields).every(([name, kinds]) => kinds.includes(kindOf(value[name])));
}

function kindOf(value: unknown): Kind {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : (typeof value as Kind);
}
