// The entry. The page's data is asked for at once, while the other modules are still on their way.

const embedded = document.getElementById("bundle") ?? document.getElementById("policy");
const answer = embedded ? null : fetch(location.href, { headers: { accept: "application/json" } });
answer?.catch(() => {}); // told where it is awaited

const { start } = await import("./app.js");
await start(answer);
