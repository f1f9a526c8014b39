// The entry of the page: with the answer that begin.js asked for, or with what the page carries.

import { start } from "./app.js";

start(globalThis.answer ?? null);
