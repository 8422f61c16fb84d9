/** A worker that says every 50 ms that time has passed. */
setInterval(() => postMessage(0), 50);
