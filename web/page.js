// The entry: asks for the page's data, unless the page carries it.

import { start } from "./app.js";

const isCarried = document.getElementById("bundle") ?? document.getElementById("policy");
start(isCarried ? null : fetch(location.href, { headers: { accept: "application/json" } }));
